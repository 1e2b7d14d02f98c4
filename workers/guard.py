"""The one broad `except` of the program."""

from __future__ import annotations

from collections.abc import Awaitable

import structlog

log = structlog.stdlib.get_logger()


async def failure_of(work: Awaitable[object], event: str, **context: object) -> Exception | None:
    """Do one piece of work; whatever goes wrong with it is logged and answered, and must not touch its neighbours."""
    try:
        await work
    except Exception as error:
        log.exception(event, **context)
        return error
    return None
