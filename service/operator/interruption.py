"""Ctrl-C while a command waits for a job that does not end with it."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Literal, Self

Choice = Literal["cancel", "leave", "watch"]
_CHOICES: dict[str, Choice] = {"c": "cancel", "l": "leave", "": "leave", "w": "watch"}


class Interruption:
    """Within it the first Ctrl-C is noted, and a second one leaves at once, as KeyboardInterrupt.

    Outside of the main thread, where Python hands over no signal, none is ever noted.
    """

    def __init__(self) -> None:
        self._noted = False
        self._came = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._heard:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._heard:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self._noted:
            raise KeyboardInterrupt
        self._noted = True
        self._loop.call_soon_threadsafe(self._came.set)

    async def within(self, seconds: float) -> bool:
        """Wait for it for so long; whether it came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._came.wait()
        return self._noted

    def forget(self) -> None:
        """The next one is the first again."""
        self._came.clear()
        self._noted = False


def choice_of(job_id: str) -> Choice:
    """What whoever pressed Ctrl-C wants; where nobody can be asked, to leave the job as it is.

    Raises KeyboardInterrupt at a second Ctrl-C.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "leave"
    while True:
        question = f"\n{job_id} is not over. Cancel it (c), leave it running (l), or go on watching (w)? [l] "
        print(question, end="", file=sys.stderr, flush=True)
        # At its end, and with Enter alone, the line begins with nothing.
        if (choice := _CHOICES.get(sys.stdin.readline().strip().lower()[:1])) is not None:
            return choice
