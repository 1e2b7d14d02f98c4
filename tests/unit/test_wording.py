"""What a refusal tells to write instead: for each mistake its remedy, and every example is one that would be taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.job import JobRequest
from tests.support.builders import refused

STAGE = {"image": "image_1"}
IN_A_STAGE = {"command": "echo", "environment": 1, "timeout_seconds": "60"}
IN_A_REQUEST = {"labels": 1, "parameters": [], "stages": 7, "timeout_seconds": "60"}


def remedy(request: dict[str, Any], field: str) -> str:
    """What a refused request is told of a field."""
    return {problem.field: problem.remedy for problem in refused(json.dumps(request)).problems}[field]


@pytest.mark.parametrize("field", [*(f"stages.0.{name}" for name in IN_A_STAGE), *IN_A_REQUEST])
def test_the_example_of_a_field_would_be_taken(field: str) -> None:
    """As it stands in the remedy."""
    name = field.rpartition(".")[2]
    inside = field.startswith("stages.")
    wrong = {"stages": [{**STAGE, name: IN_A_STAGE[name]}]} if inside else {"job_type": "t", name: IN_A_REQUEST[name]}
    example = json.loads(remedy(wrong, field).partition(": ")[2].removesuffix("."))
    right = {"stages": [{**STAGE, name: example}]} if inside else {"job_type": "t", name: example}
    read = JobRequest.model_validate_json(json.dumps(right)).model_dump(mode="json")
    assert (read["stages"][0] if inside else read)[name] or name == "stages"


REMEDIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "a flag in quotes": ({"job_type": "t", "progress": "yes"}, "progress", "Write true or false, without quotes."),
    "nothing to run": ({}, "", "See the README for what a request holds."),
    "an image that is missing": ({"stages": [{}]}, "stages.0.image", "Add it."),
    "a slip": ({"job_type": "t", "job_tpe": 1}, "job_tpe", "Remove it, or look at its spelling."),
    "too many stages": ({"stages": [STAGE] * 101}, "stages", "Give fewer."),
    "too long a text": ({"job_type": "t", "user": "x" * 2000}, "user", "Shorten it."),
    "an empty text": ({"job_type": "t", "input_file": ""}, "input_file", 'Give a text that is not empty: "hello".'),
}


@pytest.mark.parametrize(("request_", "field", "told"), REMEDIES.values(), ids=REMEDIES)
def test_each_mistake_has_its_remedy(request_: dict[str, Any], field: str, told: str) -> None:
    """In a sentence."""
    assert remedy(request_, field) == told
