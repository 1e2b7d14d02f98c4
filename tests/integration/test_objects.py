"""S3 by moto: small objects, streams of any size, links that open until they say."""

from __future__ import annotations

import asyncio
import tracemalloc
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from service.aws.errors import AwsError
from service.aws.objects import PART_BYTES, TEXT, Objects, ObjectTooLargeError
from tests.support.connecting import Client, Connect, answering, refusal
from tests.support.room import a_share
from tests.support.waiting import WITHIN_SECONDS, eventually

MIB = 1024 * 1024


@pytest.fixture
async def objects(connect: Connect) -> Objects:
    """S3, with keys that never end."""
    return Objects(await connect("s3"), credentials=None)


@pytest.fixture
async def bucket(objects: Objects, name: str) -> str:
    """An empty bucket."""
    await objects.client.create_bucket(Bucket=name)
    return name


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    """These pieces, one after the other."""
    for piece in pieces:
        yield piece


async def unfinished(objects: Objects, bucket: str) -> list[Any]:
    """Multipart uploads that were begun and neither completed nor aborted; those are billed, unseen."""
    return cast("list[Any]", (await objects.client.list_multipart_uploads(Bucket=bucket)).get("Uploads", []))


async def test_what_was_put_is_got(objects: Objects, bucket: str) -> None:
    """A small object, as text."""
    await objects.put(bucket, "a/b.json", "grüße".encode(), TEXT)
    assert (await objects.get(bucket, "a/b.json", at_most=100)).decode() == "grüße"


async def test_an_object_of_just_the_limit_is_taken_and_one_byte_more_is_not(objects: Objects, bucket: str) -> None:
    """Before its body is read."""
    await objects.put(bucket, "key", b"12345", TEXT)
    assert await objects.get(bucket, "key", at_most=5) == b"12345"
    with pytest.raises(ObjectTooLargeError, match="5 bytes"):
        await objects.get(bucket, "key", at_most=4)


async def test_a_missing_object_says_so(objects: Objects, bucket: str) -> None:
    """With the code that a pointer's rejection is worded by."""
    with pytest.raises(AwsError) as refused:
        await objects.get(bucket, "missing", at_most=5)
    assert (refused.value.code, refused.value.status) == ("NoSuchKey", 404)
    with pytest.raises(AwsError) as refused:
        await objects.get("no-such-bucket-anywhere", "missing", at_most=5)
    assert (refused.value.code, refused.value.status) == ("NoSuchBucket", 404)


@pytest.mark.parametrize("pieces", [(), (b"",), (b"one\n", b"two\n")], ids=["nothing", "empty", "lines"])
async def test_a_small_stream_is_one_object_shown_as_text(
    objects: Objects, bucket: str, pieces: tuple[bytes, ...]
) -> None:
    """No multipart upload for what fits into a part."""
    await objects.stream(bucket, "log", chunks(*pieces), a_share())
    answer = await objects.client.get_object(Bucket=bucket, Key="log")
    assert await answer["Body"].read() == b"".join(pieces)
    assert answer["ContentType"] == "text/plain; charset=utf-8"
    assert "-" not in answer["ETag"], "an ETag with a dash is a multipart upload's"


@pytest.mark.parametrize("extra", [-1, 0, 1, 5 * MIB], ids=["just below", "one part", "just above", "and a third"])
async def test_a_large_stream_arrives_whole(objects: Objects, bucket: str, extra: int) -> None:
    """Chunks of any size become parts that S3 takes, in order."""
    body = bytes(range(256)) * ((PART_BYTES + extra) // 256) + bytes((PART_BYTES + extra) % 256)
    pieces = chunks(*(body[at : at + 700_001] for at in range(0, len(body), 700_001)))
    await objects.stream(bucket, "log", pieces, a_share())
    answer = await objects.client.get_object(Bucket=bucket, Key="log")
    assert await answer["Body"].read() == body
    assert answer["ContentType"] == "text/plain; charset=utf-8"
    assert await unfinished(objects, bucket) == []


async def breaking(after: int, error: BaseException) -> AsyncIterator[bytes]:
    """Megabytes, and then an error."""
    for _ in range(after):
        yield bytes(MIB)
    raise error


async def test_a_stream_that_breaks_leaves_nothing_behind(objects: Objects, bucket: str) -> None:
    """Neither half an object nor an upload that nobody finishes; the error comes through."""
    with pytest.raises(ZeroDivisionError):
        await objects.stream(bucket, "log", breaking(20, ZeroDivisionError()), a_share())
    assert await unfinished(objects, bucket) == []
    assert "Contents" not in await objects.client.list_objects_v2(Bucket=bucket)


async def test_a_part_that_is_refused_aborts_the_upload(objects: Objects, bucket: str) -> None:
    """S3's own error comes through."""
    with (
        answering(objects.client, "UploadPart", refusal("SlowDown", status=503)),
        pytest.raises(Exception, match="Slow"),
    ):
        await objects.stream(bucket, "log", chunks(bytes(PART_BYTES), b"more"), a_share())
    assert await unfinished(objects, bucket) == []


async def test_an_upload_that_cannot_even_be_aborted_says_why_it_failed(objects: Objects, bucket: str) -> None:
    """A session that ends meanwhile refuses both, and a cancellation stays one; the bucket's lifecycle clears up."""
    for error in (ZeroDivisionError, asyncio.CancelledError):
        with (
            answering(objects.client, "AbortMultipartUpload", refusal("ExpiredToken")),
            pytest.raises(error),
        ):
            await objects.stream(bucket, "log", breaking(20, error()), a_share())


async def test_a_stream_that_is_cancelled_aborts_the_upload(objects: Objects, bucket: str) -> None:
    """At the end of a drain the archive of a large log is cut off."""
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(PART_BYTES)
        reached.set()
        await asyncio.Event().wait()
        yield b""

    streaming = asyncio.create_task(objects.stream(bucket, "log", endless(), a_share()))
    await eventually(reached.is_set)
    assert len(await unfinished(objects, bucket)) == 1
    streaming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await streaming
    assert await unfinished(objects, bucket) == []


class Swallowing:
    """An S3 client that takes uploads and keeps nothing of them."""

    def __init__(self) -> None:
        self.parts: list[int] = []
        self.numbers: list[int] = []
        self.completed: object = None

    async def create_multipart_upload(self, **_: object) -> dict[str, str]:
        return {"UploadId": "u"}

    async def upload_part(self, *, Body: bytes, PartNumber: int, **_: object) -> dict[str, str]:
        self.parts.append(len(Body))
        self.numbers.append(PartNumber)
        return {"ETag": f"e{PartNumber}"}

    async def complete_multipart_upload(self, *, MultipartUpload: dict[str, object], **_: object) -> dict[str, str]:
        self.completed = MultipartUpload["Parts"]
        return {}


async def test_the_memory_of_a_stream_does_not_grow_with_it() -> None:
    """A quarter of a gigabyte passes through little more than a part."""
    client = Swallowing()

    async def quarter_of_a_gigabyte() -> AsyncIterator[bytes]:
        for _ in range(256):
            yield bytes(MIB)

    tracemalloc.start()
    await Objects(cast(Client, client), None).stream("bucket", "key", quarter_of_a_gigabyte(), a_share())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert client.parts == [PART_BYTES] * (256 * MIB // PART_BYTES)
    assert peak < 3 * PART_BYTES


async def test_parts_are_of_one_size_whatever_the_chunks() -> None:
    """S3 takes ten thousand of them, and none below 5 MiB but the last."""
    client = Swallowing()
    await Objects(cast(Client, client), None).stream("bucket", "key", chunks(*[bytes(3 * MIB)] * 6), a_share())
    assert client.parts == [PART_BYTES, PART_BYTES, 2 * MIB]
    assert client.numbers == [1, 2, 3]
    assert client.completed == [{"PartNumber": number, "ETag": f"e{number}"} for number in (1, 2, 3)]


def opened(url: str) -> tuple[str, bytes]:
    """What a browser gets: the content type and the body."""
    with urllib.request.urlopen(url, timeout=WITHIN_SECONDS) as answer:
        return answer.headers["Content-Type"], answer.read()


async def test_a_link_opens_over_http(objects: Objects, bucket: str) -> None:
    """Without credentials, as text in UTF-8."""
    await objects.put(bucket, "jobs/a/logs/1-1/main-0.log", "grüße\n".encode(), TEXT)
    link = await objects.link(bucket, "jobs/a/logs/1-1/main-0.log", 60)
    kind, body = await asyncio.to_thread(opened, link.url)
    assert (kind, body.decode()) == ("text/plain; charset=utf-8", "grüße\n")
    left = link.expires_at - datetime.now(UTC).timestamp()
    assert 50 < left <= 60


@pytest.mark.parametrize("size", [0, PART_BYTES])
async def test_a_hostile_log_is_served_as_text(objects: Objects, bucket: str, size: int) -> None:
    """A page in a log is no page: of type text, of a name that cannot run, whether it was put whole or in parts."""
    page = b"<!doctype html><script>alert(document.domain)</script>\n" + b"\n" * size
    await objects.stream(bucket, "jobs/a/logs/1-1/main-0.log", chunks(page), a_share())
    link = await objects.link(bucket, "jobs/a/logs/1-1/main-0.log", 60)
    with await asyncio.to_thread(urllib.request.urlopen, link.url, timeout=WITHIN_SECONDS) as answer:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'inline; filename="main-0.log"'
        assert answer.read() == page


class RoleCredentials:
    """Credentials as aiobotocore holds a role's: they end, and are refreshed when asked for."""

    def __init__(self, *ends: datetime) -> None:
        self._ends = list(ends)
        self._expiry_time = ends[0]

    async def get_frozen_credentials(self) -> None:
        """Refresh, where there is a later session to have."""
        self._expiry_time = self._ends[-1]


async def test_a_roles_link_ends_with_the_roles_session(objects: Objects) -> None:
    """A presigned URL dies with the session that signed it, whatever it was asked to last [re:Post]."""
    end = datetime.now(UTC) + timedelta(hours=1)
    link = await replace(objects, credentials=RoleCredentials(end)).link("bucket", "key", 604_800)
    assert link.expires_at == end.timestamp()


async def test_a_link_is_told_by_the_refreshed_session(objects: Objects) -> None:
    """The expiry is that of the credentials that sign, not of those held before."""
    ending, fresh = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (1, 60))
    link = await replace(objects, credentials=RoleCredentials(ending, fresh)).link("bucket", "key", 604_800)
    assert link.expires_at == fresh.timestamp()


async def test_a_short_link_is_not_made_longer_by_a_long_session(objects: Objects) -> None:
    """The sooner of the two ends counts."""
    end = datetime.now(UTC) + timedelta(hours=12)
    link = await replace(objects, credentials=RoleCredentials(end)).link("bucket", "key", 60)
    assert link.expires_at < (datetime.now(UTC) + timedelta(seconds=61)).timestamp()


async def test_a_link_to_a_missing_object_is_refused(objects: Objects, bucket: str) -> None:
    """Signing asks nobody, so the test of a link is to open it."""
    link = await objects.link(bucket, "missing", 60)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        await asyncio.to_thread(opened, link.url)
