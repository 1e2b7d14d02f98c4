"""One wish for many jobs: a cancel of all that are open, a redrive of all that failed, or each job made again.

It is asked for once or twice, stopped in some histories, and gone through in small pages.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests.sim.dead_letters import DeadLetters
from tests.sim.ledger import Ledger
from tests.sim.many_judge import BULK_ID, BY, REASON, TOKEN, ManyJudge
from tests.support.aws.sqs import SimQueue
from tests.support.loop import VirtualLoop, world_call_at
from tests.support.trace import Trace

_VERBS = ("cancel", "redrive", "redrive", "rerun")
# Whatever is open is cancelled early; what is to be redriven has to end first.
_WITHIN_SECONDS = {"cancel": 300.0, "redrive": 600.0, "rerun": 400.0}
_STOPPED_WITHIN_SECONDS = (1.0, 10.0, 60.0)
_FILTERS: dict[str, Any] = {"cancel": {"status": "OPEN"}}
_EVERY_JOB = {"since": "2023-11-14T00:00:00Z"}


class Many:
    """Asks for it by the control queue."""

    def __init__(
        self,
        loop: VirtualLoop,
        chance: Random,
        ledger: Ledger,
        control: SimQueue,
        trace: Trace,
        letters: DeadLetters,
        judge: ManyJudge,
        *,
        at_all: bool,
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._ledger = ledger
        self._control = control
        self._trace = trace
        self._letters = letters
        self._judge = judge
        self._asks = at_all and chance.random() < 0.5
        self.to_send = 0

    def begin(self) -> None:
        """Schedule it, where it is asked for at all."""
        if self._asks:
            verb = self._chance.choice(_VERBS)
            self.to_send = 1
            at = self._loop.time() + self._chance.random() * _WITHIN_SECONDS[verb]
            world_call_at(self._loop, at, self._ask_by_chance, verb)

    def _ask_by_chance(self, verb: str) -> None:
        """Once or twice, and stop it in some histories."""
        self.to_send = 0
        self.ask(verb, times=self._chance.choice((1, 1, 2)))
        if self._chance.random() < 0.25:
            self.to_send = 1
            soon = self._chance.random() * self._chance.choice(_STOPPED_WITHIN_SECONDS)
            world_call_at(self._loop, self._loop.time() + soon, self.stop)

    def ask(self, verb: str, times: int) -> None:
        """Ask for it now."""
        wish = {"verb": verb, "jobs": _FILTERS.get(verb, _EVERY_JOB), "bulk_id": BULK_ID, "requested_by": BY}
        changes = {"changes": {"user": TOKEN, "progress": None}} if verb == "rerun" else {}
        self._judge.asked(verb)
        for _ in range(times):
            self._trace.say("person", "asks for many", self._control.next_id(), verb)
            self._letters.send(json.dumps({**wish, **changes, "reason": REASON}), 0.0, self._ledger.bulks.add)

    def stop(self) -> None:
        """Let it touch no more jobs."""
        self.to_send = 0
        message_id = self._control.next_id()
        self._ledger.stops.add(message_id)
        self._trace.say("person", "stops many", message_id)
        self._control.send(json.dumps({"verb": "stop", "bulk_id": BULK_ID, "requested_by": BY}))
