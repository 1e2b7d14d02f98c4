"""Task definitions that stand in for those that nobody has registered on the AWS of this machine."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from deploy.local.stack import Stack
from deploy.local.stand_ins import OURS, StandIns
from schemas.catalog import Catalog
from tests.support.cloud import Cloud, container

OUTPUTS = {"TaskLogGroupName": "/jobs", "TaskExecutionRoleArn": "arn:aws:iam::000000000000:role/starts"}


@pytest.fixture
def stand_ins(cloud: Cloud) -> StandIns:
    """Those of the shared emulator."""
    return StandIns(cloud.ecs, Stack(OUTPUTS), "us-east-1")


@pytest.fixture
def family() -> str:
    """A family that is nobody's yet."""
    return f"family-{uuid4().hex[:8]}"


def catalog(**images: dict[str, Any]) -> Catalog:
    """A catalogue of these images."""
    return Catalog.model_validate({"images": images}, strict=False)


def described(cloud: Cloud, family: str) -> dict[str, Any]:
    """The latest revision of a family."""
    found: dict[str, Any] = cloud.ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
    return found


def test_what_is_missing_is_registered_as_the_catalogue_has_it(cloud: Cloud, stand_ins: StandIns, family: str) -> None:
    """Its container, its size and kind of launch, a log that is found; the image is the first name of the family."""
    mine = {"task_definition": family, "container": "main", "memory": 1024}
    assert stand_ins.register(catalog(mine=mine, again=mine)) == ("mine",)
    made = described(cloud, family)
    assert (made["cpu"], made["memory"], made["networkMode"]) == ("256", "1024", "awsvpc")
    assert made["requiresCompatibilities"] == ["FARGATE"]
    assert made["executionRoleArn"] == OUTPUTS["TaskExecutionRoleArn"]
    [only] = made["containerDefinitions"]
    assert (only["name"], only["image"], only["dockerLabels"]) == ("main", "mine", OURS)
    assert only["logConfiguration"]["options"]["awslogs-group"] == "/jobs"
    assert only["logConfiguration"]["options"]["mode"] == "blocking"


def test_it_is_registered_anew_where_the_catalogue_changes_it_alone(
    cloud: Cloud, stand_ins: StandIns, family: str
) -> None:
    """A repeat registers nothing."""
    for container_name, revision in (("one", 1), ("one", 1), ("two", 2), ("two", 2)):
        stand_ins.register(catalog(mine={"task_definition": family, "container": container_name}))
        made = described(cloud, family)
        assert (made["revision"], made["containerDefinitions"][0]["name"]) == (revision, container_name)


def test_a_revision_that_is_named_is_there(cloud: Cloud, stand_ins: StandIns, family: str) -> None:
    """As the catalogue of a deployment names it."""
    for _ in range(2):
        stand_ins.register(catalog(mine={"task_definition": f"{family}:3", "container": "main", "launch_type": "EC2"}))
        made = described(cloud, f"{family}:3")
        assert (made["revision"], made["requiresCompatibilities"]) == (3, ["EC2"])
    assert described(cloud, family)["revision"] == 3


def test_what_somebody_registered_is_left_alone(cloud: Cloud, stand_ins: StandIns) -> None:
    """It is theirs, with its sidecars and its roles."""
    arn = cloud.define_task(container("true", name="other"))
    family = arn.rpartition("/")[2].partition(":")[0]
    assert stand_ins.register(catalog(mine={"task_definition": family, "container": "main"})) == ()
    assert described(cloud, family)["taskDefinitionArn"] == arn
