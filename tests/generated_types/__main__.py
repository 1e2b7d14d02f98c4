"""`make types`: types of other languages from every schema, a producer and a subscriber compiled with them, and run.

What the producers write is read by the model of a request; what the subscribers read is composed as the worker does it,
with a field and a class of failure that only a later release will know.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from schemas.job import JobRequest
from tests.generated_types.languages import Programs, go, python, typescript
from tests.generated_types.messages import EXPECTED, REQUESTS, messages
from tests.generated_types.toolchain import NpmMissing, install
from tests.support.commands import CommandFailed

LANGUAGES: tuple[tuple[str, Callable[[], Programs | None]], ...] = (
    ("TypeScript", typescript),
    ("Python", python),
    ("Go", go),
)


def main() -> int:
    """0 if all types are right. What could not be tried is said."""
    try:
        install()
        for name, make in LANGUAGES:
            print(f"{name}: {_verdict(make())}", flush=True)
    except (NpmMissing, CommandFailed) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _verdict(programs: Programs | None) -> str:
    if programs is None:
        return "types of every schema are generated, and none is empty; not compiled, since there is no go on the PATH"
    wanted, produced = [dict(request) for request in REQUESTS], _produced(programs)
    if produced != wanted:
        raise CommandFailed(f"The producer wrote\n{produced}\ninstead of\n{wanted}")
    understood = programs.subscriber(messages())
    if understood != EXPECTED:
        raise CommandFailed(f"The subscriber understood\n{understood}instead of\n{EXPECTED}")
    return "types of every schema are generated; producer and subscriber compile, and understand each other and us"


def _produced(programs: Programs) -> list[dict[str, object]]:
    written: list[object] = json.loads(programs.producer(""))
    return [dict(JobRequest.model_validate_json(json.dumps(item))) for item in written]


if __name__ == "__main__":
    sys.exit(main())
