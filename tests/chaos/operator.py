"""The people of a drill: they cancel, redrive and rerun jobs as their errands say, straight or by the control queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.base import DEFAULT_TENANT
from schemas.control import ControlMessage, Verb
from service.core.admission.rerun import new_id
from tests.chaos.plan import WORKER_SETTINGS
from tests.chaos.truth import Asking
from tests.chaos.verdict import Outcome, Sent, Told
from tests.chaos.wishes import ANOTHER_TENANT, wish
from tests.chaos.workload import Errand, Wanted, When, rejected_wish, rerun_of

_WITHIN_GRACE_SECONDS = float(WORKER_SETTINGS["JOBFERRY_TASK_GRACE_SECONDS"]) / 2


@dataclass
class _Case:
    """One job that people look after, and how far that is."""

    errand: Errand
    taken_at: float
    redrives: int = 0
    cancelled_at: float | None = None
    is_redriven: bool = False  # or about to be: its first event may be sooner than the answer
    asked: set[Verb] = field(default_factory=set)  # of what is asked for once

    @property
    def is_to_be_cancelled(self) -> bool:
        more = self.redrives < len(self.errand.redriven) or self.errand.aborted
        return more and self.cancelled_at is None

    @property
    def when(self) -> When | None:
        """When it is to be redriven; None where it is not cancelled, or was for the last time."""
        if self.cancelled_at is None or self.redrives == len(self.errand.redriven):
            return None
        return self.errand.redriven[self.redrives]


@dataclass(frozen=True)
class _News:
    """What people see of all jobs: the redrive of which a container runs, and the last outcome that was told."""

    now: float
    at_work: dict[str, int]
    told: dict[str, int]
    heard_of: frozenset[Outcome]


@dataclass
class Operator:
    """Knows what was asked for, and what of that subscribers have not heard of yet.

    `sent` are the messages that make jobs or are rejected; `wishes` counts all.
    """

    asking: Asking
    sent: list[Sent] = field(default_factory=list)
    wishes: Counter[str] = field(default_factory=Counter)
    _cases: dict[str, _Case] = field(default_factory=dict)
    _held_back: list[Errand] = field(default_factory=list)
    _now: float = 0.0

    def holds_back(self, errand: Errand) -> bool:
        """Ask for the cancel of what is to be cancelled before it comes; whether its request has to wait for that."""
        if errand.wanted is not Wanted.CANCEL_BEFORE:
            return False
        self._held_back.append(errand)
        self._ask("cancel", errand)
        return True

    def let_go(self) -> list[Errand]:
        """What needs to wait no more: every wish was heard, by the word of whoever deleted it."""
        if not self._held_back or self.asking.wishes_waiting():
            return []
        let_go, self._held_back = self._held_back, []
        return let_go

    def take(self, errand: Errand, now: float) -> None:
        """Look after a job from now on, if its errand wants that."""
        if errand.job_id and (errand.redriven or errand.aborted or errand.wanted is not Wanted.NOTHING):
            self._cases.setdefault(errand.job_id, _Case(errand, now))

    def act(self, now: float, told: Iterable[Told]) -> None:
        """Do what can be done by now."""
        self._now, news = now, self._news(now, told)
        for job_id, case in self._cases.items():
            self._steer(job_id, case, news)
            match case.errand.wanted:
                case Wanted.CANCEL_SOMETIME if now >= case.taken_at + case.errand.cancel_after:
                    self._ask_once("cancel", case)
                case Wanted.BY_ANOTHER:
                    self._ask_for_another(job_id, case, news)
                case Wanted.RERUN if job_id in news.told:
                    self._ask_once("rerun", case)

    def _news(self, now: float, told: Iterable[Told]) -> _News:
        heard_of = frozenset(item.outcome for item in told)
        looks = any(case.is_to_be_cancelled or case.errand.wanted is Wanted.BY_ANOTHER for case in self._cases.values())
        at_work = sorted(self.asking.at_work()) if looks else []
        return _News(now, dict(at_work), dict(sorted(heard_of)), heard_of)

    def _steer(self, job_id: str, case: _Case, news: _News) -> None:
        if case.is_to_be_cancelled and news.at_work.get(job_id, -1) >= case.redrives:
            self._cancel(job_id, case.errand)
            case.cancelled_at = news.now
        if self._may_redrive(job_id, case, news):
            case.is_redriven = True
            if self._redrive(job_id, case.errand):
                case.redrives, case.cancelled_at = case.redrives + 1, None

    def _cancel(self, job_id: str, errand: Errand) -> None:
        if errand.wanted is Wanted.STEERING:
            self._ask("cancel", errand)
        else:
            self.asking.stop(job_id)

    def _redrive(self, job_id: str, errand: Errand) -> bool:
        """Whether it is redriven, or will be: a wish may come before the end."""
        if errand.wanted is not Wanted.STEERING:
            return self.asking.redrive(job_id)
        self._ask("redrive", errand)
        return True

    def _may_redrive(self, job_id: str, case: _Case, news: _News) -> bool:
        match case.when:
            case None:
                return False
            case When.ANNOUNCED:
                return (job_id, case.redrives) in news.heard_of
            case When.WITHIN_GRACE:
                return news.now >= (case.cancelled_at or 0) + _WITHIN_GRACE_SECONDS
            case When.AT_ONCE:
                return True

    def _ask_for_another(self, job_id: str, case: _Case, news: _News) -> None:
        if job_id in news.at_work or job_id in news.told:
            self._ask_once("cancel", case, ANOTHER_TENANT)
        if job_id in news.told:
            self._ask_once("redrive", case, ANOTHER_TENANT)
            self._ask_once("rerun", case, ANOTHER_TENANT)

    def _ask_once(self, verb: Verb, case: _Case, tenant: str = DEFAULT_TENANT) -> None:
        if verb not in case.asked:
            case.asked.add(verb)
            self._ask(verb, case.errand, tenant)

    def _ask(self, verb: Verb, errand: Errand, tenant: str = DEFAULT_TENANT) -> None:
        """Send a wish as often as its errand says: a rerun that is sent twice names the job that it is to make."""
        assert errand.job_id is not None, "people know a job by its id"
        is_named = verb == "rerun" and tenant == DEFAULT_TENANT and errand.copies > 1
        asked = wish(verb, errand.job_id, tenant, f"{errand.job_id}-again" if is_named else None)
        for _ in range(errand.copies):
            message_id = self.asking.ask(asked)
            self.wishes[verb if tenant == DEFAULT_TENANT else f"{verb}, by another tenant"] += 1
            if verb == "rerun":
                self.sent.append(Sent(message_id, _made_by(asked, message_id, errand), self._now))

    @property
    def is_busy(self) -> bool:
        """Whether people have yet to ask for something, whatever the jobs do."""
        sometime = (case for case in self._cases.values() if case.errand.wanted is Wanted.CANCEL_SOMETIME)
        return bool(self._held_back) or not all(case.asked for case in sometime)

    def is_redriven(self, job_id: str) -> bool:
        """Whether a job was redriven by now, or is about to be."""
        case = self._cases.get(job_id)
        return case is not None and case.is_redriven

    @property
    def redrives(self) -> int:
        """How many redrives there were."""
        return sum(case.redrives for case in self._cases.values())

    def untold(self, told: Iterable[Told]) -> set[str]:
        """The jobs that were redriven, and of whose last redrive nothing was heard; their records may look closed."""
        last = dict(sorted(item.outcome for item in told))
        return {
            job_id for job_id, case in self._cases.items() if last.get(job_id, -1) < case.redrives and case.redrives
        }


def _made_by(asked: ControlMessage, message_id: str, errand: Errand) -> Errand:
    """What must come of a rerun."""
    if asked.tenant == ANOTHER_TENANT:
        return rejected_wish(errand)
    return rerun_of(errand, asked.new_job_id or new_id(asked.job_id, asked.tenant, message_id))
