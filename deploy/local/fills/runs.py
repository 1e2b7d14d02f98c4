"""One run of an execution: where it stands, what it waits for, and when it is over."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from deploy.local.fills.responses import JsonObject


class ExecutionOverError(SystemExit):
    """The execution ended while one of its states was busy. A SystemExit, so that a branch's thread ends mutely."""


class Run:
    """The thread side of an execution. `over` and every change a state waits for are told through one condition."""

    def __init__(self, execution: JsonObject, definition: Mapping[str, Any], scope: tuple[str, str]) -> None:
        self.execution = execution
        self.definition = definition
        self.scope = scope
        self.changed = threading.Condition()
        self.state: str = definition.get("StartAt", "")
        self.input: Any = None
        self.context: Mapping[str, Any] = {}
        self.cancel_timeout: Callable[[], None] = lambda: None

    @property
    def is_over(self) -> bool:
        """Whether the execution has reached its end, by itself or by being stopped."""
        return bool(self.execution["status"] != "RUNNING")

    def end(self, status: str, members: Mapping[str, Any]) -> bool:
        """Reach the end once: False when it had been reached before."""
        with self.changed:
            if self.is_over:
                return False
            self.execution.update(members, status=status)
            self.changed.notify_all()
        self.cancel_timeout()
        return True

    def notify(self) -> None:
        """Let the states that wait look again."""
        with self.changed:
            self.changed.notify_all()

    def wait_until(self, done: Callable[[], bool], deadline: Callable[[], float] = lambda: float("inf")) -> bool:
        """Wait until `done()`; False when `deadline()`, a monotonic time that may move, passes first.

        Raises:
            ExecutionOverError: the execution ended meanwhile.
        """
        with self.changed:
            while not done():
                if self.is_over:
                    raise ExecutionOverError
                left = deadline() - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(min(left, threading.TIMEOUT_MAX))
        return True

    def sleep(self, seconds: float) -> None:
        """Wait for a time.

        Raises:
            ExecutionOverError: the execution ended meanwhile.
        """
        until = time.monotonic() + seconds
        self.wait_until(lambda: False, lambda: until)


CURRENT: ContextVar[Run | None] = ContextVar("current_run", default=None)


@dataclass(order=True)
class _Alarm:
    at: float
    number: int
    ring: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)


class AlarmClock:
    """Calls back at given times, all from one thread."""

    def __init__(self) -> None:
        self._alarms: list[_Alarm] = []
        self._numbers = count()
        self._changed = threading.Condition()
        threading.Thread(target=self._tick, daemon=True, name="alarm-clock").start()

    def set(self, seconds: float, ring: Callable[[], None]) -> Callable[[], None]:
        """Call `ring` in `seconds`; what is given back cancels that."""
        alarm = _Alarm(time.monotonic() + seconds, next(self._numbers), ring)
        with self._changed:
            heapq.heappush(self._alarms, alarm)
            self._changed.notify()
        return lambda: self._cancel(alarm)

    def _cancel(self, alarm: _Alarm) -> None:
        with self._changed:
            alarm.cancelled = True
            alarm.ring = lambda: None
            while self._alarms and self._alarms[0].cancelled:
                heapq.heappop(self._alarms)

    def _tick(self) -> None:
        while True:
            self._next().ring()

    def _next(self) -> _Alarm:
        with self._changed:
            while True:
                left = self._alarms[0].at - time.monotonic() if self._alarms else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._alarms)
                self._changed.wait(left)
