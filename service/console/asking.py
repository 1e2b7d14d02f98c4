"""Where a reader of a job asks for something: a form that says first what will happen, and what answers it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, get_args
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from schemas.control import Verb
from schemas.tracking import RerunWish
from service.api.caller import caller_of
from service.api.parameters import JobName, TenantName
from service.console.forms import NO_REASON, NOT_OURS, TOO_LONG, Fields, FormError, changes_in, read_fields
from service.console.pages import FRESH, FROM_FORM, FROM_JOB, Pages
from service.console.steering import Offer, Sent, offers
from service.console.tokens import Tokens
from service.tracking.errors import NotNowError, RefusedError
from service.tracking.steering import Steering

AskedVerb = Annotated[Verb, Path()]


@dataclass(frozen=True)
class _Form:
    """What was asked for, and what the form held; `says` is why it is shown again."""

    verb: Verb
    tenant: str
    job_id: str
    fields: Fields = Fields()  # noqa: RUF009  # frozen
    status: int = HTTPStatus.OK
    says: tuple[str, ...] = ()

    def again(self, status: int, *says: str) -> _Form:
        """The same, with words."""
        return replace(self, status=status, says=says)


def add_asking(routes: APIRouter, made: Pages, steering: Steering) -> None:
    """The routes of the forms."""

    @routes.get("/jobs/{tenant}/{job_id}/ask/{verb}")
    async def ask(request: Request, tenant: TenantName, job_id: JobName, verb: AskedVerb) -> Response:
        """What will happen, and the button."""
        made.check(verb)
        return await _shown(made, request, _Form(verb, tenant, job_id))

    @routes.post("/jobs/{tenant}/{job_id}/ask/{verb}")
    async def asked(request: Request, tenant: TenantName, job_id: JobName, verb: AskedVerb) -> Response:
        """It is asked for, and the job's page says so; or the form says why not."""
        fields, tokens = await read_fields(request), Tokens.of(request)
        form = _Form(verb, tenant, job_id, fields or Fields())
        if fields is None:
            return await _shown(made, request, form.again(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LONG))
        if not tokens.knows(fields.token, verb, tenant, job_id):
            return await _shown(made, request, form.again(HTTPStatus.FORBIDDEN, NOT_OURS))
        # A cancel may be sent before its job; a page is only of a job that is there.
        await made.tracker.find(tenant, job_id)
        try:
            new_job_id = await _sent(steering, form, caller_of(request.scope))
        except FormError as slip:
            return await _shown(made, request, form.again(422, str(slip)))
        except NotNowError as late:
            return await _shown(made, request, form.again(HTTPStatus.CONFLICT, str(late)))
        except RefusedError as refused:
            why = (f"{item.field}: {item.message}. {item.remedy}" for item in refused.problems)
            return await _shown(made, request, form.again(422, *why))
        sent = note_sent(tokens, tenant, job_id, Sent(verb, made.tracker.now(), new_job_id))
        where = f"../../{quote(job_id)}?sent={sent}"
        return Response(status_code=HTTPStatus.SEE_OTHER, headers={**FRESH, "Location": where})


async def _shown(made: Pages, request: Request, form: _Form) -> Response:
    record = await made.tracker.find(form.tenant, form.job_id)
    job = await made.tracker.job(form.tenant, form.job_id)
    tokens = Tokens.of(request)
    # A piece is shown on the job's page, whose links lead from there.
    template, root = ("ask_piece.html", FROM_JOB) if "hx-request" in request.headers else ("ask.html", FROM_FORM)
    html = made.html(
        template,
        root,
        offer=offer_of(form.verb, offers(job, record)),
        tenant=form.tenant,
        job_id=form.job_id,
        here=quote(form.job_id),
        token=tokens.token(form.verb, form.tenant, form.job_id),
        # A form that is sent twice asks for one new job.
        key=form.fields.key or secrets.token_urlsafe(12),
        reason=form.fields.reason,
        changes=form.fields.changes,
        says=form.says,
    )
    return tokens.give(HTMLResponse(html, form.status, FRESH))


async def _sent(steering: Steering, form: _Form, caller: str | None) -> str:
    """Ask for it; answers with the id of the job that it makes, if it makes one."""
    try:
        wish = RerunWish(reason=form.fields.reason or None)
    except ValidationError:
        raise FormError(NO_REASON) from None
    if form.verb != "rerun":
        await steering.ask(form.verb, form.tenant, form.job_id, wish.reason, caller)
        return ""
    try:
        wish = RerunWish(reason=wish.reason, changes=dict(changes_in(form.fields.changes)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise FormError(f"{'.'.join(map(str, first['loc']))} cannot be: {first['msg']}.") from None
    asked = await steering.rerun(form.tenant, form.job_id, wish, form.fields.key or None, caller)
    return asked.new_job_id or ""


def offer_of(verb: Verb, known: tuple[Offer, ...]) -> Offer:
    """The one that is meant."""
    return next(offer for offer in known if offer.verb == verb)


def note_sent(tokens: Tokens, tenant: str, job_id: str, sent: Sent) -> str:
    """What the page is told by its address; signed, so that nobody can be shown what he has not done."""
    about = (sent.verb, str(int(sent.at)), sent.new_job_id)
    return ".".join((*about, tokens.token("sent", *about, tenant, job_id)))


def read_sent(request: Request, tenant: str, job_id: str, text: str) -> Sent | None:
    """What an address says was sent, if this browser sent it."""
    match text.split("."):
        case [verb, at, new_job_id, token] if at.isdecimal() and len(at) <= 12:
            if Tokens.of(request).knows(token, "sent", verb, at, new_job_id, tenant, job_id):
                return next((Sent(known, float(at), new_job_id) for known in get_args(Verb) if known == verb), None)
    return None
