"""`jobferry case`: all that is known of a job, as one file that others may be sent."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from schemas.casefile import CaseManifest
from schemas.errors import SettingsError
from service.core.casefile.collecting import Wanted
from service.core.log_layout import safe_segment
from service.operator.printing import as_json, harmless, line
from service.operator.reach import Reach, asked


def run(options: argparse.Namespace) -> int:
    """Write it. Raises SettingsError, and UnknownJobError where there is no such job."""
    return asked(lambda: _write(options))


async def _write(options: argparse.Namespace) -> int:
    if options.output == "-" and options.json:
        raise SettingsError("The case goes to standard output already: leave --json out, or name a file by -o.")
    wanted = Wanted(options.logs, "shown" if options.with_values else "masked")
    case = await Reach(options.stack).tracking().cases.of(options.tenant, options.job_id, wanted)
    manifests: list[CaseManifest] = []
    where = options.output or f"case-{safe_segment(options.job_id)}.zip"
    if where == "-":
        await _into(sys.stdout.buffer, case.chunks(manifests.append))
    else:
        with _new_file(Path(where)) as file:
            await _into(file, case.chunks(manifests.append))
    (manifest,) = manifests
    if options.json:
        as_json(manifest)
    elif where != "-":
        line(where)
    for item in manifest.not_known:
        print(harmless(f"Not in it: {item.what}: {item.why}."), file=sys.stderr)
    return 0


async def _into(file: IO[bytes], chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        file.write(chunk)
    file.flush()


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner may read. What is there already is not written over, and half a case is none."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SettingsError(f"{path} is there already: name another file by -o.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from None
    with os.fdopen(opened, "wb") as file:
        whole = False
        try:
            yield file
            whole = True
        finally:
            if not whole:
                path.unlink(missing_ok=True)
