"""Promise 10: what people ask for is done, or refused with a true reason, once; and nothing that others ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from schemas.base import DEFAULT_TENANT
from tests.sim.ledger import Ledger, Wish
from tests.sim.truth import Truth, fact_in
from tests.support.aws.dynamodb import Item
from tests.support.aws.sns import Notice
from tests.support.aws.stepfunctions import ENDED, Execution
from tests.support.loop import PROCESS
from tests.support.names import EPOCH

PROMISE = 10
# Two clocks tell when a run ended and when it was asked to go on.
_CLOCKS_DIFFER_SECONDS = 5.0
# A call that was decided on when another run went on takes effect within this time, in the calm.
_CALL_SECONDS = 5.0
# A wish that was heard in the calm has taken effect by then, be it by the sweeper.
_EFFECT_SECONDS = 400.0
# A message that was received before a moment is done with so soon after it.
_HEARING_SECONDS = 5.0
_AFTER_THE_STORM_SECONDS = 60.0


@dataclass
class SteeringJudge:
    """Watches what is done because somebody asked. `denied` is what the workers' role may not do."""

    ledger: Ledger
    truth: Truth
    now: Callable[[], float]
    accuse: Callable[[int, str], None]
    calm_at: float
    denied: frozenset[str] = frozenset()
    heard_at: dict[str, float] = field(default_factory=dict)
    _requested_at: dict[str, float] = field(default_factory=dict)
    _cancel_noted_at: dict[str, float] = field(default_factory=dict)
    _too_early: set[str] = field(default_factory=set)
    _stopped: set[tuple[str, int]] = field(default_factory=set)
    _by_mistake: set[tuple[str, int]] = field(default_factory=set)
    somebody_died: bool = False
    _redriven_at: dict[str, list[float]] = field(default_factory=dict)

    # A message is deleted only when its wish is on record, or comes to nothing.

    def missing(self, message_id: str) -> str | None:
        """What a message that is about to be deleted has not come to."""
        wish = self.ledger.wishes[message_id]
        self.heard_at.setdefault(message_id, self.now())
        request = self.truth.request(wish.job_id)
        if wish.tenant != DEFAULT_TENANT and request is not None:
            return None
        if wish.verb == "redrive" and self._may_have_read_before(self._requested_at.get(wish.job_id, math.inf)):
            self._too_early.add(message_id)  # Perhaps there was no such job yet when it was heard.
            return None
        register = f"cancel#{wish.tenant}" if wish.verb == "cancel" else "redrive"
        held = fact_in(self.truth.record(wish.job_id), register)
        if held is not None and held["asked_at"] - EPOCH >= wish.asked_at - 0.001:
            return None
        if wish.verb == "cancel" and held is not None:
            return None if self._is_to_end_already(wish) else "the job was to end, and is not to end any more"
        return f"its {wish.verb} is not on record"

    def _may_have_read_before(self, moment: float) -> bool:
        """Whether whoever acts now may have read before this: it was a moment ago, or it stood still since."""
        process = PROCESS.get()
        went_on_at = process.stalled_until if process is not None else 0.0
        return self.now() < max(moment, went_on_at) + _HEARING_SECONDS

    def _is_to_end_already(self, wish: Wish) -> bool:
        """Whether an earlier cancel is about the same run."""
        run = self._run_at(wish.job_id, wish.asked_at)
        return any(
            self._run_at(item.job_id, item.asked_at) == run
            for item in self.ledger.wishes_of(wish.job_id, "cancel")
            if item.asked_at < wish.asked_at
        )

    # What is done was asked for.

    def on_stop(self, execution: Execution) -> None:
        """A worker ends a run."""
        name, count = execution.name, execution.now.redrive_count
        wishes = self.ledger.wishes_of(name, "cancel")
        was_meant = not count or any(item.asked_at >= self._since_asked(execution) for item in wishes)
        (self._stopped if was_meant else self._by_mistake).add((name, count))
        asked = [item.asked_at for item in self.ledger.wishes_of(name, "cancel")]
        if not asked:
            self.accuse(PROMISE, f"{name} was stopped, and nobody of its tenant had asked for that")
        elif self._is_calm() and not any(at >= self._meant_from(execution) for at in asked):
            self.accuse(PROMISE, f"{name} was stopped in redrive {count}, and that was asked for of an earlier run")

    def _meant_from(self, execution: Execution) -> float:
        """From when on a cancel is meant for the present run: it may come between the wish for a redrive and that."""
        began = self._began_at(execution, execution.now.redrive_count)
        if not execution.now.redrive_count or self.now() - began < _CALL_SECONDS:
            return 0.0
        return self._since_asked(execution)

    def _since_asked(self, execution: Execution) -> float:
        """When the redrive that an execution is in was asked for, as far as it was."""
        began = self._began_at(execution, execution.now.redrive_count)
        wishes = [item.asked_at for item in self.ledger.wishes_of(execution.name, "redrive")]
        return max((at for at in wishes if at <= began), default=began)

    def _times_asked(self, name: str) -> int:
        """How often somebody wanted a redrive anew: a repeat wants the same, and after a cancel it is another one."""
        wishes = [*self.ledger.wishes_of(name, "redrive"), *self.ledger.wishes_of(name, "cancel")]
        verbs = [wish.verb for wish in sorted(wishes, key=lambda wish: wish.asked_at)]
        return sum(verb == "redrive" and before != "redrive" for before, verb in pairwise(["cancel", *verbs]))

    def on_redrive(self, execution: Execution) -> None:
        """A worker has redriven a run: each wish is good for one.

        Of those that were asked for before it, one more is good where a cancel stood between it and the one before.
        """
        name, done = execution.name, self._redriven_at.setdefault(execution.name, [])
        since = max(done, default=-1.0)
        asked = [item for item in self.ledger.wishes_of(name, "redrive") if item.asked_at > since]
        was_asked = bool(asked) or len(done) < self._times_asked(name)
        if not was_asked and (name, execution.now.redrive_count - 1) not in self._by_mistake:
            self.accuse(PROMISE, f"{name}: redrive {execution.now.redrive_count} was made, and nobody had asked")
        done.append(self.now())

    def on_start(self, execution: Execution) -> None:
        """A worker starts a job: in the calm, not one whose cancel was on record when it decided to."""
        process = PROCESS.get()
        if process is None or process.stood_still_in_this_call or not self._is_calm():
            return
        cancel = fact_in(self.truth.record(execution.name), f"cancel#{DEFAULT_TENANT}")
        if cancel is not None and self._cancel_noted_at.get(execution.name, math.inf) < self.now() - _CALL_SECONDS:
            self.accuse(PROMISE, f"{execution.name} was started, though its cancel was known")

    # What is told of it is true.

    def check_unstarted(self, notice: Notice, job_id: str) -> None:
        """A job is said to have ended before it began."""
        if notice.body["status"] != "ABORTED" or not self.ledger.wishes_of(job_id, "cancel"):
            self.accuse(9, f"{notice.id} was announced, and it was never started")
        self._must_name(notice, job_id, "cancel")

    def check_outcome(self, notice: Notice, execution: Execution, count: int) -> None:
        """An outcome says who asked for it, as far as that was so, and of which job this one was made again."""
        made_of = self.ledger.made_of.get(execution.name)
        if notice.body["retry_of"] != made_of:
            self.accuse(PROMISE, f"{notice.id} is said to be a rerun of {notice.body['retry_of']}, not of {made_of}")
        for told in notice.body["steered"]:
            if told["verb"] == "rerun" and made_of is not None:
                continue
            asked = self.ledger.wishes_of(execution.name, told["verb"])
            if not any((item.asked_by, item.reason) == (told["by"], told["reason"]) for item in asked):
                self.accuse(PROMISE, f"{notice.id} was steered by {told['by']}, who did not ask for that")
        if (execution.name, count) in self._stopped and notice.body["status"] == "ABORTED":
            self._must_name(notice, execution.name, "cancel")

    def _must_name(self, notice: Notice, job_id: str, verb: str) -> None:
        people = {(item.asked_by, item.reason) for item in self.ledger.wishes_of(job_id, verb)}
        named = {(item["by"], item["reason"]) for item in notice.body["steered"] if item["verb"] == verb}
        if not named & people:
            self.accuse(PROMISE, f"{notice.id} does not say who asked for a {verb}: {notice.body['steered']}")

    def check_register(self, job_id: str, register: str, after: Item) -> None:
        """A refusal is noted: AWS would say the same."""
        if register == "r#request" and self.truth.request(job_id) is not None:
            self._requested_at.setdefault(job_id, self.now())
        if register == f"r#cancel#{DEFAULT_TENANT}":
            self._cancel_noted_at.setdefault(job_id, self.now())
        kind, _, count = register.removeprefix("r#").partition("#")
        execution = self.truth.states.executions.get(job_id)
        if kind != "redrive_refused" or execution is None or "states.RedriveExecution" in self.denied:
            return
        if execution.now.redrive_count <= int(count) and self.truth.states.is_redrivable(execution):
            self.accuse(PROMISE, f"{job_id} may be redriven, and its record says that it may not: {after}")

    # At the end.

    def unsettled(self) -> list[str]:
        """Wishes that came to nothing, and nobody said why."""
        found = []
        for message_id, wish in self.ledger.wishes.items():
            if wish.tenant == DEFAULT_TENANT and message_id not in self._too_early:
                check = self._cancel_without_effect if wish.verb == "cancel" else self._redrive_without_effect
                if why := check(message_id, wish):
                    found.append(f"{message_id}, a {wish.verb} of {wish.job_id} at {wish.asked_at:.1f} s: {why}")
        return found if self.somebody_died else [*found, *self._ended_by_mistake()]

    def _ended_by_mistake(self) -> list[str]:
        """Redrives that people asked for, and that a stop for the run before has ended, as if for good."""
        return [
            f"redrive {count} of {name} was stopped by mistake, and nobody went on"
            for name, count in self._by_mistake
            if self._is_left(self.truth.states.executions[name], count)
        ]

    def _is_left(self, execution: Execution, count: int) -> bool:
        made_by_us = any(at == self._began_at(execution, count) for at in self._redriven_at.get(execution.name, ()))
        refused = f"r#redrive_refused#{count}" in self.truth.record(execution.name)
        since = self._began_at(execution, count)
        later = any(item.asked_at >= since for item in self.ledger.wishes_of(execution.name, "cancel"))
        return made_by_us and execution.now.redrive_count == count and not (refused or later)

    def never_began(self, job_id: str) -> bool:
        """Whether a job that has no execution is cancelled, so that it needs none."""
        return bool(self.ledger.wishes_of(job_id, "cancel"))

    def _cancel_without_effect(self, message_id: str, wish: Wish) -> str | None:
        """The run that went on, or was to be, ends soon after it was heard."""
        execution = self.truth.states.executions.get(wish.job_id)
        heard_at = self.heard_at.get(message_id)
        if execution is None or heard_at is None or "states.StopExecution" in self.denied:
            return None
        run = self._run_at(wish.job_id, wish.asked_at)
        outcome = execution.outcome_of(run)
        by = max(heard_at, self.calm_at, self._began_at(execution, run)) + _EFFECT_SECONDS
        if outcome is not None and outcome.at > by and outcome.status != "ABORTED":
            return f"it was heard at {heard_at:.1f} s, and the job went on until {outcome.at:.1f} s"
        return None

    def _redrive_without_effect(self, message_id: str, wish: Wish) -> str | None:
        """The outcome that it is about was redriven, or refused; or a later wish is about the same."""
        cancels = [item.asked_at for item in self.ledger.wishes_of(wish.job_id, "cancel")]
        execution = self.truth.states.executions.get(wish.job_id)
        run = self._run_at(wish.job_id, wish.asked_at)
        if f"r#redrive_refused#{run}" in self.truth.record(wish.job_id) or any(at >= wish.asked_at for at in cancels):
            return None
        if execution is None:
            return "it was never started, and nobody said so" if cancels else None
        outcome = execution.outcome_of(run)
        if execution.now.redrive_count > run or outcome is None or outcome.status == "SUCCEEDED":
            return None
        began = self._began_at(execution, run) if run else 0.0
        was_to_end = any(began + _CLOCKS_DIFFER_SECONDS < at <= wish.asked_at for at in cancels)
        if outcome.at > wish.asked_at and not (was_to_end and (wish.job_id, run) in self._stopped):
            return None  # It ran, unharmed as far as who asked can know.
        return f"redrive {run} ended as {outcome.status}, and nobody went on, nor said why"

    def _run_at(self, job_id: str, at: float) -> int:
        """The redrive count of the run that went on then, or was the last one."""
        execution = self.truth.states.executions.get(job_id)
        if execution is None:
            return 0
        return max((item.redrive_count for item in execution.history if item.at <= at), default=0)

    def _began_at(self, execution: Execution, count: int) -> float:
        return next(item.at for item in execution.history if item.redrive_count == count and item.status not in ENDED)

    def _is_calm(self) -> bool:
        return self.now() > self.calm_at + _AFTER_THE_STORM_SECONDS
