"""Small objects put, and links signed, in the shorter way beside botocore's own: over HTTP, and byte for byte."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from service.aws import quick_objects as module
from service.aws.quick_objects import QuickObjects, quick_objects
from tests.integration.test_quick_calls import (
    MOMENT,
    Answer,
    Bytes,
    Rotating,
    Service,
    client_of,
    outcome,
    signatures_in,
)
from tests.integration.test_quick_calls import service as service
from tests.integration.test_quick_calls import still as still

WAYS: tuple[Callable[[Any], Any], ...] = (lambda client: client, quick_objects)
PUT: dict[str, Any] = {
    "Bucket": "logs",
    "Key": "jobs/a b/größe+~(1)/x.log",
    "Body": "one line\nüç\n".encode(),
    "ContentType": "text/plain; charset=utf-8",
    "ContentDisposition": 'inline; filename="x.log"',
}
TAKEN = Bytes(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nx-amz-request-id: r\r\ncontent-length: 0\r\n\r\n', "open")
REFUSED: Answer = (403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>", {})
SLOWER: Answer = (503, b"<Error><Code>SlowDown</Code><Message>slower</Message></Error>", {})
PLACES = [{"addressing_style": "path"}, {"addressing_style": "virtual"}]


@pytest.fixture(autouse=True)
def same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One moment for all signatures."""
    monkeypatch.setattr(module, "get_current_datetime", lambda: MOMENT)


def _of(style: dict[str, str]) -> AioConfig:
    retries: Any = {"mode": "standard", "max_attempts": 2}
    return AioConfig(user_agent="jobferry", signature_version="v4", retries=retries, read_timeout=5, s3=style)


@pytest.fixture
async def clients(session: AioSession) -> AsyncIterator[Callable[..., Any]]:
    """Opens a client of AWS itself, which is not asked."""
    async with AsyncExitStack() as stack:

        async def opened(way: Callable[[Any], Any], **more: Any) -> Any:
            return await stack.enter_async_context(client_of(Service(), session, "s3", way, **more))

        yield opened


@pytest.mark.parametrize("body", [PUT["Body"], b"", b"x" * 100_000])
@pytest.mark.parametrize("token", [None, "session/token=="])
async def test_an_object_is_put_by_the_same_request(
    service: Service, session: AioSession, token: str | None, body: bytes
) -> None:
    """Headers, their order, checksum, signature and body; but it does not wait to be told to go on."""
    service.answers = [TAKEN]
    for way in WAYS:
        more = {"aws_session_token": token, "config": _of(PLACES[0])}
        async with client_of(service, session, "s3", way, **more) as client:
            for _ in range(2):
                assert (await client.put_object(**{**PUT, "Body": body}))["ETag"] == '"e"'
    theirs, again, ours, anew = [re.sub(r"invocation-id: \S+", "", request) for request in service.requests]
    assert "Signature=" in theirs
    assert (
        ours == anew == theirs.replace("Expect: 100-continue\r\n", "") == again.replace("Expect: 100-continue\r\n", "")
    )


@pytest.mark.parametrize("style", PLACES)
@pytest.mark.parametrize("token", [None, "session/token=="])
async def test_a_link_is_signed_alike(clients: Callable[..., Any], style: dict[str, str], token: str | None) -> None:
    """Wherever a bucket is, and whoever signs."""
    links = []
    for way in WAYS:
        client = await clients(way, endpoint_url=None, aws_session_token=token, config=_of(style))
        for key in ("jobs/x.log", PUT["Key"]):
            params = {"Bucket": "logs", "Key": key}
            links.append(await client.generate_presigned_url("get_object", Params=params, ExpiresIn=900))
    assert links[2:] == links[:2]
    assert "X-Amz-Signature=" in links[0]


async def test_a_link_of_another_kind_is_botocores(clients: Callable[..., Any]) -> None:
    """To put an object, or to read a version of one."""
    theirs, ours = [await clients(way, endpoint_url=None, config=_of(PLACES[1])) for way in WAYS]
    for operation, more in (("put_object", {}), ("get_object", {"VersionId": "v"})):
        params = {"Bucket": "logs", "Key": "k", **more}
        links = [
            await client.generate_presigned_url(operation, Params=params, ExpiresIn=9) for client in (theirs, ours)
        ]
        assert links[0] == links[1]


@pytest.mark.parametrize(
    "said",
    [
        [REFUSED],
        [SLOWER],
        [SLOWER, SLOWER, TAKEN],
        [Bytes(b""), TAKEN],
        [Bytes(b"", "reset"), TAKEN],
        [Bytes(b"")],
        [(404, b"<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>", {})],
        [(200, b"<html>", {}), TAKEN],
        [Bytes(b"SSH-2.0-OpenSSH_9.2\r\n")],
    ],
)
async def test_what_is_no_success_is_botocores_to_judge(
    service: Service, session: AioSession, said: list[Answer | Bytes]
) -> None:
    """Its exceptions, after its tries; ours comes before them."""
    call = ("s3", "put_object", PUT)
    ours, tries = await outcome(service, session, quick_objects, call, said[0], *said, config=_of(PLACES[0]))
    theirs, their_tries = await outcome(service, session, WAYS[0], call, *said, config=_of(PLACES[0]))
    if isinstance(theirs, dict):
        assert ours["ETag"] == theirs["ETag"]
    else:
        assert ours == theirs
    assert [request.partition("\r\n\r\n")[2] for request in tries[1:]] == [
        request.partition("\r\n\r\n")[2] for request in their_tries
    ]


@pytest.mark.parametrize(
    "more",
    [{"Body": b"x" * (256 * 1024 + 1)}, {"Tagging": "a=b"}, {"ContentType": "a\r\nb: c"}],
    ids=["large", "more is asked", "a header of two lines"],
)
async def test_what_is_no_small_object_is_botocores(
    service: Service, session: AioSession, more: dict[str, Any]
) -> None:
    """Which also says what cannot be sent."""
    call = ("s3", "put_object", {**PUT, **more})
    theirs, ours = [await outcome(service, session, way, call, TAKEN, config=_of(PLACES[0])) for way in WAYS]
    assert ours == theirs


async def test_each_object_is_signed_with_the_credentials_of_its_moment(service: Service, session: AioSession) -> None:
    """As botocore signs it, byte for byte: also the key of the day is derived anew."""
    signed = []
    for way in WAYS:
        service.answers, service.requests = [TAKEN], []
        async with client_of(service, session, "s3", way, config=_of(PLACES[0])) as client:
            client._request_signer._credentials = Rotating(service)
            for _ in range(3):
                await client.put_object(**PUT)
        signed.append(signatures_in(service.requests))
    assert signed[0] == signed[1]
    assert len({str(lines) for lines in signed[1]}) == 3


async def test_the_next_day_has_another_key(
    service: Service, session: AioSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker lives for weeks."""
    signed = []
    for way in WAYS:
        service.answers, service.requests = [TAKEN], []
        async with client_of(service, session, "s3", way, config=_of(PLACES[0])) as client:
            for day in range(2):
                at = MOMENT + timedelta(days=day)
                for place in ("service.aws.quick_objects.get_current_datetime", "botocore.auth.get_current_datetime"):
                    monkeypatch.setattr(place, lambda at=at: at)
                await client.put_object(**PUT)
        signed.append([re.findall(r"Credential=\S+|Signature=\w+", request) for request in service.requests])
    assert signed[0] == signed[1]


async def test_one_connection_carries_one_object_after_another(service: Service, session: AioSession) -> None:
    """And no key of theirs is kept."""
    service.answers = [TAKEN]
    async with client_of(service, session, "s3", quick_objects, config=_of(PLACES[0])) as client:
        for number in range(5):
            await client.put_object(**{**PUT, "Key": f"k{number}"})
        assert len(client.connections._ways) == 1
    assert service.connections == 1


async def test_through_a_proxy_botocore_sends(service: Service, session: AioSession) -> None:
    """It knows how."""
    proxied = AioConfig(signature_version="v4", proxies={"http": "http://127.0.0.1:1"})
    async with client_of(service, session, "s3", quick_objects, config=proxied) as client:
        assert not isinstance(client, QuickObjects)
