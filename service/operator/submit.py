"""`jobferry submit`: send a request, and where that is asked for wait for its end; the status is the job's."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from schemas.base import DEFAULT_TENANT, json_object
from schemas.errors import SettingsError
from schemas.tracking import TrackedJob
from service.operator.logs import printed
from service.operator.printing import REJECTED, TIMED_OUT, as_json, exit_code, harmless, line
from service.operator.reach import Reach, asked
from service.operator.show import told
from service.tracking.errors import RefusedError, UnknownJobError, UnknownLogError
from service.tracking.logs import LogPlace
from service.tracking.tracker import POLL_SECONDS, Tracker
from service.tracking.wiring import Tracking


def run(options: argparse.Namespace) -> int:
    """Send it. Raises SettingsError."""
    return asked(lambda: _submit(options))


async def _submit(options: argparse.Namespace) -> int:
    body = _body(options.file)
    tenant = options.tenant or str(json_object(body).get("tenant", DEFAULT_TENANT))
    tracking = Reach(options.stack).tracking(options.catalog)
    try:
        if options.validate_only:
            valid = await tracking.submission.validate(tenant, body)
            count = len(valid.stages)
            words = f"It would be admitted, with {count} stage{'' if count == 1 else 's'}."
            as_json(valid) if options.json else line(words)
            return 0
        sent = await tracking.submission.submit(tenant, body, options.idempotency_key)
    except RefusedError as refused:
        tell_problems(refused, as_contract=options.json)
        return REJECTED
    if not (options.wait or options.follow):
        as_json(sent) if options.json else line(sent.job_id)
        return 0
    print(harmless(f"{sent.job_id} was sent."), file=sys.stderr)
    return await until_its_end(tracking, tenant, sent.job_id, options)


def _body(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The request {file} cannot be read: {error}.") from None


def tell_problems(refused: RefusedError, *, as_contract: bool) -> None:
    """Every reason why a request is refused, and the remedy."""
    if as_contract:
        problems = [problem.model_dump() for problem in refused.problems]
        print(json.dumps({"detail": str(refused), "problems": problems}, indent=2))
        return
    for problem in refused.problems:
        where = f"{problem.field}: " if problem.field else ""
        print(harmless(f"{where}{problem.message}. {problem.remedy}"), file=sys.stderr)


async def until_its_end(tracking: Tracking, tenant: str, job_id: str, options: argparse.Namespace) -> int:
    """Wait for a job's end, and answer with its status; `options` has `follow`, `timeout` and `json`."""
    deadline = time.monotonic() + options.timeout if options.timeout is not None else None
    following = _Following(tracking.tracker, tenant, job_id) if options.follow else None
    while True:
        job = await _seen(tracking.tracker, tenant, job_id)
        if following is not None and job is not None:
            await following.go_on(job)
        if job is not None and job.settled:
            _show_end(job, as_contract=options.json)
            return exit_code(job.status)
        if deadline is not None and time.monotonic() > deadline:
            print(harmless(f"{job_id} is not over after {options.timeout:g} s; it goes on."), file=sys.stderr)
            return TIMED_OUT
        await asyncio.sleep(POLL_SECONDS)


def _show_end(job: TrackedJob, *, as_contract: bool) -> None:
    if as_contract:
        as_json(job)
        return
    for text in told(job):
        line(text)


async def _seen(tracker: Tracker, tenant: str, job_id: str) -> TrackedJob | None:
    """The job; None for as long as its request lies in the queue."""
    try:
        return await tracker.job(tenant, job_id)
    except UnknownJobError:
        return None


class _Following:
    """Prints what happens and what the containers print, each once."""

    def __init__(self, tracker: Tracker, tenant: str, job_id: str) -> None:
        self._tracker = tracker
        self._tenant = tenant
        self._job_id = job_id
        self._told: set[str] = set()
        self._lines: dict[LogPlace, int] = {}

    async def go_on(self, job: TrackedJob) -> None:
        """Print what is new."""
        seen, _ = await self._tracker.since(self._tenant, self._job_id, None)
        for event in seen.events:
            if event.name not in self._told:
                self._told.add(event.name)
                print(harmless(f"{event.at or ''}  {event.text}"), file=sys.stderr)
        for stage in job.stages:
            for attempt in stage.attempts:
                await self._print_log(LogPlace(stage.stage, attempt.attempt, stage.container, attempt.redrive))

    async def _print_log(self, place: LogPlace) -> None:
        try:
            first = self._lines.get(place, 1)
            self._lines[place] = await printed(self._tracker, self._tenant, self._job_id, place, first)
        except UnknownLogError:
            return
