"""S3: objects, whole or not at all; and links, which die with the session of whoever signed them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.support.aws.errors import refusal
from tests.support.aws.sqs import Calls
from tests.support.names import moment

_SESSION_SECONDS = 3600.0
# [botocore, RefreshableCredentials]
_RENEWED_BEFORE_SECONDS = 900.0


class SimBucket:
    """All objects, by bucket and key."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.on_put: Callable[[str, str, bytes], None] = lambda bucket, key, content: None

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store an object, over one of the same name."""
        self.objects[bucket, key] = content
        self.on_put(bucket, key, content)

    def get(self, bucket: str, key: str) -> bytes:
        """An object's content. Raises NoSuchKey where there is none."""
        if (bucket, key) not in self.objects:
            raise refusal("NoSuchKey", status=404)
        return self.objects[bucket, key]


class SimSession:
    """The worker's role: credentials that end, and are renewed a while before. The first ones are not fresh."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.ends_at = _SESSION_SECONDS / 3
        self._clock = clock

    @property
    def _expiry_time(self) -> datetime:
        return moment(self.ends_at)

    async def get_frozen_credentials(self) -> None:
        """As botocore does before it signs."""
        if self.ends_at - self._clock() < _RENEWED_BEFORE_SECONDS:
            self.ends_at = self._clock() + _SESSION_SECONDS

    async def signs_until(self, seconds: float) -> float:
        """When a link ends that is signed now, for so long."""
        await self.get_frozen_credentials()
        return min(self._clock() + seconds, self.ends_at)


class _Body:
    """The stream that GetObject answers with."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aenter__(self) -> _Body:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def read(self, amount: int | None = None) -> bytes:
        return self._content[:amount]


class S3Client:
    """The calls of aiobotocore's S3 client."""

    def __init__(self, calls: Calls, bucket: SimBucket, session: SimSession | None = None) -> None:
        self.session = session
        self._calls = calls
        self._bucket = bucket

    async def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_: Any) -> Any:
        await self._calls.call("s3.PutObject", lambda: self._bucket.put(Bucket, Key, bytes(Body)), about=Key)
        return {"ETag": "e"}

    async def get_object(self, *, Bucket: str, Key: str) -> Any:
        content = await self._calls.call("s3.GetObject", lambda: self._bucket.get(Bucket, Key), about=Key)
        return {"Body": _Body(content), "ContentLength": len(content)}

    async def generate_presigned_url(self, operation: str, *, Params: Any, ExpiresIn: int) -> str:
        url = f"https://s3.sim/{Params['Bucket']}/{Params['Key']}?X-Amz-Expires={ExpiresIn}"
        return f"{url}&works-until={await self.session.signs_until(ExpiresIn)}" if self.session else url
