"""`jobferry plan`: what a request would become, told offline by the code that would decide it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.catalog import Catalog
from schemas.errors import JobferryError
from schemas.price import Price
from service.catalog_source import parse_catalog
from service.core.admission.admission import Refused, admit
from service.core.rehearsal.outlook import Outlook, StageOutlook, outlook
from service.settings import ENVIRONMENT_PREFIX, Settings

OK, USAGE, REJECTED = 0, 2, 3
# As long as the SQS message id that a job without an id of its own would get: it counts among ECS's 8,192 characters.
_MESSAGE_ID = "00000000-0000-0000-0000-000000000000"
_PRICES = TypeAdapter(dict[str, Price])
_EXAMPLES = Path(__file__).parents[2] / "deploy" / "catalog.yaml"
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


class PlanError(JobferryError):
    """There is nothing to plan from; the message says what is missing or wrong."""


def run(options: argparse.Namespace) -> int:
    """Tell of one request; 2 where there is nothing to plan from, and 3 where it would be rejected."""
    try:
        catalog, prices, body = _catalog(options), _prices(options), _request(options.file)
    except JobferryError as error:
        print(error, file=sys.stderr)
        return USAGE
    job = admit(body, _MESSAGE_ID, catalog)
    if isinstance(job, Refused):
        _tell_refused(job, as_json=options.json)
        return REJECTED
    ahead = outlook(job, prices)
    if options.json:
        print(json.dumps(_as_json(ahead), indent=2))
    else:
        print("\n".join(_lines(ahead)))
    return OK


def _request(where: str) -> str:
    try:
        return sys.stdin.read() if where == "-" else Path(where).read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{where} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PlanError(f"{where} is not UTF-8") from None


def _catalog(options: argparse.Namespace) -> Catalog:
    """That of the option, of the shell, or of the examples; {prefix} as in the worker's settings."""
    where = options.catalog or os.environ.get(f"{ENVIRONMENT_PREFIX}CATALOG") or str(_EXAMPLES)
    if where.startswith("s3://"):
        raise PlanError(
            f"{where} is not on this machine, and a plan asks nobody: copy it here, and give --catalog FILE"
        )
    prefix = (
        os.environ.get(f"{ENVIRONMENT_PREFIX}TASK_FAMILY_PREFIX") or Settings.model_fields["task_family_prefix"].default
    )
    try:
        return parse_catalog(Path(where).read_text(encoding="utf-8"), where, prefix)
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"The catalogue {where} cannot be read: {error}") from None


def _prices(options: argparse.Namespace) -> dict[str, Price]:
    """Those of the option or of the shell, as the worker's settings have them."""
    given, name = options.prices, "--prices"
    if given is None:
        given, name = os.environ.get(f"{ENVIRONMENT_PREFIX}PRICES") or "{}", f"{ENVIRONMENT_PREFIX}PRICES"
    try:
        return _PRICES.validate_json(given)
    except ValidationError as error:
        why = error.errors(include_input=False)[0]
        where = ".".join(map(str, why["loc"]))
        raise PlanError(f"{name} cannot be used: {where + ': ' if where else ''}{why['msg']}") from None


def _tell_refused(refused: Refused, *, as_json: bool) -> None:
    problems = [problem.model_dump(mode="json") for problem in refused.problems]
    if as_json:
        print(json.dumps({"rejected": problems}, indent=2))
        return
    print("It would be rejected:")
    for problem in refused.problems:
        print(f"  {problem.field + ': ' if problem.field else ''}{problem.message}. {problem.remedy}")


def _as_json(job: Outlook) -> Mapping[str, Any]:
    shown = asdict(job)
    for stage, given in zip(shown["stages"], job.stages, strict=True):
        stage["retries"] = given.retries.model_dump(mode="json")
    return {**shown, "job_id": _own_id(job)}


def _own_id(job: Outlook) -> str | None:
    return None if job.job_id == _MESSAGE_ID else job.job_id


def _lines(job: Outlook) -> Iterator[str]:
    count = len(job.stages)
    kind = f", a {job.job_type}" if job.job_type else ""
    yield f"{_own_id(job) or 'It'} would run for {job.tenant}{kind}: {count} stage{'' if count == 1 else 's'}."
    for stage in job.stages:
        yield ""
        yield from _stage_lines(stage)
    yield ""
    yield from _table(job)
    if job.timeout_seconds is not None:
        yield f"The job's own timeout is {_span(job.timeout_seconds)}, and no job runs for longer."
    if job.unpriced:
        yield f"No price for {', '.join(job.unpriced)}: give --prices, or set JOBFERRY_PRICES."


def _table(job: Outlook) -> Iterator[str]:
    rows = [("at most", "time", "vCPU hours", "GB hours", "cost")]
    for what, bound in (("at the first try", job.first_try), ("with every retry and wait", job.at_most)):
        cost = "unknown" if bound.cost is None else f"{bound.cost:.4f}"
        rows.append((what, _span(bound.seconds), f"{bound.vcpu_hours:.2f}", f"{bound.gb_hours:.2f}", cost))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _stage_lines(stage: StageOutlook) -> Iterator[str]:
    yield f"{stage.stage}  {stage.name}: {stage.image} on {', '.join(stage.runs_on)}"
    yield f"   task     {stage.task_definition}, container {stage.container}"
    if stage.command:
        yield f"   command  {json.dumps(list(stage.command), ensure_ascii=False)}"
    if stage.environment:
        yield f"   sets     {', '.join(stage.environment)}"
    larger = f"; after out-of-memory {', '.join(map(str, stage.larger_memory))} MiB" if stage.larger_memory else ""
    yield f"   size     {stage.cpu / 1024:g} vCPU, {stage.memory} MiB{larger}"
    heartbeat = f", a heartbeat every {_span(stage.heartbeat_seconds)}" if stage.heartbeat_seconds else ""
    yield f"   timeout  {_span(stage.timeout_seconds)} a try{heartbeat}"
    budgets = stage.retries.model_dump()
    given = ", ".join(f"{number} {name.replace('_', '-')}" for name, number in budgets.items() if number)
    tries = f"{stage.attempts_at_most} tr{'y' if stage.attempts_at_most == 1 else 'ies'} at most"
    yield f"   retries  {given or 'none'}: {tries}, {_span(stage.longest_seconds)} in all"
    yield f"   waits    for capacity up to {_span(stage.capacity_wait_seconds)} a try, which is in that"


def _span(seconds: int) -> str:
    """A duration as a person says it, in its two largest units."""
    parts, left = [], seconds
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        parts.append((number, unit))
    largest = next((place for place, (number, _) in enumerate(parts) if number), len(parts) - 1)
    two = parts[largest : largest + 2]
    return " ".join(f"{number} {unit}" for number, unit in two if number or two == parts[-1:])
