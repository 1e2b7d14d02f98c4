"""What the routes of the page have in common: what is rendered of what was read, and errors that are pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment

from schemas.control import Verb
from service.aws.errors import AwsError
from service.console import job as job_page
from service.console import logs
from service.console.assets import Asset, assets
from service.console.filters import Asked, anchored
from service.console.job import JobView, Since
from service.console.listing import Lists, row_of
from service.console.parts import Parts
from service.console.pieces import Piece
from service.console.rendering import environment
from service.console.steering import Sent, offers_for_many
from service.core.telling.compose import iso
from service.core.tracking.listing import CursorError, JobFilter
from service.tracking.errors import NotAllowedError, UnknownJobError, UnknownLogError, UnknownStepError
from service.tracking.logs import LogPlace
from service.tracking.tracker import Tracker

FRESH = {"Cache-Control": "no-store"}
FROM_LIST, FROM_JOB, FROM_STEPS, FROM_FORM = "", "../../", "../../../", "../../../../"
_FEW = 10
_NOT_FOUND = (UnknownJobError, UnknownLogError, UnknownStepError, CursorError)


@dataclass(frozen=True)
class Pages:
    """Renders what was read. `reruns`: whether new jobs may be made of others here."""

    tracker: Tracker
    lists: Lists
    reruns: bool = True
    templates: Environment = field(default_factory=environment)
    files: Mapping[str, Asset] = field(default_factory=assets)

    def html(self, template: str, root: str, **given: Any) -> str:
        """A template; `root` leads from the page to the list."""
        return self.templates.get_template(template).render(
            root=root, asset={name: root + item.path for name, item in self.files.items()}, **given
        )

    def may(self, verb: Verb) -> bool:
        """Whether this may be asked for here."""
        return self.reruns or verb != "rerun"

    def check(self, verb: Verb) -> None:
        """Raises NotAllowedError for what may not be asked for here."""
        if not self.may(verb):
            raise NotAllowedError

    @property
    def parts(self) -> Parts:
        """What makes the pieces of a job's page."""
        return Parts(self.templates)

    async def view_of(self, tenant: str, job_id: str, sent: Sent | None = None, since: Since | None = None) -> JobView:
        """A job, with what may be asked for of it here. Raises UnknownJobError."""
        view = await job_page.view_of(self.tracker, tenant, job_id, sent, since or Since())
        return replace(view, offers=tuple(offer for offer in view.offers if self.may(offer.verb)))

    async def list_of(self, asked: Asked, cursor: str | None) -> dict[str, Any]:
        """What the list shows."""
        now = self.tracker.now()
        given: dict[str, Any] = {
            "asked": asked,
            "cursor": cursor,
            "rows": (),
            "older": None,
            "every": 5 if asked.wanted.is_narrow else 2,
            "as_of": iso(now),
            "searched_back_to": None,
            "offers": (),
        }
        if asked.slips:
            return given
        found = await self.lists.get(asked.tenant, asked.wanted, cursor)
        rows = tuple(row_of(item, found.glances.get(item.id), now) for item in found.page.jobs)
        older = {"q": anchored(asked), "cursor": found.page.cursor} if found.page.cursor else None
        back = found.page.searched_back_to if len(rows) < _FEW else None
        named = asked.wanted != JobFilter()
        many = offers_for_many(asked.wanted.status) if named and rows else ()
        given["offers"] = tuple(offer for offer in many if self.may(offer.verb))
        return {**given, "rows": rows, "older": older, "as_of": iso(found.at), "searched_back_to": back}

    async def log_of(
        self, view: JobView, place: LogPlace | None, first: int | None, find: str
    ) -> tuple[logs.LogView | None, tuple[logs.LogChoice, ...]]:
        """The log beside a job, and others that may be looked at."""
        job = view.job
        known = logs.choices_of(job)
        choice = logs.chosen(known, job, place)
        choices = logs.offered(known, choice)
        if choice is None or job.tenant is None or job.job_id is None:
            return None, choices
        begin = logs.beginning(choice, first)
        try:
            if find:
                return await logs.search(self.tracker, job.tenant, job.job_id, choice, find, first or 1), choices
            return await logs.page_of(self.tracker, job.tenant, job.job_id, choice, begin), choices
        except (UnknownLogError, AwsError) as error:
            # The job itself was read, and is shown.
            gone = isinstance(error, UnknownLogError)
            note = str(error) if isinstance(error, UnknownLogError) else unreachable(error)
            return logs.LogView(choice, (), begin, more=False, complete=gone, note=note, find=find), choices

    def pieces(self, view: JobView) -> dict[str, Piece]:
        """The parts of a job's page that change."""
        as_of = Piece(self.html("as_of.html", FROM_JOB, as_of=view.as_of, trouble=""))
        return {**self.parts.of_job(view, {"root": FROM_JOB}), "as-of": as_of}

    def trouble(self, root: str, code: str) -> str:
        """That AWS cannot be asked."""
        return self.html("as_of.html", root, as_of="", trouble=code or "no answer")


class PageRoute(APIRoute):
    """A route whose errors are pages: for people, where the API's are for programs."""

    pages: Pages

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]  # it is awaited
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except AwsError as error:
                return self._sorry(request, HTTPStatus.SERVICE_UNAVAILABLE, unreachable(error))
            except _NOT_FOUND as error:
                return self._sorry(request, HTTPStatus.NOT_FOUND, str(error))
            except NotAllowedError as error:
                return self._sorry(request, HTTPStatus.FORBIDDEN, str(error))

        return answered

    def _sorry(self, request: Request, status: HTTPStatus, why: str) -> Response:
        root = "../" * (request.scope["route"].path.count("/") - 1)
        template = "sorry_piece.html" if "hx-request" in request.headers else "sorry.html"
        html = self.pages.html(template, root, status=status, why=why)
        return HTMLResponse(html, status, FRESH)


def unreachable(error: AwsError) -> str:
    """Without AWS's own words, which name accounts and roles."""
    return f"AWS could not be asked{f' ({error.code})' if error.code else ''}. What is still shown may be old by now."
