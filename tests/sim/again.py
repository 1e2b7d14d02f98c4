"""Jobs that people have made again, of what has ended: under ids of their own, and some by a message sent twice."""

from __future__ import annotations

import json
from random import Random

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
        self, loop: VirtualLoop, chance: Random, ledger: Ledger, control: SimQueue, trace: Trace, *, at_all: bool
    ) -> None:
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
                name = f"{PREFIX}{self._made}"
                world_call_at(self._loop, self._loop.time() + soon, self._ask, execution.name, name)

        states.on_end = on_end

    def _ask(self, job_id: str, name: str) -> None:
        self.to_send -= 1
        body = json.dumps(
            {
                "verb": "rerun",
                "job_id": job_id,
                "new_job_id": name,
                "changes": {"user": f"{name}-token", "progress": None},
                "requested_by": "somebody",
            }
        )
        self._ledger.made_of[name] = job_id
        for _ in range(self._chance.choice((1, 1, 2))):
            message_id = self._control.next_id()
            late = self._chance.random() * self._chance.choice(_LATE_SECONDS)
            self._ledger.note_request(message_id, Asked(body, name, f"{name}-token"))
            self._trace.say("person", "has it made again", message_id, f"{job_id} as {name}, {late:.0f} s late")
            self._control.send(body, late=late)
