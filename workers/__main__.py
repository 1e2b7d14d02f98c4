"""`python -m workers`: run the worker."""

from __future__ import annotations

import asyncio
import logging
import sys

import structlog

from service.settings import SettingsError, read_settings
from workers.worker import run_worker


def main() -> int:
    """Run the worker until it is told to stop; 2 if the settings cannot work."""
    configure_logging()
    try:
        asyncio.run(run_worker(read_settings()))
    except SettingsError as error:
        for line in str(error).splitlines():
            print(line, file=sys.stderr)  # noqa: T201  # for the person who starts it
        return 2
    return 0


def configure_logging() -> None:
    """JSON lines for machines, colours on a terminal; tracebacks without local variables, which may hold tokens."""
    pretty = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if pretty
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if pretty else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
