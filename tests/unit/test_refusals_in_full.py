"""Why requests are refused, whole: field, message and remedy of every reason. refusals_in_full.yaml is for reading.

Who means another wording writes the file anew, and reads the difference: `python -m tests.unit.test_refusals_in_full`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.core.admission.admission import Refused, admit
from tests.support.builders import MESSAGE, catalog
from tests.support.tables import read_table

FILE = Path(__file__).with_name("refusals_in_full.yaml")
IN_FULL: dict[str, Any] = read_table(FILE)
_HEAD = "# Why requests are refused: test_refusals_in_full.py asks anew and compares.\n"

IMAGES = {
    "large": {"task_definition": "l", "container": "c", "cpu": 256, "memory": 512, "max_memory": 8192, "max_cpu": 1024},
    "fixed": {"task_definition": "f", "container": "c", "commands": [], "timeout_seconds": 60},
}
TYPES = {
    "resize": {
        "parameters": {"size": {"choices": ["small", "large"]}, "name": {}, "note": {"default": "none"}},
        "requires_input_file": True,
        "stages": [{"image": "echo", "command": ["echo", "{size}"]}],
    },
}
HELLO = {"image": "echo", "command": ["echo", "hello"]}
BODIES: dict[str, Any] = {
    "nothing to run": {},
    "parameters without a job type": {"stages": [HELLO], "parameters": {"a": 1}},
    "an empty list of stages": {"stages": []},
    "stages that are no list": {"stages": "echo"},
    "an unknown field": {"stages": [HELLO], "colour": "red"},
    "a field with a slip": {"stages": [HELLO], "job_idd": "a"},
    "an odd id": {"stages": [HELLO], "job_id": "a b"},
    "an id that is no text": {"stages": [HELLO], "job_id": 5},
    "an odd tenant": {"stages": [HELLO], "tenant": "!"},
    "a user with a line break": {"stages": [HELLO], "user": "a\nb"},
    "an odd input file": {"stages": [HELLO], "input_file": "a\nb"},
    "labels that are no texts": {"stages": [HELLO], "labels": {"a": 1, "!": "b"}},
    "no time at all": {"stages": [HELLO], "timeout_seconds": 0},
    "more than a year": {"stages": [HELLO], "timeout_seconds": 31_536_001},
    "a wait that is negative": {"stages": [HELLO], "capacity_wait_seconds": -1},
    "progress that is a word": {"stages": [HELLO], "progress": "yes"},
    "an unknown image": {"stages": [{"image": "ecko"}]},
    "an image unlike any": {"stages": [{"image": "x" * 64}]},
    "a command that is not allowed": {"stages": [{"image": "echo", "command": ["rm", "-rf"]}]},
    "a command of an image that takes none": {"stages": [{"image": "fixed", "command": ["a"]}]},
    "a variable that is not allowed": {"stages": [{**HELLO, "environment": {"PATH": "x"}}]},
    "a variable of ours": {"stages": [{**HELLO, "environment": {"JOBFERRY_INPUT": "x"}}]},
    "a variable whose name is none": {"stages": [{**HELLO, "environment": {"a b": "x"}}]},
    "a stage longer than its image": {"stages": [{**HELLO, "timeout_seconds": 601}]},
    "a stage with an odd name": {"stages": [{**HELLO, "name": "a b"}]},
    "an unknown job type": {"job_type": "greeet"},
    "an unknown job type of an odd tenant": {"job_type": "greeet", "tenant": "!"},
    "more patience than the image has": {"stages": [HELLO], "capacity_wait_seconds": 14_401},
    "a job type without its parameter": {"job_type": "greet"},
    "a parameter that is none": {"job_type": "greet", "parameters": {"who": "ann", "whom": "bob"}},
    "a parameter that is no choice": {
        "job_type": "resize",
        "input_file": "a",
        "parameters": {"size": "x", "name": "n"},
    },
    "a parameter that is a list": {"job_type": "greet", "parameters": {"who": ["ann"]}},
    "a job type without its input file": {"job_type": "resize", "parameters": {"size": "small", "name": "n"}},
    "all that is wrong with a job type": {"job_type": "resize", "tenant": "!", "parameters": {"size": "x", "a": "b"}},
    "more memory than the image may have": {"stages": [{"image": "large"}], "sizes": {"1": {"memory": 9000}}},
    "more processors than the image may have": {"stages": [{"image": "large"}], "sizes": {"1": {"cpu": 2048}}},
    "a size that Fargate has not": {"stages": [{"image": "large"}], "sizes": {"1": {"cpu": 300, "memory": 512}}},
    "a memory that Fargate has not with it": {
        "stages": [{"image": "large"}],
        "sizes": {"1": {"cpu": 256, "memory": 600}},
    },
    "a size of a stage that is not there": {
        "stages": [HELLO, {**HELLO, "name": "two"}],
        "sizes": {"three": {"cpu": 256}},
    },
    "too many stages": {"stages": [HELLO] * 101},
    "a command that is too long": {"stages": [{"image": "echo", "command": ["echo", "x" * 9000]}]},
    "two mistakes in two stages": {"stages": [{"image": "ecko"}, {"image": 5}, {**HELLO, "colour": 1}], "user": 5},
}
TEXTS = {"no JSON": "{", "no object": "[]", "a number that is none": '{"a": NaN}', "a name twice": '{"a": 1, "a": 2}'}


def told(text: str) -> list[dict[str, str]]:
    """Every reason against a body."""
    verdict = admit(text, MESSAGE, catalog(images=IMAGES, job_types=TYPES))
    assert isinstance(verdict, Refused), "it would run"
    return [problem.model_dump() for problem in verdict.problems]


def bodies() -> dict[str, str]:
    """All that is refused here."""
    return {**TEXTS, **{name: json.dumps(given) for name, given in BODIES.items()}}


@pytest.mark.parametrize("name", bodies())
def test_a_request_is_refused_with_every_reason_and_its_remedy(name: str) -> None:
    """To the letter, as its producer reads them."""
    assert told(bodies()[name]) == IN_FULL[name]


def test_the_file_tells_of_nothing_else() -> None:
    """What is asked no more is taken out of it."""
    assert list(IN_FULL) == list(bodies())


def _written_anew() -> str:
    found = {name: told(text) for name, text in bodies().items()}
    return _HEAD + yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=118)


if __name__ == "__main__":
    FILE.write_text(_written_anew(), encoding="utf-8")
