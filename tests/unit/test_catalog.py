"""The catalogue refuses what could not work, and Fargate's sizes are known."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.catalog import Catalog, Image, Parameter, StageTemplate
from schemas.fargate import FARGATE_SIZES, fits_fargate, next_fargate_size
from tests.support.builders import catalog


def image(**fields: Any) -> Image:
    """An image with these fields."""
    return Image.model_validate({"task_definition": "t", "container": "c", **fields}, strict=False)


IMPOSSIBLE = {
    "heartbeats of a sync image": ({"heartbeat_seconds": 30}, "only a callback image"),
    "a ceiling below the memory": ({"memory": 1024, "max_memory": 512}, "less than memory"),
    "a size that Fargate has not": ({"cpu": 256, "memory": 4096}, "Fargate has no size"),
    "a size that Fargate Spot has not": (
        {"launch_type": "EC2", "capacity_providers": [{"capacity_provider": "FARGATE_SPOT"}], "memory": 600},
        "Fargate has no size",
    ),
    "a task definition's ARN": ({"task_definition": "arn:aws:ecs:eu-west-1:1:task-definition/x:1"}, "task_definition"),
    "an unknown launch type": ({"launch_type": "EXTERNAL"}, "launch_type"),
    "an unknown field": ({"privileged": True}, "privileged"),
    "NUL in a command": ({"commands": [["a\x00"]]}, "commands"),
}


@pytest.mark.parametrize(("fields", "why"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_images_that_could_not_work(fields: dict[str, Any], why: str) -> None:
    """A fault of the catalogue is found when it is read, not when a job meets it."""
    with pytest.raises(ValidationError, match=why):
        image(**fields)


def test_sizes_are_free_where_Fargate_does_not_bind() -> None:
    """On EC2, and on capacity providers that are not Fargate's, any size goes."""
    assert not image(launch_type="EC2", memory=600).on_fargate
    assert not image(capacity_providers=[{"capacity_provider": "spot-group"}], memory=600).on_fargate
    spot, on_demand, own = ({"capacity_provider": name} for name in ("FARGATE_SPOT", "FARGATE", "spot-group"))
    assert image(capacity_providers=[spot, on_demand]).on_fargate
    assert not image(capacity_providers=[spot, own], memory=600).on_fargate


def test_a_ceiling_may_be_the_memory_itself() -> None:
    """Such an image is never tried with more."""
    assert image(memory=1024, max_memory=1024).max_memory == 1024


def test_the_families_of_a_deployment_begin_with_its_prefix() -> None:
    """Where the catalogue says so; another family stands as it is, and so does the rest of an image."""
    named = {"ours": image(task_definition="{prefix}-one:3"), "theirs": image(task_definition="two")}
    deployed = Catalog(images=named).of_families("prod").images
    assert {name: item.task_definition for name, item in deployed.items()} == {"ours": "prod-one:3", "theirs": "two"}
    assert deployed["ours"].container == "c"


def test_a_job_type_names_only_images_of_the_catalogue() -> None:
    """A job type of an unknown image would be refused on every request."""
    with pytest.raises(ValidationError, match=r"job_types\.odd\.stages\.0\.image: no image is named 'nope'"):
        catalog(job_types={"odd": {"stages": [{"image": "nope"}]}})


def test_a_stage_of_a_job_type_holds_no_more_than_a_stage_of_a_request() -> None:
    """Else the catalogue would load, and every request for the job type would break."""
    with pytest.raises(ValidationError, match="at most 256"):
        StageTemplate(image="echo", command=("x",) * 257)


def test_a_default_is_one_of_the_choices() -> None:
    """Else leaving the parameter out would always be refused."""
    with pytest.raises(ValidationError, match="not among the choices"):
        Parameter(default="c", choices=("a", "b"))
    assert Parameter(default="a", choices=("a", "b")).allows("b")


def test_true_is_not_one() -> None:
    """Python takes True and 1 and 1.0 for equal; a container is told something else by each."""
    parameter = Parameter(choices=(1, "x"))
    assert [value for value in (1, True, 1.0, "1", "x") if parameter.allows(value)] == [1, "x"]
    assert all(Parameter().allows(value) for value in (1, True, 1.0, "1"))


NEXT_SIZES = {
    "twice the memory": ((256, 512, 2048), (256, 1024)),
    "the ceiling itself": ((256, 1024, 2048), (256, 2048)),
    "more CPU where it must be": ((256, 2048, 8192), (512, 4096)),
    "the next that there is, above twice": ((8192, 20 * 1024, 61_440), (8192, 40 * 1024)),
    "less than twice, where the ceiling says so": ((512, 2048, 3072), (512, 3072)),
    "the largest under a ceiling that is no size": ((512, 2048, 3500), (512, 3072)),
    "nothing at the ceiling": ((256, 1024, 1024), None),
    "nothing under a ceiling that is below": ((256, 2048, 1024), None),
    "nothing beyond the largest": ((16384, 122_880, 999_999), None),
}


@pytest.mark.parametrize(("asked", "size"), NEXT_SIZES.values(), ids=NEXT_SIZES)
def test_the_next_size_after_out_of_memory(asked: tuple[int, int, int], size: tuple[int, int] | None) -> None:
    """More memory, twice if it can be, within the ceiling, and no more CPU than it takes."""
    assert next_fargate_size(*asked) == size


def test_the_ladder_ends_at_the_ceiling_from_every_size() -> None:
    """Every step is a size of Fargate's with more memory, and the last is the largest under the ceiling."""
    ceiling = 100_000
    largest = max(mib for sizes in FARGATE_SIZES.values() for mib in sizes if mib <= ceiling)
    for cpu, memories in FARGATE_SIZES.items():
        for memory in memories:
            at: tuple[int, int] = (cpu, memory)
            while (step := next_fargate_size(*at, ceiling)) is not None:
                assert fits_fargate(*step)
                assert at[1] < step[1] <= ceiling
                at = step
            assert at[1] >= min(largest, memory)
            assert at[1] == largest or memory > ceiling
