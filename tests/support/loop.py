"""An event loop on virtual time: nobody waits, and one seed is one exact order of things."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

_MOST_STEPS_AT_ONE_MOMENT = 200_000
_RESOLUTION_SECONDS = 1e-6


class StuckError(Exception):
    """The simulation can go no further: nothing is left to wait for, or time stands still."""


class Process:
    """Something that can be killed: what runs in its context is never stepped again, not even its `finally`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.stalled_until = 0.0
        self.stood_still_in_this_call = False
        self.call_began_at = 0.0
        self.sqs_faults = 0
        self.told_to_stop_at: float | None = None
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)


PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)
# In which AWS itself runs: it survives every worker.
WORLD = contextvars.Context()


class _Task(asyncio.Task[T]):
    """A task whose hash is its number: sets of tasks are iterated in an order that does not depend on addresses."""

    def __init__(self, coro: Any, number: int, **given: Any) -> None:
        self._number = number
        super().__init__(coro, **given)

    def __hash__(self) -> int:
        return self._number


class Step:
    """Something to be run: asyncio's handle without all that a simulation has no use for, which is most of its cost."""

    __slots__ = ("args", "callback", "context")

    def __init__(self, callback: Any, args: tuple[Any, ...], context: contextvars.Context | None) -> None:
        self.callback = callback
        self.args = args
        self.context = contextvars.copy_context() if context is None else context

    def cancel(self) -> None:
        """Run it not at all."""
        self.callback = None


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is ready, in an order that `chance` decides, and moves its clock when nothing is."""

    get_debug = bool  # False, without a frame: asyncio asks at every future that it makes

    def __init__(self, chance: Random | None = None) -> None:
        super().__init__()
        self.steps = 0
        self._chance = chance
        self._moment = 0.0
        self._most_steps = _MOST_STEPS_AT_ONE_MOMENT
        self._soon: deque[Step] = deque()
        self._later: list[tuple[float, int, Step | asyncio.Future[None]]] = []
        self._numbers = count()
        self._graveyard: list[asyncio.Task[Any]] = []

    def time(self) -> float:
        return self._moment

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Step:  # type: ignore[override]  # asyncio takes anything that it can cancel
        step = Step(callback, args, context)
        self._soon.append(step)
        return step

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # as above

    def call_at(  # type: ignore[override]  # the stubs' variadic generics say no more here than Any
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Step:
        step = Step(callback, args, context)
        heappush(self._later, (when, next(self._numbers), step))
        return step

    def call_later(  # type: ignore[override]  # the stubs' variadic generics say no more here than Any
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Step:
        return self.call_at(self._moment + delay, callback, *args, context=context)

    def create_task(  # type: ignore[override]  # as above
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **_: Any,
    ) -> asyncio.Task[Any]:
        return _Task(coro, next(self._numbers), loop=self, name=name or "task", context=context)

    def in_world(self, coro: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a piece of AWS, which no worker's death ends."""
        return self.create_task(coro, context=WORLD.copy())

    def pause(self, seconds: float) -> asyncio.Future[None]:
        """To be awaited: virtual time passes. Needs no step of its own, since the clock itself wakes who waits."""
        waiter: asyncio.Future[None] = asyncio.Future(loop=self)
        heappush(self._later, (self._moment + seconds, next(self._numbers), waiter))
        return waiter

    def kill(self, process: Process) -> None:
        """End a process as `kill -9` does: its tasks stand still for good."""
        process.alive = False
        # Kept until the end, since a coroutine that is collected runs its `finally` blocks.
        self._graveyard.extend(asyncio.all_tasks(self))

    def bury(self) -> None:
        """End it all: nothing runs here any more, and nobody complains of it."""
        for task in (*self._graveyard, *asyncio.all_tasks(self)):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own switch, not in typeshed
        self._graveyard.clear()
        self._soon.clear()
        self._later.clear()
        self.close()

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Of what a closed loop leaves behind nobody is told: a log line would keep it alive by its traceback."""
        if not self.is_closed():
            super().call_exception_handler(context)

    def _run_once(self) -> None:
        if not self._soon:
            self._advance()
        soon, chance = self._soon, self._chance
        while soon and not self._stopping:  # type: ignore[attr-defined]  # BaseEventLoop's own flag
            if chance is not None and (ready := len(soon)) > 1:
                soon.rotate(-int(chance.random() * ready))
            step = soon.popleft()
            callback, context = step.callback, step.context
            if callback is None:
                continue
            process = context.get(PROCESS)
            if process is None or (process.alive and not process.stalled_until) or self._may_run(step, process):
                self.steps += 1
                context.run(callback, *step.args)
                if self.steps > self._most_steps:
                    raise StuckError(f"time stands still at {self._moment:.3f} s")

    def _advance(self) -> None:
        later, soon = self._later, self._soon
        if not later:
            raise StuckError("nothing is left to wait for")
        # Some time passes always: a clock that stands still traps those who wait for a fraction of its resolution.
        moment, at_least = later[0][0], self._moment + _RESOLUTION_SECONDS
        self._moment = moment = at_least if moment < at_least else moment
        self._most_steps = self.steps + _MOST_STEPS_AT_ONE_MOMENT
        while later and later[0][0] <= moment:
            due = heappop(later)[2]
            if type(due) is Step:
                soon.append(due)
            elif not due.done():  # type: ignore[union-attr]  # a future
                due.set_result(None)  # type: ignore[union-attr]  # as above

    def _may_run(self, step: Step, process: Process) -> bool:
        if process.stalled_until > self._moment and process.alive:
            heappush(self._later, (process.stalled_until, next(self._numbers), step))
            return False
        return process.alive


def world_call_at(loop: asyncio.AbstractEventLoop, when: float, callback: Callable[..., object], *args: Any) -> None:
    """Call back at a moment on AWS's behalf, whoever caused it and whether or not they still live."""
    loop.call_at(max(when, loop.time()), callback, *args, context=WORLD)
