"""Each job that matched when a bulk was asked for, and may be steered still, is steered once, or it says why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.base import DEFAULT_TENANT
from service.core.admission.rerun import new_id
from tests.sim.ledger import Ledger, Wish
from tests.sim.truth import Truth, fact_in
from tests.support.aws.dynamodb import HEAD, Item
from tests.support.aws.stepfunctions import ENDED
from tests.support.loop import PROCESS
from tests.support.names import EPOCH

PROMISE = 10
BULK_ID, BY, REASON, TOKEN = "many", "many", "all of them", "many-token"
BULK_KEY = f"bulk:{DEFAULT_TENANT}:{BULK_ID}"
_FAILED = ("FAILED", "TIMED_OUT", "ABORTED")
_SUITS = {"cancel": ("OPEN",), "redrive": _FAILED, "rerun": ("OPEN", "SUCCEEDED", "REJECTED", *_FAILED)}
# What a record leaves out.
_NOTHING: Mapping[str, Any] = {
    "page": -1,
    "matched": 0,
    "done": 0,
    "refused": 0,
    "refusals": {},
    "finished_at": None,
    "stopped": False,
}


@dataclass
class ManyJudge:
    """Watches one bulk. `meant` are the jobs that matched when it was asked for, each with its redrive count then."""

    ledger: Ledger
    truth: Truth
    now: Callable[[], float]
    accuse: Callable[[int, str], None]
    verb: str = ""
    asked_at: float = 0.0
    pages: int = 0
    workers: set[str] = field(default_factory=set)
    meant: dict[str, int] = field(default_factory=dict)
    _touched: set[str] = field(default_factory=set)
    _after_stop: Counter[str] = field(default_factory=Counter)

    def asked(self, verb: str) -> None:
        """Somebody asks for this now."""
        self.verb, self.asked_at = verb, self.now()
        for job_id, head in self._listed().items():
            if head["list_status"]["S"] in _SUITS[verb]:
                execution = self.truth.states.executions.get(job_id)
                self.meant[job_id] = execution.now.redrive_count if execution else 0

    def _listed(self) -> dict[str, Item]:
        """The jobs and rejected requests of the tenant's list that came before the bulk, by the ids that it has."""
        heads = (parts.get(HEAD, {}) for parts in self.truth.table.items.values())
        of_tenant = [head for head in heads if head.get("list_tenant") == {"S": DEFAULT_TENANT}]
        return {head["list_id"]["S"]: head for head in of_tenant if self._came_before(head)}

    def _came_before(self, head: Item) -> bool:
        fact = fact_in(head, "rejection") or self.truth.request(head["record_key"]["S"])
        return fact is not None and fact["submitted_at"] < EPOCH + self.asked_at

    def missing(self, *, stop: bool = False) -> str | None:
        """What a message that is about to be deleted has not come to."""
        bulk = self.truth.record(BULK_KEY)
        if stop:
            return None if "r#bulk_stop" in bulk else "nothing is known of the bulk's stop"
        return None if "r#bulk" in bulk else "nothing is known of its bulk"

    # What is done to a job in the bulk's name is for the judge of wishes from now on.

    def on_wish(self, job_id: str, verb: str, fact: dict[str, Any]) -> None:
        """A cancel or a redrive is noted; of the bulk's own, that it was asked for, and of a job that was there."""
        if fact.get("asked_by") != BY:
            return
        request = self.truth.request(job_id)
        if verb != self.verb or request is None or request["submitted_at"] >= EPOCH + self.asked_at:
            self.accuse(PROMISE, f"a {verb} of {job_id} was asked for by a bulk that is not about it")
        self._touched.add(job_id)
        name, wish = f"{BULK_ID}/{job_id}", Wish(verb, DEFAULT_TENANT, job_id, self.asked_at, BY, REASON)
        self.ledger.wishes[name] = wish

    def on_request(self, job_id: str) -> None:
        """A job comes to be; of one that the bulk made, of which."""
        if self.verb != "rerun" or job_id in self.ledger.jobs:
            return
        made_of = next((old for old in self._listed() if self._again(old) == job_id), None)
        if made_of is not None:
            self._touched.add(made_of)
            self.ledger.jobs[job_id] = {TOKEN}
            self.ledger.made_of[job_id] = made_of

    def _again(self, job_id: str) -> str:
        """The id of the job that the bulk makes of one."""
        return new_id(job_id, DEFAULT_TENANT, f"bulk/{DEFAULT_TENANT}/{BULK_ID}")

    # The bulk itself.

    def on_write(self, before: Item, after: Item) -> None:
        """The bulk has come further."""
        known, told = (dict(_NOTHING) | (fact_in(item, "bulk_progress") or {}) for item in (before, after))
        if told == known:
            return
        self._check_order(known, told)
        if told["page"] > known["page"]:
            self._check_stop(before, told)
        if told["finished_at"] is not None:
            self._check_end(after, told)

    def _check_order(self, known: dict[str, Any], told: dict[str, Any]) -> None:
        process = PROCESS.get()
        self.workers |= {process.name} if process else set()
        self.pages = max(self.pages, told["page"])
        if told["page"] < known["page"] or known["finished_at"] is not None:
            self.accuse(PROMISE, f"the bulk went back from {known} to {told}")

    def _check_stop(self, before: Item, told: dict[str, Any]) -> None:
        """Whoever has read the bulk before its stop goes through one more page; the answer to that shows the stop."""
        process = PROCESS.get()
        if "r#bulk_stop" in before and process is not None and told["finished_at"] is None:
            self._after_stop[process.name] += 1
            if self._after_stop[process.name] > 1:
                self.accuse(PROMISE, f"the bulk was stopped, and {process.name} goes on with page {told['page']}")

    def _check_end(self, bulk: Item, told: dict[str, Any]) -> None:
        if told["stopped"]:
            if "r#bulk_stop" not in bulk:
                self.accuse(PROMISE, "the bulk was stopped, and nobody had asked for that")
            return
        if told["matched"] != told["done"] + told["refused"] or told["matched"] > len(self._listed()):
            self.accuse(PROMISE, f"the bulk is over, and counted {told}, of {len(self._listed())} jobs at most")
        if told["refused"] != sum(told["refusals"].values()):
            self.accuse(PROMISE, f"the bulk does not say why it left each job that it left: {told}")
        done = [job_id for job_id in self._listed() if job_id in self._touched or self._is_wanted_since(job_id)]
        if told["done"] > len(done):
            self.accuse(PROMISE, f"the bulk counted {told['done']} jobs as done, and those are {done}")
        left_out = [job_id for job_id, count in self.meant.items() if self._is_left_out(job_id, count)]
        if len(left_out) > told["refused"]:
            self.accuse(PROMISE, f"the bulk is over, and {', '.join(left_out)} matched, with nothing done: {told}")

    def _is_left_out(self, job_id: str, count: int) -> bool:
        """Whether a job that was meant may be steered still, and nobody has asked for that."""
        if self.verb == "rerun":
            return self.truth.request(self._again(job_id)) is None
        execution = self.truth.states.executions.get(job_id)
        if self._is_wanted_since(job_id) or (execution and execution.now.redrive_count != count):
            return False
        if self.verb == "redrive":
            refused = f"r#redrive_refused#{count}" in self.truth.record(job_id)
            return execution is not None and not refused and self.truth.states.is_redrivable(execution)
        ended = execution is not None and execution.now.status in ENDED
        return not ended and self.truth.record(job_id).get("list_status") == {"S": "OPEN"}

    def _is_wanted_since(self, job_id: str) -> bool:
        """Whether the same was asked for by the bulk, or by somebody later; a cancel before it may do as well."""
        register = f"cancel#{DEFAULT_TENANT}" if self.verb == "cancel" else "redrive"
        wish = fact_in(self.truth.record(job_id), register)
        return wish is not None and (self.verb == "cancel" or wish["asked_at"] >= EPOCH + self.asked_at - 0.001)
