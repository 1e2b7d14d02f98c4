"""EventBridge: events to the event queue at least once, in no order, late, or (best effort) never."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.support.aws.sqs import SimQueue
from tests.support.faults import Faults, Rates
from tests.support.loop import VirtualLoop, world_call_at
from tests.support.names import ACCOUNT, CLUSTER_ARN, REGION, STATE_MACHINE_ARN, iso

_USUAL_LAG_SECONDS = 2.0
_LONG_LAG_SECONDS = 400.0


class SimEventBridge:
    """The default bus with the template's two rules and their one target."""

    def __init__(self, loop: VirtualLoop, chance: Random, faults: Faults, rates: Rates, queue: SimQueue) -> None:
        self.on_event: Callable[[dict[str, Any]], None] = lambda event: None
        # By how many seconds a script holds this event back; None, and it is lost.
        self.held_back: Callable[[dict[str, Any]], float | None] = lambda event: 0.0
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._rates = rates
        self._queue = queue

    def execution_changed(self, detail: dict[str, Any]) -> None:
        """A Step Functions Execution Status Change: best effort. The rule leaves out that one was started."""
        lost = self._rates.execution_event_lost
        wanted = detail["status"] != "RUNNING" or detail["redriveCount"] != 0
        if (
            wanted
            and detail["stateMachineArn"] == STATE_MACHINE_ARN
            and not self._happens("execution event lost", lost)
        ):
            self._deliver("aws.states", "Step Functions Execution Status Change", detail)

    def task_changed(self, detail: dict[str, Any]) -> None:
        """An ECS Task State Change; the rule lets pass what runs or has stopped, of our cluster and our groups."""
        wanted = detail["lastStatus"] in {"RUNNING", "STOPPED"} and detail["clusterArn"] == CLUSTER_ARN
        if not wanted or not detail.get("group", "").startswith("job:"):
            return
        if not self._happens("task event lost", self._rates.task_event_lost):
            self._deliver("aws.ecs", "ECS Task State Change", detail)

    def _deliver(self, source: str, detail_type: str, detail: dict[str, Any]) -> None:
        now = self._loop.time()
        event = {
            "version": "0",
            "source": source,
            "detail-type": detail_type,
            "account": ACCOUNT,
            "region": REGION,
            "time": iso(now),
            "detail": detail,
        }
        held_back = self.held_back(event)
        if held_back is None:
            return
        body = json.dumps(event)
        if self._happens("event cut short", self._rates.event_cut):
            body = body[: int(self._chance.random() * len(body))]
        else:
            self.on_event(event)
        for _ in range(1 + self._happens("event doubled", self._rates.event_doubled)):
            late = self._happens("event late", self._rates.event_late)
            lag = self._chance.random() * (_LONG_LAG_SECONDS if late else _USUAL_LAG_SECONDS)
            world_call_at(self._loop, now + held_back + lag, self._queue.send, body)

    def _happens(self, what: str, rate: float) -> bool:
        return self._faults.happens(what, rate, self._loop.time())
