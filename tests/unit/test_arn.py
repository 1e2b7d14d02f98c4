"""ARNs, taken apart and put together."""

from __future__ import annotations

import pytest

from schemas.arn import (
    account_of,
    cluster_of,
    execution_arn,
    execution_name,
    family_of,
    name_of,
    region_of,
    state_machine_of,
    task_id_of,
)
from schemas.plan import group_of, job_of_group

MACHINE = "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:jobferry"
TASK = "arn:aws:ecs:eu-west-1:123456789012:task"


@pytest.mark.parametrize(
    ("arn", "region", "account", "name"),
    [
        (MACHINE, "cn-north-1", "123456789012", "jobferry"),
        ("arn:aws:iam::123456789012:role/path/worker", "", "123456789012", "worker"),
        ("arn:aws:sqs:eu-west-1:123456789012:events-dlq", "eu-west-1", "123456789012", "events-dlq"),
        ("jobferry", "", "", "jobferry"),
        ("", "", "", ""),
    ],
)
def test_what_an_ARN_names(arn: str, region: str, account: str, name: str) -> None:
    """Its region, its account and the thing itself; nothing where there is no such part."""
    assert (region_of(arn), account_of(arn), name_of(arn)) == (region, account, name)


@pytest.mark.parametrize(
    ("arn", "cluster"),
    [(f"{TASK}/jobferry/0123", "jobferry"), (f"{TASK}/0123", "default"), ("0123", "default")],
    ids=["new form", "old form", "no ARN"],
)
def test_a_task_in_its_cluster(arn: str, cluster: str) -> None:
    """The old form names no cluster: it is the default one."""
    assert (cluster_of(arn), task_id_of(arn)) == (cluster, "0123")


def test_an_execution_and_its_state_machine() -> None:
    """Each is known by the other; a job's id may hold what the ARN's words are made of."""
    arn = execution_arn(MACHINE, "execution-1")
    assert arn == "arn:aws-cn:states:cn-north-1:123456789012:execution:jobferry:execution-1"
    assert (state_machine_of(arn), execution_name(arn)) == (MACHINE, "execution-1")


def test_the_family_of_a_task_definition() -> None:
    """Whatever its revision."""
    assert family_of("arn:aws:ecs:eu-west-1:123456789012:task-definition/jobferry-image-1:7") == "jobferry-image-1"


def test_a_jobs_group() -> None:
    """It holds the job's tasks; a service's group is no job's."""
    assert job_of_group(group_of("thumbs-42")) == "thumbs-42"
    assert job_of_group("service:web") is None
    assert job_of_group(None) is None
