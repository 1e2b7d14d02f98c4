"""The API against its own OpenAPI document: schemathesis asks what the document allows, and much that it does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import boto3
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from deploy.local.stack import PROJECT
from service.api.app import Serving, build_app
from service.api.export import DOCUMENT, main, text
from service.aws.jobs_table import JobsTable
from service.aws.on_demand import Blocking
from service.tracking.wiring import Place, wire_tracking
from tests.support.asking import HOST, Answer, ask
from tests.support.builders import JOB, MACHINE, announced, attempt, execution, receipt, requested, task
from tests.support.connecting import CREDENTIALS, REGION
from tests.support.job_facts import GRACE, RETENTION_DAYS, SILENCE, Time, create_table

SCHEMA = schemathesis.openapi.from_path(DOCUMENT)
THERE = {"tenant": "web", "job_id": JOB, "stage": 1, "attempt": 1, "container": "main"}
Asked = Callable[..., Answer]


@pytest.fixture(scope="module")
def asked(endpoint: str) -> Iterator[Asked]:
    """Asks the API over one job at moto, whose clients are waited for: each question has a loop to itself."""

    async def client(service: str) -> Any:
        kind: Any = boto3.client
        return Blocking(kind(service, endpoint_url=endpoint, region_name=REGION, **CREDENTIALS))

    name = "openapi"
    with asyncio.Runner() as runner:
        dynamodb = runner.run(client("dynamodb"))
        runner.run(create_table(dynamodb, name))
        runner.run(_put(JobsTable(dynamodb, name, SILENCE, GRACE, RETENTION_DAYS, Time()).merge))
        s3 = runner.run(client("s3"))
        runner.run(s3.create_bucket(Bucket=name))
        runner.run(s3.put_object(Bucket=name, Key="log", Body=b"one\ntwo\n"))
        queue = runner.run(runner.run(client("sqs")).create_queue(QueueName=name))["QueueUrl"]
        place = Place(queue, queue, MACHINE, name, name, str(PROJECT / "deploy" / "catalog.yaml"))
        tracking = wire_tracking(place, client, None)
        app = build_app(
            Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases, stream_seconds=0.0)
        )

        def call(method: str, target: str, body: bytes, headers: dict[str, str]) -> Answer:
            return runner.run(ask(app, method, target, body, **headers))

        yield call


async def _put(merge: Callable[..., Awaitable[object]]) -> None:
    for fact in (
        requested(),
        execution(attempts=(attempt(),)),
        task(),
        receipt(s3_bucket="openapi", s3_key="log"),
        announced(),
    ):
        await merge(fact)


@pytest.mark.parametrize("is_there", [True, False], ids=["of the job that is there", "of any"])
@SCHEMA.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_document_says(case: schemathesis.Case[Any], asked: Asked, is_there: bool) -> None:
    """Status, type and shape of each, whatever is asked; never an error of ours."""
    if is_there:
        case.path_parameters.update({name: THERE[name] for name in case.path_parameters if name in THERE})
    request = requests.Request(**_of_requests(case.as_transport_kwargs(base_url=f"http://{HOST}"))).prepare()
    given: Any = request.body or b""
    body = given if isinstance(given, bytes) else given.encode()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in {"host", "origin"}}
    told = asked(str(request.method), request.path_url, body, headers)
    case.validate_response(
        Response(
            status_code=told.status,
            headers={name: [value] for name, value in told.headers.items()},
            content=told.body,
            request=request,
            elapsed=0.1,
            verify=False,
        ),
        # What the catalogue allows, no schema can say; and a path that was put in the place of a wrong one is right.
        excluded_checks=[positive_data_acceptance, *([negative_data_rejection] if is_there else [])],
    )


def _of_requests(given: dict[str, Any]) -> dict[str, Any]:
    known = {"method", "url", "headers", "files", "data", "params", "auth", "cookies", "hooks", "json"}
    return {name: value for name, value in given.items() if name in known}


def test_the_document_is_current() -> None:
    """As `make check` asks."""
    assert main(["--check"]) == 0


def test_a_document_that_is_not_current_is_said_to_be_so(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And written anew when that is asked for."""
    monkeypatch.setattr("service.api.export.DOCUMENT", tmp_path / "openapi.json")
    assert main(["--check"]) == 1
    assert capsys.readouterr().err == "Not current: openapi.json. Run python -m service.api.export.\n"
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_answers_may_grow_and_requests_may_not() -> None:
    """Who reads must bear a field that is added; a slip in a request must not pass for one."""
    schemas = json.loads(text())["components"]["schemas"]
    assert schemas["JobRequest"]["additionalProperties"] is False
    assert not [name for name in ("TrackedJob", "JobPage", "Why") if "additionalProperties" in schemas[name]]
