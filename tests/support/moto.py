"""Fixtures: AWS as moto fakes it, one server for all adapter tests of a room, and clients that are closed again."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from aiobotocore.session import AioSession, get_session
from moto import backends
from moto.server import ThreadedMotoServer

from service.aws.jobs_table import JobsTable
from tests.support.connecting import CREDENTIALS, REGION, Client, Connect
from tests.support.job_facts import GRACE, RETENTION_DAYS, SILENCE, Time, create_table

RUNNING = "MOTO_FOR_TESTS"
"""The variable that names a server which many runs of tests share; the name of a setting would be refused as one."""


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Where moto answers; where one runs already, there."""
    if running := os.environ.get(RUNNING):
        yield running
        return
    with pytest.MonkeyPatch.context() as patched:
        # moto lists its own folder for each request, and werkzeug logs it.
        patched.setattr(backends, "list_of_moto_modules", partial(tuple, [*backends.list_of_moto_modules()]))
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(scope="session")
def session() -> AioSession:
    """One session, which reads each service's model once."""
    return get_session()


@pytest.fixture
async def connect(endpoint: str, session: AioSession) -> AsyncIterator[Connect]:
    """Opens clients of moto's services."""
    async with opening(endpoint, session) as connect:
        yield connect


@asynccontextmanager
async def opening(endpoint: str, session: AioSession) -> AsyncIterator[Connect]:
    """Opens clients of moto's services, and closes them with the context."""
    async with AsyncExitStack() as stack:

        async def client(service: str) -> Client:
            create: Any = session.create_client  # its stubs know the services by their literal names only
            context = create(service, endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)
            return await stack.enter_async_context(context)

        yield client


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"n{uuid4().hex[:12]}"


@pytest.fixture
def time() -> Time:
    """The clock of the table of jobs."""
    return Time()


@pytest.fixture
async def table(connect: Connect, name: str, time: Time) -> JobsTable:
    """A table of jobs as the template makes it."""
    client = await connect("dynamodb")
    await create_table(client, name)
    return JobsTable(client, name, SILENCE, GRACE, RETENTION_DAYS, time)
