"""The operator of a drill: cancels jobs whose containers run, and redrives them when their errand says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.plan import WORKER_SETTINGS
from tests.chaos.truth import Asking
from tests.chaos.verdict import Told
from tests.chaos.workload import Errand, When

_WITHIN_GRACE_SECONDS = float(WORKER_SETTINGS["JOBFERRY_TASK_GRACE_SECONDS"]) / 2


@dataclass
class _Case:
    """One job that the operator looks after, and how far that is."""

    errand: Errand
    redrives: int = 0
    cancelled_at: float | None = None
    is_redriven: bool = False  # or about to be: its first event may be sooner than the answer

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


@dataclass
class Operator:
    """Knows what it did, and what of that subscribers have not heard of yet."""

    asking: Asking
    _cases: dict[str, _Case] = field(default_factory=dict)

    def take(self, errand: Errand) -> None:
        """Look after a job from now on, if its errand wants that."""
        if errand.job_id and (errand.redriven or errand.aborted):
            self._cases.setdefault(errand.job_id, _Case(errand))

    def act(self, now: float, told: Iterable[Told]) -> None:
        """Do what can be done by now."""
        heard_of = {item.outcome for item in told}
        at_work = self.asking.at_work() if any(case.is_to_be_cancelled for case in self._cases.values()) else set()
        for job_id, case in self._cases.items():
            if case.is_to_be_cancelled and (job_id, case.redrives) in at_work:
                self.asking.stop(job_id)
                case.cancelled_at = now
            if self._may_redrive(job_id, case, now, heard_of):
                case.is_redriven = True
                if self.asking.redrive(job_id):
                    case.redrives, case.cancelled_at = case.redrives + 1, None

    def _may_redrive(self, job_id: str, case: _Case, now: float, heard_of: set[tuple[str, int]]) -> bool:
        match case.when:
            case None:
                return False
            case When.ANNOUNCED:
                return (job_id, case.redrives) in heard_of
            case When.WITHIN_GRACE:
                return now >= (case.cancelled_at or 0) + _WITHIN_GRACE_SECONDS
            case When.AT_ONCE:
                return True

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
        heard_of = {item.outcome for item in told}
        redriven = {(job_id, case.redrives) for job_id, case in self._cases.items() if case.redrives}
        return {job_id for job_id, _ in redriven - heard_of}
