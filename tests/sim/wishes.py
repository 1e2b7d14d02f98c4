"""What people ask for by the control queue: of jobs that there are, are to be, or never were; of another's, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from schemas.base import DEFAULT_TENANT
from tests.sim.dead_letters import DeadLetters
from tests.sim.ledger import Asked, Ledger, Wish
from tests.support.aws.sqs import SimQueue
from tests.support.aws.stepfunctions import Execution, SimStepFunctions
from tests.support.loop import VirtualLoop, world_call_at
from tests.support.trace import Trace

ANOTHER_TENANT = "another"
_WITHIN_SECONDS = 300
# How late a message may be: SQS promises no time.
_LATE_SECONDS = (0.0, 0.0, 0.0, 3.0, 60.0, 200.0)
_MOST_WISHES_OF_A_JOB = 5
_CALLS = ("states.StopExecution", "states.RedriveExecution")
_BAD = (
    "not JSON",
    '{"verb": "destroy", "job_id": "j0"}',
    '{"verb": "cancel", "job_id": "has space"}',
    '{"verb": "cancel", "job_id": "j0", "tenant": 5}',
)


@dataclass(frozen=True)
class Manners:
    """How people are in one seed, and what AWS does not let the workers do for them."""

    cancels: float = 0.0
    redrives: float = 0.0
    of_another: float = 0.0
    denied: frozenset[str] = field(default_factory=frozenset)
    redrivable_seconds: float = 14 * 86_400.0
    full_histories: float = 0.0

    @classmethod
    def draw(cls, chance: Random) -> Manners:
        """Those of a seed; in half of them nobody asks for anything."""
        if chance.random() < 0.5:
            return cls()
        denied = chance.choice(_CALLS) if chance.random() < 0.15 else None
        return cls(
            cancels=chance.choice((0.0, 0.3, 0.8)),
            redrives=chance.choice((0.0, 0.5, 0.9)),
            of_another=chance.choice((0.0, 0.0, 0.3)),
            denied=frozenset({denied} - {None}),  # type: ignore[arg-type]  # what is left are calls
            redrivable_seconds=chance.choice((14 * 86_400.0, 14 * 86_400.0, 100.0)),
            full_histories=chance.choice((0.0, 0.0, 0.2)),
        )


class People:
    """Ask for things: once, again, at the wrong time, and for what is not theirs."""

    def __init__(
        self,
        loop: VirtualLoop,
        chance: Random,
        manners: Manners,
        ledger: Ledger,
        control: SimQueue,
        trace: Trace,
        letters: DeadLetters,
    ) -> None:
        self._letters = letters
        self._loop = loop
        self._chance = chance
        self._manners = manners
        self._ledger = ledger
        self._trace = trace
        self._control = control
        self._wishes: dict[str, int] = {}
        self.to_send = 0

    def begin(self, jobs: int) -> None:
        """Schedule what is asked for whatever the jobs do."""
        for number in range(jobs):
            if self._chance.random() < self._manners.cancels:
                self._later(self._chance.random() * _WITHIN_SECONDS, self._cancels, f"j{number}")
            if self._chance.random() < self._manners.redrives / 10:
                self._later(self._chance.random() * _WITHIN_SECONDS, self._asks, "redrive", f"j{number}")
        if self._chance.random() < self._manners.cancels / 4:
            self._later(self._chance.random() * _WITHIN_SECONDS, self._babbles, self._chance.choice(_BAD))

    def watch(self, states: SimStepFunctions) -> None:
        """Ask for redrives of what did not succeed; AWS lets some go on no more."""
        previous_end = states.on_end
        states.redrivable_seconds = self._manners.redrivable_seconds

        def on_end(execution: Execution) -> None:
            previous_end(execution)
            if execution.now.status == "SUCCEEDED":
                return
            execution.history_is_full |= self._chance.random() < self._manners.full_histories
            if self._chance.random() < self._manners.redrives:
                self._later(self._soon(), self._redrives, execution.name)

        states.on_end = on_end

    def ask(self, verb: str, job_id: str, tenant: str = DEFAULT_TENANT, late: float = 0.0) -> Wish:
        """Send one message, which is delivered so many seconds late."""
        message_id = self._control.next_id()
        wish = Wish(verb, tenant, job_id, self._loop.time(), f"person-{message_id}", f"because of {message_id}")
        self._trace.say("person", "asks", message_id, f"{verb} {tenant}/{job_id}, {late:.0f} s late")
        self._letters.send(_body(wish), late, lambda known_as: self._ledger.wishes.update({known_as: wish}))
        return wish

    def _later(self, seconds: float, what: Callable[..., None], *about: str) -> None:
        self.to_send += 1

        def now() -> None:
            self.to_send -= 1
            what(*about)

        world_call_at(self._loop, self._loop.time() + seconds, now)

    def _cancels(self, job_id: str) -> None:
        self._asks("cancel", job_id)
        if self._chance.random() < self._manners.redrives / 2:
            self._later(self._soon(), self._asks, "redrive", job_id)

    def _redrives(self, job_id: str) -> None:
        self._asks("redrive", job_id)
        if self._chance.random() < self._manners.cancels / 2:
            self._later(self._soon(), self._asks, "cancel", job_id)

    def _asks(self, verb: str, job_id: str) -> None:
        """Perhaps in another's name, perhaps twice; and not for ever."""
        for _ in range(self._chance.choice((1, 1, 1, 2))):
            self._wishes[job_id] = self._wishes.get(job_id, 0) + 1
            if self._wishes[job_id] <= _MOST_WISHES_OF_A_JOB:
                of_another = self._chance.random() < self._manners.of_another
                late = self._chance.random() * self._chance.choice(_LATE_SECONDS)
                self.ask(verb, job_id, ANOTHER_TENANT if of_another else DEFAULT_TENANT, late)

    def _babbles(self, body: str) -> None:
        self._ledger.note_request(self._control.next_id(), Asked(body))
        self._control.send(body)

    def _soon(self) -> float:
        return self._chance.random() * self._chance.choice((0.5, 5, 60, 200))


def _body(wish: Wish) -> str:
    told = {"verb": wish.verb, "job_id": wish.job_id, "requested_by": wish.asked_by, "reason": wish.reason}
    return json.dumps(told if wish.tenant == DEFAULT_TENANT else {**told, "tenant": wish.tenant})
