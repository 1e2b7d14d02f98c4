"""What admission had before it: the request, and the entries of the catalogue that count for it.

Of an admitted request it is kept what was understood of it, and the stages as they were frozen; the catalogue of that
day is not. Today's entries are taken where the request still freezes to the same by them. Where it does not, or where
its parameters are masked, a request and its entries are rebuilt from the stages, and must freeze to the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.base import json_object
from schemas.casefile import CaseCatalog, CaseRequest, NotKnown
from schemas.catalog import Catalog, Image
from schemas.job import JobRequest
from schemas.plan import Stage
from service.core.admission.admission import Admitted, admit
from service.core.admission.claim_check import read_pointer
from service.core.admission.request_body import BodyRefusedError, canonical, read_json
from service.core.casefile.hiding import CaseHiding
from service.core.record.facts import Rejected, Requested
from service.core.record.kept import request_of

_STAGES = TypeAdapter(tuple[Stage, ...])
# Stands for an entry whose name alone counts: a rejection lists the names that there were.
_NAMED_ONLY = Image(task_definition="left-out", container="left-out")
_BODY = "the request as it was sent"
_NO_BODY = NotKnown(what=_BODY, why="no admitted body is kept: it was rebuilt from the stages that were frozen of it")
_CATALOG = "the catalogue's entries by which the request was admitted"


@dataclass(frozen=True)
class Judged:
    """What admission judged, as far as it is known."""

    request: CaseRequest | None = None
    catalog: CaseCatalog | None = None
    not_known: tuple[NotKnown, ...] = ()


def stages_in(execution_input: str) -> list[dict[str, Any]]:
    """The frozen stages that travel in an execution's input; none where they lie in S3."""
    config = json_object(execution_input).get("lambda_result", {}).get("config", {})
    stages = config.get("stages")
    return stages if isinstance(stages, list) else []


def stages_key_in(execution_input: str) -> tuple[str, str] | None:
    """Bucket and key of the frozen stages, where they were too large to travel."""
    where = json_object(execution_input).get("lambda_result", {}).get("config", {}).get("stages_s3")
    return (where["bucket"], where["key"]) if isinstance(where, dict) and {"bucket", "key"} <= where.keys() else None


def of_job(
    requested: Requested, stages: Sequence[dict[str, Any]], today: Catalog | None, rest: str, hiding: CaseHiding
) -> Judged:
    """Of an admitted job, by its frozen stages, hidden already, and by what else is kept of the request.

    `today` is the catalogue of now, where that is within reach.
    """
    try:
        frozen = _STAGES.validate_json(json.dumps(stages))
    except ValidationError:
        frozen = ()
    if not frozen:
        return Judged(not_known=(_NO_BODY, NotKnown(what="the frozen stages", why="they cannot be read")))
    kept = _kept(requested, rest, hiding)
    if kept is not None and today is not None and _freezes_to(kept, frozen, today, hiding):
        request = CaseRequest(source="kept", message_id=requested.message_id, body=kept)
        return Judged(request, _of_the_case(today, frozen, json_object(kept)))
    for waits in (None, frozen[0].capacity_wait_seconds):
        body = _rebuilt(requested, frozen, waits)
        request = CaseRequest(source="rebuilt", message_id=requested.message_id, body=body)
        if today is not None and _freezes_to(body, frozen, today, hiding):
            return Judged(request, _of_the_case(today, frozen, json_object(body)), (_NO_BODY,))
    body = _rebuilt(requested, frozen, None)
    request = CaseRequest(source="rebuilt", message_id=requested.message_id, body=body)
    known = "its entries have changed since" if today else "it is out of reach"
    rebuilt = _rebuilt_catalog(frozen)
    if rebuilt is None or not _freezes_to(body, frozen, rebuilt, hiding):
        lost = f"{known}, and the stages that were frozen by them do not tell what they were"
        return Judged(request, None, (_NO_BODY, NotKnown(what=_CATALOG, why=lost)))
    why = f"{known}: they were rebuilt from the stages that were frozen by them"
    catalog = CaseCatalog(source="rebuilt", catalog=_dumped(rebuilt))
    return Judged(request, catalog, (_NO_BODY, NotKnown(what=_CATALOG, why=why)))


def _kept(requested: Requested, rest: str, hiding: CaseHiding) -> str | None:
    """The request as it was understood, fit to be shown; None where it was admitted before it was kept."""
    shown = json_object(hiding.object({"asked": rest})["asked"])
    if not shown:
        return None
    return canonical(hiding.object({**request_of(requested, json.dumps(shown)), "job_id": requested.job_id}))


def _of_the_case(today: Catalog, frozen: Sequence[Stage], request: dict[str, Any]) -> CaseCatalog:
    job_type = None if request.get("stages") else request.get("job_type")
    kept = _of_images(today, {stage.image for stage in frozen}, job_type)
    return CaseCatalog(source="of the case", catalog=_dumped(kept))


def _rebuilt(requested: Requested, frozen: Sequence[Stage], waits: int | None) -> str:
    config = json_object(requested.execution_input).get("lambda_result", {}).get("config", {})
    body = {
        "job_id": requested.job_id,
        "job_type": requested.job_type,
        "tenant": requested.tenant,
        "input_file": requested.input_file,
        "user": requested.user,
        "labels": requested.labels,
        "progress": requested.progress,
        "timeout_seconds": config.get("timeout_seconds"),
        "capacity_wait_seconds": waits,
        "stages": [
            {
                "image": stage.image,
                "name": stage.name,
                "command": list(stage.command),
                "environment": stage.environment,
                "timeout_seconds": stage.timeout_seconds,
            }
            for stage in frozen
        ],
    }
    return canonical({name: value for name, value in body.items() if value is not None})


def _freezes_to(body: str, frozen: Sequence[Stage], catalog: Catalog, hiding: CaseHiding) -> bool:
    verdict = admit(body, "", catalog)
    if not isinstance(verdict, Admitted):
        return False
    return [hiding.object(stage.model_dump(mode="json")) for stage in verdict.stages] == [
        hiding.object(stage.model_dump(mode="json")) for stage in frozen
    ]


def _rebuilt_catalog(frozen: Sequence[Stage]) -> Catalog | None:
    """Entries that allow what was frozen and nothing else; None where no catalogue could have them."""
    names = sorted({stage.image for stage in frozen})
    try:
        return Catalog(images={name: _rebuilt_image([item for item in frozen if item.image == name]) for name in names})
    except ValidationError:
        return None


def _rebuilt_image(stages: Sequence[Stage]) -> Image:
    first = stages[0]
    return Image(
        task_definition=first.task_definition,
        container=first.container,
        integration=first.integration,
        launch_type=first.launch_type,
        capacity_providers=first.capacity_providers,
        on_demand_fallback=first.on_demand_fallback,
        commands=tuple(tuple(map(escape, stage.command)) for stage in stages if stage.command),
        environment=tuple(sorted({escape(variable) for stage in stages for variable in stage.environment})),
        cpu=first.cpu,
        memory=first.memory,
        max_memory=first.max_memory,
        timeout_seconds=max(stage.timeout_seconds for stage in stages),
        heartbeat_seconds=first.heartbeat_seconds if first.integration == "callback" else None,
        capacity_wait_seconds=first.capacity_wait_seconds,
        retries=first.retries,
    )


def of_rejection(rejected: Rejected, body: str | None, today: Catalog | None, hiding: CaseHiding) -> Judged:
    """Of a rejected request, by the body that is kept of it."""
    if body is None:
        return Judged(not_known=(NotKnown(what=_BODY, why="the object that it was kept in cannot be read"),))
    shown = _shown(body, hiding)
    if shown is None:
        why = "it is no JSON that could be masked field by field; `--with-values` puts it in, if it holds no secret"
        return Judged(not_known=(NotKnown(what=_BODY, why=why),))
    request = CaseRequest(source="body", message_id=rejected.message_id, body=shown)
    if today is None:
        why = "it lies in the worker's image, out of reach"
        return Judged(request, None, (NotKnown(what="the catalogue by which it was rejected", why=why),))
    why = "no catalogue of the past is kept: it is the deployment's of when the case was made"
    kept = CaseCatalog(source="of the case", catalog=_dumped(_as_named_in(shown, today)))
    return Judged(request, kept, (NotKnown(what="the catalogue by which it was rejected", why=why),))


def _shown(body: str, hiding: CaseHiding) -> str | None:
    """The body without what others may not see; None where that would make another body of it."""
    try:
        value = read_json(body)
    except BodyRefusedError:
        return body if hiding.shows_values and hiding.redaction.text(body) == body else None
    if read_pointer(body) is not None:
        return body
    return json.dumps(hiding.value(value), ensure_ascii=False)


def _as_named_in(body: str, catalog: Catalog) -> Catalog:
    """The catalogue with the entries that a body names; of all others the names, since a rejection tells those."""
    raw = json_object(body)
    asked = raw.get("stages")
    named = {item.get("image") for item in asked if isinstance(item, dict)} if isinstance(asked, list) else set()
    job_type = catalog.job_types.get(str(raw.get("job_type")))
    named |= {stage.image for stage in job_type.stages} if job_type else set()
    return _of_images(catalog, {name for name in named if isinstance(name, str)}, raw.get("job_type"), others=True)


def _of_images(catalog: Catalog, names: set[str], job_type: object = None, *, others: bool = False) -> Catalog:
    images = {
        name: image if name in names else _NAMED_ONLY
        for name, image in catalog.images.items()
        if others or name in names
    }
    return catalog.model_copy(
        update={"images": images, "job_types": dict(_job_types(catalog, job_type, others=others))}
    )


def _job_types(catalog: Catalog, wanted: object, *, others: bool) -> Iterator[tuple[str, Any]]:
    bare = {"stages": ({"image": next(iter(catalog.images))},)}
    for name, job_type in catalog.job_types.items():
        if name == wanted:
            yield name, job_type
        elif others:
            yield name, type(job_type).model_validate(bare)


def _dumped(catalog: Catalog) -> Mapping[str, Any]:
    dumped: dict[str, Any] = catalog.model_dump(mode="json", exclude_defaults=True)
    return dumped


def frozen_stages(stages: bytes | None) -> tuple[Stage, ...]:
    """The frozen stages of a case; none where it has none that can be read."""
    try:
        return _STAGES.validate_json(stages or b"[]")
    except ValidationError:
        return ()


def read_catalog(case: CaseCatalog) -> Catalog:
    """The catalogue of a case. Raises ValidationError."""
    return Catalog.model_validate_json(json.dumps(case.catalog))


def understood(verdict: Admitted) -> dict[str, Any]:
    """What admission made of a request, as it is remembered."""
    request: JobRequest = verdict.request
    return {
        "job_id": verdict.job_id,
        "tenant": request.tenant,
        "job_type": request.job_type,
        "user": request.user,
        "input_file": request.input_file,
        "labels": request.labels,
        "progress": request.progress,
        "timeout_seconds": request.timeout_seconds,
        "stages": [stage.model_dump(mode="json") for stage in verdict.stages],
    }
