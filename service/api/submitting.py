"""The route that submits. Steering has routes of its own, under permissions of their own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from schemas.job import JobRequest
from schemas.tracking import Submitted, Validated
from service.api.parameters import TenantName, refusals
from service.api.problems import BodyTooLargeError
from service.core.admission.request_body import MAX_BODY_BYTES
from service.core.tracing import read_trace
from service.tracking.errors import RefusedError
from service.tracking.submission import MAX_KEY_CHARACTERS, Submission

_KEY = (
    "Names this request, where it names no job_id: a repeat with the same key is the same job, and one with another "
    "body is refused."
)


# In the document the parts of a request stand beside all others.
_REQUEST = {"schema": {"$ref": f"#/components/schemas/{JobRequest.__name__}"}}


def submitting(submission: Submission) -> APIRouter:
    """The routes over this submission."""
    routes = APIRouter(prefix="/tenants/{tenant}/jobs")

    @routes.post(
        "",
        status_code=202,
        response_model=Submitted,
        responses={**refusals(409, 413, 501), 200: {"model": Validated, "description": "With `validate_only`."}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": _REQUEST}}},
    )
    async def submit_job(
        request: Request,
        response: Response,
        tenant: TenantName,
        validate_only: Annotated[bool, Query(description="Judge it by the catalogue, and send nothing.")] = False,
        idempotency_key: Annotated[
            str | None, Header(min_length=1, max_length=MAX_KEY_CHARACTERS, description=_KEY)
        ] = None,
        traceparent: Annotated[str | None, Header(max_length=256)] = None,
        x_amzn_trace_id: Annotated[str | None, Header(max_length=1024)] = None,
    ) -> Submitted | Response:
        """Send a request to the queue. It is judged at once by the catalogue; admission has the last word."""
        body = await _text(request)
        if validate_only:
            valid = await submission.validate(tenant, body)
            return Response(valid.model_dump_json(), 200, media_type="application/json")
        trace = read_trace(traceparent, x_amzn_trace_id).trace
        sent = await submission.submit(tenant, body, idempotency_key, trace)
        response.headers["Location"] = f"{request.scope.get('root_path', '')}{sent.location}"
        return sent

    return routes


async def _text(request: Request) -> str:
    """The body, of no more bytes than a message may have."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"The body has more than {MAX_BODY_BYTES:,} bytes: keep large data in S3.")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise RefusedError.of("", "the body is not UTF-8", "Send one JSON object, encoded as UTF-8.") from None
