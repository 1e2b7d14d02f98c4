"""What a wish comes to when it is performed: AWS's answers as facts, and what it refuses holds nothing else up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from schemas.events import ExecutionDetail
from service.aws.errors import AwsError
from service.core.policy.actions import (
    Action,
    ArchiveLog,
    LeaveUnstarted,
    RedriveExecution,
    StartExecution,
    StopExecution,
)
from service.core.policy.owed import Patience
from service.core.record.facts import ExecutionChanged, Fact, LogArchived
from service.core.record.hearing import left_unstarted
from service.core.record.record import Record, merge
from service.core.record.wishes import CancelAsked, Cancelled, RedriveAsked, RedriveRefused
from service.core.redaction import Redaction
from service.core.telling.steered import steered
from service.metrics import UNMETERED
from service.perform import Performer
from service.settle import Settling
from tests.support.builders import JOB, NOW, announced, execution, record, requested, task

from .test_settle import InMemory

CANCEL = CancelAsked(job_id=JOB, tenant="web", asked_at=NOW + 30, asked_by="ann", reason="wrong input")
REDRIVE = RedriveAsked(job_id=JOB, tenant="web", asked_at=NOW + 90, asked_by="bob")
ASKED = requested(tenant="web")


@dataclass
class StepFunctions:
    """Step Functions, which refuses with these codes, and knows one execution at the most."""

    refuses: str = ""
    knows: ExecutionDetail | None = None
    state_machine_arn: str = "arn:aws:states:us-east-1:123456789012:stateMachine:jobferry"
    asked: list[str] = field(default_factory=list)

    async def stop(self, job_id: str, error: str, cause: str) -> None:
        self._answers("stop")

    async def redrive(self, job_id: str, redrive_count: int) -> float:
        self._answers("redrive")
        return NOW + 91

    async def describe(self, job_id: str) -> ExecutionDetail | None:
        return self.knows

    def _answers(self, call: str) -> None:
        self.asked.append(call)
        if self.refuses:
            raise AwsError(f"no: {self.refuses}", self.refuses)

    async def perform(self, action: Action, *facts: Fact) -> tuple[Fact, ...]:
        """What one wish comes to, a while after it was asked for."""
        nothing = cast("Any", None)
        performer = Performer(
            cast("Any", self),
            nothing,
            nothing,
            nothing,
            nothing,
            60,
            {},
            Redaction.of(),
            60,
            lambda: NOW + 100,
            UNMETERED,
        )
        return await performer.perform(action, record(ASKED, *facts), "me")


async def test_whose_wish_an_end_was_is_remembered() -> None:
    """A later cancel, which comes to nothing, takes its place among the wishes, and not in what is told."""
    (cancelled,) = await StepFunctions().perform(StopExecution(JOB), execution("RUNNING"), CANCEL)
    assert isinstance(cancelled, Cancelled) and (cancelled.asked_by, cancelled.redrive_count) == ("ann", 0)
    later = CANCEL.model_copy(update={"asked_at": NOW + 200, "asked_by": "cy"})
    wishes = steered(record(ASKED, execution("ABORTED"), cancelled, CANCEL, later))
    assert [(wish.verb, wish.by, wish.reason) for wish in wishes] == [("cancel", "ann", "wrong input")]


async def test_a_stop_that_ended_a_later_run_says_so() -> None:
    """StopExecution names no run: another worker stopped the one that was meant, and redrove it."""
    arn = f"arn:aws:states:us-east-1:123456789012:execution:jobferry:{JOB}"
    later = {"executionArn": arn, "status": "ABORTED", "redriveCount": 1, "error": "Jobferry.Cancelled"}
    aws = StepFunctions(knows=ExecutionDetail.model_validate(later))
    cancelled, heard = await aws.perform(StopExecution(JOB), execution("RUNNING"), CANCEL)
    assert isinstance(cancelled, Cancelled) and cancelled.redrive_count == 1
    assert isinstance(heard, ExecutionChanged) and heard.redrive_count == 1


async def test_whose_wish_it_was_never_to_begin_is_remembered_too() -> None:
    """Beside the end that the job is given."""
    cancelled, unstarted = await StepFunctions().perform(LeaveUnstarted(JOB), CANCEL)
    assert isinstance(cancelled, Cancelled)
    assert unstarted == left_unstarted(JOB, "Cancelled by ann: wrong input", NOW + 100)


def told(ended_at: float) -> Fact:
    """The outcome before was announced, and had been at this moment."""
    return announced().model_copy(update={"ended_at": ended_at})


def test_a_redrive_is_told_with_its_wish_where_its_maker_died() -> None:
    """Before it was on record whose wish it was: the wish itself still is."""
    again = execution(redrive_count=1, redriven_at=NOW + 91)
    assert [wish.by for wish in steered(record(ASKED, told(NOW + 60), again, REDRIVE))] == ["bob"]
    by_hand = again.model_copy(update={"redriven_at": NOW + 89})
    assert steered(record(ASKED, told(NOW + 60), by_hand, REDRIVE)) == ()
    much_before = told(NOW + 96)
    assert steered(record(ASKED, much_before, again, REDRIVE)) == ()


async def test_an_end_that_the_role_may_not_make_is_left_to_the_next_sweep() -> None:
    """The wish stays on record; what else the job is owed does not wait for whoever mends the role."""
    role = StepFunctions("AccessDeniedException")
    assert await role.perform(StopExecution(JOB), execution("RUNNING"), CANCEL) == ()
    assert role.asked == ["stop"]


async def test_a_redrive_that_the_role_may_not_make_is_answered_and_may_be_asked_for_again() -> None:
    """It is no last word, as that of Step Functions is."""
    facts = (execution("FAILED"), REDRIVE)
    (refused,) = await StepFunctions("AccessDeniedException").perform(RedriveExecution(JOB, 0), *facts)
    assert isinstance(refused, RedriveRefused) and (refused.for_good, refused.at) == (False, NOW + 100)
    (refused,) = await StepFunctions("ExecutionNotRedrivable").perform(RedriveExecution(JOB, 0), *facts)
    assert isinstance(refused, RedriveRefused) and refused.for_good


@pytest.mark.parametrize("action", [StopExecution(JOB), RedriveExecution(JOB, 0)])
async def test_a_throttle_is_no_answer(action: Action) -> None:
    """The message comes again."""
    facts = (execution("RUNNING" if isinstance(action, StopExecution) else "FAILED"), CANCEL, REDRIVE)
    with pytest.raises(AwsError):
        await StepFunctions("ThrottlingException").perform(action, *facts)


async def test_what_was_started_after_all_is_not_refused_as_never_started() -> None:
    """Another worker stood still in the middle of the start."""
    arn = f"arn:aws:states:us-east-1:123456789012:execution:jobferry:{JOB}"
    runs = ExecutionDetail.model_validate({"executionArn": arn, "status": "RUNNING"})
    unstarted = left_unstarted(JOB, "why", NOW + 40)
    (heard,) = await StepFunctions(knows=runs).perform(RedriveExecution(JOB, 0), unstarted, CANCEL, REDRIVE)
    assert not isinstance(heard, RedriveRefused)
    (refused,) = await StepFunctions().perform(RedriveExecution(JOB, 0), unstarted, CANCEL, REDRIVE)
    assert isinstance(refused, RedriveRefused) and "never started" in refused.why


@dataclass
class Throttled:
    """Does everything but what people asked for."""

    done: list[Action] = field(default_factory=list)

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        self.done.append(action)
        if isinstance(action, StopExecution):
            raise AwsError("Rate exceeded", "ThrottlingException")
        if isinstance(action, ArchiveLog):
            return (LogArchived(job_id=JOB, task_id=action.task_id, container=action.container, status="complete"),)
        return (job.new_claim("archive#t1", me, NOW, 60),)


async def test_what_fails_of_a_wish_is_raised_when_all_else_is_done() -> None:
    """The logs of the job do not wait for an AWS that is throttled; the message of the wish comes again."""
    jobs, aws = InMemory(), Throttled()
    job = await jobs.all_of(ASKED, execution("RUNNING"), task(), CANCEL)
    with pytest.raises(AwsError, match="Rate exceeded"):
        await Settling(jobs, aws, Patience(), lambda: NOW + 40).settle(job, "me")
    assert isinstance(aws.done[0], StopExecution)
    assert any(isinstance(action, ArchiveLog) for action in aws.done)


@dataclass
class Starting:
    """Does everything, and remembers it."""

    done: list[Action] = field(default_factory=list)

    async def perform(self, action: Action, job: Record, me: str) -> tuple[Fact, ...]:
        self.done.append(action)
        return ()


@pytest.mark.parametrize(("stood_still", "done"), [(20.0, LeaveUnstarted(JOB)), (10.0, StartExecution(JOB))])
async def test_who_stood_still_for_long_looks_again_before_it_starts(stood_still: float, done: Action) -> None:
    """What it read may have changed; others wait for a start that is under way for the grace time, 30 seconds."""
    jobs, aws = InMemory(), Starting()
    read = replace(await jobs.all_of(ASKED), known_at=NOW)
    await jobs.all_of(CANCEL)
    await Settling(jobs, aws, Patience(), lambda: NOW + stood_still).settle(read, "me")
    assert aws.done[0] == done


def test_what_a_record_is_told_makes_it_no_younger() -> None:
    """When it was read stays known, through whatever is merged into it or put beside it."""
    read = replace(record(ASKED, execution("RUNNING")), known_at=NOW)
    assert merge(read, CANCEL).known_at == read.beside(record(ASKED, task())).known_at == NOW
