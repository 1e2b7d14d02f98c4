"""Where a reader of a list asks for something of all jobs that match, and how far that has come."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from schemas.base import DEFAULT_TENANT
from schemas.bulk import BulkWish, TrackedBulk
from schemas.control import Verb
from service.api.caller import caller_of
from service.api.parameters import BulkName, TenantName
from service.console.filters import MOST_CHARACTERS, Asked, anchored, criteria, in_words, read_filter
from service.console.forms import NOT_OURS, TOO_LONG, Fields, FormError, changes_in, read_fields
from service.console.pages import FRESH, FROM_LIST, Pages
from service.console.steering import offer_for_many
from service.console.tokens import Tokens
from service.core.tracking.bulk import counted
from service.tracking.errors import UnknownBulkError
from service.tracking.steering import Steering

_FROM_FORM, _FROM_BULK = "../", "../../"
_STOP, _STOPPED = "stop", "stopped"
# As `jobferry bulk --wait` has it.
HEARD_WITHIN_SECONDS = 60
AskedVerb = Annotated[Verb, Path()]
LookedAt = Annotated[int | None, Query(ge=1, le=10_000_000_000)]
StopSent = Annotated[str, Query(max_length=64)]
FilterText = Annotated[str, Query(alias="q", max_length=MOST_CHARACTERS)]


@dataclass(frozen=True)
class _Form:
    """What was asked for, and of which jobs; `says` is why the form is shown again."""

    verb: Verb
    asked: Asked
    fields: Fields = Fields()  # noqa: RUF009  # frozen
    status: int = HTTPStatus.OK
    says: tuple[str, ...] = ()

    def again(self, status: int, *says: str) -> _Form:
        """The same, with words."""
        return replace(self, status=status, says=says)


@dataclass(frozen=True)
class _Followed:
    """The bulk whose page is shown; `stop` proves that this browser has asked for its stop, `says` why it has not."""

    tenant: str
    bulk_id: str
    looked_at: int | None = None
    stop: str = ""
    says: str = ""


def add_asking_many(routes: APIRouter, made: Pages, steering: Steering) -> None:
    """The routes of the forms, and of what comes of them."""

    @routes.get("/ask/{verb}")
    async def ask(request: Request, verb: AskedVerb, q: FilterText = "") -> Response:
        """How many jobs match, what will happen, and the button."""
        made.check(verb)
        return await _shown(made, request, _Form(verb, read_filter(q, made.tracker.now())))

    @routes.post("/ask/{verb}")
    async def asked(request: Request, verb: AskedVerb) -> Response:
        """It is asked for, and a page says how far it has come; or the form says why not."""
        fields, tokens = await read_fields(request), Tokens.of(request)
        form = _Form(verb, read_filter(fields.jobs if fields else "", made.tracker.now()), fields or Fields())
        if fields is None:
            return await _shown(made, request, form.again(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LONG))
        if not tokens.knows(fields.token, "all", verb, fields.jobs):
            return await _shown(made, request, form.again(HTTPStatus.FORBIDDEN, NOT_OURS))
        try:
            wish = _wish(form)
        except FormError as slip:
            return await _shown(made, request, form.again(422, str(slip)))
        sent = await steering.many(form.asked.tenant, wish, fields.key or None, caller_of(request.scope))
        where = f"../bulk/{quote(sent.tenant)}/{quote(sent.bulk_id)}"
        return Response(status_code=HTTPStatus.SEE_OTHER, headers={**FRESH, "Location": where})

    @routes.get("/bulk/{tenant}/{bulk_id}")
    async def bulk(
        request: Request, tenant: TenantName, bulk_id: BulkName, at: LookedAt = None, stop: StopSent = ""
    ) -> Response:
        """How far it has come; `at` is when it was looked for first, where nobody had heard of it."""
        sent = Tokens.of(request).knows(stop, _STOPPED, tenant, bulk_id)
        return await _followed(made, request, _Followed(tenant, bulk_id, at, stop if sent else ""))

    @routes.post("/bulk/{tenant}/{bulk_id}")
    async def stop(request: Request, tenant: TenantName, bulk_id: BulkName) -> Response:
        """It is asked that no more jobs are touched."""
        fields, tokens = await read_fields(request), Tokens.of(request)
        if fields is None or not tokens.knows(fields.token, _STOP, tenant, bulk_id):
            return await _followed(made, request, _Followed(tenant, bulk_id, says=NOT_OURS))
        await steering.stop_many(tenant, bulk_id, None, caller_of(request.scope))
        where = f"{quote(bulk_id)}?stop={tokens.token(_STOPPED, tenant, bulk_id)}"
        return Response(status_code=HTTPStatus.SEE_OTHER, headers={**FRESH, "Location": where})


async def _followed(made: Pages, request: Request, page: _Followed) -> Response:
    tokens, now = Tokens.of(request), int(made.tracker.now())
    try:
        known: TrackedBulk | None = await made.tracker.bulk(page.tenant, page.bulk_id)
    except UnknownBulkError:
        known = None
    first = page.looked_at or now
    is_none = known is None and abs(now - first) > HEARD_WITHIN_SECONDS
    again = {**({"at": first} if known is None else {}), **({"stop": page.stop} if page.stop else {})}
    html = made.html(
        "bulk.html",
        _FROM_BULK,
        bulk=known,
        these=_as_they_are(known) if known is not None else "",
        is_none=is_none,
        tenant=page.tenant,
        bulk_id=page.bulk_id,
        token=tokens.token(_STOP, page.tenant, page.bulk_id),
        says=page.says,
        stops=bool(page.stop),
        again=again,
    )
    status = HTTPStatus.FORBIDDEN if page.says else HTTPStatus.NOT_FOUND if is_none else HTTPStatus.OK
    return tokens.give(HTMLResponse(html, status, FRESH))


def _as_they_are(bulk: TrackedBulk) -> str:
    """A filter for the jobs that were meant, whatever has become of them since."""
    until = min(filter(None, (bulk.jobs.until, datetime.fromisoformat(bulk.asked_at))))
    jobs = bulk.jobs.model_copy(update={"status": None, "failure_class": None, "until": until})
    tenant = f"tenant:{bulk.tenant} " if bulk.tenant != DEFAULT_TENANT else ""
    return tenant + in_words(jobs)


async def _shown(made: Pages, request: Request, form: _Form) -> Response:
    tokens, jobs = Tokens.of(request), anchored(form.asked)
    # A piece is shown on the list, whose links lead from there.
    template, root = ("all_piece.html", FROM_LIST) if "hx-request" in request.headers else ("all.html", _FROM_FORM)
    says, count = (*form.asked.slips, *form.says), 0
    if not form.asked.slips:
        try:
            count = await made.tracker.matching(form.asked.tenant, form.verb, criteria(form.asked.wanted))
        except ValidationError:
            says = (*says, "A filter that names nothing would mean every job: name a status at least.")
    html = made.html(
        template,
        root,
        offer=offer_for_many(form.verb),
        count=count,
        counted=counted(count),
        jobs=jobs,
        token=tokens.token("all", form.verb, jobs),
        # A form that is sent twice asks once.
        key=form.fields.key or secrets.token_urlsafe(12),
        reason=form.fields.reason,
        changes=form.fields.changes,
        says=says,
    )
    return tokens.give(HTMLResponse(html, form.status, FRESH))


def _wish(form: _Form) -> BulkWish:
    """Raises FormError for what cannot be asked for."""
    if form.asked.slips:
        raise FormError(" ".join(form.asked.slips))
    changes = dict(changes_in(form.fields.changes)) if form.verb == "rerun" else {}
    try:
        jobs = criteria(form.asked.wanted)
        return BulkWish(verb=form.verb, jobs=jobs, reason=form.fields.reason or None, changes=changes)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise FormError(f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}.") from None
