"""A request and the catalogue give a job, or every reason why not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from itertools import chain, islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.catalog import Catalog, Image, JobType, StageTemplate
from schemas.job import ONE_YEAR_SECONDS, JobRequest, StageRequest
from schemas.notification import Problem
from schemas.plan import Stage
from service.core.admission.partly_read import readable
from service.core.admission.placeholders import UnknownPlaceholderError, fill
from service.core.admission.request_body import BodyRefusedError, canonical, printable, read_object, too_wide
from service.core.admission.sizes import sized
from service.core.admission.wording import may_be, what_to_write
from service.core.overrides import MAX_OVERRIDES_CHARACTERS, longest_overrides

RESERVED_NAMES = ("AWS_*", "ECS_*", "JOBFERRY_*", "TASK_TOKEN", "TRACEPARENT", "_X_AMZN_TRACE_ID")
_RESERVED = re.compile("|".join(map(translate, RESERVED_NAMES)))
_ANY_STAGE = {"image": "any"}
DEFAULT_HEARTBEAT_SECONDS = 60
# A rejection is kept in one DynamoDB item and told in one SNS message: neither its reasons nor their words are endless.
MAX_PROBLEMS = 50
_LONGEST_PATH = 200
_LONGEST_MESSAGE = 300
_LONGEST_REMEDY = 500
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Admitted:
    """A job that may run: the request as it was understood, and its stages resolved against the catalogue."""

    job_id: str
    digest: str
    request: JobRequest
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Refused:
    """Every reason why a request is not admitted, and what it said of itself, as far as that can be read.

    `digest` is of the request as it was understood, as an admitted one's is; None where it could not be.
    """

    problems: tuple[Problem, ...]
    digest: str | None = None
    job_id: str | None = None
    tenant: str | None = None
    job_type: str | None = None


def admit(body: str, message_id: str, catalog: Catalog) -> Admitted | Refused:
    """Judge one message body. The job id is the producer's own, or else the SQS message id."""
    try:
        raw = read_object(body)
    except BodyRefusedError as refusal:
        return Refused((refusal.problem,))
    if (problem := too_wide(raw)) is not None:
        return _refused(raw, (problem,))
    request = _understood(raw)
    if not isinstance(request, JobRequest):
        return _refused(raw, chain(request, _problems_with_names(raw, catalog)))
    job_id = request.job_id or message_id
    stages, problems = _resolve(request, catalog, job_id)
    if problems:
        return _refused(raw, problems, _digest(request))
    return Admitted(job_id=job_id, digest=_digest(request), request=request, stages=stages)


def _understood(raw: dict[str, Any]) -> JobRequest | tuple[Problem, ...]:
    """The request, or what is wrong with its parts.

    The stages are judged one by one, and no further than a rejection can tell: a large body of nothing but mistakes
    would take seconds.
    """
    wrong = tuple(islice(_problems_with_stages(raw), MAX_PROBLEMS + 1))
    try:
        request = JobRequest.model_validate_json(canonical({**raw, "stages": [_ANY_STAGE]} if wrong else raw))
    except ValidationError as error:
        return (*problems_of(error), *wrong)
    return wrong or request


def _problems_with_stages(raw: dict[str, Any]) -> Iterator[Problem]:
    for number, item in enumerate(_stages_in(raw)):
        try:
            StageRequest.model_validate_json(canonical(item))
        except ValidationError as error:
            yield from problems_of(error, ("stages", number))


def _stages_in(raw: dict[str, Any]) -> list[Any]:
    stages = raw.get("stages")
    return stages if isinstance(stages, list) else []


def _digest(request: JobRequest) -> str:
    """What makes two requests the same: what was understood, whatever the catalogue makes of it that day."""
    return hashlib.sha256(canonical(request.model_dump(mode="json")).encode()).hexdigest()


def conflict(job_id: str) -> Problem:
    """The reason for refusing a second request with an id that another request has."""
    return Problem(
        field="job_id",
        message=f"the job id {job_id} belongs to an earlier request with another body",
        remedy="Send the new job under a new id; the same id with the same body is always safe to repeat.",
    )


def _refused(raw: dict[str, Any], problems: Iterable[Problem], digest: str | None = None) -> Refused:
    return Refused(
        problems=_shown(problems),
        digest=digest,
        job_id=_readable(raw, "job_id"),
        tenant=_readable(raw, "tenant") if "tenant" in raw else JobRequest.model_fields["tenant"].default,
        job_type=_readable(raw, "job_type"),
    )


def _shown(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems as they may be told: not too many, not too long, and printable whatever the producer wrote."""
    first = list(islice(problems, MAX_PROBLEMS + 1))
    shown = [
        Problem(
            field=printable(item.field, _LONGEST_PATH),
            message=printable(item.message, _LONGEST_MESSAGE),
            remedy=printable(item.remedy, _LONGEST_REMEDY),
        )
        for item in first[:MAX_PROBLEMS]
    ]
    if len(first) > MAX_PROBLEMS:
        shown.append(Problem(field="", message="there is more that is wrong", remedy="Mend these and send it again."))
    return tuple(shown)


def _problems_with_names(raw: dict[str, Any], catalog: Catalog) -> Iterator[Problem]:
    """What the catalogue says against the parts that can be read, of a request that as a whole cannot be."""
    for number, item in enumerate(_stages_in(raw)):
        if isinstance(item, dict) and isinstance(item.get("image"), str):
            stage, path = readable(StageRequest, item, image="any"), f"stages.{number}"
            image = catalog.images.get(item["image"])
            if image is None:
                yield _unknown(f"{path}.image", "image", item["image"][:64], catalog.images)
            yield from _reserved(stage, path)
            yield from _forbidden(stage, image, path) if image else ()
    if "stages" not in raw:
        yield from _problems_with_job_type(raw, catalog)


def _problems_with_job_type(raw: dict[str, Any], catalog: Catalog) -> Iterator[Problem]:
    request = readable(JobRequest, raw, job_type="any")
    job_type = catalog.job_types.get(request.job_type or "")
    if job_type is not None:
        yield from _parameters(request, job_type)[1]
        yield from _input_file(request, job_type) if "input_file" not in raw else ()
    elif request.job_type == raw.get("job_type"):
        yield _unknown("job_type", "job type", request.job_type or "", catalog.job_types)


def _readable(raw: dict[str, Any], name: str) -> str | None:
    """A name that the refused request gave, if that one field is in order."""
    try:
        # job_type is set so that the rule "says what to run" does not hide the field that is asked for.
        request = JobRequest.model_validate({"job_type": "any", name: raw.get(name)})
    except ValidationError:
        return None
    value: str | None = getattr(request, name)
    return value


def _resolve(request: JobRequest, catalog: Catalog, job_id: str) -> tuple[tuple[Stage, ...], list[Problem]]:
    if request.stages:
        return _resolve_stages(
            [(stage, f"stages.{n}") for n, stage in enumerate(request.stages)], catalog, job_id, request
        )
    job_type = catalog.job_types.get(request.job_type or "")
    if job_type is None:
        return (), [_unknown("job_type", "job type", request.job_type or "", catalog.job_types)]
    values, problems = _parameters(request, job_type)
    problems.extend(_input_file(request, job_type))
    if problems:
        return (), problems
    filled = [_fill_stage(template, values) for template in job_type.stages]
    return _resolve_stages([(stage, "parameters") for stage in filled], catalog, job_id, request)


def _parameters(request: JobRequest, job_type: JobType) -> tuple[dict[str, str], list[Problem]]:
    values: dict[str, str] = {}
    problems = [
        Problem(
            field=f"parameters.{name}",
            message=f"the job type {request.job_type} has no such parameter",
            remedy=_choices("Remove it, or use one of", job_type.parameters),
        )
        for name in request.parameters
        if name not in job_type.parameters
    ]
    for name, parameter in job_type.parameters.items():
        value = request.parameters.get(name, parameter.default)
        if value is None:
            problems.append(Problem(field=f"parameters.{name}", message="it is missing", remedy="Give it a value."))
        elif not parameter.allows(value):
            remedy = _choices("Use one of", map(str, parameter.choices))
            problems.append(Problem(field=f"parameters.{name}", message=f"{value!r} is not allowed", remedy=remedy))
        else:
            values[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return values, problems


def _input_file(request: JobRequest, job_type: JobType) -> Iterator[Problem]:
    if job_type.requires_input_file and request.input_file is None:
        yield Problem(
            field="input_file",
            message=f"the job type {request.job_type} needs one",
            remedy='Name what it is to work on: "input/uploads/example.jpg", or an s3:// URI.',
        )


def _fill_stage(template: StageTemplate, values: dict[str, str]) -> StageRequest:
    return StageRequest(
        image=template.image,
        name=template.name,
        command=tuple(fill(argument, values) for argument in template.command),
        environment={name: fill(text, values) for name, text in template.environment.items()},
        timeout_seconds=template.timeout_seconds,
    )


def check_job_types(catalog: Catalog) -> None:
    """Raises UnknownPlaceholderError where a job type's stage names a parameter that the job type does not take."""
    for name, job_type in catalog.job_types.items():
        values = dict.fromkeys(job_type.parameters, "")
        for template in job_type.stages:
            try:
                _fill_stage(template, values)
            except UnknownPlaceholderError as error:
                raise UnknownPlaceholderError(f"job_types.{name}: {error}") from None


def _resolve_stages(
    asked: list[tuple[StageRequest, str]], catalog: Catalog, job_id: str, request: JobRequest
) -> tuple[tuple[Stage, ...], list[Problem]]:
    stages: list[Stage] = []
    problems: list[Problem] = []
    for stage, path in asked:
        if len(problems) > MAX_PROBLEMS:
            break
        image = catalog.images.get(stage.image)
        problems.extend(_reserved(stage, path))
        if image is None:
            problems.append(_unknown(f"{path}.image", "image", stage.image, catalog.images))
            continue
        problems.extend(_forbidden(stage, image, path))
        stages.append(_freeze(stage, image, request.capacity_wait_seconds))
    problems.extend(_too_patient(request, (catalog.images.get(stage.image) for stage, _ in asked)))
    if request.sizes and not problems:
        given, problems = sized(stages, request.sizes, catalog.images)
        stages = list(given)
    problems.extend(_too_long(stages, [path for _, path in asked], job_id, request) if not problems else ())
    return tuple(stages), problems


def _forbidden(stage: StageRequest, image: Image, path: str) -> Iterator[Problem]:
    if stage.command and not any(_command_fits(stage.command, pattern) for pattern in image.commands):
        allowed = "; ".join(" ".join(pattern) for pattern in image.commands)
        remedy = f"Use one of: {allowed}." if allowed else "Leave the command out: the image runs its own only."
        yield Problem(field=f"{path}.command", message=f"{stage.image} may not be told this command", remedy=remedy)
    for name in stage.environment:
        if not (_is_reserved(name) or any(fnmatchcase(name, allowed) for allowed in image.environment)):
            yield Problem(
                field=f"{path}.environment.{name}",
                message=f"{stage.image} may not be given this variable",
                remedy=_choices("Use one of", image.environment),
            )
    if stage.timeout_seconds is not None and stage.timeout_seconds > image.timeout_seconds:
        yield Problem(
            field=f"{path}.timeout_seconds",
            message=f"{stage.timeout_seconds} is more than {stage.image} may take",
            remedy=f"Give at most {image.timeout_seconds} seconds.",
        )


def _reserved(stage: StageRequest, path: str) -> Iterator[Problem]:
    for name in filter(_is_reserved, stage.environment):
        yield Problem(
            field=f"{path}.environment.{name}",
            message="the name is reserved for Jobferry and AWS",
            remedy=f"Choose a name that is none of {', '.join(RESERVED_NAMES)}.",
        )


def _is_reserved(name: str) -> bool:
    return _RESERVED.match(name) is not None


def _command_fits(command: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether a command is one that a pattern allows: argument by argument, a last `**` for any further ones."""
    if pattern and pattern[-1] == "**":
        pattern = pattern[:-1]
        command = command[: len(pattern)] if len(command) >= len(pattern) else ()
    return len(command) == len(pattern) and all(map(fnmatchcase, command, pattern))


def _freeze(stage: StageRequest, image: Image, capacity_wait_seconds: int | None) -> Stage:
    return Stage(
        name=stage.name or stage.image,
        image=stage.image,
        task_definition=image.task_definition,
        container=image.container,
        integration=image.integration,
        launch_type=image.launch_type,
        capacity_providers=image.capacity_providers,
        on_fargate=image.on_fargate,
        on_demand_fallback=image.on_demand_fallback,
        command=stage.command,
        environment=stage.environment,
        cpu=image.cpu,
        memory=image.memory,
        max_memory=image.max_memory or image.memory,
        timeout_seconds=min(stage.timeout_seconds or image.timeout_seconds, image.timeout_seconds),
        heartbeat_seconds=image.heartbeat_seconds or DEFAULT_HEARTBEAT_SECONDS,
        capacity_wait_seconds=image.capacity_wait_seconds if capacity_wait_seconds is None else capacity_wait_seconds,
        retries=image.retries,
    )


def _too_patient(request: JobRequest, images: Iterable[Image | None]) -> Iterator[Problem]:
    """A job waits for capacity no longer than the catalogue lets each of its images."""
    longest = min((image.capacity_wait_seconds for image in images if image), default=ONE_YEAR_SECONDS)
    if request.capacity_wait_seconds is not None and request.capacity_wait_seconds > longest:
        yield Problem(
            field="capacity_wait_seconds",
            message=f"{request.capacity_wait_seconds} is more than the images of this job may wait for capacity",
            remedy=f"Give at most {longest} seconds, or raise capacity_wait_seconds in the catalogue.",
        )


def _too_long(stages: list[Stage], paths: list[str], job_id: str, request: JobRequest) -> Iterator[Problem]:
    for stage, path in zip(stages, paths, strict=True):
        length = longest_overrides(stage, job_id, request.input_file, request.user)
        if length > MAX_OVERRIDES_CHARACTERS:
            yield Problem(
                field=path,
                message=f"its command and environment would make {length:,} characters of container overrides; "
                f"ECS takes {MAX_OVERRIDES_CHARACTERS:,}, JSON syntax included",
                remedy="Keep large arguments in S3 and pass their URI.",
            )


def _unknown(field: str, what: str, name: str, known: Iterable[str]) -> Problem:
    return Problem(field=field, message=f"no {what} is named {name!r}", remedy=_choices("Use one of", known))


def _choices(verb: str, names: Iterable[str]) -> str:
    listed = sorted(names)
    return f"{verb}: {', '.join(listed[:20])}{', ...' if len(listed) > 20 else ''}." if listed else "Leave it out."


_REMEDIES = {
    "missing": "Add it.",
    "extra_forbidden": "Remove it, or look at its spelling.",
    "string_too_long": "Shorten it.",
    "too_long": "Give fewer.",
    "too_many_bytes": "Change less, or send a new request.",
    "value_error": "See the README for what a request holds.",
}


def problems_of(error: ValidationError, inside: tuple[int | str, ...] = ()) -> Iterable[Problem]:
    """Pydantic's errors as problems; a union's branches are one field, so each field and message is told once."""
    problems = {
        (path := _path((*inside, *item["loc"]))) + item["msg"]: _problem_of(item, path)
        for item in error.errors(include_url=False, include_input=False)
    }
    return problems.values()


def _problem_of(item: ErrorDetails, path: str) -> Problem:
    if item["type"] == "string_pattern_mismatch":
        return Problem(field=path, message="it holds what it may not", remedy=may_be(item["ctx"]["pattern"]))
    remedy = _REMEDIES.get(item["type"]) or what_to_write(item["type"], item["loc"])
    return Problem(field=path, message=item["msg"].removeprefix("Value error, "), remedy=remedy)


def _path(location: tuple[int | str, ...]) -> str:
    """A field's path for a person, with the names that the producer chose made printable and short."""
    return ".".join(printable(str(part), _LONGEST_NAME) for part in location)
