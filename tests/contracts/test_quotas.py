"""An account's quotas: what answers a call that is one too many, and how that reaches a state machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deploy.local.emulator.process import EmulatorProcess
from deploy.local.fills.quotas import AWS_DEFAULTS, QuotaError, Quotas, Rate, TokenBucket, quotas_of
from tests.support.cloud import CLUSTER, Cloud, container, run_task_state, shell

from .conftest import IMAGES

# None is refilled while a test lasts.
ONE, TWO, THREE = (Rate(0.0001, bucket) for bucket in (1, 2, 3))


@contextmanager
def cloud_within(quotas: Quotas) -> Iterator[Cloud]:
    """An account of its own."""
    with EmulatorProcess(images=IMAGES, quotas=quotas) as emulator:
        yield Cloud(emulator)


@pytest.fixture(scope="module")
def rates() -> Iterator[Cloud]:
    """Two RunTasks, three StartExecutions, one read of logs of each kind."""
    quotas = Quotas(run_task=TWO, start_execution=THREE, get_log_events=ONE, filter_log_events=ONE)
    with cloud_within(quotas) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def sizes() -> Iterator[Cloud]:
    """Half a vCPU at a time, and three launches."""
    with cloud_within(Quotas(vcpus=0.5, fargate_launch=THREE)) as cloud:
        yield cloud


def impatient(cloud: Cloud, service: str) -> Any:
    """A client that takes no for an answer."""
    kind: Any = boto3.client
    return kind(
        service,
        endpoint_url=cloud.emulator.endpoint_url,
        region_name=cloud.ecs.meta.region_name,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def refusal(call: Any, **request: Any) -> tuple[str, str]:
    """Code and message of a refused call."""
    with pytest.raises(ClientError) as refused:
        call(**request)
    error = refused.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_calls_are_throttled_when_their_bucket_is_empty(rates: Cloud) -> None:
    """RunTask's throttle reaches the state as it was seen on AWS; StartExecution's reaches the caller."""
    state = run_task_state(rates.define_task(container("true")))
    machine = rates.define_machine({"Run": state})
    ended = [rates.await_end(rates.sfn.start_execution(stateMachineArn=machine)["executionArn"]) for _ in range(3)]
    assert [each["status"] for each in ended] == ["SUCCEEDED", "SUCCEEDED", "FAILED"]
    assert ended[2]["error"] == "ECS.AmazonECSException"
    throttle = "Rate exceeded (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException; "
    assert ended[2]["cause"].startswith(throttle)
    start = impatient(rates, "stepfunctions").start_execution
    assert refusal(start, stateMachineArn=machine) == ("ThrottlingException", "Rate exceeded")


@pytest.mark.parametrize(
    ("operation", "request_"),
    [("get_log_events", {"logStreamName": "s"}), ("filter_log_events", {})],
    ids=["GetLogEvents", "FilterLogEvents"],
)
def test_reads_of_logs_have_buckets_of_their_own(rates: Cloud, operation: str, request_: dict[str, str]) -> None:
    """One read of each kind, and no more."""
    logs, group = impatient(rates, "logs"), f"/quotas/{operation}"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    read = getattr(logs, operation)
    assert read(logGroupName=group, **request_)["events"] == []
    assert refusal(read, logGroupName=group, **request_)[0] == "ThrottlingException"


def test_no_more_vcpus_run_at_once_than_the_account_has(sizes: Cloud) -> None:
    """What stopped gives its own back; each launch takes from a bucket that is not RunTask's."""
    definition = sizes.define_task(shell("sleep 60"))
    ecs: Any = impatient(sizes, "ecs")
    run: dict[str, Any] = {"cluster": CLUSTER, "taskDefinition": definition, "launchType": "FARGATE"}
    [first] = ecs.run_task(**run)["tasks"]
    whole = {"overrides": {"cpu": "512"}}
    code, message = refusal(ecs.run_task, **run, **whole)
    assert code == "ClientException"
    assert message == "You've reached the limit on the number of vCPUs you can run concurrently"
    ecs.run_task(**run)
    assert refusal(ecs.run_task, **run)[0] == "ClientException"
    ended = sizes.result({"Run": run_task_state(definition, parameters={"LaunchType": "FARGATE"})})
    assert (ended["error"], ended["cause"].partition(" (")[0]) == ("ECS.ClientException", message)

    ecs.stop_task(cluster=CLUSTER, task=first["taskArn"])
    sizes.await_task(first["taskArn"])
    [third] = ecs.run_task(**run)["tasks"]
    ecs.stop_task(cluster=CLUSTER, task=third["taskArn"])
    sizes.await_task(third["taskArn"])
    assert refusal(ecs.run_task, **run) == ("ThrottlingException", "Rate exceeded")


def test_none_is_kept_unless_it_is_asked_for() -> None:
    """AWS's own are one table, and each option changes one of them."""
    assert quotas_of([]) == Quotas()
    assert quotas_of(["vcpus=24", "run-task=20,100"], AWS_DEFAULTS) == Quotas(
        run_task=Rate(20, 100),
        fargate_launch=Rate(20, 100),
        vcpus=24,
        start_execution=Rate(150, 800),
        get_log_events=Rate(10, 10),
        filter_log_events=Rate(5, 5),
    )
    assert quotas_of(AWS_DEFAULTS.pairs()) == AWS_DEFAULTS
    assert quotas_of(["get-log-events=25"]).get_log_events == Rate(25, 25)


@pytest.mark.parametrize("pair", ["", "run-task", "runtask=20", "run-task=fast", "run-task=0", "vcpus=6,6", "vcpus=-1"])
def test_a_quota_that_is_none_is_named(pair: str) -> None:
    """With those that there are, or what is wrong with it."""
    with pytest.raises(QuotaError, match=f"^{pair!r} is no quota: "):
        quotas_of([pair])


def test_a_bucket_is_refilled_at_its_rate_and_no_further_than_full() -> None:
    """By its clock."""
    now = [0.0]
    bucket = TokenBucket(Rate(per_second=2, bucket=3), lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100
    assert [bucket.take(2) for _ in range(2)] == [True, False]
    assert TokenBucket(None).take(1000)
