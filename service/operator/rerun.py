"""`jobferry rerun`: a new job of a job's request, or of a rejected one, with changes; it waits as `submit` does."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from schemas.errors import SettingsError
from schemas.tracking import RerunWish
from service.operator.printing import REJECTED, as_json, line
from service.operator.reach import Reach, asked
from service.operator.submit import tell_problems, until_its_end
from service.tracking.errors import RefusedError

_MIB = re.compile(r"([0-9]{1,7})(?:MiB|MB|M)?", re.IGNORECASE | re.ASCII)
_UNITS = re.compile(r"([0-9]{1,7})", re.ASCII)


def run(options: argparse.Namespace) -> int:
    """Ask for it. Raises SettingsError, and UnknownJobError where there is no such job."""
    return asked(lambda: _rerun(options))


async def _rerun(options: argparse.Namespace) -> int:
    wish = _wish(options)
    tracking = Reach(options.stack).tracking()
    try:
        sent = await tracking.steering.rerun(options.tenant, options.job_id, wish, options.idempotency_key)
    except RefusedError as refused:
        tell_problems(refused, as_contract=options.json)
        return REJECTED
    job_id = sent.new_job_id or sent.job_id
    if not (options.wait or options.follow):
        as_json(sent) if options.json else line(job_id)
        return 0
    begun = f"{job_id} is to be made, as {sent.requested_by}."
    return await until_its_end(tracking, sent.tenant, job_id, begun, options)


def _wish(options: argparse.Namespace) -> RerunWish:
    changes = dict(
        [
            *_sizes("memory", options.memory, _MIB),
            *_sizes("cpu", options.cpu, _UNITS),
            *map(_change, options.set),
        ]
    )
    try:
        return RerunWish(reason=options.reason, new_job_id=options.id, changes=changes)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(f"{'.'.join(map(str, first['loc']))} cannot be: {first['msg']}.") from None


def _sizes(what: str, given: Iterable[str], amount: re.Pattern[str]) -> Iterator[tuple[str, Any]]:
    for text in given:
        stage, _, number = text.rpartition("=")
        read = amount.fullmatch(number)
        if not stage or read is None:
            raise SettingsError(f"--{what} {text} cannot be read: give a stage and a number, such as resize=2048.")
        yield f"sizes.{stage}.{what}", int(read[1])


def _change(text: str) -> tuple[str, Any]:
    field, equals, value = text.partition("=")
    if not field or not equals:
        raise SettingsError(f"--set {text} cannot be read: give a field and its value, such as parameters.size=small.")
    try:
        return field, json.loads(value)
    except ValueError:
        return field, value
