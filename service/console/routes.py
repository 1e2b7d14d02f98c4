"""The addresses of the page. Links are relative, so that it works behind whatever path a proxy puts before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.routing import APIRoute
from jinja2 import Environment
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.parameters import JobName, TenantName
from service.api.streams import SSE
from service.aws.errors import AwsError
from service.console import job as job_page
from service.console import logs
from service.console.assets import Asset, assets
from service.console.filters import MOST_CHARACTERS, Asked, anchored, read_filter, suggestions
from service.console.job import JobView
from service.console.listing import Lists, row_of
from service.console.rendering import environment
from service.console.streams import pieces_as_they_change
from service.core.telling.compose import iso
from service.core.tracking.listing import CursorError
from service.tracking.errors import UnknownJobError, UnknownLogError
from service.tracking.logs import LogPlace
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
_FRESH = {"Cache-Control": "no-store"}
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOT_FOUND = (UnknownJobError, UnknownLogError, CursorError)

FilterText = Annotated[str, Query(alias="q", max_length=MOST_CHARACTERS)]
Cursor = Annotated[str | None, Query(max_length=1024)]
Stage = Annotated[int | None, Query(ge=1, le=100)]
Attempt = Annotated[int | None, Query(ge=1, le=10_000)]
Redrive = Annotated[int | None, Query(ge=0, le=10_000)]
Container = Annotated[str, Query(max_length=255)]
FirstLine = Annotated[int | None, Query(ge=1, le=1_000_000_000)]
Find = Annotated[str, Query(max_length=200)]


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


@dataclass(frozen=True)
class _Pages:
    """Renders what was read."""

    tracker: Tracker
    lists: Lists
    templates: Environment = field(default_factory=environment)
    files: Mapping[str, Asset] = field(default_factory=assets)

    def html(self, template: str, root: str, **given: Any) -> str:
        """A template; `root` leads from the page to the list."""
        return self.templates.get_template(template).render(
            root=root, asset={name: root + item.path for name, item in self.files.items()}, **given
        )

    async def list_of(self, asked: Asked, cursor: str | None) -> dict[str, Any]:
        """What the list shows."""
        now = self.tracker.now()
        given = {
            "asked": asked,
            "cursor": cursor,
            "rows": (),
            "older": None,
            "every": 5 if asked.wanted.is_narrow else 2,
            "as_of": iso(now) or "",
            "searched_back_to": None,
        }
        if asked.slips:
            return given
        found = await self.lists.get(asked.tenant, asked.wanted, cursor)
        rows = tuple(row_of(item, found.glances.get(item.id), now) for item in found.page.jobs)
        older = {"q": anchored(asked), "cursor": found.page.cursor} if found.page.cursor else None
        back = found.page.searched_back_to if len(rows) < _FEW else None
        return {**given, "rows": rows, "older": older, "as_of": iso(found.at) or "", "searched_back_to": back}

    async def log_of(
        self, view: JobView, place: LogPlace | None, first: int | None, find: str
    ) -> tuple[logs.LogView | None, tuple[logs.LogChoice, ...]]:
        """The log beside a job, and those that there are."""
        job = view.job
        choices = logs.choices_of(job)
        choice = logs.chosen(choices, job, place)
        if choice is None or job.tenant is None or job.job_id is None:
            return None, choices
        begin = logs.beginning(choice, first)
        try:
            if find:
                return await logs.search(self.tracker, job.tenant, job.job_id, choice, find), choices
            return await logs.page_of(self.tracker, job.tenant, job.job_id, choice, begin), choices
        except (UnknownLogError, AwsError) as error:
            # The job itself was read, and is shown.
            gone = isinstance(error, UnknownLogError)
            note = str(error) if isinstance(error, UnknownLogError) else _unreachable(error)
            return logs.LogView(choice, (), begin, more=False, complete=gone, note=note, find=find), choices

    def pieces(self, view: JobView) -> dict[str, str]:
        """The parts of a job's page that change."""
        found = {name: self.html(f"job/{name}.html", _FROM_JOB, view=view) for name in job_page.PIECES}
        return {**found, "as-of": self.html("as_of.html", _FROM_JOB, as_of=view.as_of, trouble="")}

    def trouble(self, root: str, code: str) -> str:
        """That AWS cannot be asked."""
        return self.html("as_of.html", root, as_of="", trouble=code or "no answer")


_FEW = 10
_FROM_LIST, _FROM_JOB = "", "../../"


class _Page(APIRoute):
    """A route whose errors are pages: for people, where the API's are for programs."""

    pages: _Pages

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]  # it is awaited
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except AwsError as error:
                return self._sorry(request, HTTPStatus.SERVICE_UNAVAILABLE, _unreachable(error))
            except _NOT_FOUND as error:
                return self._sorry(request, HTTPStatus.NOT_FOUND, str(error))

        return answered

    def _sorry(self, request: Request, status: HTTPStatus, why: str) -> Response:
        root = _FROM_JOB if request.path_params.get("job_id") else _FROM_LIST
        template = "sorry_piece.html" if "hx-request" in request.headers else "sorry.html"
        html = self.pages.html(template, root, status=status, why=why)
        return HTMLResponse(html, status, _FRESH)


def _unreachable(error: AwsError) -> str:
    return f"AWS could not be asked{f' ({error.code})' if error.code else ''}. What is still shown may be old by now."


def pages(tracker: Tracker) -> APIRouter:
    """The routes of the page, over a tracker that is asked as seldom as pages should."""
    made = _Pages(tracker, Lists(tracker))
    routes = APIRouter(route_class=type("Page", (_Page,), {"pages": made}), include_in_schema=False)
    _add_list(routes, made)
    _add_job(routes, made)
    _add_files(routes, made)
    return routes


def _add_list(routes: APIRouter, made: _Pages) -> None:
    @routes.get("/")
    async def jobs(q: FilterText = "", cursor: Cursor = None) -> Response:
        """The list."""
        asked = read_filter(q, made.tracker.now())
        return HTMLResponse(
            made.html("list.html", _FROM_LIST, piece=False, **await made.list_of(asked, cursor)), 200, _FRESH
        )

    @routes.get("/rows")
    async def rows(q: FilterText = "", cursor: Cursor = None) -> Response:
        """The list alone, for the page that has it open."""
        asked = read_filter(q, made.tracker.now())
        return HTMLResponse(
            made.html("rows.html", _FROM_LIST, piece=True, **await made.list_of(asked, cursor)), 200, _FRESH
        )

    @routes.get("/suggest")
    async def suggest(q: FilterText = "") -> Response:
        """What the line in the filter may become."""
        return HTMLResponse(made.html("suggest.html", _FROM_LIST, lines=suggestions(q, ())), 200, _FRESH)


def _add_job(routes: APIRouter, made: _Pages) -> None:
    async def place(
        stage: Stage = None, attempt: Attempt = None, container: Container = "", redrive: Redrive = None
    ) -> LogPlace | None:
        return LogPlace(stage, attempt, container, redrive) if stage and attempt else None

    @routes.get("/jobs/{tenant}/{job_id}")
    async def job(
        tenant: TenantName,
        job_id: JobName,
        stage: Stage = None,
        attempt: Attempt = None,
        container: Container = "",
        redrive: Redrive = None,
        first: FirstLine = None,
        find: Find = "",
    ) -> Response:
        """A job, with a log beside it."""
        view = await job_page.view_of(made.tracker, tenant, job_id)
        where = await place(stage, attempt, container, redrive)
        log, choices = await made.log_of(view, where, first, find)
        html = made.html(
            "job.html", _FROM_JOB, view=view, log=log, choices=choices, here=quote(view.title), names=job_page.PIECES
        )
        return HTMLResponse(html, 200, _FRESH)

    @routes.get("/jobs/{tenant}/{job_id}/live")
    async def live(tenant: TenantName, job_id: JobName) -> Response:
        """The pieces of the page as they change."""

        async def look() -> tuple[Mapping[str, str], bool]:
            view = await job_page.view_of(made.tracker, tenant, job_id)
            return made.pieces(view), view.job.settled

        await made.tracker.find(tenant, job_id)
        stream = pieces_as_they_change(look, partial(made.trouble, _FROM_JOB))
        return StreamingResponse(stream, media_type=SSE, headers={**_FRESH, "X-Accel-Buffering": "no"})

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
        return HTMLResponse(made.html("lines.html", _FROM_JOB, log=log, here=quote(job_id)), 200, _FRESH)


def _add_files(routes: APIRouter, made: _Pages) -> None:
    held = {item.path: item for item in made.files.values()}

    @routes.get("/static/{digest}/{name}")
    async def static(digest: Annotated[str, Path()], name: Annotated[str, Path()]) -> Response:
        """A file of the page's own, by its content; an old page's file is gone with the program that had it."""
        item = held.get(f"static/{digest}/{name}")
        if item is None:
            return Response("There is no such file.", 404, _FRESH, "text/plain")
        return Response(item.body, 200, _FOR_GOOD, item.kind)
