"""Step Functions by moto: start an execution, ask how it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from service.aws.executions import Executions
from service.aws.starts import Starts
from service.core.pace import Bucket
from tests.unit.builders import TRACE_HEADER

from .connecting import ACCOUNT, Connect, answering, refusal

ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


@pytest.fixture
async def executions(connect: Connect, name: str) -> Executions:
    """A state machine without executions."""
    client = await connect("stepfunctions")
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    machine = await client.create_state_machine(name=name, definition=definition, roleArn=ROLE)
    return Executions(client, machine["stateMachineArn"], Starts(Bucket.full(100, 100)))


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
        pytest.raises(ClientError, match="ThrottlingException"),
    ):
        await executions.start("job-1", "{}")


async def test_starts_are_paced(executions: Executions) -> None:
    """No more a second than the account's bucket refills."""
    slow = Executions(executions.client, executions.state_machine_arn, Starts(Bucket.full(1, 1 / 3600)))
    await slow.start("job-1", "{}")
    assert not slow.starts.has_capacity()
