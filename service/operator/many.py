"""`jobferry cancel --all`, `redrive --all` and `rerun --all`: of all jobs that match, once it is said how many; and
`jobferry bulk`: how far that has come."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time

from pydantic import ValidationError

from schemas.base import DEFAULT_TENANT
from schemas.bulk import BulkWish, TrackedBulk
from schemas.errors import SettingsError
from service.console.filters import Asked, criteria, in_words, read_words
from service.operator.changes import changes_of
from service.operator.printing import FAILED, SUCCEEDED, TIMED_OUT, USAGE, as_json, harmless, line
from service.operator.reach import Reach, asked
from service.tracking.errors import UnknownBulkError
from service.tracking.tracker import POLL_SECONDS, Tracker

# A job that was not told of yet is OPEN in lists, whether it runs or waits: for most, this is what they mean.
_RUNNING = re.compile(r"status:running", re.IGNORECASE)


def run(options: argparse.Namespace) -> int:
    """Ask for it, or after it. Raises SettingsError, and UnknownBulkError where there is none."""
    return asked(lambda: _look(options) if options.command == "bulk" else _ask(options))


async def _ask(options: argparse.Namespace) -> int:
    tenant, wish = _wish(options)
    tracking = Reach(options.stack).tracking()
    count = await tracking.tracker.matching(tenant, wish.verb, wish.jobs)
    if not count:
        print("No job matches: nothing is asked for.", file=sys.stderr)
        return SUCCEEDED
    if not options.yes and not _agreed(_question(count, tenant, wish)):
        print("Nothing was asked for.", file=sys.stderr)
        return USAGE
    sent = await tracking.steering.many(tenant, wish)
    if options.json:
        as_json(sent)
    else:
        line(sent.bulk_id)
        how = f"How far it has come: jobferry bulk {sent.bulk_id} --tenant {tenant}"
        print(harmless(how), file=sys.stderr)
    return SUCCEEDED


async def _look(options: argparse.Namespace) -> int:
    tracking, tenant = Reach(options.stack).tracking(), options.tenant or DEFAULT_TENANT
    if options.stop:
        sent = await tracking.steering.stop_many(tenant, options.bulk_id, options.reason)
        as_json(sent) if options.json else line(f"{sent.bulk_id} is to be stopped, as {sent.requested_by}.")
        return SUCCEEDED
    if not options.wait:
        _show(await tracking.tracker.bulk(tenant, options.bulk_id), as_contract=options.json)
        return SUCCEEDED
    return await _until_its_end(tracking.tracker, tenant, options)


async def _until_its_end(tracker: Tracker, tenant: str, options: argparse.Namespace) -> int:
    deadline = time.monotonic() + options.timeout if options.timeout is not None else None
    while True:
        bulk = await _seen(tracker, tenant, options.bulk_id)
        if bulk is not None and bulk.status != "RUNNING":
            _show(bulk, as_contract=options.json)
            return FAILED if bulk.refused or bulk.status == "STOPPED" else SUCCEEDED
        if deadline is not None and time.monotonic() > deadline:
            print(harmless(f"{options.bulk_id} is not over after {options.timeout:g} s; it goes on."), file=sys.stderr)
            return TIMED_OUT
        await asyncio.sleep(POLL_SECONDS)


async def _seen(tracker: Tracker, tenant: str, bulk_id: str) -> TrackedBulk | None:
    """The bulk; None for as long as its message lies in the queue."""
    try:
        return await tracker.bulk(tenant, bulk_id)
    except UnknownBulkError:
        return None


def _show(bulk: TrackedBulk, *, as_contract: bool) -> None:
    if as_contract:
        as_json(bulk)
        return
    by = f"{bulk.requested_by or 'somebody'} at {bulk.asked_at}"
    line(f"{bulk.bulk_id}: {bulk.verb} {bulk.status}, asked for by {by}{f': {bulk.reason}' if bulk.reason else ''}")
    line(f"  {bulk.matched:,} matched, {bulk.done:,} done, {bulk.refused:,} refused")
    for refusal in bulk.refusals:
        line(f"  {refusal.jobs:,}: {refusal.why}")
    if bulk.stopped_by:
        line(f"  stopped by {bulk.stopped_by}")


def _question(count: int, tenant: str, wish: BulkWish) -> str:
    matching = "1 job" if count == 1 else f"{count:,} jobs"
    match, them = ("matches", "it") if count == 1 else ("match", "them")
    return f"{matching} of the tenant {tenant} {match} {in_words(wish.jobs)}. {wish.verb.capitalize()} {them}?"


def _agreed(question: str) -> bool:
    print(harmless(f"{question} [y/N] "), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _wish(options: argparse.Namespace) -> tuple[str, BulkWish]:
    if options.job_id is not None:
        raise SettingsError("Name one job, or many by --all: not both.")
    read = _filter(options.all, options.tenant)
    jobs = read.wanted
    changes = changes_of(options) if options.command == "rerun" else {}
    try:
        wish = BulkWish(verb=options.command, jobs=criteria(jobs), reason=options.reason, changes=changes)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = " ".join(("--all", ".".join(map(str, first["loc"])))).strip()
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}.") from None
    return options.tenant or read.tenant, wish


def _filter(words: list[str], tenant: str | None) -> Asked:
    read = read_words(["status:open" if _RUNNING.fullmatch(word) else word for word in words], time.time())
    if tenant is not None and any(word.lower().startswith("tenant:") for word in words):
        raise SettingsError("Name the tenant by --tenant, or in the filter of --all: not both.")
    if read.slips:
        raise SettingsError(" ".join(read.slips))
    return read
