"""Errors as RFC 9457 problems: what is wrong, by field, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import JobferryError
from schemas.notification import Problem
from schemas.tracking import ApiProblem
from service.aws.errors import AwsError
from service.core.admission.request_body import printable
from service.core.tracking.listing import CursorError
from service.tracking.errors import (
    CatalogUnknownError,
    NotAllowedError,
    NotNowError,
    RefusedError,
    TakenError,
    UnknownBulkError,
    UnknownJobError,
    UnknownLogError,
)

PROBLEM_JSON = "application/problem+json"
_LONGEST = 300
_RETRY_SECONDS = "2"


class BodyTooLargeError(JobferryError):
    """The body is larger than a message may be."""


_STATUSES: dict[type[JobferryError], HTTPStatus] = {
    UnknownJobError: HTTPStatus.NOT_FOUND,
    UnknownLogError: HTTPStatus.NOT_FOUND,
    UnknownBulkError: HTTPStatus.NOT_FOUND,
    CursorError: HTTPStatus.BAD_REQUEST,
    TakenError: HTTPStatus.CONFLICT,
    NotNowError: HTTPStatus.CONFLICT,
    NotAllowedError: HTTPStatus.FORBIDDEN,
    RefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    CatalogUnknownError: HTTPStatus.NOT_IMPLEMENTED,
    BodyTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


def problem(
    status: HTTPStatus, detail: str, problems: Iterable[Problem] = (), headers: Mapping[str, str] | None = None
) -> Response:
    """An answer that says why there is no other."""
    body = ApiProblem(title=status.phrase, status=status, detail=detail, problems=tuple(problems))
    return Response(body.model_dump_json(), status, headers, PROBLEM_JSON)


def answer_with_problems(app: FastAPI) -> None:
    """Let every error of ours, of AWS and of the framework be answered as a problem."""
    for kind in _STATUSES:
        app.add_exception_handler(kind, _ours)
    app.add_exception_handler(AwsError, _aws)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(HTTPException, _http)


async def _ours(_request: Request, error: Exception) -> Response:
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    problems = error.problems if isinstance(error, RefusedError) else ()
    return problem(status, str(error), problems)


async def _aws(_request: Request, error: Exception) -> Response:
    """AWS's own words stay here: they name accounts and roles."""
    code = error.code if isinstance(error, AwsError) else ""
    detail = f"AWS could not be asked{f' ({code})' if code else ''}. What was shown before may be old by now."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": _RETRY_SECONDS})


async def _misread(_request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter cannot be used.", _fields(found))


def _fields(found: Sequence[Any]) -> Iterable[Problem]:
    for item in found:
        _, *path = item["loc"]
        name = printable(".".join(map(str, path)), _LONGEST)
        yield Problem(
            field=name, message=printable(item["msg"], _LONGEST), remedy="See /openapi.json for what it may be."
        )


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)
