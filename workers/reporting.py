"""The worker's metrics, told once a minute."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from service.clock import Clock
from service.metrics import Meter, embedded

EVERY_SECONDS = 60.0


@asynccontextmanager
async def metrics_reported(
    metrics: Meter, stack: str, now: Clock, write: Callable[[str], object], every_seconds: float = EVERY_SECONDS
) -> AsyncIterator[None]:
    """Write a line of metrics every minute for as long as the context lasts, and the last one when it ends.

    A minute and not a job: lines cost money, and a worker that is killed loses no more than a minute's numbers.
    """
    reporting = asyncio.create_task(_report_always(metrics, stack, now, write, every_seconds))
    try:
        yield
    finally:
        reporting.cancel()
        with suppress(asyncio.CancelledError):
            await reporting
        _report(metrics, stack, now(), write)


async def _report_always(
    metrics: Meter, stack: str, now: Clock, write: Callable[[str], object], every_seconds: float
) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        _report(metrics, stack, now(), write)


def _report(metrics: Meter, stack: str, at: float, write: Callable[[str], object]) -> None:
    values = metrics.drain(at)
    if values:
        # Nobody may read any more what is written; that is no reason to end a worker.
        with suppress(OSError):
            write(json.dumps(embedded(values, stack, at), separators=(",", ":")) + "\n")
