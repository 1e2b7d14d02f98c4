"""Messages that come back from a dead-letter queue: late, and some although they were heard before."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from service.aws.queue import REPLAY
from service.aws.replays import FirstSent, replay_item
from tests.support.aws.dynamodb import SimTable
from tests.support.aws.sqs import SimQueue
from tests.support.loop import VirtualLoop, world_call_at
from tests.support.names import EPOCH
from tests.support.trace import Trace

Note = Callable[[str], None]
"""Puts a message into the books, by the id that it is about to have."""
_WITHIN_SECONDS = (30.0, 400.0)


class DeadLetters:
    """Sends what people ask for; of some an operator sends a copy later, as `jobferry dlq replay` does."""

    def __init__(
        self, loop: VirtualLoop, chance: Random, table: SimTable, control: SimQueue, trace: Trace, *, at_all: bool
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._table = table
        self._control = control
        self._trace = trace
        self._rate = chance.choice((0.0, 0.1, 0.3)) if at_all else 0.0
        self.replayed = 0
        self.to_send = 0

    def send(self, body: str, late: float, note: Note) -> None:
        """Send it; or let everybody fail with it until it is replayed; or let it be heard, and replayed all the same.

        The latter is a message whose work was done, and which nobody could delete.
        """
        draw = self._chance.random()
        is_in_vain = draw < self._rate / 2
        first_id, sent_at = self._control.next_id(), self._loop.time()
        if is_in_vain:
            self._control.set_aside(body)
        else:
            note(first_id)
            self._control.send(body, late=late)
        if draw < self._rate:
            self.to_send += 1
            after = late + self._chance.random() * self._chance.choice(_WITHIN_SECONDS)
            world_call_at(self._loop, sent_at + after, self._replay, body, FirstSent(first_id, EPOCH + sent_at), note)

    def _replay(self, body: str, first: FirstSent, note: Note) -> None:
        self.to_send -= 1
        self.replayed += 1
        token = f"{self.replayed:032x}"
        self._table.write(replay_item(token, first, EPOCH + self._loop.time()))
        message_id = self._control.next_id()
        note(message_id)
        self._trace.say("operator", "replays", message_id, f"first {first.message_id}")
        self._control.send(body, {REPLAY: {"StringValue": token, "DataType": "String"}})
