"""Events that never come: every job still ends right, only later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from deploy.local.local_run import local_run
from deploy.local.stack import STACK
from deploy.local.subscriber import Received, Subscriber
from tests.support.job_requests import shell
from tests.support.system import System

RULES = {"executions": "ExecutionEvents", "tasks": "TaskEvents"}
IMPATIENT = {"JOBFERRY_SILENCE_SECONDS": "3", "JOBFERRY_TASK_GRACE_SECONDS": "2", "JOBFERRY_SWEEP_SECONDS": "0.5"}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose sweeper does not wait for long."""
    log = (tmp_path_factory.mktemp("impatient") / "worker.log").open("wb")
    with log, local_run() as run:
        quick = replace(run, environment={**run.environment, **IMPATIENT})
        system = System(quick, Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="impatient"), log)
        with system.worker():
            yield system


@contextmanager
def deaf_to(system: System, *kinds: str) -> Iterator[None]:
    """No event of these kinds reaches the worker."""
    events, stack = system.client("events"), system.client("cloudformation")
    names = [
        stack.describe_stack_resource(StackName=STACK, LogicalResourceId=RULES[kind])["StackResourceDetail"]
        for kind in kinds
    ]
    for rule in names:
        events.disable_rule(Name=rule["PhysicalResourceId"].rsplit("/", 1)[-1])
    try:
        yield
    finally:
        for rule in names:
            events.enable_rule(Name=rule["PhysicalResourceId"].rsplit("/", 1)[-1])


def outcome(received: Received) -> tuple[str, list[int | None], list[str]]:
    """What a notification says of status, exit codes and logs."""
    notification = received.notification
    attempts = [stage.attempts[-1] for stage in notification.stages if stage.attempts]
    logs: list[str] = [container.log.status for item in attempts for container in item.containers if container.log]
    return notification.status, [item.exit_code for item in attempts], logs


@pytest.mark.parametrize("kinds", [("executions",), ("tasks",), ("executions", "tasks")], ids=" and ".join)
def test_with_every_event_of_a_kind_lost_every_job_ends_right(impatient: System, kinds: tuple[str, ...]) -> None:
    """Swept, or told by the other kind: status, exit codes and whole logs are as if nothing had been lost."""
    name = "-".join(kinds)
    with deaf_to(impatient, *kinds):
        impatient.send({"job_id": f"good-{name}", "stages": [shell("echo one"), shell("echo two")]})
        impatient.send({"job_id": f"bad-{name}", "stages": [shell("echo one"), shell("echo two; exit 4")]})
        impatient.send({"job_id": f"back-{name}", "stages": [{"image": "reporter", "command": ["report"]}]})
        found = {kind: outcome(impatient.received(f"{kind}-{name}")) for kind in ("good", "bad", "back")}
    assert found == {
        "good": ("SUCCEEDED", [0, 0], ["complete", "complete"]),
        "bad": ("FAILED", [0, 4], ["complete", "complete"]),
        "back": ("SUCCEEDED", [0], ["complete"]),
    }


def test_a_job_that_was_swept_says_so(impatient: System) -> None:
    """Whoever reads it knows how the outcome was learned."""
    with deaf_to(impatient, "executions"):
        impatient.send({"job_id": "swept", "stages": [shell("echo one")]})
        assert impatient.told("swept").observed_via == "sweep"
