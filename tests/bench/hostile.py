"""How long the worst of bodies holds up the worker: CPU to judge each, and how often a plain request's.

python -m tests.bench.hostile
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from service.core.admission.admission import admit
from service.core.admission.request_body import MAX_BODY_BYTES, MAX_VALUES
from tests.support.builders import MESSAGE, catalog

_ROUNDS = 5
_MANY = MAX_VALUES - 10


def _stage(**members: Any) -> dict[str, Any]:
    return {"image": "echo", "command": ["echo", "hi"], **members}


def _named(count: int, name: str = "k", value: object = "x") -> dict[str, object]:
    return {f"{name}{number}": value for number in range(count)}


def bodies() -> Mapping[str, str]:
    """Bodies that were chosen for what they cost: as many values, mistakes or brackets as come through."""
    shapes: dict[str, Any] = {
        "unknown fields": {"stages": [_stage()], **_named(_MANY)},
        "labels of a wrong type": {"stages": [_stage()], "labels": _named(_MANY, value=1)},
        "parameters that are null": {"job_type": "greet", "parameters": _named(_MANY, value=None)},
        "names with spaces": {"stages": [_stage(environment=_named(_MANY, "A "))]},
        "100 stages of 128 variables with spaces": {"stages": [_stage(environment=_named(128, "A "))] * 100},
        "100 stages of 128 forbidden variables": {"stages": [_stage(environment=_named(128, "A"))] * 100},
        "100 stages of 128 reserved variables": {"stages": [_stage(environment=_named(128, "AWS_"))] * 100},
        "as many stages as there may be values": {"stages": [{"image": f"i{number}"} for number in range(_MANY)]},
        "stages that are wrong throughout": {"stages": [{"image": "echo", "command": 3, "x": 1}] * (_MANY // 3)},
        "arguments with NUL": {"stages": [_stage(command=["\x00"] * 256)] * 100},
        "the largest request": {"stages": [_stage(command=["echo", "x" * 7000])] * 100},
    }
    raw = {
        "opening brackets": "[" * (MAX_BODY_BYTES - 1),
        "pairs of brackets": "[]" * (MAX_BODY_BYTES // 2),
        "escaped quotes": '{"user":"' + '\\"' * (MAX_BODY_BYTES // 2 - 10) + '"}',
        "commas in a text": json.dumps({"user": "," * (MAX_BODY_BYTES - 20)}),
    }
    return {**{name: json.dumps(shape) for name, shape in shapes.items()}, **raw}


def measured() -> Iterator[tuple[str, int, float]]:
    """Each body's name, size, and the CPU seconds that judging it took: the least of some rounds."""
    known = catalog()
    for name, body in {"a plain request": json.dumps({"stages": [_stage()]}), **bodies()}.items():
        yield name, len(body), min(_seconds(body, known) for _ in range(_ROUNDS))


def _seconds(body: str, known: Any) -> float:
    began = time.process_time()
    admit(body, MESSAGE, known)
    return time.process_time() - began


def main() -> None:
    """Print one line a body."""
    plain = 0.0
    for name, size, seconds in measured():
        plain = plain or seconds
        print(f"  {name:<45} {size:>9,} bytes {1000 * seconds:7.2f} ms {seconds / plain:8.0f} plain requests")


if __name__ == "__main__":
    main()
