"""Credentials that rotate: a client goes on with the new ones, and a time without any is an outage like another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import get_session
from botocore.exceptions import CredentialRetrievalError

from service.aws.queue import Message, Queue
from tests.support.connecting import REGION, Connect
from tests.support.consuming import consumer
from tests.support.waiting import eventually
from workers import consumer as module


@dataclass
class TaskRole:
    """The container's credentials endpoint, which hands out keys that end at once, and is away at times."""

    given: int = 0
    away: int = 0

    async def keys(self) -> dict[str, str]:
        """The next keys. They are about to end, so that each call asks for new ones; some have ended already."""
        if self.away:
            self.away -= 1
            raise CredentialRetrievalError(provider="container-role", error_msg="503")
        self.given += 1
        ends = datetime.now(UTC) + timedelta(seconds=-1 if self.given % 5 == 3 else 5)
        return {
            "access_key": f"AKIA{self.given:016}",
            "secret_key": "secret",
            "token": "token",
            "expiry_time": ends.isoformat(),
        }


@dataclass
class Noted:
    """What came."""

    bodies: list[str] = field(default_factory=list)

    async def __call__(self, message: Message) -> None:
        self.bodies.append(message.body)


@asynccontextmanager
async def signed_by(role: TaskRole, endpoint: str) -> AsyncIterator[Any]:
    """An SQS client with this role's credentials."""
    session = get_session()
    create: Any = AioRefreshableCredentials.create_from_metadata
    own: Any = session
    own._credentials = create(await role.keys(), refresh_using=role.keys, method="container-role")
    make: Any = session.create_client
    async with make("sqs", endpoint_url=endpoint, region_name=REGION) as client:
        yield client


async def test_credentials_that_rotate_and_fail_for_a_while_are_survived(
    endpoint: str, connect: Connect, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer needs no restart: its next poll is signed with the new keys."""
    monkeypatch.setattr(module, "_POLL_FAILED_SECONDS", 0.001)
    role, work, producer = TaskRole(), Noted(), await connect("sqs")
    url = (await producer.create_queue(QueueName=name))["QueueUrl"]
    async with signed_by(role, endpoint) as client:
        stopping = asyncio.Event()
        running = asyncio.create_task(
            consumer(Queue(client, url, 30), work, 5, poll_seconds=0, stopping=stopping).run()
        )
        rotated, role.away = role.given, 30
        await eventually(lambda: not role.away and role.given > rotated + 3)
        await producer.send_message(QueueUrl=url, MessageBody="after")
        await eventually(lambda: work.bodies == ["after"])
        stopping.set()
        await asyncio.wait_for(running, 10)
