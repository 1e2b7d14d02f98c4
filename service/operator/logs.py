"""`jobferry logs`: a container's log, archived or while it is written."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TextIO

from schemas.tracking import LogLines, TrackedJob
from service.operator.printing import as_json, harmless
from service.operator.reach import Reach, asked
from service.tracking.errors import UnknownLogError
from service.tracking.logs import MOST_LINES, LogPlace
from service.tracking.tracker import POLL_SECONDS, Tracker


def run(options: argparse.Namespace) -> int:
    """Print it. Raises SettingsError, and UnknownJobError or UnknownLogError where there is none."""
    return asked(lambda: _logs(options))


async def _logs(options: argparse.Namespace) -> int:
    tracker = Reach(options.stack).tracking().tracker
    place = place_of(await tracker.job(options.tenant, options.job_id), options)
    first = 1
    while True:
        found = await tracker.log(options.tenant, options.job_id, place, first, MOST_LINES)
        first = max(first, found.first_line + len(found.lines))
        _print(found, as_contract=options.json)
        if found.complete or not (found.more or options.follow):
            return 0
        if not found.more:
            await asyncio.sleep(POLL_SECONDS)


def place_of(job: TrackedJob, options: argparse.Namespace) -> LogPlace:
    """The container that was named; where none was, the last attempt's own. Raises UnknownLogError."""
    begun = [stage for stage in job.stages if stage.attempts and options.stage in (None, stage.stage)]
    attempts = [(stage, item) for stage in begun[-1:] for item in stage.attempts]
    wanted = [(stage, item) for stage, item in attempts if options.attempt in (None, item.attempt)]
    wanted = [(stage, item) for stage, item in wanted if options.redrive in (None, item.redrive)]
    if not wanted:
        raise UnknownLogError("No such attempt is known: `jobferry show` lists those that are.")
    stage, attempt = wanted[-1]
    return LogPlace(stage.stage, attempt.attempt, options.container or stage.container, attempt.redrive)


def _print(found: LogLines, *, as_contract: bool) -> None:
    if as_contract:
        as_json(found)
        return
    _print_lines(found, sys.stdout)
    if not found.lines and found.why and not found.more:
        print(harmless(f"{found.container}: {found.why}."), file=sys.stderr)


def _print_lines(found: LogLines, where: TextIO) -> None:
    # What a container wrote may steer a terminal; a file takes it as it is.
    shown = map(_shown, found.lines) if where.isatty() else found.lines
    for text in shown:
        print(text, file=where)
    where.flush()


def _shown(text: str) -> str:
    return harmless(text.replace("\t", "        "))


async def printed(tracker: Tracker, tenant: str | None, job_id: str, place: LogPlace, first: int, where: TextIO) -> int:
    """Print what of a log there is now from a line on; answers with the next line's number."""
    found = await tracker.log(tenant, job_id, place, first, MOST_LINES)
    _print_lines(found, where)
    return max(first, found.first_line + len(found.lines))
