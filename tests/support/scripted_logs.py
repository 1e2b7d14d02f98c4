"""A CloudWatch Logs client that plays a script, and an S3 that keeps only what a receipt can be held against."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

from service.clock import wall_clock
from tests.support.connecting import refusal

Events = list[dict[str, Any]]


def lines(*messages: str, at: float = 1_700_000_000.0) -> Events:
    """Log events a millisecond apart."""
    return [{"timestamp": int(at * 1000) + number, "message": each} for number, each in enumerate(messages)]


def arriving(*messages: str, at: float = 1_700_000_000.0) -> Callable[[], Events]:
    """Log events that CloudWatch takes in just before they are read, whatever time they bear."""
    return lambda: [{**event, "ingestionTime": int(1000 * wall_clock())} for event in lines(*messages, at=at)]


class ScriptedLogs:
    """Answers one GetLogEvents after the other: events, `same` (no events, the token as sent), or `missing`.

    After its end the script goes on with `same`. As in CloudWatch, a page with a new token may be empty.
    """

    missing, same = "missing", "same"

    def __init__(self, *script: Events | str | Callable[[], Events]) -> None:
        self._script = deque(script)
        self.asked: list[dict[str, Any]] = []

    async def get_log_events(self, **request: Any) -> dict[str, Any]:
        """The next page."""
        self.asked.append(request)
        answer = self._script.popleft() if self._script else self.same
        if answer == self.missing:
            raise refusal("ResourceNotFoundException")
        if answer == self.same:
            return {"events": [], "nextForwardToken": request.get("nextToken", "f/0")}
        events = answer() if callable(answer) else answer
        return {"events": events, "nextForwardToken": f"f/{len(self.asked)}"}


class KeptObjects:
    """An S3 client that holds each object's bytes, or with `whole=False` only their digest and count."""

    def __init__(self, *, whole: bool = True) -> None:
        self.bodies: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self._whole = whole
        self._digests: dict[str, Any] = {}

    async def put_object(self, *, Key: str, Body: bytes, **_: object) -> dict[str, str]:
        """A small object."""
        self._take(Key, Body)
        return {"ETag": "e"}

    async def create_multipart_upload(self, **_: object) -> dict[str, str]:
        """A large one is begun."""
        return {"UploadId": "u"}

    async def upload_part(self, *, Key: str, Body: bytes, **_: object) -> dict[str, str]:
        """A part of it."""
        self._take(Key, Body)
        return {"ETag": "e"}

    async def complete_multipart_upload(self, **_: object) -> dict[str, str]:
        """It is whole."""
        return {}

    def sha256(self, key: str) -> str:
        """Of all that was written under a key."""
        return str(self._digests[key].hexdigest())

    def _take(self, key: str, body: bytes) -> None:
        self.sizes[key] = self.sizes.get(key, 0) + len(body)
        self._digests.setdefault(key, hashlib.sha256()).update(body)
        if self._whole:
            self.bodies[key] = self.bodies.get(key, b"") + body
