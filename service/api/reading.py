"""The routes that read: a tenant's jobs, one job, its steps, events and logs, and why it is where it is."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from schemas.bulk import TrackedBulk
from schemas.tracking import JobPage, LogLines, StepsPage, TrackedJob, Why
from service.api.parameters import BulkName, JobName, ListQueryParameters, TenantName, refusals
from service.api.streams import SSE, events_as_they_come, lines_as_they_come
from service.tracking.logs import MOST_LINES, LogPlace
from service.tracking.tracker import Tracker

_MESSAGE = {
    "type": "object",
    "description": "One message: what it is, the id to resume by, and its JSON.",
    "properties": {name: {"type": "string"} for name in ("event", "id", "data")},
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "The stream.", "content": {SSE: {"schema": _MESSAGE}}},
    204: {"description": "All of it was seen, and nothing will follow."},
}
_LAST_EVENT = "The id of the last message that was seen: the stream goes on from there."
LastEventId = Annotated[str | None, Header(max_length=256, description=_LAST_EVENT)]
# A stream must reach its reader as it is made: nginx and its like would gather it up.
_AS_IT_COMES = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_FRESH = {"Cache-Control": "no-store"}


def reading(tracker: Tracker, stream_seconds: float | None) -> APIRouter:
    """The routes over this tracker."""
    routes = APIRouter(prefix="/tenants/{tenant}/jobs")

    @routes.get("", responses=refusals(400))
    async def list_jobs(tenant: TenantName, query: ListQueryParameters) -> JobPage:
        """The tenant's jobs and rejected requests, the youngest first. What is live of one, `GET` the job tells."""
        return await tracker.jobs(tenant, query.as_filter(), query.limit, query.cursor)

    @routes.get("/{job_id}", responses=refusals(404))
    async def get_job(tenant: TenantName, job_id: JobName) -> TrackedJob:
        """How a job is now; of a rejected request, every reason."""
        return await tracker.job(tenant, job_id)

    @routes.get("/{job_id}/steps", responses=refusals(404))
    async def get_steps(
        tenant: TenantName,
        job_id: JobName,
        after: Annotated[int, Query(ge=0, le=25_000, description="The number of the last step that was seen.")] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> StepsPage:
        """The states that the execution went through: when, what went in, what came out, and the task."""
        return await tracker.steps(tenant, job_id, after, limit)

    @routes.get("/{job_id}/why", responses=refusals(404))
    async def get_why(tenant: TenantName, job_id: JobName) -> Why:
        """Why it is not running yet, why it is not finished, or where its time went and what of that is unusual."""
        return await tracker.why(tenant, job_id)

    @routes.get("/{job_id}/events", response_class=StreamingResponse, responses={**refusals(404), **_STREAM})
    async def follow_events(tenant: TenantName, job_id: JobName, last_event_id: LastEventId = None) -> Response:
        """Server-sent `job` messages, each with what happened since and how the job is now; `settled` is the last."""
        seen, reached = await tracker.since(tenant, job_id, last_event_id)
        if seen.job.settled and reached == last_event_id:
            return Response(status_code=204, headers=_FRESH)  # A browser that reconnects by itself stops at this.
        stream = events_as_they_come(partial(tracker.since, tenant, job_id), last_event_id, stream_seconds)
        return StreamingResponse(stream, media_type=SSE, headers=_AS_IT_COMES)

    @routes.get("/{job_id}/logs/{stage}/{attempt}/{container}", response_model=LogLines, responses=_LOG_ANSWERS)
    async def get_log(
        tenant: TenantName,
        job_id: JobName,
        stage: Annotated[int, Path(ge=1, le=100)],
        attempt: Annotated[int, Path(ge=1, le=10_000)],
        container: Annotated[str, Path(min_length=1, max_length=255)],
        redrive: Annotated[int | None, Query(ge=0, le=10_000, description="Left out, the last.")] = None,
        first: Annotated[int, Query(ge=1, le=1_000_000_000, description="The first line, counted from 1.")] = 1,
        count: Annotated[int, Query(ge=1, le=MOST_LINES)] = 1000,
        follow: Annotated[bool, Query(description="As server-sent `lines` messages, until the log is whole.")] = False,
        download: Annotated[bool, Query(description="Be sent to a fresh link to the archived log.")] = False,
        last_event_id: LastEventId = None,
    ) -> Response | LogLines:
        """Lines of a container's log: from S3 once it is archived, from CloudWatch while it is written."""
        place = LogPlace(stage, attempt, container, redrive)
        if download:
            link = await tracker.log_link(tenant, job_id, place)
            return RedirectResponse(link.url, 307, _FRESH)
        if not follow:
            return await tracker.log(tenant, job_id, place, first, count)

        async def look(following: int) -> LogLines:
            return await tracker.log(tenant, job_id, place, following, count)

        if last_event_id is not None and last_event_id.isdecimal():
            first = int(last_event_id[:9]) + 1
        await look(first)
        return StreamingResponse(lines_as_they_come(look, first, stream_seconds), media_type=SSE, headers=_AS_IT_COMES)

    return routes


def reading_all(tracker: Tracker) -> APIRouter:
    """The route that reads every tenant's jobs: for those alone who may see them all."""
    routes = APIRouter(prefix="/jobs")

    @routes.get("", responses=refusals(400))
    async def list_all_jobs(query: ListQueryParameters) -> JobPage:
        """The jobs and rejected requests of all tenants, the youngest first, each with its tenant."""
        return await tracker.jobs(None, query.as_filter(), query.limit, query.cursor)

    return routes


def reading_many(tracker: Tracker) -> APIRouter:
    """The routes that read how far bulks have come."""
    routes = APIRouter(prefix="/tenants/{tenant}/bulk")

    @routes.get("/{bulk_id}", responses=refusals(404))
    async def get_bulk(tenant: TenantName, bulk_id: BulkName) -> TrackedBulk:
        """How far a bulk has come: how many jobs it matched, did and refused, and why."""
        return await tracker.bulk(tenant, bulk_id)

    return routes


_LOG_ANSWERS = {
    **refusals(404),
    200: {"description": "The lines.", "content": {SSE: {"schema": _MESSAGE}}},
    307: {"description": "To a fresh link to the archived log."},
}
