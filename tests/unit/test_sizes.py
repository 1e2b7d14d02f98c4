"""Memory and CPU that a request gives its stages: within what the catalogue lets an image have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.plan import Stage
from service.core.admission.sizes import _fargate_has
from tests.support.builders import admitted, body, catalog, reasons

IMAGES = {
    "large": {"task_definition": "l", "container": "c", "cpu": 256, "memory": 512, "max_memory": 8192, "max_cpu": 1024},
    "on-ec2": {"task_definition": "e", "container": "c", "launch_type": "EC2", "memory": 100, "max_memory": 300},
    "fixed": {"task_definition": "f", "container": "c", "memory": 1024},
}
KNOWN = catalog(images=IMAGES)


def request(image: str, sizes: dict[str, Any]) -> str:
    """Two stages of this image, the first with a name of its own."""
    return body(stages=[{"image": image, "name": "first"}, {"image": image}], sizes=sizes)


def sizes_of(image: str, sizes: dict[str, Any]) -> list[tuple[int, int, int]]:
    """CPU units, MiB, and how far a retry may go."""
    stages: tuple[Stage, ...] = admitted(request(image, sizes), KNOWN).stages
    return [(stage.cpu, stage.memory, stage.max_memory) for stage in stages]


PLAIN = (256, 512, 8192)
GIVEN: dict[str, tuple[str, dict[str, Any], list[tuple[int, int, int]]]] = {
    "nothing": ("large", {}, [PLAIN, PLAIN]),
    "a stage by its name": ("large", {"first": {"memory": 1024}}, [(256, 1024, 8192), PLAIN]),
    "a stage by its number": ("large", {"2": {"memory": 2048}}, [PLAIN, (256, 2048, 8192)]),
    "more memory than goes with its CPU": ("large", {"first": {"memory": 6144}}, [(1024, 6144, 8192), PLAIN]),
    "CPU alone": ("on-ec2", {"first": {"cpu": 128}}, [(128, 100, 300), (256, 100, 300)]),
    "both": ("large", {"1": {"cpu": 512, "memory": 2048}}, [(512, 2048, 8192), PLAIN]),
    "less": ("fixed", {"1": {"memory": 512}}, [(256, 512, 1024), (256, 1024, 1024)]),
    "any number where Fargate does not bind": ("on-ec2", {"1": {"memory": 299}}, [(256, 299, 300), (256, 100, 300)]),
}


@pytest.mark.parametrize(("image", "sizes", "expected"), GIVEN.values(), ids=GIVEN)
def test_a_stage_has_what_it_was_given(image: str, sizes: dict[str, Any], expected: Any) -> None:
    """And the others what the catalogue says."""
    assert sizes_of(image, sizes) == expected


WRONG: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "no such stage": (
        "large",
        {"third": {"memory": 1024}},
        {"sizes.third": "the job has no stage of this name or number"},
    ),
    "no such number": ("large", {"3": {"memory": 1024}}, {"sizes.3": "the job has no stage of this name or number"}),
    "too much memory": (
        "fixed",
        {"1": {"memory": 2048}},
        {"sizes.1.memory": "2048 MiB are more than the image may have"},
    ),
    "too much CPU": (
        "large",
        {"1": {"cpu": 2048, "memory": 4096}},
        {"sizes.1.cpu": "2048 CPU units are more than the image may have"},
    ),
    "no size of Fargate": (
        "large",
        {"1": {"memory": 700}},
        {"sizes.1": "Fargate has no size of 256 CPU units with 700 MiB"},
    ),
    "no size with this CPU": (
        "large",
        {"1": {"cpu": 1024, "memory": 512}},
        {"sizes.1": "Fargate has no size of 1024 CPU units with 512 MiB"},
    ),
}


@pytest.mark.parametrize(("image", "sizes", "expected"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_with_its_field(image: str, sizes: dict[str, Any], expected: dict[str, str]) -> None:
    """In words, with what may be."""
    assert reasons(request(image, sizes), KNOWN) == expected


def test_one_name_for_several_stages_is_complained_of_once() -> None:
    """They have the same image, and the same limit."""
    text = body(stages=[{"image": "fixed"}, {"image": "fixed"}], sizes={"fixed": {"memory": 2048}})
    assert reasons(text, KNOWN) == {"sizes.fixed.memory": "2048 MiB are more than the image may have"}


def test_the_stages_of_a_job_type_can_be_given_a_size() -> None:
    """Which a request does not spell out."""
    known = catalog(
        images={"echo": {"task_definition": "e", "container": "m", "commands": [["echo", "**"]], "max_memory": 2048}}
    )
    asked = json.dumps({"job_type": "greet", "parameters": {"who": "x"}, "sizes": {"echo": {"memory": 2048}}})
    assert [stage.memory for stage in admitted(asked, known).stages] == [2048]


def test_a_request_without_sizes_is_the_request_that_it_was() -> None:
    """Its digest is what it was before there were any: a repeat that comes after an update is a repeat."""
    assert admitted(body()).digest == "b557800d0330786a3611a5923107b905f993caeb248abb67be74533531fbca6d"


@pytest.mark.parametrize(
    ("cpu", "said"),
    [
        (300, "Use one of these numbers of CPU units: 256, 512, 1024, 2048, 4096, 8192, 16384."),
        (512, "With 512 CPU units it has 1024, 2048, 3072, 4096 MiB."),
    ],
)
def test_what_fargate_has_is_said_whole(cpu: int, said: str) -> None:
    """The numbers of CPU units where there is none of that; else the memories that go with it."""
    assert _fargate_has(cpu) == said


def test_more_memory_on_a_machine_of_ones_own_is_no_more_processor() -> None:
    """Only Fargate sells the one with the other."""
    [stage] = admitted(body(stages=[{"image": "on-ec2"}], sizes={"1": {"memory": 300}}), KNOWN).stages
    assert (stage.memory, stage.cpu) == (300, KNOWN.images["on-ec2"].cpu)
