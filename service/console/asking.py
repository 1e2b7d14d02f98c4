"""Where a reader of a job asks for something: a form that says first what will happen, and what answers it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, get_args
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from schemas.control import Verb
from schemas.tracking import Wish
from service.api.caller import caller_of
from service.api.parameters import JobName, TenantName
from service.console.pages import FRESH, FROM_FORM, FROM_JOB, Pages
from service.console.steering import Offer, Sent, offers
from service.console.tokens import Tokens
from service.tracking.errors import NotNowError
from service.tracking.steering import Steering

_MOST_BYTES = 16_384
_NOT_OURS = (
    "This form was not made for this browser, or it keeps no cookies. Nothing was asked for: look again, and confirm."
)
_TOO_LONG = "The form is longer than it can be."
_NO_REASON = "A reason is one line of at most 512 characters, without control characters."
AskedVerb = Annotated[Verb, Path()]


def add_asking(routes: APIRouter, made: Pages, steering: Steering) -> None:
    """The routes of the forms."""

    async def form(
        request: Request, tenant: str, job_id: str, verb: Verb, *, status: int = 200, reason: str = "", says: str = ""
    ) -> Response:
        record = await made.tracker.find(tenant, job_id)
        job = await made.tracker.job(tenant, job_id)
        tokens = Tokens.of(request)
        # A piece is shown on the job's page, whose links lead from there.
        template, root = ("ask_piece.html", FROM_JOB) if "hx-request" in request.headers else ("ask.html", FROM_FORM)
        html = made.html(
            template,
            root,
            offer=offer_of(verb, offers(job, record)),
            tenant=tenant,
            job_id=job_id,
            here=quote(job_id),
            token=tokens.token(verb, tenant, job_id),
            reason=reason,
            says=says,
        )
        return tokens.give(HTMLResponse(html, status, FRESH))

    @routes.get("/jobs/{tenant}/{job_id}/ask/{verb}")
    async def ask(request: Request, tenant: TenantName, job_id: JobName, verb: AskedVerb) -> Response:
        """What will happen, and the button."""
        return await form(request, tenant, job_id, verb)

    @routes.post("/jobs/{tenant}/{job_id}/ask/{verb}")
    async def asked(request: Request, tenant: TenantName, job_id: JobName, verb: AskedVerb) -> Response:
        """It is asked for, and the job's page says so; or the form says why not."""
        fields = await _fields(request)
        tokens, reason = Tokens.of(request), fields.get("reason", "").strip()
        if fields.get("too_long"):
            return await form(request, tenant, job_id, verb, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, says=_TOO_LONG)
        if not tokens.knows(fields.get("token", ""), verb, tenant, job_id):
            return await form(request, tenant, job_id, verb, status=HTTPStatus.FORBIDDEN, reason=reason, says=_NOT_OURS)
        try:
            wish = Wish(reason=reason or None)
        except ValidationError:
            return await form(request, tenant, job_id, verb, status=422, reason=reason, says=_NO_REASON)
        # A cancel may be sent before its job; a page is only of a job that is there.
        await made.tracker.find(tenant, job_id)
        try:
            await steering.ask(verb, tenant, job_id, wish.reason, caller_of(request.scope))
        except NotNowError as late:
            return await form(request, tenant, job_id, verb, status=HTTPStatus.CONFLICT, reason=reason, says=str(late))
        sent = note_sent(tokens, tenant, job_id, Sent(verb, made.tracker.now()))
        where = f"../../{quote(job_id)}?sent={sent}"
        return Response(status_code=HTTPStatus.SEE_OTHER, headers={**FRESH, "Location": where})


def offer_of(verb: Verb, known: tuple[Offer, ...]) -> Offer:
    """The one that is meant."""
    return next(offer for offer in known if offer.verb == verb)


def note_sent(tokens: Tokens, tenant: str, job_id: str, sent: Sent) -> str:
    """What the page is told by its address; signed, so that nobody can be shown what he has not done."""
    at = str(int(sent.at))
    return f"{sent.verb}.{at}.{tokens.token('sent', sent.verb, at, tenant, job_id)}"


def read_sent(request: Request, tenant: str, job_id: str, text: str) -> Sent | None:
    """What an address says was sent, if this browser sent it."""
    verb, _, rest = text.partition(".")
    at, _, token = rest.partition(".")
    if verb not in get_args(Verb) or not at.isdecimal() or len(at) > 12:
        return None
    return _sent(verb, at) if Tokens.of(request).knows(token, "sent", verb, at, tenant, job_id) else None


def _sent(verb: str, at: str) -> Sent:
    return Sent(next(known for known in get_args(Verb) if known == verb), float(at))


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form, as browsers send it [HTML standard, application/x-www-form-urlencoded]."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return {"too_long": "yes"}
    given = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10)
    return {name: values[0] for name, values in given.items()}
