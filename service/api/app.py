"""The app: made of what it reads and sends with, and of who may ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware

from schemas.dialect import PlainJsonSchema
from schemas.export import opened
from schemas.job import JobRequest
from service.api.cases import cases
from service.api.doorkeeper import Doorkeeper
from service.api.problems import answer_with_problems
from service.api.reading import reading, reading_all, reading_many
from service.api.steering import steering, steering_many
from service.api.submitting import submitting
from service.tracking.case import CaseFiles
from service.tracking.steering import Steering
from service.tracking.submission import Submission
from service.tracking.tracker import Tracker

CONTRACT_VERSION = "1"
_DESCRIPTION = """\
What happens to a job, while it happens and afterwards. Every path begins with the tenant whose jobs they are; of other
tenants' jobs nothing can be learned, not even that they exist. `GET /jobs` alone lists every tenant's, and is only
there where whoever asks may see them all: not behind API Gateway. Errors are RFC 9457 problems.
"""


@dataclass(frozen=True)
class Serving:
    """What the app is made of, and how it is reached.

    `on_loopback`: refuse what a page of another site makes a browser ask. `gate`: what lets people in instead, where
    the app is shared. `stream_seconds`: how long a stream may last, where the answer is only handed on at its end, or
    where who listens is to be verified anew. `reruns`: whether new jobs may be made of others here. `all_tenants`:
    whether there is one list of every tenant's jobs, which a policy on a tenant's path would not keep from anybody.
    """

    tracker: Tracker
    submission: Submission
    steering: Steering
    cases: CaseFiles
    on_loopback: bool = True
    stream_seconds: float | None = None
    gate: Middleware | None = None
    reruns: bool = True
    all_tenants: bool = True

    @property
    def steers(self) -> Steering:
        """What wishes are sent with, as far as they are allowed."""
        return self.steering if self.reruns else replace(self.steering, reruns=False)

    @property
    def door(self) -> list[Middleware]:
        """What a request passes first."""
        if self.gate is not None:
            return [self.gate]
        return [Middleware(Doorkeeper)] if self.on_loopback else []


def build_app(serving: Serving) -> FastAPI:
    """The app, which opens nothing itself."""
    app = FastAPI(
        title="Jobferry",
        description=_DESCRIPTION,
        version=CONTRACT_VERSION,
        middleware=serving.door,
        # Their pages load scripts from outside.
        docs_url=None,
        redoc_url=None,
        # What is to be seen of this is told by whoever serves it.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    answer_with_problems(app)
    app.include_router(reading(serving.tracker, serving.stream_seconds))
    if serving.all_tenants:
        app.include_router(reading_all(serving.tracker))
    app.include_router(submitting(serving.submission))
    app.include_router(steering(serving.steers))
    app.include_router(reading_many(serving.tracker))
    app.include_router(steering_many(serving.steers))
    app.include_router(cases(serving.cases))
    app.openapi = partial(_described, app)  # type: ignore[method-assign]  # FastAPI's own way to change it
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with what a request is: admission's own reader reads its body, not the framework."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        request = JobRequest.model_json_schema(
            ref_template="#/components/schemas/{model}", schema_generator=PlainJsonSchema
        )
        parts = request.pop("$defs", {})
        # Answers may grow within a version; a request is held to what it may say.
        described["components"] = opened(described["components"])
        described["components"]["schemas"].update({**parts, JobRequest.__name__: request})
        app.openapi_schema = described
    return app.openapi_schema
