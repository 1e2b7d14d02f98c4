"""A consumer to look at alone: its gate is open, its failures are noted nowhere, and nobody counts."""

from __future__ import annotations

import asyncio

from service.aws.queue import Message, Queue
from service.clock import wall_clock
from service.metrics import UNMETERED
from workers.consumer import Consumer, Handle
from workers.liveness import Liveness


def consumer(
    queue: Queue,
    handle: Handle,
    slots: int,
    *,
    poll_seconds: int = 20,
    stopping: asyncio.Event | None = None,
    gather_seconds: float = 0.0,
) -> Consumer:
    """It works this queue, by the name of the requests'."""
    return Consumer(
        name="requests",
        queue=queue,
        handle=handle,
        slots=slots,
        poll_seconds=poll_seconds,
        stopping=stopping or asyncio.Event(),
        liveness=Liveness(wall_clock),
        gate=_open,
        note_failure=_not_noted,
        metrics=UNMETERED,
        gather_seconds=gather_seconds,
    )


async def _open() -> None:
    """Nothing to wait for."""


async def _not_noted(_message: Message, _error: Exception) -> None:
    """The log has it."""
