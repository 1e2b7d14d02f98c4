"""How the adapter tests reach their AWS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

REGION = "us-east-1"
ACCOUNT = "123456789012"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

Client = Any
Connect = Callable[[str], Awaitable[Client]]


@contextmanager
def answering(client: Client, operation: str, *answers: object) -> Iterator[list[dict[str, Any]]]:
    """Let a client's operation answer so, once each, without a call: what moto cannot be brought to say.

    An answer is the parsed response, or an exception to raise. Yields the parameters of the calls made.
    """
    event = f"provide-client-params.*.{operation}"
    left, asked = list(answers), []

    def note(params: dict[str, Any], **_: object) -> None:
        asked.append(params)

    def answer(**_: object) -> tuple[object, object] | None:
        if not left:
            return None
        given = left.pop(0)
        if isinstance(given, Exception):
            raise given
        return _Http(), given

    client.meta.events.register(event, note)
    client.meta.events.register(f"before-call.*.{operation}", answer)
    try:
        yield asked
    finally:
        client.meta.events.unregister(event, note)
        client.meta.events.unregister(f"before-call.*.{operation}", answer)


class _Http:
    status_code = 200


def refusal(code: str, operation: str = "Operation", status: int = 400) -> ClientError:
    """The error that a client raises when AWS answers with this code."""
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
