"""What keeps a stack from being deleted, and how it is ended, by moto."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deploy.stacks import DeployError
from deploy.work_under_way import WorkUnderWay

SCALING: Any = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/jobferry/worker",
    "ScalableDimension": "ecs:service:DesiredCount",
}


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    """An account with a cluster and a task definition."""
    with mock_aws():
        session = boto3.Session("key", "secret", region_name="eu-central-1")
        ecs = session.client("ecs")
        ecs.create_cluster(clusterName="jobferry")
        ecs.register_task_definition(family="any", containerDefinitions=[{"name": "a", "image": "a", "memory": 64}])
        yield session


def work(session: boto3.Session, resources: dict[str, str], within_seconds: float = 5) -> WorkUnderWay:
    """The work of a stack with these resources."""
    found = WorkUnderWay.of(session, {"Cluster": "jobferry", **resources}, every_seconds=0.01)
    return WorkUnderWay(session, found.state_machine, found.cluster, found.worker_service, 0.01, within_seconds)


def test_workers_are_stopped_for_good_and_are_no_jobs(session: boto3.Session) -> None:
    """A fleet that idles keeps nobody from deleting; with force it is neither scaled out nor starts jobs."""
    ecs, scaling = session.client("ecs"), session.client("application-autoscaling")
    service = ecs.create_service(cluster="jobferry", serviceName="worker", taskDefinition="any", desiredCount=2)
    scaling.register_scalable_target(**SCALING, MinCapacity=2, MaxCapacity=4)
    fleet = work(session, {"WorkerService": service["service"]["serviceArn"]})
    assert fleet.lines() == []

    fleet.end("jobferry", force=True, tell=lambda _: None)
    [found] = ecs.describe_services(cluster="jobferry", services=["worker"])["services"]
    assert found["desiredCount"] == 0
    [target] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    assert set(target["SuspendedState"].values()) == {True}


def test_what_does_not_stop_is_named(session: boto3.Session) -> None:
    """After a while, rather than to wait for ever or to let CloudFormation fail."""
    stubborn = {"taskArn": "arn:aws:ecs:r:a:task/jobferry/stubborn", "lastStatus": "RUNNING", "group": "job:x"}
    pages = SimpleNamespace(paginate=lambda **_: [{"taskArns": [stubborn["taskArn"]]}])
    printed: list[str] = []
    ecs = SimpleNamespace(
        describe_clusters=lambda **_: {"clusters": []},
        get_paginator=lambda _: pages,
        describe_tasks=lambda **_: {"tasks": [stubborn]},
        stop_task=lambda **given: printed.append(given["task"]),
    )
    stuck = WorkUnderWay(session, "", "jobferry", "", 0.01, 0.05, {"ecs": ecs})
    with pytest.raises(DeployError, match=r"still running after .* s: .*stubborn"):
        stuck.end("jobferry", force=True, tell=lambda _: None)
    assert printed == [stubborn["taskArn"]], "and it was told so once"


@pytest.mark.parametrize("force", [False, True])
def test_machines_of_ones_own_go_first(session: boto3.Session, force: bool) -> None:
    """They are another stack's, and a cluster that has any cannot be deleted."""
    ecs = SimpleNamespace(describe_clusters=lambda **_: {"clusters": [{"registeredContainerInstancesCount": 2}]})
    with_machines = WorkUnderWay(session, "", "jobferry", "", 0.01, 5, {"ecs": ecs})
    with pytest.raises(DeployError, match=r"2 machines of your own in the cluster jobferry: .*IMAGES\.md"):
        with_machines.end("jobferry", force=force, tell=lambda _: None)


def test_what_an_earlier_try_deleted_is_no_obstacle(session: boto3.Session) -> None:
    """A stack that ended DELETE_FAILED may be deleted again."""
    gone = {
        "Cluster": "no-such-cluster",
        "StateMachine": "arn:aws:states:eu-central-1:123456789012:stateMachine:gone",
    }
    assert work(session, gone).lines() == []
    work(session, gone).end("jobferry", force=True, tell=lambda _: None)
