"""The routes that steer a job, under permissions of their own: they take wishes, which the worker fulfils."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from schemas.control import Verb
from schemas.tracking import Asked, Wish
from service.api.on_lambda import caller_of
from service.api.parameters import JobName, TenantName, refusals
from service.tracking.steering import Steering

WishBody = Annotated[Wish | None, Body()]


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

    return routes
