"""What AWS's events say of a job: facts, or nothing; never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import ExecutionDetail
from service.core.diagnosis.diagnosis import diagnose
from service.core.diagnosis.task_ending import ending_of_task
from service.core.record import hearing
from service.core.record.facts import ExecutionChanged, TaskChanged, WaitsForCapacity
from service.core.record.hearing import Ignored, NotAnEventError, forgotten_task, hear, hear_execution
from service.core.record.record import Record
from tests.support.builders import (
    JOB,
    MACHINE,
    NOW,
    attempt,
    execution_arn,
    execution_event,
    merge_all,
    running,
    task,
    task_arn,
    task_event,
)

TELLING = json.dumps({"attempts": [attempt().model_dump()]})


def heard_execution(status: str = "RUNNING", **detail: Any) -> ExecutionChanged:
    """The fact that an execution event says; the test fails where it says none."""
    fact = hear(execution_event(status, **detail), MACHINE)
    assert isinstance(fact, ExecutionChanged), fact
    return fact


def heard_task(last_status: str = "STOPPED", /, **detail: Any) -> TaskChanged:
    """The fact that a task event says; the test fails where it says none."""
    fact = hear(task_event(last_status, **detail), MACHINE)
    assert isinstance(fact, TaskChanged), fact
    return fact


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    """An event whose detail lacks these keys."""
    return {**event, "detail": {key: value for key, value in event["detail"].items() if key not in names}}


def wait_event(**detail: Any) -> dict[str, Any]:
    """What the state machine says of a stage that waits."""
    usual = {
        "executionArn": execution_arn(),
        "at": "2023-11-14T22:14:00.250Z",
        "wait_seconds": 17,
        "stage": 2,
        "attempt": 3,
        "image": "echo",
        "waiting": {"since": "2023-11-14T22:13:20Z", "tries": 4, "failure_class": "capacity", "why": "RESOURCE:CPU"},
    }
    return {"source": "jobferry", "detail-type": "Jobferry Stage Waits", "detail": {**usual, **detail}}


def test_a_stage_that_waits_for_capacity() -> None:
    """Since when, how often, why, and until when this time."""
    assert hear(wait_event(), MACHINE) == WaitsForCapacity(
        job_id=JOB, at=NOW + 40.25, wait_seconds=17, stage=2, attempt=3, image="echo", since=NOW, tries=4,
        failure_class="capacity", why="RESOURCE:CPU",
    )  # fmt: skip


def test_a_wait_that_is_none_of_ours_or_has_no_time_is_ignored() -> None:
    """Nothing rests on it."""
    others = execution_arn().replace(":jobferry:", ":another:")
    assert isinstance(hear(wait_event(executionArn=others), MACHINE), Ignored)
    assert isinstance(hear(wait_event(at=None), MACHINE), Ignored)
    timeless = {"since": "soon", "tries": 1, "failure_class": "capacity", "why": ""}
    assert isinstance(hear(wait_event(waiting=timeless), MACHINE), Ignored)


def test_an_execution_that_ended_well() -> None:
    """Milliseconds become seconds, and the attempts come out of the output."""
    fact = heard_execution("SUCCEEDED", output=TELLING, outputDetails={"included": True}, redriveCount=2)
    assert (fact.job_id, fact.arn, fact.status, fact.redrive_count) == (JOB, execution_arn(), "SUCCEEDED", 2)
    assert (fact.started_at, fact.stopped_at, fact.observed_via) == (NOW, NOW + 60, "event")
    assert fact.attempts == (attempt(),)
    assert fact.ended
    assert fact.detailed


def test_an_execution_that_failed() -> None:
    """The attempts come out of the cause; the evidence stays in it, whole, however many attempts there were."""
    usual = [attempt(number, passed=False, error="States.TaskFailed").model_dump() for number in range(1, 101)]
    cause = json.dumps({"evidence": "exit code 1 " + "ü" * 300, "attempts": usual})
    fact = heard_execution("FAILED", error="StageFailed", cause=cause)
    assert len(fact.attempts) == 100
    assert fact.detailed
    assert json.loads(fact.cause or "") == {"evidence": "exit code 1 " + "ü" * 300}


def test_the_planners_cause_is_read_out_of_its_functions_error() -> None:
    """As Step Functions has it of a Lambda function that raised; a request's own error keeps its cause."""
    planned = json.dumps({"evidence": "exit code 1", "attempts": [attempt(passed=False).model_dump()]})
    wrapped = json.dumps({"errorMessage": planned, "errorType": "StageFailed", "requestId": "r", "stackTrace": ["x"]})
    fact = heard_execution("FAILED", error="StageFailed", cause=wrapped)
    assert len(fact.attempts) == 1
    assert json.loads(fact.cause or "") == {"evidence": "exit code 1"}
    assert heard_execution("FAILED", error="ValidationError", cause=wrapped).cause == wrapped


@pytest.mark.parametrize(
    "left_out",
    [
        {"output": None},
        {"output": ""},
        {"output": None, "outputDetails": {"included": False}},
        {"output": "", "outputDetails": {"included": False}},
        {"output": "{}", "outputDetails": {"included": False}},
    ],
)
def test_an_output_that_was_left_out_is_asked_for(left_out: dict[str, Any]) -> None:
    """AWS drops a large output as null, as an empty text or altogether: none of them is a job without stages."""
    assert not heard_execution("SUCCEEDED", **left_out).detailed


def test_an_output_key_that_is_missing_is_asked_for() -> None:
    """A status event without any output key says less than Step Functions can."""
    fact = hear(without(execution_event("SUCCEEDED"), "output", "outputDetails"), MACHINE)
    assert isinstance(fact, ExecutionChanged)
    assert not fact.detailed


@pytest.mark.parametrize(
    ("detail", "detailed"),
    [
        ({"error": None, "cause": None}, False),
        ({"error": "States.Runtime", "cause": None}, False),
        ({"error": "States.Runtime", "cause": "why"}, True),
    ],
)
def test_a_failure_without_its_error_is_asked_about(detail: dict[str, Any], detailed: bool) -> None:
    """Older events have neither error nor cause."""
    assert heard_execution("FAILED", **detail).detailed is detailed


@pytest.mark.parametrize("status", ["RUNNING", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE", "SOMETHING_NEW"])
def test_nothing_more_is_asked_of_other_statuses(status: str) -> None:
    """They have no output, and a timeout has no error anywhere."""
    assert heard_execution(status).detailed


def test_an_answer_of_Step_Functions_is_final() -> None:
    """What DescribeExecution does not say, nobody says: it is not asked again."""
    detail = ExecutionDetail.model_validate({"executionArn": execution_arn(), "status": "FAILED"})
    fact = hear_execution(detail, MACHINE, "sweep", final=True)
    assert isinstance(fact, ExecutionChanged)
    assert fact.detailed


@pytest.mark.parametrize("status", ["PENDING_REDRIVE", "SOMETHING_NEW", "succeeded"])
def test_statuses_that_we_do_not_know_are_not_ends(status: str) -> None:
    """An open set of statuses: an unknown one is held, and asked about later."""
    assert not heard_execution(status).ended


def test_events_of_older_years_lack_half_the_keys() -> None:
    """Captures of 2022 have no redrive count, no versions, no error and no cause."""
    old = without(
        execution_event("FAILED"),
        *("redriveCount", "redriveDate", "redriveStatus", "redriveStatusReason"),
        *("stateMachineVersionArn", "stateMachineAliasArn", "error", "cause"),
    )
    fact = hear(old, MACHINE)
    assert isinstance(fact, ExecutionChanged)
    assert (fact.redrive_count, fact.error, fact.detailed) == (0, None, False)


NOT_OURS = {
    "another state machine's": execution_event(stateMachineArn=MACHINE + "-test"),
    "another account's": execution_event(stateMachineArn=MACHINE.replace("123456789012", "999999999999")),
    "another machine's, without its ARN": execution_event(
        stateMachineArn=None, executionArn=execution_arn().replace("jobferry", "other")
    ),
    "an execution started by hand": execution_event(executionArn=execution_arn("über job")),
    "an execution with a name too long": execution_event(executionArn=execution_arn("x" * 80)),
    "a line break after the name": execution_event(executionArn=execution_arn() + "\n"),
    "no ARN at all": execution_event(executionArn=""),
    "a service's task": task_event(group="service:web"),
    "a family's task": task_event(group="family:echo"),
    "a task of another account": task_event(taskArn=task_arn().replace("123456789012", "999999999999")),
    "a task of another region": task_event(taskArn=task_arn().replace("eu-central-1", "us-east-1")),
    "a task without a group": without(task_event(), "group"),
    "a group of nobody": task_event(group="job:"),
    "a group that is no job id": task_event(group="job:../../x"),
    "a group with a line break": task_event(group=f"job:{JOB}\n"),
    "a group that is no string": task_event(group=["job:x"]),
    "a container instance": {**task_event(), "detail-type": "ECS Container Instance State Change"},
    "a deployment": {**task_event(), "detail-type": "ECS Deployment State Change", "detail": {"eventType": "INFO"}},
    "another service's": {**task_event(), "source": "aws.ec2"},
    "a source that is a list": {**task_event(), "source": ["aws.ecs"]},
    "a kind that is an object": {**task_event(), "detail-type": {}},
    "an input transformer's": {"detailType": "ECS Task State Change", "source": "aws.ecs"},
    "S3's test event": {"Service": "Amazon S3", "Event": "s3:TestEvent"},
    "nothing": {},
}


@pytest.mark.parametrize("event", NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_none_of_ours_is_ignored(event: dict[str, Any]) -> None:
    """It is let go with a reason that a log line can hold."""
    heard = hear(event, MACHINE)
    assert isinstance(heard, Ignored)
    assert heard.why.isprintable()


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        7,
        {**execution_event(), "detail": None},
        {**task_event(), "detail": []},
        without(execution_event(), "status"),
        without(execution_event(), "executionArn"),
        without(task_event(), "taskArn"),
        without(task_event(), "lastStatus"),
        execution_event(executionArn=None),
        {**execution_event(), "detail": {"executionArn": execution_arn(), "status": 7}},
    ],
)
def test_what_cannot_be_read_is_said_so(event: object) -> None:
    """Without an ARN or a status there is no fact; the reason names the fields and repeats no content."""
    with pytest.raises(NotAnEventError) as refusal:
        hear(event, MACHINE)
    assert "secret" not in str(refusal.value)


def test_a_task_that_stopped() -> None:
    """Everything that a notification tells of a task, and which stage and attempt it was."""
    fact = heard_task()
    assert (fact.job_id, fact.task_id, fact.version, fact.stopped) == (JOB, "t1", 5, True)
    assert (fact.stage, fact.attempt) == (1, 2)
    assert (fact.stop_code, fact.launch_type, fact.cpu, fact.memory) == (
        "EssentialContainerExited",
        "FARGATE",
        "256",
        "512",
    )
    assert (fact.created_at, fact.pull_started_at, fact.started_at) == (NOW + 1.1, NOW + 3, NOW + 6.123)
    assert (fact.pull_stopped_at, fact.stopped_at) == (NOW + 5.07, NOW + 50.61)
    agent, main = fact.containers
    assert (agent.name, agent.exit_code, agent.reason) == (
        "aws-guardduty-agent-x",
        None,
        "CannotPullContainerError: denied",
    )
    assert (main.name, main.exit_code, main.runtime_id) == ("main", 0, "t1-265927825")


def test_a_task_token_never_reaches_a_fact() -> None:
    """It stands in the overrides of every event, and a reason may quote a signed URL."""
    signed = "CannotPullContainerError: https://x.s3.amazonaws.com/l?X-Amz-Signature=0123456789abcdef: denied"
    fact = heard_task(stoppedReason=signed, containers=[{"name": "main", "reason": signed}])
    text = fact.model_dump_json()
    assert "secret" not in text
    assert "0123456789abcdef" not in text
    assert "CannotPullContainerError" in text
    token = "AAAAKgAAAAIAAAAAAAAAA" + "k" * 200
    assert "kkkk" not in heard_execution("FAILED", error="x", cause=f"Lambda failed: {token}").model_dump_json()


@pytest.mark.parametrize("arn", [task_arn(), task_arn().replace("task/jobs/", "task/")])
def test_ARNs_of_the_old_and_the_new_form_name_the_same_task(arn: str) -> None:
    """The last segment is the task's id in both."""
    assert heard_task(taskArn=arn).register_name == "task#t1"


@pytest.mark.parametrize(
    "status",
    ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "BRAND_NEW"],
)
def test_only_STOPPED_is_the_end_of_a_task(status: str) -> None:
    """DEPROVISIONING already carries exit codes, and is not yet the end."""
    assert not heard_task(status).stopped


@pytest.mark.parametrize("output", ["", "null", "[]", "7", "{", "[" * 100_000, '{"attempts": 7}', '{"attempts": [7]}'])
def test_an_output_that_nobody_expects_tells_of_no_attempts(output: str) -> None:
    """A state machine that was changed by hand does not stop its events."""
    assert heard_execution("SUCCEEDED", output=output).attempts == ()


def test_a_record_of_long_texts_stays_small() -> None:
    """A task's part of a record is a kilobyte or two, whatever ECS wrote."""
    words = "so many words " * 1000
    assert len(heard_task(stoppedReason=words, containers=[{"name": "main", "reason": words}]).model_dump_json()) < 2500
    assert len(heard_execution("FAILED", error=words, cause=words).model_dump_json()) < 5500


def test_a_task_that_ECS_forgot_keeps_what_was_known_of_it() -> None:
    """Its logs outlive it, so its containers must not be forgotten with it; its exit code stays unknown."""
    held = running()
    gone = forgotten_task(JOB, task_arn(), NOW + 9000, held)
    assert gone.stopped
    assert (gone.stage, gone.containers, gone.stopped_at) == (1, held.containers, NOW + 9000)
    assert gone.containers[0].exit_code is None
    assert merge_all(Record.of_job(JOB), (held, gone)).tasks == (gone,)


def test_a_forgotten_task_that_was_never_heard_of_is_over() -> None:
    """No event of its life counts as high as that, but the one of its end does, which may come out of a long queue."""
    gone = forgotten_task(JOB, task_arn(), NOW)
    assert (gone.stopped, gone.containers, gone.forgotten) == (True, (), True)
    assert gone.rank > running(version=10**6).rank
    assert gone.rank < task(version=1).rank


def test_a_long_reason_keeps_what_it_ends_with() -> None:
    """What failed stands at its beginning, and why at its end [aws-sdk-go-v2's errors]."""
    reason = (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret "
        f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{'a-long-name/' * 6}db-AbCdEf from secrets manager: "
        "operation error Secrets Manager: GetSecretValue, https response error StatusCode: 400, RequestID: "
        "415e6826-9d7a-4ef1-8eea-8eec9105a1a8, api error AccessDeniedException: User: arn:aws:sts::111122223333:"
        "assumed-role/exec/0af1 is not authorized to perform: secretsmanager:GetSecretValue"
    )
    heard = hear(task_event(stoppedReason=reason, stopCode="TaskFailedToStart", startedAt=None, containers=[]), MACHINE)
    assert isinstance(heard, TaskChanged) and heard.stopped_reason is not None
    assert len(heard.stopped_reason) <= 400
    found = diagnose(ending_of_task(heard, "main"))
    assert (found.failure_class, found.confidence) == ("secret_missing", "certain")
    assert "allow it secretsmanager:GetSecretValue" in found.next_action
    assert found.evidence.endswith("is not authorized to perform: secretsmanager:GetSecretValue")


def test_a_wait_that_says_less_is_heard_all_the_same() -> None:
    """What it does not say counts from nought, and is no stage of any job."""
    heard = hear(without(wait_event(), "wait_seconds", "stage", "attempt", "image"), MACHINE)
    assert isinstance(heard, WaitsForCapacity)
    assert (heard.wait_seconds, heard.stage, heard.attempt, heard.image, heard.redrive) == (0, 0, 0, "", 0)


def test_a_cause_that_tells_of_attempts_alone_is_kept_as_it_is() -> None:
    """There is no evidence in it that could be kept in its place."""
    cause = '{"attempts":[{"stage":1,"attempt":1,"passed":false}]}'
    event = execution_event("FAILED", error="StageFailed", cause=cause)
    heard = hear(event, MACHINE)
    assert isinstance(heard, ExecutionChanged)
    assert (heard.cause, len(heard.attempts)) == (cause, 1)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("12", 12), ("999999999", 999_999_999), ("1000000000", None), ("x", None), ("-1", None), ("", None)],
)
def test_a_number_that_a_container_was_told_is_read_as_such(text: str, number: int | None) -> None:
    """Anybody may have started a task with anything in its place."""
    assert hearing._number(text) == number
    assert hearing._number(None) is None
