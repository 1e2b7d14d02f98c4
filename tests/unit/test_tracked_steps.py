"""The states that an execution went through, by its history, and what happened to a job, by its facts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.tracking import JobEvent
from service.core.redaction import REDACTED, Redaction
from service.core.tracking.events import cursor_of, events_of, unseen
from service.core.tracking.steps import Hiding, is_whole, steps_of
from tests.support.builders import (
    NOW,
    announced,
    attempt,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
    task_arn,
)


def event(kind: str, after: float, **details: Any) -> dict[str, Any]:
    """One event, its details under the name that Step Functions gives them."""
    return {"type": kind, "timestamp": NOW + after, "anEventDetails": details}


def entered(name: str, after: float, given: object = None) -> dict[str, Any]:
    """That a state was entered."""
    details = {"name": name, "input": json.dumps(given or {})}
    return {"type": "TaskStateEntered", "timestamp": NOW + after, "stateEnteredEventDetails": details}


PLAN = {"lambda_result": {"next_stage": {"stage": 2, "attempt": 3}}}
SCHEDULED = event("TaskScheduled", 2, resourceType="ecs")


def test_a_state_that_runs_a_task_says_which() -> None:
    """Its stage and attempt by the plan that it was given; another state has none, whatever its input says."""
    history = [
        entered("plan", 0, PLAN),
        event("TaskScheduled", 0, resourceType="lambda"),
        event("TaskStateExited", 1, output='{"a": 1}'),
        entered("run", 2, PLAN),
        SCHEDULED,
        event("TaskSubmitted", 3, output=json.dumps({"Tasks": [{"TaskArn": task_arn()}]})),
    ]
    (plan, run), more = steps_of(record(requested(), running(stage=2, attempt=3)), history)
    assert (plan.stage, plan.output, plan.seconds, plan.status) == (None, {"a": 1}, 1.0, "SUCCEEDED")
    assert (run.stage, run.attempt, run.task_arn, run.status) == (2, 3, task_arn(), "RUNNING")
    assert run.links.logs == ("/tenants/web/jobs/thumbs-42/logs/2/3/main?redrive=0",)
    assert run.links.task_console_url == (
        "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/jobs/tasks/t1/configuration?region=eu-central-1"
    )
    assert not more


def test_a_state_that_was_caught_failed_and_says_why() -> None:
    """Although it was left in good order."""
    failed = event("TaskFailed", 3, error="States.TaskFailed", cause="token: AKIAABCDEFGHIJKLMNOP")
    history = [entered("run", 0), SCHEDULED, failed, event("TaskStateExited", 4, output="{}")]
    [step] = steps_of(record(requested()), history)[0]
    assert (step.status, step.error, step.seconds) == ("FAILED", "States.TaskFailed", 4.0)
    assert step.cause is not None and "AKIA" not in step.cause


def test_a_redriven_state_runs_once_more() -> None:
    """It goes on where it failed, and is not entered anew."""
    aborted = {"type": "ExecutionAborted", "timestamp": NOW + 5, "executionAbortedEventDetails": {"error": "E"}}
    redriven = {
        "type": "ExecutionRedriven",
        "timestamp": NOW + 50,
        "executionRedrivenEventDetails": {"redriveCount": 1},
    }
    history = [
        entered("run", 0, PLAN),
        SCHEDULED,
        aborted,
        redriven,
        SCHEDULED,
        event("TaskStateExited", 60, output="{}"),
    ]
    first, second = steps_of(record(requested()), history)[0]
    assert (first.status, first.redrive, first.left_at) == ("FAILED", 0, "2023-11-14T22:13:25.000Z")
    assert (second.name, second.status, second.redrive, second.stage) == ("run", "SUCCEEDED", 1, 2)
    assert is_whole(history[:3]) and not is_whole(history[:4]) and not is_whole([])


def test_a_redrive_that_does_not_say_which_is_the_next() -> None:
    """After the first comes the second."""
    again = [{"type": "ExecutionRedriven", "timestamp": NOW}, entered("run", 1)]
    steps, _ = steps_of(record(requested()), [entered("run", 0), *again, *again])
    assert [step.redrive for step in steps] == [0, 1, 2]


def test_steps_come_in_pages() -> None:
    """Numbered through."""
    history = [entered(f"s{number}", number) for number in range(5)]
    steps, more = steps_of(record(requested()), history, after=3, limit=1)
    assert [(step.step, step.name) for step in steps] == [(4, "s3")] and more
    assert steps_of(record(requested()), history, after=4, limit=1)[1] is False


def test_a_page_holds_no_more_than_an_answer_may() -> None:
    """But one step, however large it is."""
    history = [entered(f"s{number}", number, {"x": "y" * 1_500_000}) for number in range(3)]
    steps, more = steps_of(record(requested()), history)
    assert [step.name for step in steps] == ["s0"] and more
    assert [step.name for step in steps_of(record(requested()), history, after=2)[0]] == ["s2"]
    larger = [entered("s0", 0, {"x": "y" * 2_500_000}), entered("s1", 1)]
    assert [step.name for step in steps_of(record(requested()), larger)[0]] == ["s0"]


def test_secrets_are_hidden_by_the_names_that_they_have() -> None:
    """In ECS's lists of names and values too; what is no JSON is a text."""
    hiding = Hiding(Redaction.of())
    given = {
        "password": "hunter2",
        "environment": [{"Name": "API_KEY", "Value": "k-123"}, {"Name": "MODE", "Value": "fast"}],
    }
    assert hiding.json(json.dumps(given)) == {
        "password": "[redacted]",
        "environment": [{"Name": "API_KEY", "Value": "[redacted]"}, {"Name": "MODE", "Value": "fast"}],
    }
    assert hiding.json('{"password": [null, true, 7], "a": [1.5, false]}') == {
        "password": [None, True, REDACTED],
        "a": [1.5, False],
    }
    assert hiding.json('{"password": "hun') == '{"password": "[redacted]'
    assert hiding.json(None) is None


@pytest.mark.parametrize("secret", ["abc,def;ghi&jkl", "hunter two three", "p'q)r}s", 12345])
def test_what_stands_under_a_secrets_name_is_hidden_whole(secret: object) -> None:
    """Whatever characters it has."""
    assert Hiding().json(json.dumps({"password": secret, "mode": "a, b"})) == {"password": REDACTED, "mode": "a, b"}


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_an_environment_in_a_text_is_looked_into(depth: int) -> None:
    """As a cause quotes a task's overrides, or an input holds them for the state machine to go on with."""
    text = json.dumps([{"Name": "DB_PASSWORD", "Value": "hunter2x"}, {"Name": "MODE", "Value": "fast"}])
    for _ in range(depth):
        text = json.dumps({"Cause": text})
    shown = str(Hiding().json(json.dumps({"given": text})))
    assert "hunter2x" not in shown
    assert "fast" in shown


def names(events: tuple[JobEvent, ...]) -> list[str]:
    """What they are called."""
    return [item.name for item in events]


def test_events_are_told_in_the_order_of_time() -> None:
    """From the request to the announcement."""
    whole = record(
        requested(submitted_at=NOW - 1),
        execution(attempts=(attempt(),)),
        task(),
        receipt(archived_at=NOW + 65),
        announced(),
    )
    assert names(events_of(whole)) == [
        "REQUESTED",
        "0:STARTED",
        "TASK_CREATED:t1",
        "TASK_STARTED:t1",
        "TASK_STOPPED:t1",
        "0:ENDED:SUCCEEDED",
        "LOG_ARCHIVED:t1:main",
        "0:ANNOUNCED",
    ]
    assert names(events_of(record(rejected()))) == ["REJECTED"]


def test_who_has_seen_some_events_is_told_the_others() -> None:
    """Where none came in between; else all of them once more, since their names tell copies."""
    before = events_of(record(requested(), execution("RUNNING")))
    after = events_of(record(requested(), execution("RUNNING"), running()))
    late = events_of(record(requested(submitted_at=NOW + 3), execution("RUNNING"), running()))
    cursor = cursor_of(before, "")
    assert names(unseen(after, cursor)) == ["TASK_CREATED:t1", "TASK_STARTED:t1"]
    assert unseen(before, cursor) == ()
    assert unseen(late, cursor) == late
    for odd in (None, "", "-", "x-y-z", "99999-x", "1000000-x", "²-x"):
        assert unseen(after, odd) == after


def test_a_cursor_changes_with_what_else_was_shown() -> None:
    """A status may change without an event."""
    events = events_of(record(requested()))
    assert cursor_of(events, "a") != cursor_of(events, "b")
    assert cursor_of(events, "a") == cursor_of(events, "a")
