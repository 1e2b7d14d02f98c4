"""What the next stage is, played through with a state machine of a few lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from schemas.plan import Attempt, Config, ErrorResult, ExecutionInput, LambdaResult, NextStage, PlanRequest, Stage
from service.core.planning import JOB_TIMED_OUT, STAGE_FAILED, plan
from tests.unit.builders import JOB, NOW, catalog, execution_arn, task_arn

Step = Literal["plan_next_step", "handle_error_step", "finish_step"]


@dataclass(frozen=True)
class Ends:
    """How one attempt ends: with the result of a state, or with an error that is caught; after so many seconds."""

    result: dict[str, Any] | None = None
    error: str = ""
    cause: str = ""
    takes: float = 10


@dataclass
class Machine:
    """The state machine as far as planning sees it. `ran` holds every attempt that was launched."""

    stages: Sequence[Stage]
    timeout_seconds: int | None = None
    now: float = NOW
    ran: list[NextStage] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)

    def run(self, *script: Ends) -> LambdaResult:
        """Play the script to the end of the job; it must be just as long as the job."""
        remaining = list(script)
        plan_now = self._plan("plan_next_step", self._input(self._start()))
        while plan_now.next_stage is not None:
            self.now += plan_now.wait_seconds
            self.waited.append(plan_now.wait_seconds)
            self.ran.append(plan_now.next_stage)
            ends = remaining.pop(0)
            self.now += ends.takes
            plan_now = self._after(plan_now, ends)
        assert not remaining, "the job ended before the script"
        return plan_now

    def _after(self, before: LambdaResult, ends: Ends) -> LambdaResult:
        if ends.error:
            caught = ErrorResult(Error=ends.error, Cause=ends.cause)
            return self._plan("handle_error_step", self._input(before, error_result=caught))
        last = before.next_stage is not None and before.next_stage.stage == before.total_stages_count
        step: Step = "finish_step" if last else "plan_next_step"
        return self._plan(step, self._input(before, stage_result=ends.result))

    def _plan(self, step: Step, told: ExecutionInput) -> LambdaResult:
        request = PlanRequest(
            step=step, execution_arn=execution_arn(), started_at=_iso(NOW), now=_iso(self.now), input=told
        )
        travelled = PlanRequest.model_validate_json(request.model_dump_json())
        return plan(travelled, self.stages)

    def _input(self, result: LambdaResult, **more: Any) -> ExecutionInput:
        return ExecutionInput(job_id=JOB, input_file="in/a.jpg", user="ifgeek", lambda_result=result, **more)

    def _start(self) -> LambdaResult:
        config = Config(bucket="bucket", timeout_seconds=self.timeout_seconds, stages=tuple(self.stages))
        return LambdaResult(total_stages_count=len(self.stages), processed_stages_count=0, config=config)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stage(**fields: Any) -> Stage:
    """A sync stage on Fargate, changed in these fields."""
    usual = {
        "name": "echo",
        "image": "echo",
        "task_definition": "echo",
        "container": "main",
        "integration": "sync",
        "launch_type": "FARGATE",
        "on_fargate": True,
        "command": ("echo", "hi"),
        "environment": {"MODE": "fast"},
        "cpu": 256,
        "memory": 512,
        "max_memory": 512,
        "timeout_seconds": 600,
        "heartbeat_seconds": 60,
        "retries": {},
    }
    return Stage.model_validate({**usual, **fields})


def containers(*codes: tuple[str, int | None], reason: str | None = None) -> list[dict[str, Any]]:
    """Containers as Step Functions gives them; those without an exit code lack the key."""
    told = [{"Name": name} | ({} if code is None else {"ExitCode": code}) for name, code in codes]
    return [item | ({"Reason": reason} if reason and item["Name"] == "main" else {}) for item in told]


def ok(*others: tuple[str, int | None]) -> Ends:
    """The state succeeded: every container ended with 0."""
    return Ends(result={"task_arn": task_arn(), "containers": containers(*others, ("main", 0))})


def failed(
    *codes: tuple[str, int | None],
    reason: str | None = None,
    stop_code: str = "EssentialContainerExited",
    stopped_reason: str = "Essential container in task exited",
) -> Ends:
    """The state failed with the task as its cause."""
    told = {
        "TaskArn": task_arn(),
        "StopCode": stop_code,
        "StoppedReason": stopped_reason,
        "LaunchType": "FARGATE",
        "StartedAt": 1_700_000_000_000,
        "Containers": containers(*codes, reason=reason),
        "Overrides": {"ContainerOverrides": [{"Name": "main", "Environment": [{"Name": "MODE", "Value": "x" * 200}]}]},
    }
    return Ends(error="States.TaskFailed", cause=json.dumps(told))


OUT_OF_MEMORY = failed(("main", 137), reason="OutOfMemoryError: Container killed due to memory usage")
THROTTLED = Ends(error="ECS.AmazonECSException", cause="Rate exceeded (Error Code: ThrottlingException)", takes=1)
SPOT = failed(("main", 137), stop_code="SpotInterruption", stopped_reason="Your Spot Task was interrupted.")
EXIT_1 = failed(("main", 1))


ONCE = stage(retries={"transient": 0, "out_of_memory": 0})


def brief(plan_now: LambdaResult) -> list[tuple[int, int, bool, int | None]]:
    """The attempts of an outcome, as stage, attempt, passed, exit code."""
    assert plan_now.outcome is not None
    return [(item.stage, item.attempt, item.passed, item.exit_code) for item in plan_now.outcome.attempts]


def test_stages_run_one_after_the_other() -> None:
    """Each sees what the one before wrote, and the job ends with all that was attempted."""
    machine = Machine([stage(name="first"), stage(name="second")])
    end = machine.run(ok(), ok())
    assert end.decision == "succeed"
    assert [(item.stage, item.attempt, item.name) for item in machine.ran] == [(1, 1, "first"), (2, 1, "second")]
    assert brief(end) == [(1, 1, True, 0), (2, 1, True, 0)]
    assert (end.processed_stages_count, end.total_stages_count) == (2, 2)
    variables = {pair["Name"]: pair["Value"] for pair in machine.ran[1].environment}
    assert variables["JOBFERRY_INPUT"] == f"s3://bucket/jobs/{JOB}/stages/1/"
    assert variables["MODE"] == "fast"


def test_a_plan_says_everything_that_a_state_selects() -> None:
    """A JSONPath that selects nothing fails the state, so every key is there, null where it says nothing."""
    machine = Machine([stage()])
    end = machine.run(ok())
    keys = {"total_stages_count", "processed_stages_count", "decision", "next_stage", "wait_seconds", "attempts"}
    assert end.model_dump().keys() == keys | {"outcome", "config"}
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


def test_an_exit_code_is_tried_again_where_the_catalogue_says_so() -> None:
    """As often as it says, and no more."""
    patient = stage(retries={"application": 2})
    assert Machine([patient]).run(EXIT_1, EXIT_1, ok()).decision == "succeed"
    assert Machine([patient]).run(EXIT_1, EXIT_1, EXIT_1).decision == "fail"


def test_what_mends_itself_is_tried_again_after_a_doubling_pause() -> None:
    """Throttles by default three times; then the job fails with the throttle as its evidence."""
    machine = Machine([stage()])
    end = machine.run(THROTTLED, THROTTLED, THROTTLED, THROTTLED)
    assert machine.waited == [0, 5, 10, 20]
    assert end.outcome is not None
    assert "Rate exceeded" in json.loads(end.outcome.cause)["evidence"]
    assert [item.attempt for item in end.outcome.attempts] == [1, 2, 3, 4]


def test_no_pause_is_longer_than_five_minutes() -> None:
    """Doubling stops there."""
    machine = Machine([stage(retries={"transient": 20})])
    machine.run(*[THROTTLED] * 20, ok())
    assert max(machine.waited) == 300
    assert machine.waited == sorted(machine.waited)


def test_retries_are_counted_by_stage_and_by_what_went_wrong() -> None:
    """A throttle does not use up the attempts after a Spot interruption, nor those of the next stage."""
    machine = Machine([stage(retries={"transient": 1}), stage(retries={"transient": 1})])
    end = machine.run(THROTTLED, SPOT, ok(), THROTTLED, ok())
    assert end.decision == "succeed"
    assert [(item.stage, item.attempt) for item in machine.ran] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]


def test_out_of_memory_is_tried_at_once_with_the_next_size() -> None:
    """Up the ladder to the catalogue's ceiling, and then it is over."""
    machine = Machine([stage(max_memory=2048, retries={"out_of_memory": 5})])
    end = machine.run(OUT_OF_MEMORY, OUT_OF_MEMORY, OUT_OF_MEMORY)
    assert [(item.cpu, item.memory) for item in machine.ran] == [("256", "512"), ("256", "1024"), ("256", "2048")]
    assert machine.waited == [0, 0, 0]
    assert end.decision == "fail"


def test_out_of_memory_is_tried_no_more_often_than_the_catalogue_says() -> None:
    """Twice by default, however high the ceiling."""
    machine = Machine([stage(max_memory=30_720)])
    assert machine.run(OUT_OF_MEMORY, OUT_OF_MEMORY, OUT_OF_MEMORY).decision == "fail"
    assert [item.memory for item in machine.ran] == ["512", "1024", "2048"]


def test_a_throttle_on_the_way_up_does_not_lose_the_size() -> None:
    """What was learnt of the memory stays with the stage; the next stage begins with its own."""
    machine = Machine([stage(max_memory=2048), stage()])
    machine.run(OUT_OF_MEMORY, THROTTLED, ok(), ok())
    assert [item.memory for item in machine.ran] == ["512", "1024", "1024", "512"]


def test_memory_on_EC2_is_doubled_up_to_the_ceiling() -> None:
    """No fixed sizes there."""
    machine = Machine([stage(on_fargate=False, launch_type="EC2", memory=600, max_memory=1000)])
    machine.run(OUT_OF_MEMORY, OUT_OF_MEMORY)
    assert [item.memory for item in machine.ran] == ["600", "1000"]


SPOT_PROVIDERS = [{"capacity_provider": "FARGATE_SPOT", "weight": 1, "base": 0}]


def test_after_a_Spot_interruption_the_stage_runs_on_demand_where_the_catalogue_allows() -> None:
    """And does not go back to Spot for another reason."""
    machine = Machine([stage(capacity_providers=SPOT_PROVIDERS, on_demand_fallback=True)])
    machine.run(SPOT, THROTTLED, ok())
    assert [item.launch for item in machine.ran] == ["sync_on_capacity_provider", "sync", "sync"]
    assert machine.ran[0].capacity_provider_strategy == ({"CapacityProvider": "FARGATE_SPOT", "Weight": 1, "Base": 0},)


def test_without_the_fallback_it_stays_on_Spot() -> None:
    """Money is the catalogue's to spend."""
    machine = Machine([stage(capacity_providers=SPOT_PROVIDERS)])
    machine.run(SPOT, ok())
    assert [item.launch for item in machine.ran] == ["sync_on_capacity_provider"] * 2


def test_on_demand_is_the_images_own_launch_type() -> None:
    """A group of EC2 Spot instances falls back to EC2, not to Fargate, whose sizes it may not fit."""
    spot_group = [{"capacity_provider": "spot-group"}]
    of_ec2 = stage(launch_type="EC2", on_fargate=False, capacity_providers=spot_group, on_demand_fallback=True)
    machine = Machine([of_ec2])
    machine.run(SPOT, ok())
    assert (machine.ran[1].launch, machine.ran[1].launch_type) == ("sync", "EC2")


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
    assert launched.environment == ()
    joined = json.loads(f"{launched.environment_before_token}TOKEN{launched.environment_after_token}")
    assert {"Name": "TASK_TOKEN", "Value": "TOKEN"} in joined


def test_a_callback_that_reports_a_failure_fails_the_stage() -> None:
    """Whatever it calls its error."""
    end = Machine([callback()]).run(Ends(error="Pictures.Broken", cause="not a JPEG"))
    assert end.decision == "fail"
    assert end.outcome is not None
    assert end.outcome.attempts[0].error == "Pictures.Broken"
    assert "not a JPEG" in json.loads(end.outcome.cause)["evidence"]


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
    assert "100 seconds" in json.loads(end.outcome.cause)["evidence"]


def test_a_stage_that_its_own_timeout_ends_is_a_stage_that_failed() -> None:
    """The job had time left."""
    end = Machine([stage(timeout_seconds=50)], timeout_seconds=100).run(Ends(error="States.Timeout", takes=50))
    assert end.outcome is not None
    assert end.outcome.error == STAGE_FAILED


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
    late = Ends(error=THROTTLED.error, cause=THROTTLED.cause, takes=97)
    end = Machine([stage()], timeout_seconds=100).run(late)
    assert end.outcome is not None
    assert end.outcome.error == JOB_TIMED_OUT


def test_a_hundred_stages_with_every_retry_fit_Step_Functions_limits() -> None:
    """A cause has at most 32,768 characters, an error 256, and what travels stays well under 262,144 bytes."""
    machine = Machine([stage(retries={"transient": 2}) for _ in range(100)])
    end = machine.run(*[item for _ in range(99) for item in (THROTTLED, SPOT, ok())], EXIT_1)
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
