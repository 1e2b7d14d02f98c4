"""S3: put and get small objects, stream large ones, and sign links."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from schemas.errors import JobferryError
from service.aws.errors import AwsError, aws_errors
from service.clock import Clock, wall_clock
from service.memory import Share

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

# Parts are of 5 MiB at least, but the last, and 10,000 at most [botocore]: 8 MiB parts carry 80 GB.
PART_BYTES = 8 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
# A log is data, whatever it holds: shown as text by a browser, never as a page.
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
GZIP = "application/gzip"


class ObjectTooLargeError(JobferryError):
    """The object is larger than the reader is willing to take."""


@dataclass(frozen=True)
class SignedLink:
    """A presigned URL and the moment, in epoch seconds, until which it truly works."""

    url: str
    expires_at: float


@dataclass(frozen=True)
class Objects:
    """S3 as far as Jobferry needs it."""

    client: S3Client
    credentials: Any  # aiobotocore's credentials, whose expiry bounds every link's; it has no public type.
    now: Clock = wall_clock

    async def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Write a small object."""
        with aws_errors():
            answer = await self.client.put_object(
                Bucket=bucket, Key=key, Body=body, ContentType=content_type, ContentDisposition=_disposition(key)
            )
            _ = answer["ETag"]  # Or it was not S3 that answered, and a link to the object would be dead.

    async def get(self, bucket: str, key: str, at_most: int) -> bytes:
        """Read an object of at most so many bytes.

        Raises ObjectTooLargeError, and AwsError with the code `NoSuchKey` where there is none.
        """
        with aws_errors():
            answer = await self.client.get_object(Bucket=bucket, Key=key)
            async with answer["Body"] as stream:
                if answer["ContentLength"] > at_most:
                    raise ObjectTooLargeError(f"{answer['ContentLength']:,} bytes")
                return await stream.read()

    async def chunks(self, bucket: str, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read an object of any size, piece by piece: all of it, or from a byte on until before another."""
        some: Any = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
        with aws_errors():
            answer = await self.client.get_object(Bucket=bucket, Key=key, **some)
        async with answer["Body"] as body:
            while True:
                with aws_errors():
                    piece = await body.read(_PIECE_BYTES)
                if not piece:
                    return
                yield piece

    async def stream(self, bucket: str, key: str, chunks: AsyncIterator[bytes], held: Share) -> None:
        """Write an object of any size, of which a part at the most waits to be sent.

        The bytes of the chunks are in `held` when they come, and no more once they are sent.
        """
        parts = _in_parts(chunks)
        first = await anext(parts, b"")
        if len(first) < PART_BYTES:
            async with _sending(first, held):
                await self.put(bucket, key, first, TEXT)
            return
        with aws_errors():
            upload = await self.client.create_multipart_upload(
                Bucket=bucket, Key=key, ContentType=TEXT, ContentDisposition=_disposition(key)
            )
            where = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"]}
        async with AsyncExitStack() as unfinished:
            unfinished.push_async_callback(self._abort, where)
            done = [await self._part(where, 1, first, held)]
            del first  # Each part is let go before the next one is gathered.
            async for part in parts:
                done.append(await self._part(where, len(done) + 1, part, held))
                del part
            with aws_errors():
                await self.client.complete_multipart_upload(**where, MultipartUpload={"Parts": done})  # type: ignore[arg-type]  # a dict of three strings
            unfinished.pop_all()

    async def _abort(self, where: dict[str, str]) -> None:
        """What is not aborted is kept, and billed, until the bucket's lifecycle clears it away."""
        with suppress(AwsError), aws_errors():  # Credentials that ended do for both; why the upload failed counts.
            await self.client.abort_multipart_upload(**where)  # type: ignore[arg-type]  # a dict of three strings

    async def _part(self, where: dict[str, str], number: int, body: bytes, held: Share) -> CompletedPartTypeDef:
        async with _sending(body, held):
            with aws_errors():
                answer = await self.client.upload_part(**where, PartNumber=number, Body=body)  # type: ignore[arg-type]  # as above
                return {"PartNumber": number, "ETag": answer["ETag"]}

    async def link(self, bucket: str, key: str, seconds: int) -> SignedLink:
        """A presigned GET link. One signed by a role dies with the role's session, so its expiry says the sooner."""
        wanted = datetime.fromtimestamp(self.now() + seconds, UTC)
        credentials_end = await self._credentials_end()
        expires = min(wanted, credentials_end) if credentials_end else wanted
        with aws_errors():
            url = await self.client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds
            )
        return SignedLink(url, expires.timestamp())

    async def _credentials_end(self) -> datetime | None:
        """When the session of our credentials ends; None for keys that do not."""
        if self.credentials is None or not hasattr(self.credentials, "_expiry_time"):
            return None
        # Refreshes them if they are about to end, so that the link is signed by those whose end we tell.
        with aws_errors():
            await self.credentials.get_frozen_credentials()
        end = self.credentials._expiry_time
        return end if isinstance(end, datetime) else None


def _disposition(key: str) -> str:
    """Shown in the browser, and saved under the key's last segment, whose alphabet needs no quoting (log_layout)."""
    return f'inline; filename="{key.rpartition("/")[2]}"'


@asynccontextmanager
async def _sending(body: bytes, held: Share) -> AsyncIterator[None]:
    """Room for the transport's own copy of what it sends; both are gone when it is sent."""
    await held.take(len(body))
    try:
        yield
    finally:
        held.give_back(2 * len(body))


async def _in_parts(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks joined into parts of PART_BYTES; the last may be smaller."""
    part = io.BytesIO()
    async for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            rest = rest[part.write(rest[: PART_BYTES - part.tell()]) :]
            if part.tell() == PART_BYTES:
                yield part.getvalue()
                part = io.BytesIO()
    if part.tell():
        yield part.getvalue()
