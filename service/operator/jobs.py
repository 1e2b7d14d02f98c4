"""`jobferry jobs`: the jobs and rejected requests of a tenant, or of all, the youngest first."""

from __future__ import annotations

import argparse
import sys

from schemas.base import DEFAULT_TENANT
from schemas.tracking import ListedJob
from service.core.tracking.listing import CursorError, JobFilter
from service.operator.printing import USAGE, as_json, harmless, table
from service.operator.reach import Reach, asked

_COLUMNS = ("id", "status", "type", "user", "submitted", "seconds", "failure")
_WHOLE = ("tenant", "id", "status")


def run(options: argparse.Namespace) -> int:
    """List them; 2 where the cursor is of another list. Raises SettingsError."""
    try:
        return asked(lambda: _list(options))
    except CursorError as error:
        print(error, file=sys.stderr)
        return USAGE


async def _list(options: argparse.Namespace) -> int:
    name, equals, value = (options.label or "").partition("=")
    wanted = JobFilter(
        status=options.status,
        job_type=options.type,
        user=options.user,
        label=name or None,
        label_value=value if equals else None,
        failure_class=options.failure_class,
        since=options.since,
        until=options.until,
        text=options.id,
    )
    tracker = Reach(options.stack).tracking().tracker
    tenant = None if options.all_tenants else options.tenant or DEFAULT_TENANT
    page = await tracker.jobs(tenant, wanted, options.limit, options.cursor)
    if options.json:
        as_json(page)
        return 0
    if tenant is None:
        table(("tenant", *_COLUMNS), ((job.tenant, *_row(job)) for job in page.jobs), whole=_WHOLE)
    else:
        table(_COLUMNS, map(_row, page.jobs), whole=_WHOLE)
    if not page.jobs and not page.cursor:
        print(harmless(_none(tenant)), file=sys.stderr)
    if page.cursor:
        print(harmless(f"There is more: --cursor {page.cursor}"), file=sys.stderr)
    return 0


def _none(tenant: str | None) -> str:
    if tenant is None:
        return "No tenant has a job that matches."
    return f"The tenant {tenant} has no job that matches; --all-tenants looks at every tenant's."


def _row(job: ListedJob) -> tuple[str, ...]:
    seconds = f"{job.duration_seconds:.1f}" if job.duration_seconds is not None else ""
    return (
        job.id,
        job.status,
        job.job_type or "",
        job.user or "",
        job.submitted_at,
        seconds,
        job.failure_class or "",
    )
