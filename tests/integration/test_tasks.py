"""ECS by moto: ask how a task is, stop it, and where its containers log to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.aws.errors import AwsError
from service.aws.tasks import LogConfiguration, Tasks
from tests.support.connecting import ACCOUNT, REGION, Connect, answering, refusal

TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task"
MAIN = {
    "name": "main",
    "image": "busybox",
    "memory": 64,
    "logConfiguration": {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/jobs",
            "awslogs-region": REGION,
            "awslogs-stream-prefix": "jobs",
            "mode": "non-blocking",
            "max-buffer-size": "4m",
        },
    },
}
SIDECAR = {"name": "sidecar", "image": "busybox", "memory": 64}


@pytest.fixture
async def tasks(connect: Connect) -> Tasks:
    """ECS."""
    return Tasks(await connect("ecs"))


async def defined(tasks: Tasks, family: str) -> str:
    """A task definition of two containers, of which one logs."""
    answer = await tasks.client.register_task_definition(family=family, containerDefinitions=[MAIN, SIDECAR])  # type: ignore[list-item]
    return answer["taskDefinition"]["taskDefinitionArn"]


async def test_a_running_task_is_described(tasks: Tasks, connect: Connect, name: str) -> None:
    """In the shape that its events have."""
    await tasks.client.create_cluster(clusterName=name)
    ec2 = await connect("ec2")
    subnets = (await ec2.describe_subnets())["Subnets"]
    network = {"awsvpcConfiguration": {"subnets": [subnets[0]["SubnetId"]]}}
    started = await tasks.client.run_task(
        cluster=name,
        taskDefinition=await defined(tasks, name),
        launchType="FARGATE",
        group="job:thumbs-42",
        networkConfiguration=network,  # type: ignore[arg-type]
    )
    arn = started["tasks"][0]["taskArn"]
    detail = await tasks.describe(arn)
    assert detail is not None
    assert (detail.taskArn, detail.taskDefinitionArn) == (arn, started["tasks"][0]["taskDefinitionArn"])
    stopped = await tasks.stop(arn, "enough")
    assert stopped is not None
    assert (stopped.taskArn, stopped.stoppedReason) == (arn, "enough")


async def test_a_forgotten_task_is_none(tasks: Tasks, name: str) -> None:
    """ECS keeps a stopped task for about an hour, then answers with a failure MISSING."""
    arn = f"{TASK}/{name}/0123456789abcdef"
    missing = {"tasks": [], "failures": [{"arn": arn, "reason": "MISSING"}]}
    with answering(tasks.client, "DescribeTasks", missing) as asked:
        assert await tasks.describe(arn) is None
    assert asked == [{"cluster": name, "tasks": [arn]}]


async def test_many_tasks_are_asked_after_together(tasks: Tasks) -> None:
    """A hundred of a cluster by a call; those that ECS does not know are left out, and so is a cluster that is gone."""
    arns = [f"{TASK}/a/{number:016}" for number in range(101)]
    known = {"taskArn": arns[100], "clusterArn": "c", "lastStatus": "RUNNING", "version": 2}
    gone = refusal("ClusterNotFoundException")
    answers: tuple[Any, ...] = ({"tasks": []}, {"tasks": [known]}, gone)
    with answering(tasks.client, "DescribeTasks", *answers) as asked:
        found = await tasks.describe_many([f"{TASK}/b/0", *arns])
    assert [detail.taskArn for detail in found] == [arns[100]]
    assert asked == [
        {"cluster": "a", "tasks": arns[:100]},
        {"cluster": "a", "tasks": arns[100:]},
        {"cluster": "b", "tasks": [f"{TASK}/b/0"]},
    ]


async def test_a_task_is_forgotten_with_its_cluster(tasks: Tasks, name: str) -> None:
    """There is nothing to ask nor to stop in a cluster that was deleted."""
    arn = f"{TASK}/{name}/0123456789abcdef"
    assert await tasks.describe(arn) is None
    assert await tasks.stop(arn, "enough") is None


async def test_log_configurations_are_by_container(tasks: Tasks, name: str) -> None:
    """A container without one has no driver: nobody keeps its output."""
    found = await tasks.log_configurations(await defined(tasks, name))
    assert found == {
        "main": LogConfiguration("awslogs", "/jobs", "jobs", REGION, "non-blocking", "4m"),
        "sidecar": LogConfiguration(),
    }


async def test_a_task_definition_is_read_once(tasks: Tasks, name: str) -> None:
    """A revision never changes, so a thousand tasks of it cost one call."""
    arn = await defined(tasks, name)
    first = await tasks.log_configurations(arn)
    with answering(tasks.client, "DescribeTaskDefinition") as asked:
        assert await tasks.log_configurations(arn) is first
    assert asked == []


async def test_a_task_definition_is_read_once_by_all_who_ask_at_the_same_time(tasks: Tasks, name: str) -> None:
    """Also where the first of them is cut off meanwhile, as at the end of a drain."""
    arn, release = await defined(tasks, name), asyncio.Event()
    answer = await tasks.client.describe_task_definition(taskDefinition=arn)
    asked: list[str] = []

    async def describe_task_definition(taskDefinition: str) -> object:
        asked.append(taskDefinition)
        await release.wait()
        return answer

    slow = Tasks(cast(Any, SimpleNamespace(describe_task_definition=describe_task_definition)))
    asking = [asyncio.create_task(slow.log_configurations(arn)) for _ in range(5)]
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    release.set()
    assert [set(found or {}) for found in await asyncio.gather(*asking)] == [{"main", "sidecar"}] * 4
    assert asked == [arn]


async def test_a_task_definition_that_could_not_be_read_is_asked_for_again(tasks: Tasks, name: str) -> None:
    """The failure is everybody's who asked, and nobody's who comes later."""
    arn = await defined(tasks, name)
    answers = iter([OSError("the network is down"), await tasks.client.describe_task_definition(taskDefinition=arn)])

    async def describe_task_definition(taskDefinition: str) -> object:
        if isinstance(answer := next(answers), OSError):
            raise answer
        return answer

    failing = Tasks(cast(Any, SimpleNamespace(describe_task_definition=describe_task_definition)))
    told = await asyncio.gather(*(failing.log_configurations(arn) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [AwsError] * 3
    assert set(await failing.log_configurations(arn) or {}) == {"main", "sidecar"}


async def test_a_deleted_task_definition_has_no_log_configurations(tasks: Tasks) -> None:
    """And is no reason to try for as long as logs are tried."""
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/never-registered:1"
    assert await tasks.log_configurations(arn) is None


async def test_where_a_driver_sends_to_is_known_and_its_keys_are_not(tasks: Tasks, name: str) -> None:
    """FireLens' options name the router's output; a driver's own, an address."""
    options = {"Name": "datadog", "Host": "intake.example", "apikey": "hunter2"}
    passed_on = {**SIDECAR, "name": "app", "logConfiguration": {"logDriver": "awsfirelens", "options": options}}
    router = {**SIDECAR, "name": "router", "firelensConfiguration": {"type": "fluentbit"}}
    splunk = {"logDriver": "splunk", "options": {"splunk-url": "https://splunk.example", "splunk-token": "hunter2"}}
    answer = await tasks.client.register_task_definition(
        family=name,
        containerDefinitions=[passed_on, router, {**SIDECAR, "logConfiguration": splunk}],  # type: ignore[list-item]
    )
    known = await tasks.log_configurations(answer["taskDefinition"]["taskDefinitionArn"]) or {}
    assert known["app"].sent_to == "datadog, intake.example"
    assert known["sidecar"].sent_to == "https://splunk.example"
    assert known["router"].is_router and not known["app"].is_router
    assert "hunter2" not in str(known)


SENT_TO: dict[str, tuple[dict[str, str], str | None]] = {
    "an address of a driver's own": ({"gelf-address": "udp://gelf"}, "udp://gelf"),
    "syslog's": ({"syslog-address": "tcp://syslog"}, "tcp://syslog"),
    "Fluentd's": ({"fluentd-address": "fluentd:24224"}, "fluentd:24224"),
    "Fluent Bit to CloudWatch": ({"Name": "cloudwatch", "log_group_name": "/app"}, "cloudwatch, /app"),
    "Fluent Bit to Firehose": ({"Name": "firehose", "delivery_stream": "logs"}, "firehose, logs"),
    "Fluent Bit to Kinesis": ({"Name": "kinesis", "stream": "logs"}, "kinesis, logs"),
    "Fluent Bit to S3": ({"Name": "s3", "bucket": "logs", "region": "eu-central-1"}, "s3, logs"),
    "Fluentd by its own key": ({"@type": "forward", "host": "fluentd"}, "forward, fluentd"),
    "a plugin alone": ({"Name": "stdout"}, "stdout"),
    "keys alone": ({"splunk-token": "hunter2"}, None),
}


@pytest.mark.parametrize(("options", "sent_to"), SENT_TO.values(), ids=SENT_TO)
async def test_where_each_driver_sends_to(tasks: Tasks, options: dict[str, str], sent_to: str | None) -> None:
    """By the driver's own option, or by the router's output and what it calls the place."""
    container = {"name": "app", "logConfiguration": {"logDriver": "any", "options": options}}
    with answering(tasks.client, "DescribeTaskDefinition", {"taskDefinition": {"containerDefinitions": [container]}}):
        known = await tasks.log_configurations("arn:aws:ecs:eu-central-1:123456789012:task-definition/app:1")
    assert known is not None
    assert (known["app"].driver, known["app"].sent_to) == ("any", sent_to)


async def test_a_task_that_ecs_no_longer_knows_needs_no_stop(tasks: Tasks) -> None:
    """ECS refuses the call then; an answer without a task says as little."""
    gone: tuple[Any, ...] = (refusal("InvalidParameterException", "StopTask"), {})
    for answer in gone:
        with answering(tasks.client, "StopTask", answer) as asked:
            assert await tasks.stop(f"{TASK}/jobs/0123", "enough") is None
        assert asked == [{"cluster": "jobs", "task": f"{TASK}/jobs/0123", "reason": "enough"}]
    with answering(tasks.client, "StopTask", refusal("AccessDeniedException", "StopTask")), pytest.raises(AwsError):
        await tasks.stop(f"{TASK}/jobs/0123", "enough")
