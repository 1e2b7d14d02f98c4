"""`jobferry cancel --all`, `redrive --all` and `rerun --all`: of all jobs that match, once it is said how many; and
`jobferry bulk`: how far that has come."""

from __future__ import annotations

import argparse
import asyncio
import re
import shlex
import sys
import time
from dataclasses import dataclass

from pydantic import ValidationError

from schemas.base import DEFAULT_TENANT
from schemas.bulk import BulkWish, TrackedBulk
from schemas.errors import SettingsError
from schemas.operator import NothingMatches
from service.console.filters import Asked, criteria, in_words, read_words
from service.core.tracking.bulk import counted
from service.operator.changes import changes_of
from service.operator.printing import FAILED, SUCCEEDED, TIMED_OUT, USAGE, agreed, as_json, harmless, line
from service.operator.reach import Reach, asked
from service.tracking.errors import UnknownBulkError
from service.tracking.tracker import POLL_SECONDS, Tracker

# A message is heard within a second or two, unless no worker runs.
HEARD_WITHIN_SECONDS = 60.0
_OF_ONE_JOB = {
    "id": "each new job has an id of its own",
    "follow": "follow one of the new jobs by its id",
    "catalog": "the worker judges each new job",
}
# A job that was not told of yet is OPEN in lists, whether it runs or waits: for most, this is what they mean.
_RUNNING = re.compile(r"status:running", re.IGNORECASE)


def run(options: argparse.Namespace) -> int:
    """Ask for it, or after it. Raises SettingsError, and UnknownBulkError where there is none."""
    return asked(lambda: _look(options) if options.command == "bulk" else _ask(options))


async def _ask(options: argparse.Namespace) -> int:
    _refuse_what_is_of_one_job(options)
    tenant, wish = _wish(options)
    tracking = Reach(options.stack).tracking()
    count = await tracking.tracker.matching(tenant, wish.verb, wish.jobs)
    if not count:
        if options.json:
            as_json(NothingMatches(verb=wish.verb, tenant=tenant, jobs=wish.jobs))
        print("No job matches: nothing is asked for.", file=sys.stderr)
        return SUCCEEDED
    if not options.yes and not agreed(_question(count, tenant, wish)):
        print("Nothing was asked for.", file=sys.stderr)
        return USAGE
    # Only a rerun has a key, and waits.
    given = vars(options)
    sent = await tracking.steering.many(tenant, wish, given.get("idempotency_key"))
    timeout = given.get("timeout")
    if given.get("wait") or timeout is not None:
        print(harmless(f"{sent.bulk_id} was asked for, as {sent.requested_by}."), file=sys.stderr)
        return await _until_its_end(tracking.tracker, _Awaited(tenant, sent.bulk_id, timeout), as_contract=options.json)
    if options.json:
        as_json(sent)
    else:
        line(sent.bulk_id)
        print(harmless(f"How far it has come: {how_to_look(sent.bulk_id, tenant, options.stack)}"), file=sys.stderr)
    return SUCCEEDED


def _refuse_what_is_of_one_job(options: argparse.Namespace) -> None:
    given = vars(options)
    for name, why in _OF_ONE_JOB.items():
        if given.get(name):
            raise SettingsError(f"--{name} is not for --all: {why}.")


def how_to_look(bulk_id: str, tenant: str, stack: str | None) -> str:
    """The command that says how far a bulk has come."""
    return shlex.join(["jobferry", "bulk", bulk_id, "--tenant", tenant, *(("--stack", stack) if stack else ())])


async def _look(options: argparse.Namespace) -> int:
    tracking, tenant = Reach(options.stack).tracking(), options.tenant or DEFAULT_TENANT
    if options.stop:
        sent = await tracking.steering.stop_many(tenant, options.bulk_id, options.reason)
        as_json(sent) if options.json else line(f"{sent.bulk_id} is to be stopped, as {sent.requested_by}.")
        return SUCCEEDED
    if not options.wait:
        _show(await tracking.tracker.bulk(tenant, options.bulk_id), as_contract=options.json)
        return SUCCEEDED
    awaited = _Awaited(tenant, options.bulk_id, options.timeout, HEARD_WITHIN_SECONDS)
    return await _until_its_end(tracking.tracker, awaited, as_contract=options.json)


@dataclass(frozen=True)
class _Awaited:
    """The bulk that is waited for, and for how many seconds: until its end, and until anything is known of it.

    One that was sent just now lies in the queue, for as long as no worker runs; another may never have been.
    """

    tenant: str
    bulk_id: str
    timeout: float | None
    heard_within: float | None = None


async def _until_its_end(tracker: Tracker, awaited: _Awaited, *, as_contract: bool) -> int:
    begun = time.monotonic()
    while True:
        bulk = await _seen(tracker, awaited.tenant, awaited.bulk_id)
        if bulk is not None and bulk.status != "RUNNING":
            _show(bulk, as_contract=as_contract)
            return FAILED if bulk.refused or bulk.status == "STOPPED" else SUCCEEDED
        passed = time.monotonic() - begun
        if awaited.timeout is not None and passed > awaited.timeout:
            what = f"{awaited.bulk_id} is not over after {awaited.timeout:g} s; it goes on."
            print(harmless(what), file=sys.stderr)
            return TIMED_OUT
        if bulk is None and awaited.heard_within is not None and passed > awaited.heard_within:
            raise UnknownBulkError
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
    matching = "1 job" if count == 1 else f"{counted(count)} jobs"
    match, them = ("matches", "it") if count == 1 else ("match", "them")
    matching = f"{matching[:1].upper()}{matching[1:]} of the tenant {tenant} {match} {in_words(wish.jobs)}"
    return f"{matching}. {wish.verb.capitalize()} {them}?"


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
