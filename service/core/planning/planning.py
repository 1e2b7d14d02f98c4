"""What the next stage is, given what the last ones did.

A plan depends on nothing but its input: the stages were frozen at admission, and the time is the state machine's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.plan import (
    JOB_TIMED_OUT,
    STAGE_FAILED,
    Attempt,
    Config,
    Decision,
    LambdaResult,
    NextStage,
    Outcome,
    PlannerReport,
    PlanRequest,
    Redrive,
    Stage,
    Waiting,
)
from service.core.diagnosis import diagnosis
from service.core.diagnosis.diagnosis import Budget, Ending, Remedy
from service.core.diagnosis.ending import ending_of_result, succeeded
from service.core.planning import waiting
from service.core.planning.launch import Launch, bigger, leaves_providers, next_stage, pause_seconds

# Of a whole job: all are carried in the payload of 262,144 bytes, and make up to 30 of 25,000 history events each.
MOST_ATTEMPTS = 600
# Step Functions keeps 32,768 characters [botocore, SensitiveCause] of a cause in which ours is quoted once more, beside
# a stack trace.
_LONGEST_CAUSE = 30_000
# What a stage fails with when its own timeout, or the job's, is over [LocalStack timeouts, heartbeats].
_TIMEOUTS = frozenset({"States.Timeout", "States.HeartbeatTimeout"})
_LEAST_SECONDS = 2  # Of a job's time: one to wait, and one to run.


@dataclass(frozen=True)
class _Learned:
    """How the attempt that just ended is judged."""

    attempt: Attempt
    remedy: Remedy
    evidence: str


def failure(request: PlanRequest) -> Outcome | None:
    """What the execution is to fail with now, as the last plan decided; None where there is something to plan.

    `fail_step` fails by this outcome. Redriven, it is entered again with the same input [Step Functions guide,
    redrive-executions], and goes on at the stage that failed.
    """
    return request.input.lambda_result.outcome if request.step == "fail_step" and not _is_redriven(request) else None


def plan(request: PlanRequest, stages: Sequence[Stage]) -> LambdaResult:
    """The next decision: run a stage, wait and run it again, succeed, or fail with error and cause."""
    last = request.input.lambda_result
    learned = _learn(request, stages)
    before = last.outcome.attempts if last.outcome else last.attempts
    attempts = (*before, learned.attempt) if learned else before
    redrive = _new_redrive(request, before) if _is_redriven(request) else last.redrive
    progress = _Progress(request, stages, attempts, redrive)
    if learned is None or learned.attempt.passed:
        return progress.go_on()
    return progress.after_failure(learned)


def _is_redriven(request: PlanRequest) -> bool:
    """Whether somebody redrove the execution since the last plan."""
    known = request.input.lambda_result.redrive
    return request.redrive_count > (known.count if known else 0)


def _new_redrive(request: PlanRequest, before: Sequence[Attempt]) -> Redrive:
    return Redrive(count=request.redrive_count, at=request.now, attempts=len(before))


def _learn(request: PlanRequest, stages: Sequence[Stage]) -> _Learned | None:
    """What the state that just ran says of its stage; None before the first."""
    running = request.input.lambda_result.next_stage
    if running is None:
        return None
    stage = stages[running.stage - 1]
    if request.step == "handle_error_step":
        return _judge_error(request, stage, running)
    return _judge_result(request, stage, running)


def _judge_error(request: PlanRequest, stage: Stage, running: NextStage) -> _Learned:
    caught = request.input.error_result
    error, cause = (caught.Error, caught.Cause) if caught else ("", "")
    ending = replace(
        diagnosis.ending_of_cause(error, cause, stage.container),
        callback=stage.integration == "callback",
        timeout_seconds=running.timeout_seconds,
        heartbeat_seconds=running.heartbeat_seconds if stage.integration == "callback" else None,
    )
    task = diagnosis.read_task_cause(cause)
    # Step Functions fails the state when any container exits non-zero; only the job's own one decides.
    passed = stage.integration == "sync" and error == "States.TaskFailed" and succeeded(ending)
    given = error or ("" if ending.callback else None)
    redrive = _redrive_of(task.redrive if task else None, request)
    return _judged(running, ending, redrive, passed=passed, task_arn=task.task_arn if task else None, error=given)


def _judge_result(request: PlanRequest, stage: Stage, running: NextStage) -> _Learned:
    if stage.integration == "callback":
        redrive = _redrive_of((request.input.stage_result or {}).get("redrive"), request)
        return _judged(running, Ending(), redrive, passed=True, task_arn=None, error=None)
    task = diagnosis.read_task(request.input.stage_result)
    ending, passed_on = ending_of_result(task, stage.container), task.task_arn if task else None
    redrive = _redrive_of(task.redrive if task else None, request)
    return _judged(running, ending, redrive, passed=succeeded(ending), task_arn=passed_on, error=None)


def _redrive_of(given: object, request: PlanRequest) -> int:
    """The redrive in which a stage ran: an earlier one, where a plan after it failed, and that was redriven."""
    return given if isinstance(given, int) else request.redrive_count


def _judged(
    running: NextStage, ending: Ending, redrive: int, *, passed: bool, task_arn: str | None, error: str | None
) -> _Learned:
    found = None if passed else diagnosis.diagnose(ending)
    return _Learned(
        attempt=Attempt(
            redrive=redrive,
            stage=running.stage,
            attempt=running.attempt,
            passed=passed,
            task_arn=task_arn,
            exit_code=ending.exit_code,
            failure_class=found.failure_class if found else None,
            error=None if passed else error,
        ),
        remedy=found.remedy if found else "none",
        evidence=found.evidence if found else "",
    )


@dataclass(frozen=True)
class _Progress:
    """How far the job has come, and what can follow."""

    request: PlanRequest
    stages: Sequence[Stage]
    attempts: tuple[Attempt, ...]
    redrive: Redrive | None

    def go_on(self) -> LambdaResult:
        """The next attempt of the stage after those that passed, its first but for a redrive; or the end."""
        passed = sum(item.passed for item in self.attempts)
        if passed == len(self.stages):
            return self._result("succeed", outcome=self._outcome("", ""))
        stage = self.stages[passed]
        tried = max((item.attempt for item in self.attempts if item.stage == passed + 1), default=0)
        launch = Launch(passed + 1, tried + 1, stage.cpu, stage.memory, on_demand=False, refusals=self._refusals)
        return self._run(launch)

    def after_failure(self, learned: _Learned) -> LambdaResult:
        """The same stage once more, if its failure is one that time or another attempt can mend; else the end."""
        if learned.remedy == "wait":
            return self._wait_for_capacity(learned)
        launch = self._next_launch(learned)
        if launch is None and learned.attempt.error in _TIMEOUTS and self._seconds_left() < 1:
            return self._time_is_over()
        if launch is None:
            return self._fail(STAGE_FAILED, learned.evidence)
        return self._run(launch, wait=pause_seconds(learned.remedy, launch.attempt, self.request.execution_arn))

    def _wait_for_capacity(self, learned: _Learned) -> LambdaResult:
        """The same attempt once more after a while: nothing was wrong with the job, AWS did not take it on.

        Where it did, and stopped the task before it ran, that was an attempt, since the task is known by its number.
        """
        running = self._running
        waits = self._waiting(learned)
        stage = self.stages[running.stage - 1]
        left = stage.capacity_wait_seconds - (_seconds(self.request.now) - _seconds(waits.since))
        account_wide = diagnosis.is_account_wide(waits.failure_class)
        wait = waiting.wait_seconds(
            waits.tries, running.refusals, left, self.request.execution_arn, account_wide=account_wide
        )
        if wait is None or len(self.attempts) >= MOST_ATTEMPTS:
            return self._fail(STAGE_FAILED, in_words(waits))
        if self._seconds_left() < _LEAST_SECONDS:
            return self._time_is_over(waits)
        had_a_task = learned.attempt.task_arn is not None
        kept = (*self.attempts[:-1], learned.attempt.model_copy(update={"waited": True})) if had_a_task else None
        launch = Launch(
            stage=running.stage,
            attempt=running.attempt + had_a_task,
            cpu=int(running.cpu),
            memory=int(running.memory),
            on_demand=leaves_providers(stage, running, learned.remedy),
            waiting=waits,
            refusals=running.refusals + 1,
        )
        in_time = int(min(wait, self._seconds_left() - 1))
        return replace(self, attempts=kept or self.attempts[:-1])._run(launch, wait=in_time)

    def _waiting(self, learned: _Learned) -> Waiting:
        """Since when it waits, this refusal included. A redrive begins anew."""
        before = None if _is_redriven(self.request) else self._running.waiting
        return Waiting(
            since=before.since if before else self.request.now,
            tries=before.tries + 1 if before else 1,
            failure_class=learned.attempt.failure_class or "",
            why=learned.evidence,
        )

    @property
    def _running(self) -> NextStage:
        running = self.request.input.lambda_result.next_stage
        assert running is not None, "a failure is of a stage that ran"
        return running

    def _next_launch(self, learned: _Learned) -> Launch | None:
        number, attempt = learned.attempt.stage, learned.attempt.attempt
        stage = self.stages[number - 1]
        budget = diagnosis.budget_of(learned.remedy)
        if budget is None or len(self.attempts) >= MOST_ATTEMPTS:
            return None
        if self._failures(number, budget) > getattr(stage.retries, budget):
            return None
        running = self._running
        cpu, memory = int(running.cpu), int(running.memory)
        size = bigger(stage, cpu, memory) if learned.remedy == "bigger" else (cpu, memory)
        on_demand = leaves_providers(stage, running, learned.remedy)
        return Launch(number, attempt + 1, *size, on_demand=on_demand, refusals=running.refusals) if size else None

    def _failures(self, number: int, budget: Budget) -> int:
        """How often this stage failed in a way that this budget is for, since the last redrive, the last included."""
        counted = self.attempts[self.redrive.attempts if self.redrive else 0 :]
        return sum(
            item.stage == number
            and not (item.passed or item.waited)
            and diagnosis.budget_of_class(item.failure_class) == budget
            for item in counted
        )

    def _run(self, launch: Launch, wait: int = 0) -> LambdaResult:
        left = self._seconds_left() - wait
        if left < 1:
            return self._time_is_over()
        following = next_stage(self.request, self.stages[launch.stage - 1], launch, left)
        return self._result("wait" if wait else "run", next_stage=following, wait=wait)

    def _seconds_left(self) -> float:
        if self._config.timeout_seconds is None:
            return float("inf")
        since = self.redrive.at if self.redrive else self.request.started_at
        return self._config.timeout_seconds - (_seconds(self.request.now) - _seconds(since))

    @property
    def _refusals(self) -> int:
        """How often RunTask has refused the execution so far; the plan of a failure holds it in its outcome."""
        last = self.request.input.lambda_result
        held = last.next_stage or last.outcome
        return held.refusals if held else 0

    def _time_is_over(self, waits: Waiting | None = None) -> LambdaResult:
        seconds = self._config.timeout_seconds
        timeout = f"{seconds} second{'' if seconds == 1 else 's'}"
        return self._fail(
            JOB_TIMED_OUT, f"the job's timeout of {timeout} is over" + (f"; {in_words(waits)}" if waits else "")
        )

    def _fail(self, error: str, evidence: str) -> LambdaResult:
        return self._result("fail", outcome=self._outcome(error, evidence))

    def _outcome(self, error: str, evidence: str) -> Outcome:
        attempts = self.attempts
        cause = PlannerReport(evidence=evidence, attempts=attempts).as_json() if error else ""
        while len(json.dumps(cause)) > _LONGEST_CAUSE:  # The oldest are the least needed: ECS events tell of them too.
            attempts = attempts[len(attempts) // 2 + 1 :]
            cause = PlannerReport(evidence=evidence, attempts=attempts).as_json()
        return Outcome(error=error, cause=cause, attempts=self.attempts, refusals=self._refusals)

    def _result(
        self, decision: Decision, *, next_stage: NextStage | None = None, wait: int = 0, outcome: Outcome | None = None
    ) -> LambdaResult:
        return LambdaResult(
            total_stages_count=len(self.stages),
            processed_stages_count=sum(item.passed for item in self.attempts),
            decision=decision,
            next_stage=next_stage,
            wait_seconds=wait,
            attempts=() if outcome else self.attempts,
            outcome=outcome,
            redrive=self.redrive,
            config=self._config,
        )

    @property
    def _config(self) -> Config:
        return self.request.input.lambda_result.config


def in_words(waits: Waiting) -> str:
    """What was waited for, since when, and how often it was tried."""
    times = "once" if waits.tries == 1 else f"{waits.tries} times"
    return f"waited for capacity since {waits.since}, tried {times}; the last answer: {waits.why}"


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
