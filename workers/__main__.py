"""`python -m workers`: run the worker."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys


def main() -> int:
    """Run the worker until it is told to stop; 2 if the settings cannot work."""
    _do_without("rich")
    gc.disable()  # What is loaded now stays to the end: to look through it for rubbish takes a sixth of the start.
    from service.settings import SettingsError, read_settings
    from workers.worker import run_worker

    gc.freeze()
    gc.enable()
    configure_logging()
    try:
        asyncio.run(run_worker(read_settings()))
    except SettingsError as error:
        for line in str(error).splitlines():
            print(line, file=sys.stderr)  # noqa: T201  # for the person who starts it
        return 2
    return 0


def _do_without(package: str) -> None:
    """Let a package that others import where it is installed pass for missing, if nobody has imported it yet.

    structlog would take rich for tracebacks that a worker never draws: 12 MB, and a tenth of a start.
    """
    sys.modules.setdefault(package, None)  # type: ignore[arg-type]  # as Python has it [reference, the module cache]


def configure_logging() -> None:
    """JSON lines for machines, colours on a terminal; tracebacks without local variables, which may hold tokens."""
    import structlog

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
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


if __name__ == "__main__":
    sys.exit(main())
