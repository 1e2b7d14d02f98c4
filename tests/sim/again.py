"""Jobs that people have made again, of what has ended: under ids of their own, and some by a message sent twice."""

from __future__ import annotations

import json
from random import Random

from schemas.base import DEFAULT_TENANT
from service.core.admission.rerun import new_id
from tests.sim.dead_letters import DeadLetters
from tests.sim.ledger import Asked, Ledger
from tests.support.aws.sqs import SimQueue
from tests.support.aws.stepfunctions import Execution, SimStepFunctions
from tests.support.loop import VirtualLoop, world_call_at
from tests.support.trace import Trace

_MOST = 6
_LATE_SECONDS = (0.0, 0.0, 3.0, 60.0)
_SOON_SECONDS = (0.5, 5.0, 100.0)
PREFIX = "again-"


class Again:
    """Asks for reruns. To the judge each is a request for a job of the new id, by whichever message it comes."""

    def __init__(
        self,
        loop: VirtualLoop,
        chance: Random,
        ledger: Ledger,
        control: SimQueue,
        trace: Trace,
        letters: DeadLetters,
        *,
        at_all: bool,
    ) -> None:
        self._letters = letters
        self._loop = loop
        self._chance = chance
        self._ledger = ledger
        self._control = control
        self._trace = trace
        self._rate = chance.choice((0.0, 0.3, 0.8)) if at_all else 0.0
        self._made = 0
        self.to_send = 0

    def watch(self, states: SimStepFunctions) -> None:
        """Have some of what ends made again, and some of that once more."""
        previous_end = states.on_end

        def on_end(execution: Execution) -> None:
            previous_end(execution)
            if self._made < _MOST and self._chance.random() < self._rate:
                self._made += 1
                self.to_send += 1
                soon = self._chance.random() * self._chance.choice(_SOON_SECONDS)
                number = f"{PREFIX}{self._made}"
                world_call_at(self._loop, self._loop.time() + soon, self._ask, execution.name, number)

        states.on_end = on_end

    def _ask(self, job_id: str, number: str) -> None:
        """Half of them give no id: then the first id of the message makes it, also where it is replayed."""
        self.to_send -= 1
        gives_an_id, message_id = self._chance.random() < 0.5, self._control.next_id()
        name = number if gives_an_id else new_id(job_id, DEFAULT_TENANT, message_id)
        wish = {"verb": "rerun", "job_id": job_id, "requested_by": "somebody"}
        changes = {"changes": {"user": f"{number}-token", "progress": None}}
        body = json.dumps({**wish, **changes, **({"new_job_id": name} if gives_an_id else {})})
        self._ledger.made_of[name] = job_id
        asked = Asked(body, name, f"{number}-token")
        for _ in range(self._chance.choice((1, 1, 2)) if gives_an_id else 1):
            late = self._chance.random() * self._chance.choice(_LATE_SECONDS)
            self._trace.say("person", "has it made again", message_id, f"{job_id} as {name}, {late:.0f} s late")
            self._letters.send(body, late, lambda known_as: self._ledger.note_request(known_as, asked))
