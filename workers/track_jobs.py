"""The HTTP API as a Lambda function behind API Gateway, whose IAM says who may ask for which tenant's jobs.

A policy on `execute-api:Invoke` confines a caller by the path: `arn:...:<api>/v1/GET/tenants/web/jobs*`.
"""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from starlette.types import ASGIApp

from service.api.app import Serving, build_app
from service.api.on_lambda import answer
from service.aws.on_demand import Blocking, BlockingCredentials
from service.core.log_layout import split_s3_uri
from service.tracking.wiring import Place, wire_tracking

# API Gateway waits 29 s for an answer [quotas]; a stream is handed on when it ends, so it ends long before that.
_STREAM_SECONDS = 15.0
_IN_THE_IMAGE = "/app/deploy/catalog.yaml"  # The template's default: the file that is shipped, here as there.
_SHIPPED = Path(__file__).resolve().parents[1] / "deploy" / "catalog.yaml"


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one request. One instance of the function has one at a time."""
    runner, app = _made()
    return runner.run(answer(app, event))


@cache
def _made() -> tuple[asyncio.Runner, ASGIApp]:
    """The app, and the loop that all its requests run on: made once for each instance of the function."""
    tracking = wire_tracking(_place(), _client, BlockingCredentials(boto3.Session().get_credentials()))
    serving = Serving(
        tracking.tracker,
        tracking.submission,
        tracking.steering,
        tracking.cases,
        on_loopback=False,
        stream_seconds=_STREAM_SECONDS,
        all_tenants=False,
    )
    return asyncio.Runner(), build_app(serving)


async def _client(service: str) -> Any:
    """A client of a service, whose calls are waited for: nothing else is asked of this instance meanwhile."""
    config = Config(
        user_agent="jobferry",
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=3,
        read_timeout=15,
        signature_version="v4",
        s3={"addressing_style": "virtual"},
    )
    kind: Any = boto3.client
    return Blocking(kind(service, config=config))


def _place() -> Place:
    """What the template says in the function's variables."""
    return Place(
        request_queue_url=os.environ["JOBFERRY_REQUEST_QUEUE_URL"],
        control_queue_url=os.environ["JOBFERRY_CONTROL_QUEUE_URL"],
        state_machine_arn=os.environ["JOBFERRY_STATE_MACHINE_ARN"],
        log_bucket=os.environ["JOBFERRY_LOG_BUCKET"],
        jobs_table=os.environ["JOBFERRY_JOBS_TABLE"],
        catalog=_catalog(os.environ["JOBFERRY_CATALOG"]),
        task_family_prefix=os.environ["JOBFERRY_TASK_FAMILY_PREFIX"],
        secret_patterns=tuple(json.loads(os.environ.get("JOBFERRY_SECRET_PATTERNS") or "[]")),
    )


def _catalog(where: str) -> str | None:
    """The catalogue, as far as it is within reach: one of an image of one's own is for admission alone to judge by."""
    if where == _IN_THE_IMAGE:
        return str(_SHIPPED)
    return where if split_s3_uri(where) else None
