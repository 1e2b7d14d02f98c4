"""The one broad `except` of the program."""

from __future__ import annotations

from collections.abc import Awaitable

import structlog

log = structlog.stdlib.get_logger()


async def survived(work: Awaitable[object], event: str, **context: object) -> bool:
    """Do one piece of work; whatever goes wrong with it is logged, and must not touch its neighbours."""
    try:
        await work
    except Exception:
        log.exception(event, **context)
        return False
    return True
