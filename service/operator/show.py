"""`jobferry show`: one job as it is now, or a request that was rejected."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from schemas.tracking import TrackedAttempt, TrackedJob, TrackedStage
from service.aws.job_list import JobList
from service.aws.jobs_table import JobsTable
from service.aws.on_demand import OnDemand
from service.clock import wall_clock
from service.core.tracking.job import track
from service.operator.printing import as_json, line
from service.operator.reach import Reach, asked
from service.tracking.finding import Finder


def run(options: argparse.Namespace) -> int:
    """Show it. Raises SettingsError, and UnknownJobError where there is none."""
    return asked(lambda: _show(options))


async def _show(options: argparse.Namespace) -> int:
    # Not by the tracker: it knows histories, logs and lists, and this verb is to be quick.
    reach = Reach(options.stack)
    client, name = OnDemand(reach.client, "dynamodb"), reach.jobs_table()
    records = JobsTable(client, name, 0, 0, 0, wall_clock)  # type: ignore[arg-type]  # the same operations
    lists = JobList(client, name)  # type: ignore[arg-type]  # as above
    job = track(await Finder(records.read_whole, lists.rejected_as).find(options.tenant, options.job_id))
    assert job is not None, "what was found is a job or a rejection"
    if options.json:
        as_json(job)
    else:
        for text in lines_of(job):
            line(text)
    return 0


def lines_of(job: TrackedJob) -> Iterator[str]:
    """The job for a person."""
    took = f" after {job.duration_seconds:,.1f} s" if job.duration_seconds is not None else ""
    yield f"{job.job_id or job.message_id}: {job.status}{took}"
    for name in ("tenant", "job_type", "user", "retry_of", "submitted_at", "started_at", "ended_at", "execution_arn"):
        if (value := getattr(job, name)) is not None:
            yield f"  {name.replace('_', ' '):<14} {value}"
    if job.labels:
        yield f"  {'labels':<14} {', '.join(f'{name}={value}' for name, value in job.labels.items())}"
    if job.rerun_as:
        yield f"  {'rerun as':<14} {job.rerun_as}"
    for wish in job.asked_for:
        yield f"  {wish.verb} asked for by {wish.by or 'somebody'} at {wish.asked_at}{_because(wish.reason)}"
    for stage in job.stages:
        yield from _stage(stage)
    if job.rejection:
        for problem in job.rejection.problems:
            where = f"{problem.field}: " if problem.field else ""
            yield f"  {where}{problem.message}. {problem.remedy}"
    if job.failure:
        yield f"Why: {job.failure.failure_class}, {job.failure.confidence}"
        yield f"  {job.failure.evidence}"
        yield f"  What to do: {job.failure.next_action}"
        yield from (f"  | {text}" for text in job.failure.log_tail)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _stage(stage: TrackedStage) -> Iterator[str]:
    image = "" if stage.image == stage.name else f" ({stage.image})"
    yield f"Stage {stage.stage} {stage.name}{image}: {stage.status}"
    for attempt in stage.attempts:
        yield f"  attempt {attempt.attempt}{_details(attempt)}"
        for container in attempt.containers:
            if container.log and container.log.s3_uri:
                lines = "1 line" if container.log.lines == 1 else f"{container.log.lines:,} lines"
                yield f"    {container.name}: {lines} in {container.log.s3_uri}"


def _details(attempt: TrackedAttempt) -> str:
    parts = (
        f" of redrive {attempt.redrive}" if attempt.redrive else "",
        f": {attempt.status}",
        f", exit code {attempt.exit_code}" if attempt.exit_code is not None else "",
        f", ran for {attempt.durations.running:,.1f} s" if attempt.durations.running is not None else "",
        f", {attempt.failure_class}" if attempt.failure_class else "",
        f" ({attempt.stopped_reason})" if attempt.stopped_reason and attempt.status == "FAILED" else "",
    )
    return "".join(parts)
