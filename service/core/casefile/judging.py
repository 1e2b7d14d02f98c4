"""Admission, once more: the stages that a request was frozen to, or the reasons why it was rejected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from schemas.base import json_object
from schemas.casefile import CaseCatalog, CaseRequest, Difference, ReplayedPart
from schemas.notification import Problem
from schemas.plan import Stage
from service.core.admission.admission import Admitted, Refused, admit, conflict
from service.core.admission.claim_check import read_pointer
from service.core.casefile.differences import differences
from service.core.casefile.files import Case
from service.core.casefile.hiding import CaseHiding
from service.core.casefile.odd import ODD, fails
from service.core.casefile.requests import frozen_stages, read_catalog, understood
from service.core.record.facts import Rejected, Requested
from service.core.record.record import Record

_REQUEST = "request"


def admission(case: Case, record: Record, hiding: CaseHiding) -> ReplayedPart:
    """The verdict on the request."""
    why_not = _why_not(case, record)
    if why_not or case.request is None or case.catalog is None:
        return ReplayedPart(part="admission", decisions=0, not_replayed=(why_not or "the case has no request",))
    then, now = hiding.value(_then(case, record)), hiding.value(_now(case.request, case.catalog, record))
    return ReplayedPart(part="admission", decisions=1, differences=tuple(_in_order(then, now)))


def _why_not(case: Case, record: Record) -> str | None:
    if record.request is None and record.rejection is None:
        return "the record tells of no request"
    if record.rejection is not None and record.rejection.retry_of is not None:
        return "it was to be a rerun, made of another request than this one"
    if record.rejection is not None and record.rejection.was_control:
        return "it was a message on the control queue, and no request"
    if case.request is None or case.catalog is None:
        what = "request" if case.request is None else "catalogue"
        return f"the case has no {what}: the manifest's not_known says why"
    if case.request.source == "body" and read_pointer(case.request.body) is not None:
        return "the request lay in S3, of which nothing is kept"
    return None


def _in_order(then: JsonValue, now: JsonValue) -> Iterator[Difference]:
    """What became of the request, and where that is the same, each field."""
    assert isinstance(then, dict) and isinstance(now, dict), "a verdict is an object"
    if then["verdict"] == now["verdict"]:
        yield from differences(_REQUEST, then, now)
    else:
        yield Difference(where=_REQUEST, then=then["verdict"], now=now.get("problems") or now["verdict"])


def _then(case: Case, record: Record) -> dict[str, Any]:
    if record.rejection is not None:
        return _rejected(record.rejection.problems)
    assert record.request is not None, "a record is of a request or of a rejection"
    return {"verdict": "admitted", **_remembered(record.request, frozen_stages(case.stages))}


def _remembered(request: Requested, stages: tuple[Stage, ...]) -> dict[str, Any]:
    config = json_object(request.execution_input).get("lambda_result", {}).get("config", {})
    return {
        "job_id": request.job_id,
        "tenant": request.tenant,
        "job_type": request.job_type,
        "user": request.user,
        "input_file": request.input_file,
        "labels": request.labels,
        "progress": request.progress,
        "timeout_seconds": config.get("timeout_seconds"),
        "stages": [stage.model_dump(mode="json") for stage in stages],
    }


def _now(request: CaseRequest, catalog: CaseCatalog, record: Record) -> dict[str, Any]:
    try:
        verdict = admit(request.body, request.message_id, read_catalog(catalog))
    except ODD as error:
        return {"verdict": fails(error)}
    if isinstance(verdict, Refused):
        return _rejected(verdict.problems)
    if record.rejection is not None and _is_of_a_taken_id(record.rejection):
        return _rejected((conflict(verdict.job_id),))
    return _admitted(verdict)


def _is_of_a_taken_id(rejection: Rejected) -> bool:
    """Whether what was wrong was another job of the same id, which no request tells."""
    return rejection.job_id_is_taken and {problem.field for problem in rejection.problems} == {"job_id"}


def _admitted(verdict: Admitted) -> dict[str, Any]:
    return {"verdict": "admitted", **understood(verdict)}


def _rejected(problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {"verdict": "rejected", "problems": [problem.model_dump(mode="json") for problem in problems]}
