"""One cancel for all jobs that are open: asked for once or twice, among all else that goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from schemas.base import DEFAULT_TENANT
from tests.sim.ledger import Ledger, Wish
from tests.sim.truth import Truth, fact_in
from tests.support.aws.dynamodb import Item
from tests.support.aws.sqs import SimQueue
from tests.support.loop import VirtualLoop, world_call_at
from tests.support.names import EPOCH
from tests.support.trace import Trace

PROMISE = 10
_WITHIN_SECONDS = 300.0
_BULK_ID, _BY, _REASON = "many", "many", "all of them"
BULK_KEY = f"bulk:{DEFAULT_TENANT}:{_BULK_ID}"


class Many:
    """Asks that all open jobs are cancelled. In the books that is a wish for each job that it comes to."""

    def __init__(
        self, loop: VirtualLoop, chance: Random, ledger: Ledger, control: SimQueue, trace: Trace, *, at_all: bool
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._ledger = ledger
        self._control = control
        self._trace = trace
        self._asks = at_all and chance.random() < 0.4
        self.to_send = 0

    def begin(self) -> None:
        """Schedule it, where it is asked for at all."""
        if self._asks:
            self.to_send = 1
            world_call_at(self._loop, self._loop.time() + self._chance.random() * _WITHIN_SECONDS, self._ask)

    def _ask(self) -> None:
        self.to_send = 0
        body = {"verb": "cancel", "jobs": {"status": "OPEN"}, "bulk_id": _BULK_ID, "requested_by": _BY}
        self._ledger.bulk_asked_at = self._loop.time()
        for _ in range(self._chance.choice((1, 1, 2))):
            message_id = self._control.next_id()
            self._ledger.bulks.add(message_id)
            self._trace.say("person", "asks for all", message_id, "cancel")
            self._control.send(json.dumps({**body, "reason": _REASON}))


class ManyJudge:
    """Whether each job that was open when it was asked for is cancelled, or over, when the bulk is said to be over."""

    def __init__(self, ledger: Ledger, truth: Truth, accuse: Callable[[int, str], None]) -> None:
        self._ledger = ledger
        self._truth = truth
        self._accuse = accuse

    def missing(self) -> str | None:
        """What a message that is about to be deleted has not come to."""
        return None if "r#bulk" in self._truth.record(BULK_KEY) else "nothing is known of its bulk"

    def on_cancel(self, job_id: str, cancel: dict[str, Any]) -> None:
        """A cancel is noted; of the bulk's own, that it was asked for, and not of a job that came later."""
        if cancel.get("asked_by") != _BY:
            return
        request = self._truth.request(job_id)
        if not self._ledger.bulks or request is None or request["submitted_at"] >= cancel["asked_at"]:
            self._accuse(PROMISE, f"{job_id} was cancelled by a bulk that is not about it")
        wish = Wish("cancel", DEFAULT_TENANT, job_id, self._ledger.bulk_asked_at, _BY, _REASON)
        self._ledger.wishes[f"{_BULK_ID}/{job_id}"] = wish

    def on_write(self, before: Item, after: Item) -> None:
        """The bulk has come further."""
        told, known = fact_in(after, "bulk_progress") or {}, fact_in(before, "bulk_progress") or {}
        if told.get("page", -1) < known.get("page", -1):
            self._accuse(PROMISE, f"the bulk went back from page {known['page']} to page {told['page']}")
        if told.get("finished_at") is None:
            return
        if told.get("matched", 0) != told.get("done", 0) + told.get("refused", 0):
            self._accuse(PROMISE, f"the bulk is over, and counted {told}")
        for job_id in self._ledger.jobs:
            if self._is_left_out(job_id):
                self._accuse(PROMISE, f"the bulk is over, and {job_id} was open, and is not cancelled")

    def _is_left_out(self, job_id: str) -> bool:
        asked_at = EPOCH + self._ledger.bulk_asked_at
        record, request = self._truth.record(job_id), self._truth.request(job_id)
        if request is None or record.get("list_status") != {"S": "OPEN"}:
            return False
        # What was sent a moment before the asking may be admitted after the list was read.
        noted_at = self._ledger.noted_at.get(job_id)
        if noted_at is None or EPOCH + noted_at > asked_at or request["submitted_at"] >= asked_at:
            return False
        execution = fact_in(record, "execution")
        if execution is not None and execution.get("redrive_count"):
            return False  # The list may have had the outcome before its redrive.
        cancel = fact_in(record, f"cancel#{DEFAULT_TENANT}")
        ended = execution is not None and execution["status"] in ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
        return not ended and cancel is None
