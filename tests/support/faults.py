"""What goes wrong, and how often: each seed draws its own mixture, so that rare faults meet in ways nobody thought of.

The rates of one seed are drawn first, most of them zero in most seeds: a fault that is always there hides others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """What can happen to one attempt of one call."""

    THROTTLED = "throttled"
    SERVER_ERROR = "500 before effect"
    SERVER_ERROR_LATE = "500 after effect"
    RESET = "reset before effect"
    ANSWER_LOST = "answer lost"
    SLOW = "slow call"
    KILLED_BEFORE = "kill -9 before effect"
    KILLED_AFTER = "kill -9 after effect"
    STALLED = "worker stalled before effect"
    STALLED_LATE = "worker stalled after effect"


KILLS = frozenset({Fault.KILLED_BEFORE, Fault.KILLED_AFTER})
# The highest rate of each, per attempt of a call.
_HIGHEST = {
    Fault.THROTTLED: 0.2,
    Fault.SERVER_ERROR: 0.05,
    Fault.SERVER_ERROR_LATE: 0.05,
    Fault.RESET: 0.05,
    Fault.ANSWER_LOST: 0.1,
    Fault.SLOW: 0.02,
    Fault.KILLED_BEFORE: 0.01,
    Fault.KILLED_AFTER: 0.02,
    Fault.STALLED: 0.01,
    Fault.STALLED_LATE: 0.01,
}
# By the beginnings of operations.
_STORMS = ("", "states.", "states.", "dynamodb.", "sns.", "s3.")
# By what operations are and what they are about: a log that was read, an announcement that was claimed or is sent.
_WHERE_A_STALL_HURTS = (
    ("/logs/", Fault.STALLED),
    ("/logs/", Fault.STALLED),
    ("r#claim#announce", Fault.STALLED_LATE),
    ("sns.Publish", Fault.STALLED),
)


@dataclass(frozen=True)
class Rates:
    """How often AWS itself does what it may do; probabilities, but for the seconds."""

    execution_event_lost: float
    task_event_lost: float
    event_doubled: float
    event_late: float
    event_cut: float
    detail_left_out: float
    message_doubled: float
    delete_forgotten: float
    stale_describe: float
    late_lines: float
    very_late_lines: float
    empty_page: float
    found_late: float
    found_twice: float
    token_repeated: float
    planner_fails: float
    run_task_fails: float
    task_fails: float
    stop_ignored: float
    aborted: float
    redriven: float


def draw_rates(chance: Random) -> Rates:
    """AWS's manners in one seed."""
    some = _Some(chance)
    return Rates(
        execution_event_lost=chance.choice((0, 0, some(0.5), 1)),
        task_event_lost=chance.choice((0, 0, some(0.5), 1)),
        event_doubled=some(0.4),
        event_late=some(0.5),
        event_cut=some(0.1),
        detail_left_out=some(0.8),
        message_doubled=some(0.2),
        delete_forgotten=some(0.3),
        stale_describe=some(0.8),
        late_lines=some(1),
        very_late_lines=some(0.6),
        empty_page=some(0.5),
        found_late=some(1),
        found_twice=some(0.5),
        token_repeated=some(0.1),
        planner_fails=some(0.2),
        run_task_fails=some(0.2),
        task_fails=some(0.7),
        stop_ignored=some(0.5),
        aborted=chance.choice((0, some(0.2), 0.5)),
        redriven=chance.choice((0, some(0.6), 0.9)),
    )


class _Some:
    """A rate up to a limit; in every other seed none at all."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def __call__(self, highest: float) -> float:
        return self._chance.random() * highest if self._chance.random() < 0.5 else 0.0


class Faults:
    """Draws the faults of calls until `calm_at`, in virtual seconds; from then on AWS is at its best."""

    def __init__(self, chance: Random, calm_at: float, most_kills: int) -> None:
        self.calm_at = calm_at
        self.counts: Counter[str] = Counter()
        self.sdk_attempts = chance.choice((1, 2, 8))
        # A stopped process, a starved machine: in some seeds for longer than a claim is, where that could do most harm.
        self._stalls_for_long = chance.random() < 0.5
        self._stalls_at, self._stall = chance.choice(_WHERE_A_STALL_HURTS)
        self._stalls_left = chance.choice((1, 2, 3)) if self._stalls_for_long else 0
        self._chance = chance
        self._kills_left = most_kills
        some = _Some(chance)
        self._rates = {fault: some(highest) for fault, highest in _HIGHEST.items()}
        self._total = sum(self._rates.values())
        # A storm throttles everything, or one service, for a while.
        self._storm_of = chance.choice(_STORMS)
        self._storm_rate = chance.choice((0.9, 1, 1))
        # Rather early, when most is to be done.
        self._storm_from = chance.random() ** 2 * calm_at if chance.random() < 0.25 else calm_at
        self._storm_until = self._storm_from + chance.random() * 300

    def draw(self, operation: str, now: float, *, of_a_worker: bool, about: object = "") -> Fault | None:
        """What happens to an attempt at a call; nothing, for most."""
        if now >= self.calm_at:
            return None
        if of_a_worker and self._stalls_left and self._stalls_at in f"{operation} {about}":
            self._stalls_left -= 1
            return self.note(self._stall)
        point = self._chance.random()
        if (
            self._storm_from <= now < self._storm_until
            and point < self._storm_rate
            and operation.startswith(self._storm_of)
        ):
            return self.note(Fault.THROTTLED)
        return self._pick(point, of_a_worker=of_a_worker) if point < self._total else None

    def _pick(self, point: float, *, of_a_worker: bool) -> Fault | None:
        for fault, rate in self._rates.items():
            point -= rate
            if point < 0:
                return self._allowed(fault, of_a_worker=of_a_worker)
        return None

    def _allowed(self, fault: Fault, *, of_a_worker: bool) -> Fault | None:
        if fault in KILLS:
            if not of_a_worker or self._kills_left <= 0:
                return None
            self._kills_left -= 1
        return self.note(fault)

    def stall_seconds(self) -> float:
        """For how long a worker stands still."""
        return 90 + self._chance.random() * 210 if self._stalls_for_long else self._chance.random() * 30

    def note(self, fault: str) -> Fault | None:
        """Count a fault that is about to be."""
        self.counts[fault] += 1
        return fault if isinstance(fault, Fault) else None

    def happens(self, what: str, rate: float, now: float) -> bool:
        """Whether AWS does one of the things that it may do, before the calm; counted if so."""
        if rate <= 0 or now >= self.calm_at or self._chance.random() >= rate:
            return False
        self.counts[what] += 1
        return True
