"""The addresses of the page. Links are relative, so that it works behind whatever path a proxy puts before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from markupsafe import Markup
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.parameters import JobName, TenantName
from service.api.streams import SSE
from service.console import logs
from service.console.asking import add_asking, read_sent
from service.console.asking_many import add_asking_many
from service.console.filters import MOST_CHARACTERS, read_filter, suggestions
from service.console.job import Since
from service.console.listing import Lists
from service.console.pages import FRESH, FROM_FORM, FROM_JOB, FROM_LIST, FROM_STEPS, PageRoute, Pages
from service.console.pieces import Piece, shown_as
from service.console.streams import pieces_as_they_change
from service.core.telling.compose import iso
from service.tracking.logs import LogPlace
from service.tracking.steering import Steering
from service.tracking.tracker import Tracker

# Nothing is run or loaded but the page's own files, and nothing may frame it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
A_PAGE = 100
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}

FilterText = Annotated[str, Query(alias="q", max_length=MOST_CHARACTERS)]
Cursor = Annotated[str | None, Query(max_length=1024)]
Stage = Annotated[int | None, Query(ge=1, le=100)]
Attempt = Annotated[int | None, Query(ge=1, le=10_000)]
Redrive = Annotated[int | None, Query(ge=0, le=10_000)]
Container = Annotated[str, Query(max_length=255)]
FirstLine = Annotated[int | None, Query(ge=1, le=1_000_000_000)]
Find = Annotated[str, Query(max_length=200)]
StepNumber = Annotated[int | None, Query(ge=1, le=1_000_000)]
SentText = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True)
class Headers:
    """Says with every answer what a browser may do with it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and add to what is answered."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, marked)


def pages(
    tracker: Tracker, steering: Steering, *, reruns: bool = True, stream_seconds: float | None = None
) -> APIRouter:
    """The routes of the page, over a tracker that is asked as seldom as pages should."""
    made = Pages(tracker, Lists(tracker), reruns)
    routes = APIRouter(route_class=type("Page", (PageRoute,), {"pages": made}), include_in_schema=False)
    _add_list(routes, made)
    _add_job(routes, made, stream_seconds)
    _add_steps(routes, made)
    add_asking(routes, made, steering)
    add_asking_many(routes, made, steering)
    _add_files(routes, made)
    return routes


def _add_list(routes: APIRouter, made: Pages) -> None:
    @routes.get("/")
    async def jobs(q: FilterText = "", cursor: Cursor = None) -> Response:
        """The list."""
        asked = read_filter(q, made.tracker.now())
        return HTMLResponse(
            made.html("list.html", FROM_LIST, piece=False, **await made.list_of(asked, cursor)), 200, FRESH
        )

    @routes.get("/rows")
    async def rows(q: FilterText = "", cursor: Cursor = None) -> Response:
        """The list alone, for the page that has it open."""
        asked = read_filter(q, made.tracker.now())
        return HTMLResponse(
            made.html("rows.html", FROM_LIST, piece=True, **await made.list_of(asked, cursor)), 200, FRESH
        )

    @routes.get("/suggest")
    async def suggest(q: FilterText = "") -> Response:
        """What the line in the filter may become."""
        tenant = read_filter(q, made.tracker.now()).tenant
        lines = suggestions(q, made.lists.types(tenant))
        return HTMLResponse(made.html("suggest.html", FROM_LIST, lines=lines), 200, FRESH)


def _add_job(routes: APIRouter, made: Pages, stream_seconds: float | None) -> None:
    async def place(
        stage: Stage = None, attempt: Attempt = None, container: Container = "", redrive: Redrive = None
    ) -> LogPlace | None:
        return LogPlace(stage, attempt, container, redrive) if stage and attempt else None

    @routes.get("/jobs/{tenant}/{job_id}")
    async def job(
        request: Request,
        tenant: TenantName,
        job_id: JobName,
        stage: Stage = None,
        attempt: Attempt = None,
        container: Container = "",
        redrive: Redrive = None,
        first: FirstLine = None,
        find: Find = "",
        sent: SentText = "",
    ) -> Response:
        """A job, with a log beside it."""
        known = read_sent(request, tenant, job_id, sent)
        view = await made.view_of(tenant, job_id, known)
        where = await place(stage, attempt, container, redrive)
        log, choices = await made.log_of(view, where, first, find)
        pieces = made.pieces(view)
        asked = {"sent": sent if known else None, "step": view.since.step, "event": view.since.event}
        html = made.html(
            "job.html",
            FROM_JOB,
            view=view,
            pieces={name: piece.html for name, piece in pieces.items()},
            log=log,
            choices=choices,
            here=quote(view.title),
            live={**asked, "shown": shown_as(pieces)},
        )
        return HTMLResponse(html, 200, FRESH)

    @routes.get("/jobs/{tenant}/{job_id}/live")
    async def live(
        request: Request,
        tenant: TenantName,
        job_id: JobName,
        sent: SentText = "",
        step: StepNumber = None,
        event: StepNumber = None,
        shown: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        """The pieces of the page as they change, for a page that shows these digests, and the steps from one on."""
        known = read_sent(request, tenant, job_id, sent)

        async def look() -> tuple[Mapping[str, Piece], bool]:
            view = await made.view_of(tenant, job_id, known, Since(step, event))
            return made.pieces(view), view.at_rest

        await made.tracker.find(tenant, job_id)
        # What a browser that asks again has been shown by the stream before, its address does not know.
        seen = "" if "last-event-id" in request.headers else shown
        stream = pieces_as_they_change(look, partial(made.trouble, FROM_JOB), stream_seconds, seen)
        return StreamingResponse(stream, media_type=SSE, headers={**FRESH, "X-Accel-Buffering": "no"})

    @routes.get("/jobs/{tenant}/{job_id}/lines")
    async def lines(
        tenant: TenantName,
        job_id: JobName,
        stage: Annotated[int, Query(ge=1, le=100)],
        attempt: Annotated[int, Query(ge=1, le=10_000)],
        first: Annotated[int, Query(ge=1, le=1_000_000_000)],
        container: Container = "",
        redrive: Redrive = None,
    ) -> Response:
        """The lines of a log that came since, and where to ask for the next."""
        choice = logs.LogChoice(LogPlace(stage, attempt, container, redrive), "", None, archived=False)
        log = await logs.page_of(made.tracker, tenant, job_id, choice, first)
        return HTMLResponse(made.html("lines.html", FROM_JOB, log=log, here=quote(job_id)), 200, FRESH)


def _add_steps(routes: APIRouter, made: Pages) -> None:
    @routes.get("/jobs/{tenant}/{job_id}/steps")
    async def steps(tenant: TenantName, job_id: JobName, first: StepNumber = None) -> Response:
        """Steps from one on, where a job has more than its page shows."""
        found, total = await made.tracker.step_heads(tenant, job_id, first or 1, A_PAGE)
        shown = Piece(items=made.parts.step_items(found, "")).html
        return _earlier(made, "steps", (tenant, job_id), (first or 1, len(found), total), shown)

    @routes.get("/jobs/{tenant}/{job_id}/events")
    async def events(tenant: TenantName, job_id: JobName, first: StepNumber = None) -> Response:
        """Events from one on."""
        seen, _ = await made.tracker.since(tenant, job_id, None)
        begin = (first or 1) - 1
        found = seen.events[begin : begin + A_PAGE]
        rows = Piece('<table class="events"><tbody>', made.parts.event_items(found), "</tbody></table>").html
        return _earlier(made, "events", (tenant, job_id), (first or 1, len(found), len(seen.events)), rows)

    @routes.get("/jobs/{tenant}/{job_id}/steps/{number}")
    async def step(
        request: Request, tenant: TenantName, job_id: JobName, number: Annotated[int, Path(ge=1, le=25_000)]
    ) -> Response:
        """What went into a step and what came out: for the page that has it open, or as a page of its own."""
        found, more = await made.tracker.step(tenant, job_id, number)
        template = "job/step_body.html" if "hx-request" in request.headers else "step.html"
        html = made.html(template, FROM_FORM, step=found, more=more, tenant=tenant, job_id=job_id, here=quote(job_id))
        return HTMLResponse(html, 200, FRESH)


def _earlier(made: Pages, name: str, of: tuple[str, str], place: tuple[int, int, int], shown: Markup) -> Response:
    """A page of steps or events: which is the first, how many are shown, and of how many."""
    (tenant, job_id), (first, count, total) = of, place
    html = made.html(
        "earlier.html",
        FROM_STEPS,
        name=name,
        tenant=tenant,
        job_id=job_id,
        here=quote(job_id),
        first=first,
        last=first + count - 1,
        total=total,
        shown=shown,
        as_of=iso(made.tracker.now()),
    )
    return HTMLResponse(html, 200, FRESH)


def _add_files(routes: APIRouter, made: Pages) -> None:
    held = {item.path: item for item in made.files.values()}

    @routes.get("/static/{digest}/{name}")
    async def static(digest: Annotated[str, Path()], name: Annotated[str, Path()]) -> Response:
        """A file of the page's own, by its content; an old page's file is gone with the program that had it."""
        item = held.get(f"static/{digest}/{name}")
        if item is None:
            return Response("There is no such file.", 404, FRESH, "text/plain")
        return Response(item.body, 200, _FOR_GOOD, item.kind)
