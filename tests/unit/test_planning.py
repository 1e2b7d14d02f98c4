"""What the next stage is, and when the job is over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.plan import JOB_TIMED_OUT, STAGE_FAILED, Attempt, Config, ErrorResult, NextStage, PlannerReport, Stage
from tests.support.builders import JOB, TRACEPARENT, catalog, task_arn
from tests.support.machine import (
    EXIT_1,
    LOST,
    ONCE,
    OUT_OF_MEMORY,
    SPOT,
    THROTTLED,
    Ends,
    Machine,
    brief,
    containers,
    environment_of,
    failed,
    ok,
    stage,
)


def test_stages_run_one_after_the_other() -> None:
    """Each sees what the one before wrote, and the job ends with all that was attempted."""
    machine = Machine([stage(name="first"), stage(name="second")])
    end = machine.run(ok(), ok())
    assert end.decision == "succeed"
    assert [(item.stage, item.attempt, item.name) for item in machine.ran] == [(1, 1, "first"), (2, 1, "second")]
    assert brief(end) == [(1, 1, True, 0), (2, 1, True, 0)]
    assert (end.processed_stages_count, end.total_stages_count) == (2, 2)
    variables = environment_of(machine.ran[1])
    assert variables["JOBFERRY_INPUT"] == f"s3://bucket/jobs/{JOB}/stages/1/"
    assert variables["MODE"] == "fast"
    assert variables["TRACEPARENT"] == TRACEPARENT


def test_a_plan_says_everything_that_a_state_selects() -> None:
    """A JSONPath that selects nothing fails the state, so every key is there, null where it says nothing."""
    machine = Machine([stage()])
    end = machine.run(ok())
    keys = {"total_stages_count", "processed_stages_count", "decision", "next_stage", "wait_seconds", "attempts"}
    assert end.model_dump().keys() == keys | {"outcome", "redrive", "config"}
    assert machine.ran[0].model_dump().keys() == NextStage.model_fields.keys()


def test_a_plan_depends_on_nothing_but_its_input() -> None:
    """A repeated step decides the same."""
    script = (THROTTLED, OUT_OF_MEMORY, ok())
    assert Machine([stage(max_memory=2048)]).run(*script) == Machine([stage(max_memory=2048)]).run(*script)


def test_an_exit_code_other_than_0_ends_the_job() -> None:
    """It is mostly a bug, so it is not tried again; the stages after it do not run."""
    machine = Machine([stage(), stage(), stage()])
    end = machine.run(ok(), EXIT_1)
    assert end.decision == "fail"
    assert end.outcome is not None
    assert end.outcome.error == STAGE_FAILED
    assert brief(end) == [(1, 1, True, 0), (2, 1, False, 1)]
    cause = json.loads(end.outcome.cause)
    assert "1" in cause["evidence"]
    assert Attempt.model_validate(cause["attempts"][1]).exit_code == 1


def test_a_sidecar_that_is_killed_after_the_job_has_ended_well_fails_nothing() -> None:
    """Step Functions fails the state on any container; the job's own exit code decides."""
    end = Machine([stage()]).run(failed(("sidecar", 137), ("main", 0)))
    assert end.decision == "succeed"
    assert brief(end) == [(1, 1, True, 0)]


def test_a_sidecars_0_is_not_the_jobs() -> None:
    """Nor does another container's success make up for a missing exit code of the job's own."""
    end = Machine([ONCE]).run(failed(("sidecar", 0), ("main", None)))
    assert (end.decision, brief(end)) == ("fail", [(1, 1, False, None)])


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [],
        {},
        "main",
        [None],
        containers(("sidecar", 0)),
        containers(("main", None)),
        [{"Name": "main", "ExitCode": False}],
        [{"Name": "main", "ExitCode": "0"}],
        [{"Name": "main", "ExitCode": None}],
        [{"Name": "main", "ExitCode": 0, "Reason": "OutOfMemoryError: Container killed due to memory usage"}],
    ],
)
def test_success_is_an_explicit_exit_code_0(listed: object) -> None:
    """A state that succeeded without one has not passed, also when Step Functions saw no error."""
    end = Machine([stage()]).run(Ends(result={"task_arn": task_arn(), "containers": listed}))
    assert end.decision == "fail"


def test_a_task_that_somebody_stopped_has_not_passed_whatever_its_exit_code() -> None:
    """A container may well end with 0 on SIGTERM, its work undone; its sidecar's 143 fails the state."""
    end = Machine([stage()]).run(failed(("main", 0), ("sidecar", 143), stop_code="UserInitiated"))
    assert end.decision == "fail"
    assert end.outcome is not None
    assert end.outcome.attempts[0].failure_class == "stopped_by_person"


def stopped(code: str | None, exit_code: int = 0) -> Ends:
    """The state succeeded, with the whole task as its result."""
    result_task = {"TaskArn": task_arn(), "LaunchType": "FARGATE", "Containers": containers(("main", exit_code))}
    return Ends(result=result_task | ({} if code is None else {"StopCode": code, "StoppedReason": "it was asked to"}))


@pytest.mark.parametrize(
    ("code", "failure_class"),
    [
        ("UserInitiated", "stopped_by_person"),
        ("ServiceSchedulerInitiated", "stopped_by_deployment"),
        ("SpotInterruption", "spot_interruption"),
        ("TerminationNotice", "spot_interruption"),
        ("InfrastructureHealth", "infrastructure"),
        ("ACodeOfNextYear", "unknown"),
    ],
)
def test_the_stop_code_decides_before_the_exit_code(code: str, failure_class: str) -> None:
    """A container that answers SIGTERM with 0 lets its state succeed; the next stage must not run on half its work."""
    machine = Machine([ONCE, ONCE])
    end = machine.run(stopped(code))
    assert (end.decision, len(machine.ran)) == ("fail", 1)
    assert end.outcome is not None
    assert end.outcome.attempts[0].failure_class == failure_class
    assert end.outcome.attempts[0].task_arn == task_arn()


def test_a_Spot_interruption_is_tried_again_whatever_the_exit_code() -> None:
    """As one with 137 is."""
    end = Machine([stage(), stage()]).run(
        stopped("SpotInterruption"), stopped(None), stopped("EssentialContainerExited")
    )
    assert brief(end) == [(1, 1, False, 0), (1, 2, True, 0), (2, 1, True, 0)]


@pytest.mark.parametrize("left_out", ["StopCode", "TaskArn", "LaunchType", "StoppedReason"])
def test_what_AWS_leaves_out_of_a_task_fails_nothing(left_out: str) -> None:
    """A path that selects nothing would."""
    ends = stopped("EssentialContainerExited")
    assert ends.result is not None
    del ends.result[left_out]
    assert Machine([stage()]).run(ends).decision == "succeed"


def test_a_result_that_is_missing_altogether_has_not_passed() -> None:
    """Nothing is taken for success."""
    assert Machine([stage()]).run(Ends(result=None)).decision == "fail"


def test_a_cause_that_was_cut_is_read_as_far_as_it_goes() -> None:
    """Step Functions cuts causes at 32,768 characters."""
    whole = failed(("main", 0), ("sidecar", 137)).cause
    cut = Ends(error="States.TaskFailed", cause=whole[: whole.index("Overrides") + 40])
    assert Machine([stage()]).run(cut).decision == "succeed"


@pytest.mark.parametrize("cause", ["", "{", "[]", "null", "Task failed to start", '{"Containers": 7}', "[" * 20_000])
def test_a_cause_that_cannot_be_read_fails_the_stage(cause: str) -> None:
    """Without an exit code there is no success, and no crash of the planner either."""
    assert Machine([ONCE]).run(Ends(error="States.TaskFailed", cause=cause)).decision == "fail"


def test_an_exit_code_0_does_not_excuse_another_error() -> None:
    """Only the failure of the task is judged by its containers; a timeout is a timeout."""
    timeout = Ends(error="States.Timeout", cause=failed(("main", 0)).cause)
    assert Machine([stage()]).run(timeout).decision == "fail"


def callback(**fields: Any) -> Stage:
    """A stage whose container reports back."""
    return stage(integration="callback", **fields)


def test_a_callback_stage_passes_when_its_container_reports_back() -> None:
    """Its exit code is ECS's to tell, so the plan does not pretend to know it."""
    machine = Machine([callback()])
    end = machine.run(Ends(result={"output": {"anything": 1}}))
    assert (end.decision, brief(end)) == ("succeed", [(1, 1, True, None)])
    launched = machine.ran[0]
    assert launched.launch == "callback"
    assert environment_of(launched, token="SECRET")["TASK_TOKEN"] == "SECRET"


def test_a_callback_that_reports_a_failure_fails_the_stage() -> None:
    """Whatever it calls its error."""
    end = Machine([callback()]).run(Ends(error="Pictures.Broken", cause="not a JPEG"))
    assert end.decision == "fail"
    assert end.outcome is not None
    assert end.outcome.attempts[0].error == "Pictures.Broken"
    assert "not a JPEG" in json.loads(end.outcome.cause)["evidence"]


NULL = json.dumps({"Error": None, "Cause": None})


@pytest.mark.parametrize("text", [NULL, "{}", "null"], ids=["null", "absent", "nothing caught"])
def test_a_failure_that_a_container_gives_no_name_is_told_as_such(text: str) -> None:
    """So a Catch hands over SendTaskFailure without error and cause [LocalStack]."""
    caught = None if text == "null" else ErrorResult.model_validate_json(text)
    machine = Machine([callback()])
    end = machine.catch(caught)
    assert (end.decision, brief(end)) == ("fail", [(1, 1, False, None)])
    assert end.outcome is not None
    assert end.outcome.attempts[0].failure_class == "callback_failure"
    cause = PlannerReport.read(end.outcome.cause)
    assert cause is not None
    assert cause.evidence == "the container reported a failure without a name"
    assert cause.attempts[0].error == ""


def test_a_callback_cannot_pose_as_a_task_that_ended_well() -> None:
    """A container may send any error and cause; a failure it reports stays a failure."""
    posing = Ends(error="States.TaskFailed", cause=failed(("main", 0), ("sidecar", 1)).cause)
    assert Machine([callback()]).run(posing).decision == "fail"


@pytest.mark.parametrize("timeout", [1, 2, 3, 59, 60, 61, 600])
def test_the_heartbeat_is_smaller_than_the_timeout(timeout: int) -> None:
    """Step Functions refuses a state in which it is not."""
    machine = Machine([callback(timeout_seconds=timeout)])
    machine.run(Ends(result={}))
    assert 1 <= machine.ran[0].heartbeat_seconds < machine.ran[0].timeout_seconds


def test_a_stage_gets_no_more_time_than_the_job_has_left() -> None:
    """The job's timeout counts from its start, its pauses included."""
    machine = Machine([stage(), stage()], timeout_seconds=100)
    machine.run(Ends(result=ok().result, takes=70), ok())
    assert [item.timeout_seconds for item in machine.ran] == [100, 30]


def test_a_stage_that_the_jobs_timeout_ends_is_a_job_that_timed_out() -> None:
    """The producer asked for the job to end then, and reads that it did."""
    machine = Machine([stage()], timeout_seconds=100)
    end = machine.run(Ends(error="States.Timeout", takes=100.2))
    assert end.outcome is not None
    assert end.outcome.error == JOB_TIMED_OUT
    assert json.loads(end.outcome.cause)["evidence"] == "the job's timeout of 100 seconds is over"


def test_a_stage_that_its_own_timeout_ends_is_a_stage_that_failed() -> None:
    """The job had time left."""
    end = Machine([stage(timeout_seconds=50)], timeout_seconds=100).run(Ends(error="States.Timeout", takes=50))
    assert end.outcome is not None
    assert end.outcome.error == STAGE_FAILED


@pytest.mark.parametrize(
    ("item", "evidence"),
    [
        (stage(timeout_seconds=50), "States.Timeout (timeout 50 s)"),
        (callback(timeout_seconds=50, heartbeat_seconds=7), "States.Timeout (timeout 50 s, heartbeat every 7 s)"),
    ],
    ids=["sync", "callback"],
)
def test_a_timeout_is_told_with_the_numbers_that_it_ran_under(item: Stage, evidence: str) -> None:
    """AWS gives no cause for it; a heartbeat is due from a container alone that has to report back."""
    end = Machine([item]).run(Ends(error="States.Timeout", takes=50))
    assert end.outcome is not None
    assert json.loads(end.outcome.cause)["evidence"] == evidence


def test_a_failure_in_the_last_second_is_still_a_failure() -> None:
    """An exit code says more than the clock."""
    late = Ends(error=EXIT_1.error, cause=EXIT_1.cause, takes=100)
    end = Machine([stage()], timeout_seconds=100).run(late)
    assert end.outcome is not None
    assert end.outcome.error == STAGE_FAILED


def test_no_stage_begins_after_the_jobs_time() -> None:
    """Neither the next one nor another attempt that its pause would carry past the end."""
    end = Machine([stage(), stage()], timeout_seconds=100).run(Ends(result=ok().result, takes=100))
    assert end.outcome is not None
    assert end.outcome.error == JOB_TIMED_OUT
    late = Ends(error=SPOT.error, cause=SPOT.cause, takes=98)
    end = Machine([stage()], timeout_seconds=100).run(late)
    assert end.outcome is not None
    assert end.outcome.error == JOB_TIMED_OUT


def test_a_hundred_stages_with_every_retry_fit_Step_Functions_limits() -> None:
    """A cause has at most 32,768 characters, an error 256, and what travels stays well under 262,144 bytes."""
    machine = Machine([stage(retries={"transient": 2}) for _ in range(100)])
    end = machine.run(*[item for _ in range(99) for item in (LOST, SPOT, ok())], EXIT_1)
    assert end.outcome is not None
    assert len(end.outcome.attempts) == 298
    assert len(end.outcome.cause) <= 32_768
    assert len(end.outcome.error) <= 256
    assert json.loads(end.outcome.cause)["attempts"][-1]["exit_code"] == 1
    travelling = end.model_copy(update={"config": Config(bucket="b")}).model_dump_json()
    assert len(json.dumps(travelling)) < 131_072


def test_a_cause_ends_with_the_newest_attempts_however_long_the_errors_are() -> None:
    """The shortening comes to an end, also where one attempt is already too much."""
    long = Ends(error="Custom." + "🚢" * 40_000, cause="x")
    end = Machine([callback()]).run(long)
    assert end.outcome is not None
    assert len(end.outcome.cause) <= 32_768
    assert json.loads(end.outcome.cause)["attempts"] == []


def test_the_catalogues_images_are_planned_as_they_were_admitted() -> None:
    """What the builders' catalogue gives is what the tests here call a stage."""
    known = catalog().images["echo"]
    assert (known.container, known.task_definition) == (stage().container, stage().task_definition)


def test_only_a_container_that_reports_back_has_a_token_to_be_told() -> None:
    """Its environment is a text with a gap for it, beside the one for the redrive."""
    machines = [Machine([stage()]), Machine([callback()])]
    for machine in machines:
        machine.run(Ends(result={"containers": containers(("main", 0))}))
    sync, reports = (machine.ran[0] for machine in machines)
    assert environment_of(sync)["MODE"] == "fast"
    assert sync.environment_after_token == ""
    assert environment_of(reports, token="SECRET")["TASK_TOKEN"] == "SECRET"
    assert "TASK_TOKEN" not in environment_of(sync)
