"""Step Functions by moto: start an execution, ask how it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.aws.errors import AwsError
from service.aws.executions import Executions, TooManyRedrivesError
from service.aws.pace import Pace
from service.aws.starts import Starts
from service.aws.throttles import on_throttle
from tests.support.builders import TRACE_HEADER
from tests.support.connecting import ACCOUNT, CREDENTIALS, REGION, Connect, answering, refusal

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


@pytest.fixture
async def executions(connect: Connect, name: str) -> Executions:
    """A state machine without executions."""
    client = await connect("stepfunctions")
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    machine = await client.create_state_machine(name=name, definition=definition, roleArn=ROLE)
    return Executions(client, machine["stateMachineArn"], Starts(Pace.full(100, 100)))


async def test_an_execution_has_the_jobs_name_and_the_arn_that_follows(executions: Executions) -> None:
    """The ARN is known before the execution is, so it can be asked about by its job id alone."""
    started = await executions.start("job-1", '{"job_id": "job-1"}')
    assert started is not None
    assert started.arn == executions.arn_of("job-1")
    assert started.at > 1_600_000_000


async def test_an_execution_goes_on_with_the_trace(executions: Executions) -> None:
    """And none is sent where there is none: an empty header would be no header."""
    answer = {"executionArn": "arn", "startDate": datetime.fromtimestamp(0, UTC)}
    with answering(executions.client, "StartExecution", answer, answer) as asked:
        await executions.start("job-1", "{}", TRACE_HEADER)
        await executions.start("job-2", "{}")
    assert [call.get("traceHeader") for call in asked] == [TRACE_HEADER, None]
    assert "traceHeader" not in asked[1]


async def test_an_execution_that_exists_is_no_error(executions: Executions) -> None:
    """A redelivered request meets the one that its first delivery started, be it over or not."""
    await executions.start("job-1", '{"a": 1}')
    assert await executions.start("job-1", '{"a": 2}') is None


async def test_asking_gives_status_and_times(executions: Executions) -> None:
    """DescribeExecution answers in the shape of the event's detail."""
    await executions.start("job-1", "{}")
    detail = await executions.describe("job-1")
    assert detail is not None
    assert (detail.executionArn, detail.name) == (executions.arn_of("job-1"), "job-1")
    assert detail.status in {"RUNNING", "SUCCEEDED"}
    assert detail.startDate is not None and detail.startDate > 1_600_000_000


async def test_an_unknown_execution_is_none(executions: Executions) -> None:
    """Never started, or forgotten 90 days after its end."""
    assert await executions.describe("never-started") is None


async def test_another_error_is_raised(executions: Executions) -> None:
    """A throttle is SQS's to retry, not an answer."""
    with (
        answering(executions.client, "StartExecution", refusal("ThrottlingException")),
        pytest.raises(AwsError, match="ThrottlingException"),
    ):
        await executions.start("job-1", "{}")


async def test_a_history_is_read_to_its_end(executions: Executions) -> None:
    """Page by page."""
    pages = ({"events": [{"id": 1}, {"id": 2}], "nextToken": "more"}, {"events": [{"id": 3}]})
    with answering(executions.client, "GetExecutionHistory", *pages) as asked:
        assert await executions.history("job-1") == [*pages[0]["events"], *pages[1]["events"]]
    assert [call.get("nextToken") for call in asked] == [None, "more"]
    assert {(call["executionArn"], call["maxResults"]) for call in asked} == {(executions.arn_of("job-1"), 1000)}


async def test_a_list_of_redrives_without_end_is_not_looked_through(executions: Executions) -> None:
    """Twenty pages of a thousand, and no more; what was found by then is told."""
    item = {"executionArn": executions.arn_of("j"), "status": "RUNNING", "redriveCount": 1, "name": "j"}
    at = datetime.fromtimestamp(100, UTC)
    page = {"executions": [{**item, "startDate": at, "redriveDate": at}], "nextToken": "more"}
    found = []
    with answering(executions.client, "ListExecutions", *[page] * 20) as asked, pytest.raises(TooManyRedrivesError):
        async for detail in executions.redriven(100):
            found.append(detail.executionArn)
    assert (len(found), len(asked)) == (20, 20)
    assert [call.get("nextToken") for call in asked] == [None, *["more"] * 19]


async def test_a_filter_that_is_refused_twice_is_AWS_s_trouble(executions: Executions) -> None:
    """So is any other refusal at once."""
    refused = refusal("ValidationException")
    for answers in ((refused, refused), (refusal("AccessDeniedException"),)):
        with answering(executions.client, "ListExecutions", *answers) as asked, pytest.raises(AwsError):
            async for _ in executions.redriven(0):
                pass
        assert len(asked) == len(answers)


async def test_what_runs_is_listed_page_by_page(executions: Executions) -> None:
    """Names with their redrive counts; each page waits for its turn."""

    def page(*items: dict[str, Any], **more: str) -> dict[str, Any]:
        usual = {"stateMachineArn": executions.state_machine_arn, "status": "RUNNING", "startDate": 5}
        listed = [{"executionArn": f"arn:{item['name']}", **usual, **item} for item in items]
        return {"executions": listed, **more}

    answers = (page({"name": "a"}, {"name": "b", "redriveCount": 2}, nextToken="more"), page({"name": "c"}))
    quick = Executions(executions.client, executions.state_machine_arn, executions.starts, Pace.even(1000))
    with answering(executions.client, "ListExecutions", *answers) as asked:
        assert [named async for named in quick.running()] == [{"a": 0, "b": 2}, {"c": 0}]
    wanted = {"stateMachineArn": executions.state_machine_arn, "maxResults": 1000, "statusFilter": "RUNNING"}
    assert asked == [wanted, {**wanted, "nextToken": "more"}]
    assert quick.lists.bucket.tokens < 1


async def test_starts_are_paced(executions: Executions) -> None:
    """No more a second than the account's bucket refills."""
    slow = Executions(executions.client, executions.state_machine_arn, Starts(Pace.full(1, 1 / 3600)))
    await slow.start("job-1", "{}")
    assert not slow.starts.has_capacity()


class Throttling:
    """Step Functions as it answers over HTTP, when it has no room for the first few calls."""

    def __init__(self, throttles: int) -> None:
        self.left = throttles

    async def answer(self, _: web.Request) -> web.Response:
        """A throttle, or a start."""
        self.left -= 1
        if self.left >= 0:
            return web.json_response({"__type": "ThrottlingException", "message": "Rate exceeded"}, status=400)
        return web.json_response({"executionArn": "arn:x", "startDate": 1_700_000_000})


@asynccontextmanager
async def answering_over_http(service: Throttling, session: AioSession) -> AsyncIterator[Any]:
    """A client of it, which tries again as the worker's do."""
    app = web.Application()
    app.router.add_post("/", service.answer)
    async with TestServer(app) as server:
        create: Any = session.create_client
        retries = AioConfig(retries={"mode": "standard", "max_attempts": 8})
        address = str(server.make_url("/"))
        async with create(
            "stepfunctions", endpoint_url=address, region_name=REGION, config=retries, **CREDENTIALS
        ) as client:
            yield client


@pytest.mark.parametrize(("throttles", "rate"), [(0, 100.0), (1, 50.0)])
async def test_a_throttle_that_the_sdk_repeats_by_itself_is_heard(
    session: AioSession, throttles: int, rate: float
) -> None:
    """At once, and not half a minute later, when the SDK gives up."""
    async with answering_over_http(Throttling(throttles), session) as client:
        starts = Starts(Pace.full(100, 100))
        on_throttle(client, starts.pace.throttled, ".sfn.StartExecution")
        started = await Executions(client, "arn:aws:states:eu-central-1:1:stateMachine:x", starts).start("job-1", "{}")
        assert started is not None
        assert starts.pace.bucket.rate == pytest.approx(rate)
        assert (starts.pace.bucket.cut_at is not None) == bool(throttles)
