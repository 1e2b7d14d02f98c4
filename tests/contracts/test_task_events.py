"""ECS Task State Change events have AWS's shape and agree with DescribeTasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from tests.support.cloud import CLUSTER, Cloud, Record, container, shell

ARN_OF_CLUSTER = f"arn:aws:ecs:us-east-1:000000000000:cluster/{CLUSTER}"


def events_of(cloud: Cloud, definition: str, count: int, **members: Any) -> list[Record]:
    """Run a task in a group of its own and give all its events, in the order of their versions."""
    group = f"job:{uuid4().hex[:8]}"
    queue = cloud.event_queue({"source": ["aws.ecs"], "detail": {"group": [group]}})
    cloud.run_task(definition, group=group, **members)
    return in_order(cloud.collect(queue, lambda found: len(found) >= count))


def in_order(events: list[Record]) -> list[Record]:
    """Events are not delivered in order; their versions are their order."""
    return sorted(events, key=lambda event: int(event["detail"]["version"]))


def course(events: list[Record]) -> list[tuple[int, str, str]]:
    """What a task went through."""
    details = [event["detail"] for event in events]
    return [(detail["version"], detail["lastStatus"], detail["desiredStatus"]) for detail in details]


def test_a_task_that_ends_by_itself(cloud: Cloud) -> None:
    """The states of a finished task, as recorded: its last version is 5."""
    events = events_of(cloud, cloud.define_task(shell("exit 4")), 5)
    assert course(events) == [
        (1, "PROVISIONING", "RUNNING"),
        (2, "PENDING", "RUNNING"),
        (3, "RUNNING", "RUNNING"),
        (4, "DEPROVISIONING", "STOPPED"),
        (5, "STOPPED", "STOPPED"),
    ]
    codes = [event["detail"]["containers"][0].get("exitCode") for event in events]
    assert codes == [None, None, None, 4, 4]
    assert not any("exitCode" in event["detail"]["containers"][0] for event in events[:3])


def test_a_task_that_cannot_start(cloud: Cloud) -> None:
    """A failed pull is never RUNNING; its last version is 4, as recorded."""
    events = events_of(cloud, cloud.define_task(container("true", image="nobody/nothing")), 4)
    assert [status for _, status, _ in course(events)] == ["PROVISIONING", "PENDING", "DEPROVISIONING", "STOPPED"]
    last = events[-1]["detail"]
    assert (last["version"], last["stopCode"]) == (4, "TaskFailedToStart")
    assert not {"startedAt", "startedBy"} & set(last)


def test_a_task_that_is_stopped(cloud: Cloud) -> None:
    """A stop is seen as a change of its own before anything ended, with its reason."""
    group = f"job:{uuid4().hex[:8]}"
    queue = cloud.event_queue({"source": ["aws.ecs"], "detail": {"group": [group]}})
    arn = cloud.run_task(cloud.define_task(container("sleep", "60")), group=group)
    cloud.await_task(arn, "RUNNING")
    cloud.ecs.stop_task(cluster=CLUSTER, task=arn, reason="enough")
    events = in_order(cloud.collect(queue, lambda found: len(found) >= 6))
    assert course(events)[3:] == [
        (4, "RUNNING", "STOPPED"),
        (5, "DEPROVISIONING", "STOPPED"),
        (6, "STOPPED", "STOPPED"),
    ]
    assert {event["detail"]["stoppedReason"] for event in events[3:]} == {"enough"}
    assert [event["detail"]["containers"][0].get("exitCode") for event in events[3:]] == [None, 143, 143]


def test_the_event_and_the_description_agree(cloud: Cloud) -> None:
    """What DescribeTasks says of a stopped task is what its last event said."""
    definition = cloud.define_task(shell("exit 5"), shell("sleep 60", name="side", essential=False))
    last = events_of(cloud, definition, 6, startedBy="me")[-1]["detail"]
    task = cloud.describe_task(last["taskArn"])
    for member in ("version", "lastStatus", "stopCode", "stoppedReason", "startedBy", "group", "overrides", "cpu"):
        if member == "overrides":
            assert task[member]["containerOverrides"] == last[member]["containerOverrides"]
        else:
            assert task[member] == last[member], member
    for told in (task, last):
        assert [each["exitCode"] for each in told["containers"]] == [5, 143]
    assert datetime.fromisoformat(last["stoppedAt"].replace("Z", "+00:00")) == task["stoppedAt"]


def test_the_shape_of_an_event(cloud: Cloud) -> None:
    """Envelope and detail are AWS's: ISO times in milliseconds, overrides as given, nothing internal or empty."""
    override = {"name": "main", "command": ["true"], "environment": [{"name": "A", "value": "1"}], "memory": 300}
    overrides = {"containerOverrides": [override], "cpu": "512", "memory": "1024"}
    event = events_of(cloud, cloud.define_task(container("false")), 5, overrides=overrides)[-1]
    detail = event["detail"]
    assert (event["source"], event["detail-type"]) == ("aws.ecs", "ECS Task State Change")
    assert event["resources"] == [detail["taskArn"]]
    assert event["account"] == "000000000000"
    assert (detail["cpu"], detail["memory"], detail["containers"][0]["memory"]) == ("512", "1024", "300")
    assert detail["overrides"] == overrides
    assert detail["clusterArn"] == ARN_OF_CLUSTER
    for moment in ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppingAt", "executionStoppedAt",
                   "stoppedAt", "updatedAt", "connectivityAt"):  # fmt: skip
        assert len(detail[moment]) == len("2026-01-01T00:00:00.000Z"), moment
        assert detail[moment].endswith("Z")
    assert not [key for key in detail if key.startswith("_")]
    assert "" not in detail.values()
    assert not {"tags", "healthStatus"} & set(detail)


def test_a_fargate_task_on_awsvpc(cloud: Cloud) -> None:
    """It has an interface that comes and goes, a platform version, and no container instance."""
    definition = cloud.define_task(container("true"), networkMode="awsvpc", requiresCompatibilities=["FARGATE"])
    network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    events = events_of(cloud, definition, 5, launchType="FARGATE", networkConfiguration=network)
    states = [event["detail"]["attachments"][0]["status"] for event in events]
    assert states == ["PRECREATED", "PRECREATED", "ATTACHED", "ATTACHED", "DELETED"]
    last = events[-1]["detail"]
    assert (last["launchType"], last["platformVersion"]) == ("FARGATE", "1.4.0")
    assert "containerInstanceArn" not in last
    assert last["containers"][0]["networkInterfaces"][0]["attachmentId"] == last["attachments"][0]["id"]


def test_a_capacity_provider_is_named(cloud: Cloud) -> None:
    """A task placed by a strategy says by which provider."""
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    last = events_of(cloud, cloud.define_task(container("true")), 5, capacityProviderStrategy=strategy)[-1]["detail"]
    assert last["capacityProviderName"] == "FARGATE_SPOT"


def test_a_rule_on_group_status_and_cluster(cloud: Cloud) -> None:
    """The rule that Jobferry deploys lets its own stopped tasks through, bare, and no others."""
    queue = cloud.event_queue(
        {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Task State Change"],
            "detail": {"group": [{"prefix": "job:"}], "lastStatus": ["STOPPED"], "clusterArn": [ARN_OF_CLUSTER]},
        }
    )
    definition = cloud.define_task(container("true"))
    cloud.ecs.create_cluster(clusterName="other")
    cloud.ecs.run_task(cluster="other", taskDefinition=definition, group="job:elsewhere")
    cloud.await_task(cloud.run_task(definition))
    wanted = cloud.run_task(definition, group="job:here")
    events = cloud.collect(queue, lambda found: bool(found))
    assert [event["detail"]["taskArn"] for event in events] == [wanted]
    assert events[0]["version"] == "0"
