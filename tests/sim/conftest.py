"""The real adapters on moto, and the same adapters on the simulated services: one suite serves both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from service.aws.jobs_table import JobsTable
from service.aws.queue import Queue
from tests.support.aws.dynamodb import DynamoDbClient, SimTable
from tests.support.aws.sqs import SimQueue, SqsClient
from tests.support.connecting import Connect
from tests.support.job_facts import GRACE, RETENTION_DAYS, SILENCE, Time, create_table
from tests.support.moto import connect, endpoint, name, session, time  # noqa: F401  # fixtures of pytest's

BOTH = ("moto", "simulated")
_URL = "https://sqs.sim/queue"
_VISIBILITY_SECONDS = 2  # Long beside what a busy machine is late by, and short to wait for.


class Directly:
    """A way to the simulated services without distance or fault."""

    async def call(self, operation: str, effect: Callable[[], Any], about: object = "") -> Any:
        """Do the effect, now."""
        answer = effect()
        return await answer if isinstance(answer, asyncio.Future) else answer


@pytest.fixture(params=BOTH)
async def table(request: pytest.FixtureRequest, connect: Connect, name: str, time: Time) -> JobsTable:  # noqa: F811  # fixtures
    """The table of jobs, over DynamoDB by moto and over the simulated one."""
    client: Any = DynamoDbClient(Directly(), SimTable(lambda: 0.0))
    if request.param == "moto":
        client = await connect("dynamodb")
        await create_table(client, name)
    return JobsTable(client, name, SILENCE, GRACE, RETENTION_DAYS, time)


@pytest.fixture(params=BOTH)
async def queue(request: pytest.FixtureRequest, connect: Connect, name: str) -> Queue:  # noqa: F811  # fixtures
    """A queue with a short lease, over SQS by moto and over the simulated one."""
    held = SimQueue(_URL, asyncio.get_running_loop(), Random(1))
    client: Any = SqsClient(Directly(), held)
    url = _URL
    if request.param == "moto":
        client = await connect("sqs")
        url = (await client.create_queue(QueueName=name))["QueueUrl"]
    return Queue(client, url, _VISIBILITY_SECONDS)
