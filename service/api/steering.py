"""The routes that steer a job, under permissions of their own: they take wishes, which the worker fulfils."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header, Request, Response

from schemas.bulk import BulkSent, BulkWish
from schemas.control import Verb
from schemas.tracking import Asked, RerunWish, Wish
from service.api.caller import caller_of
from service.api.parameters import BulkName, JobName, TenantName, refusals
from service.tracking.steering import Steering

WishBody = Annotated[Wish | None, Body()]
RerunBody = Annotated[RerunWish | None, Body()]
_MAX_KEY_CHARACTERS = 255
_KEY = "Names this wish, where it gives no id of its own: a repeat with the same key makes the same job, or bulk."
KeyHeader = Annotated[str | None, Header(min_length=1, max_length=_MAX_KEY_CHARACTERS, description=_KEY)]


def steering(ask: Steering) -> APIRouter:
    """The routes over this."""
    routes = APIRouter(prefix="/tenants/{tenant}/jobs/{job_id}")

    async def sent(verb: Verb, request: Request, response: Response, tenant: str, job_id: str, wish: Wish) -> Asked:
        asked = await ask.ask(verb, tenant, job_id, wish.reason, caller_of(request.scope))
        location = f"{request.scope.get('root_path', '')}{asked.location}"
        response.headers["Location"] = location
        return asked

    @routes.post("/cancel", status_code=202, responses=refusals(409))
    async def cancel_job(
        request: Request, response: Response, tenant: TenantName, job_id: JobName, wish: WishBody = None
    ) -> Asked:
        """End a job. One that is not there yet will not be started, should its request come."""
        return await sent("cancel", request, response, tenant, job_id, wish or Wish())

    @routes.post("/redrive", status_code=202, responses=refusals(404, 409))
    async def redrive_job(
        request: Request, response: Response, tenant: TenantName, job_id: JobName, wish: WishBody = None
    ) -> Asked:
        """Let a job that did not succeed go on from the state that it failed in, within 14 days of its end."""
        return await sent("redrive", request, response, tenant, job_id, wish or Wish())

    @routes.post("/rerun", status_code=202, responses=refusals(403, 404))
    async def rerun_job(
        request: Request,
        response: Response,
        tenant: TenantName,
        job_id: JobName,
        wish: RerunBody = None,
        idempotency_key: KeyHeader = None,
    ) -> Asked:
        """Make a new job of a job's request, or of a rejected one, with changes; it is judged like any request."""
        asked = await ask.rerun(tenant, job_id, wish or RerunWish(), idempotency_key, caller_of(request.scope))
        response.headers["Location"] = f"{request.scope.get('root_path', '')}{asked.location}"
        return asked

    return routes


def steering_many(ask: Steering) -> APIRouter:
    """The routes that ask for something of many jobs, over this."""
    routes = APIRouter(prefix="/tenants/{tenant}/bulk")

    @routes.post("", status_code=202, responses=refusals(403))
    async def ask_for_many(
        request: Request, response: Response, tenant: TenantName, wish: BulkWish, idempotency_key: KeyHeader = None
    ) -> BulkSent:
        """Cancel, redrive or rerun all jobs of the tenant that match, page by page and without a cap."""
        sent = await ask.many(tenant, wish, idempotency_key, caller_of(request.scope))
        response.headers["Location"] = f"{request.scope.get('root_path', '')}{sent.location}"
        return sent

    @routes.post("/{bulk_id}/stop", status_code=202, responses=refusals())
    async def stop_many(
        request: Request, response: Response, tenant: TenantName, bulk_id: BulkName, wish: WishBody = None
    ) -> BulkSent:
        """Let a bulk touch no more jobs; what it did to others stays done."""
        sent = await ask.stop_many(tenant, bulk_id, (wish or Wish()).reason, caller_of(request.scope))
        response.headers["Location"] = f"{request.scope.get('root_path', '')}{sent.location}"
        return sent

    return routes
