"""What runs a job: the cluster, the state machine and the planner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from service.operator.doctor import machine
from tests.support import whole_deployment as given
from tests.support.examining import Changed, Look, Said, assert_said
from tests.support.names import CLUSTER_ARN
from tests.support.scripted_aws import Json

TOGETHER = "from one version: `make deploy`"
CAPACITY: Json = {"capacity_providers": [{"capacity_provider": "FARGATE_SPOT"}, {"capacity_provider": "FARGATE"}]}
EDITED = {**given.definition(), "TimeoutSeconds": 1}
MACHINE: dict[str, tuple[Look, Changed, Mapping[str, Json], Said]] = {
    "deleted": (
        machine.state_machine,
        {"stepfunctions.DescribeStateMachine": given.machine(status="DELETING")},
        {},
        [("it is DELETING", "Deploy a new one")],
    ),
    "express": (
        machine.state_machine,
        {"stepfunctions.DescribeStateMachine": given.machine(type="EXPRESS")},
        {},
        [("it is of type EXPRESS", "Make it STANDARD.")],
    ),
    "edited": (
        machine.state_machine,
        {"stepfunctions.DescribeStateMachine": given.machine(EDITED)},
        {},
        [("its definition is not this version's: TimeoutSeconds differs", TOGETHER)],
    ),
    "planner: pending": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(State="Pending", StateReason="being made")},
        {},
        [("jobferry-planner is Pending: being made", TOGETHER)],
    ),
    "planner: failed without a reason": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(State="Failed")},
        {},
        [("jobferry-planner is Failed: no reason", TOGETHER)],
    ),
    "planner: active": (machine.planner, {"lambda.GetFunctionConfiguration": given.function(State="Active")}, {}, []),
    "planner: asleep": (machine.planner, {"lambda.GetFunctionConfiguration": given.function(State="Inactive")}, {}, []),
    "planner: not updated": (
        machine.planner,
        {
            "lambda.GetFunctionConfiguration": given.function(
                LastUpdateStatus="Failed", LastUpdateStatusReason="too large"
            )
        },
        {},
        [("its last update failed: too large", TOGETHER)],
    ),
    "planner: not updated, without a reason": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(LastUpdateStatus="Failed")},
        {},
        [("its last update failed: no reason", TOGETHER)],
    ),
    "planner: being updated": (
        machine.planner,
        {"lambda.GetFunctionConfiguration": given.function(LastUpdateStatus="InProgress")},
        {},
        [],
    ),
    "cluster: never there": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters()},
        {},
        [(f"{CLUSTER_ARN} does not exist", TOGETHER)],
    ),
    "cluster: deleted": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({**given.CLUSTER, "status": "INACTIVE"})},
        {},
        [(f"{CLUSTER_ARN} does not exist", TOGETHER)],
    ),
    "cluster: not active": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({**given.CLUSTER, "status": "FAILED"})},
        {},
        [("jobferry is FAILED", TOGETHER)],
    ),
    "cluster: has what is named": (machine.cluster, {}, {"one": {**given.IMAGE, **CAPACITY}}, []),
    "cluster: has no capacity providers": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({"clusterName": "jobferry", "status": "ACTIVE"})},
        {"one": {**given.IMAGE, **CAPACITY}},
        [("that it has not: FARGATE, FARGATE_SPOT", "the template's parameter CapacityProviders")],
    ),
    "cluster: lacks one": (
        machine.cluster,
        {"ecs.DescribeClusters": given.clusters({**given.CLUSTER, "capacityProviders": ["FARGATE"]})},
        {"one": {**given.IMAGE, **CAPACITY}},
        [("the catalogue names capacity providers that it has not: FARGATE_SPOT", "CapacityProviders")],
    ),
    "quota: just enough": (
        machine.quotas,
        {"service-quotas.GetServiceQuota": given.quota(0.25)},
        {"one": given.IMAGE},
        [],
    ),
    "quota: too little for the largest": (
        machine.quotas,
        {"service-quotas.GetServiceQuota": given.quota(1.5)},
        {"one": given.IMAGE, "two": {**given.IMAGE, "cpu": 2048, "memory": 4096}},
        [("Fargate grants 1.5 vCPUs at once, and the largest image takes 2", "--quota-code L-3032A538")],
    ),
    "quota: of no use to EC2": (
        machine.quotas,
        {"service-quotas.GetServiceQuota": given.quota(0.0)},
        {"one": {**given.IMAGE, "launch_type": "EC2", "cpu": 2048}},
        [],
    ),
}


@pytest.mark.parametrize(("look", "changed", "catalogued", "said"), MACHINE.values(), ids=MACHINE)
def test_what_runs_a_job_is_looked_at(look: Look, changed: Changed, catalogued: Mapping[str, Json], said: Said) -> None:
    """The state machine, its planner, the cluster, the quota."""
    assert_said(look(given.deployment(changed, catalogued)), said)


DIFFERENCES: dict[str, tuple[Any, Any, list[str]]] = {
    "a list in another order": ({"a": [1, 2]}, {"a": [2, 1]}, ["a[0]", "a[1]"]),
    "a longer list": ({"a": [1]}, {"a": [1, 2]}, ["a"]),
    "a value below a list": ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["a[0].b"]),
    "another kind": ({"a": {}}, {"a": []}, ["a"]),
    "a list and a map": ({"a": []}, {"a": {}}, ["a"]),
    "a number and its text": ({"a": 1}, {"a": "1"}, ["a"]),
    "a substitution in a text": ("arn:${Partition}:x", "arn:aws-cn:x", []),
    "two substitutions": ("${A}/${B}", "one/two", []),
    "a substitution that holds line breaks": ("${A}", "one\ntwo", [""]),
    "around a substitution": ("arn:${Partition}:x", "arn:aws-cn:y", [""]),
    "a dot for another sign": ("$.a", "$xa", [""]),
    "several": ({"b": 1, "a": 1, "c": 1}, {"b": 2, "a": 2, "c": 1}, ["a", "b"]),
}


@pytest.mark.parametrize(("shipped", "deployed", "where"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_definitions_differ_where_they_differ(shipped: Any, deployed: Any, where: list[str]) -> None:
    """Place by place, and nowhere else."""
    assert list(machine.differences(shipped, deployed)) == where
