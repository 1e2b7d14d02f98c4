"""What is owed to any record at all, whatever was heard of its job: what never may be, and what must be."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.policy.actions import Announce, AskEarlierEnds, Claim, StartExecution, SteerPage, TellProgress
from service.core.policy.owed import SWEEP, Moment, Patience, owed
from service.core.record.facts import Fact
from service.core.record.record import Record
from tests.support.builders import JOB, NOW, claim, merge_all, requested
from tests.unit.test_record import FACTS

ME = "me"
PATIENCE = Patience(task_grace=30, log_deadline=900)


def replace_request(job: Record, **fields: object) -> Record:
    """The same job with another request, if it has one."""
    if job.request is None:
        return job
    return replace(job, registers={**job.registers, "request": job.request.model_copy(update=fields)})


ANYTHING = st.one_of(
    FACTS,
    st.builds(claim, st.sampled_from([SWEEP, "announce#0", "announce#1", "archive#t1"]), st.sampled_from(["me", "b"])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANYTHING, max_size=10), st.floats(NOW, NOW + 10_000), st.booleans())
def test_no_record_is_owed_two_things_that_exclude_each_other(facts: list[Fact], now: float, asked: bool) -> None:
    """Nothing is announced while anything else is owed, nor what was announced before; nothing is owed twice.

    Of progress nothing is told after that, and it changes nothing in what is owed beside it.
    """
    job = merge_all(Record.of_job(JOB), facts)
    actions = owed(job, Moment(now, ME, PATIENCE))
    if asked:
        curious = replace_request(job, progress=True)
        told = owed(curious, Moment(now, ME, PATIENCE))
        assert [action for action in told if not isinstance(action, TellProgress)] == list(actions)
        assert job.announced is None or told == actions
    assert len(set(actions)) == len(actions)
    assert all(
        (action.record_key.id if isinstance(action, Claim | Announce | SteerPage) else action.job_id) == JOB
        for action in actions
    )
    if any(isinstance(action, Announce) for action in actions):
        # How it had ended before may be asked once more, since that may be gone with the state machine.
        assert len([action for action in actions if not isinstance(action, AskEarlierEnds)]) == 1
        assert job.announced is None
    if any(isinstance(action, StartExecution) for action in actions):
        assert job.execution is None


@settings(max_examples=300, deadline=None)
@given(st.lists(FACTS, max_size=10))
def test_no_ended_job_waits_for_ever(facts: list[Fact]) -> None:
    """A day after its end, a job that was not announced is owed something by whoever sweeps it."""
    job = merge_all(Record.of_job(JOB), [requested(), *facts, claim(SWEEP, ME)])
    if job.announced is None:
        assert owed(job, Moment(NOW + 86_400, ME, PATIENCE))
