"""EventBridge as it may be at its worst: events are lost, delivered twice, held back and overtaken.

The rules deliver to a queue of ours; from there each event goes on to the event queue, or does not.
"""

from __future__ import annotations

import heapq
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from types import TracebackType
from typing import Any, Self

from deploy.local.local_run import LocalRun
from tests.chaos.plan import BusRates
from tests.chaos.workload import Hearing

_QUEUE = "chaos-bus"
_RECEIVE_SECONDS = 1
# Later than a grace time and a silence.
_LATE_SECONDS = 8.0
LOST, DUPLICATED, HELD_BACK = "event lost", "event delivered twice", "event held back"


@dataclass
class Bus:
    """Stands between the rules and the event queue for as long as the context lasts."""

    run: LocalRun
    rates: BusRates
    seed: int
    hearing: Callable[[str, str], Hearing] = lambda _source, _job_id: Hearing.USUAL
    raging: bool = True
    met: Counter[str] = field(default_factory=Counter)
    _held: list[tuple[float, int, str]] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._sqs: Any = self.run.session.client("sqs")
        self._dice = random.Random(f"{self.seed}:bus")
        self.url = str(self._sqs.create_queue(QueueName=_QUEUE)["QueueUrl"])

    def __enter__(self) -> Self:
        self._divert()
        for work in (self._take, self._deliver):
            self._threads.append(threading.Thread(target=work, name="bus", daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def holding(self) -> int:
        """How many events are on their way."""
        return len(self._held)

    def _divert(self) -> None:
        """Let the rules deliver to us."""
        events = self.run.session.client("events")
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        for rule in events.list_rules()["Rules"]:
            for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                events.put_targets(
                    Rule=rule["Name"], Targets=[{"Id": target["Id"], "Arn": answer["Attributes"]["QueueArn"]}]
                )

    def _take(self) -> None:
        while not self._stop.is_set():
            answer = self._sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=_RECEIVE_SECONDS
            )
            messages = answer.get("Messages", [])
            for message in messages:
                self._decide(message["Body"])
            if messages:
                entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
                self._sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)

    def _decide(self, body: str) -> None:
        """Lost, or on its way after some seconds, perhaps twice."""
        rates, (source, job_id) = self.rates, _of(json.loads(body))
        hearing = self.hearing(source, job_id)
        if hearing is Hearing.LOST or self._happens(rates.lose_tasks if source == "aws.ecs" else rates.lose_executions):
            self.met[LOST] += 1
            return
        is_late = hearing is Hearing.LATE or (source != "aws.ecs" and self._happens(rates.late_executions))
        seconds = _LATE_SECONDS if is_late else 0.0
        self._hold(body, seconds)
        if self._happens(rates.duplicate):
            self.met[DUPLICATED] += 1
            self._hold(body, seconds + rates.copy_after_seconds)

    def _hold(self, body: str, seconds: float) -> None:
        if self._happens(self.rates.hold_back):
            self.met[HELD_BACK] += 1
            seconds += self._dice.uniform(0, self.rates.longest_seconds)
        with self._lock:
            heapq.heappush(self._held, (time.monotonic() + seconds, next(self._numbers), body))

    def _happens(self, rate: float) -> bool:
        return self._dice.random() < rate and self.raging

    def _deliver(self) -> None:
        while not self._stop.wait(0.02):
            due = self._due()
            if due:
                entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(due)]
                self._sqs.send_message_batch(QueueUrl=self.run.stack.outputs["EventQueueUrl"], Entries=entries)

    def _due(self) -> list[str]:
        """Up to ten events whose time has come."""
        due: list[str] = []
        with self._lock:
            while self._held and self._held[0][0] <= time.monotonic() and len(due) < 10:
                due.append(heapq.heappop(self._held)[2])
        return due


def _of(event: dict[str, Any]) -> tuple[str, str]:
    """Which service an event is of, and which job."""
    detail = event["detail"]
    return event["source"], detail.get("name") or detail.get("group", "").removeprefix("job:")
