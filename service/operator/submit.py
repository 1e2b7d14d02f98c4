"""`jobferry submit`: send a request, and where that is asked for wait for its end; the status is the job's."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from pathlib import Path

from schemas.base import DEFAULT_TENANT, json_object
from schemas.errors import SettingsError
from schemas.operator import Refusal
from schemas.tracking import TrackedJob, Validated
from service.operator.interruption import Interruption, choice_of
from service.operator.logs import printed
from service.operator.printing import REJECTED, TIMED_OUT, as_json, exit_code, harmless, line
from service.operator.reach import Reach, asked
from service.operator.show import lines_of
from service.tracking.errors import CatalogUnknownError, NotNowError, RefusedError, UnknownJobError, UnknownLogError
from service.tracking.logs import LogPlace
from service.tracking.steering import Steering
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
            valid = await _validated(tracking, tenant, body)
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
    return await until_its_end(tracking, tenant, sent.job_id, f"{sent.job_id} was sent.", options)


async def _validated(tracking: Tracking, tenant: str, body: str) -> Validated:
    """Raises SettingsError where the catalogue to judge by is out of reach."""
    try:
        return await tracking.submission.validate(tenant, body)
    except CatalogUnknownError as error:
        raise SettingsError(f"{error} Name it by --catalog.") from None


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
        as_json(Refusal(detail=str(refused), problems=refused.problems))
        return
    for problem in refused.problems:
        where = f"{problem.field}: " if problem.field else ""
        print(harmless(f"{where}{problem.message}. {problem.remedy}"), file=sys.stderr)


async def until_its_end(tracking: Tracking, tenant: str, job_id: str, begun: str, options: argparse.Namespace) -> int:
    """Say what has begun, and wait; answers with the exit code of the job's end.

    Ctrl-C asks whether to cancel it. Raises KeyboardInterrupt where it is left as it is.
    """
    with Interruption() as interruption:
        print(harmless(begun), file=sys.stderr)
        try:
            return await _watched(tracking, tenant, job_id, options, interruption)
        except KeyboardInterrupt:
            _tell_how_to_cancel(tenant, job_id, options.stack)
            raise


async def _watched(
    tracking: Tracking, tenant: str, job_id: str, options: argparse.Namespace, interruption: Interruption
) -> int:
    deadline = time.monotonic() + options.timeout if options.timeout is not None else None
    following = _Following(tracking.tracker, tenant, job_id, options) if options.follow else None
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
        if await interruption.within(POLL_SECONDS):
            await _decide(tracking.steering, tenant, job_id)
            interruption.forget()


async def _decide(steering: Steering, tenant: str, job_id: str) -> None:
    """Cancel the job, or go on; raises KeyboardInterrupt where it is to be left as it is."""
    match choice_of(job_id):
        case "leave":
            raise KeyboardInterrupt
        case "watch":
            print(harmless(f"{job_id} is waited for."), file=sys.stderr)
        case "cancel":
            try:
                wish = await steering.ask("cancel", tenant, job_id)
                print(harmless(f"{wish.job_id} is to be cancelled; its end is waited for."), file=sys.stderr)
            except NotNowError as error:
                print(harmless(str(error)), file=sys.stderr)


def _tell_how_to_cancel(tenant: str, job_id: str, stack: str | None) -> None:
    words = ["jobferry", "cancel", job_id, "--tenant", tenant, *(("--stack", stack) if stack else ())]
    print(harmless(f"{job_id} is left as it is. To cancel it: {shlex.join(words)}"), file=sys.stderr)


def _show_end(job: TrackedJob, *, as_contract: bool) -> None:
    if as_contract:
        as_json(job)
        return
    for text in lines_of(job):
        line(text)


async def _seen(tracker: Tracker, tenant: str, job_id: str) -> TrackedJob | None:
    """The job; None for as long as its request lies in the queue."""
    try:
        return await tracker.job(tenant, job_id)
    except UnknownJobError:
        return None


class _Following:
    """Prints what happens and what the containers print, each once."""

    def __init__(self, tracker: Tracker, tenant: str, job_id: str, options: argparse.Namespace) -> None:
        # Standard output is the contract's own, where that was asked for.
        self._logs = sys.stderr if options.json else sys.stdout
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
            self._lines[place] = await printed(self._tracker, self._tenant, self._job_id, place, first, self._logs)
        except UnknownLogError:
            return
