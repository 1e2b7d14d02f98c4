"""What AWS, or the way to it, did wrong: one exception of ours, raised at the client boundary with its cause."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from schemas.errors import JobferryError

# An answer that was cut off or garbled on its way ends in a parser's KeyError or ValueError, GarbledAnswerError and
# UnicodeDecodeError among them, or in a ResponseParserError, which is no BotoCoreError; credentials that have ended as
# soon as they are renewed, as a role's endpoint in trouble may hand them out, in a RuntimeError [botocore,
# RefreshableCredentials].
_ON_THE_WAY = (BotoCoreError, OSError, ValueError, KeyError, RuntimeError, ResponseParserError)


class AwsError(JobferryError):
    """A call to AWS failed: it was refused, or no whole answer came.

    `code` is AWS's own, or the name of what the SDK raised; `status` is HTTP's, where there was an answer.
    """

    def __init__(
        self, message: str | None = None, code: str = "", status: int | None = None, answer: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.answer = answer


class aws_errors:
    """Around one call and the reading of its answer, and nothing else: a bug of ours must not pass for AWS's fault.

    Raises AwsError, with what the SDK raised as its cause.
    """

    # A class, since each call goes through it, and a generator costs three times as much.
    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, ClientError):
            refusal = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            raise AwsError(str(error), refusal.get("Code", ""), status, error.response) from error
        if error is not None and isinstance(error, _on_the_way()):
            name = type(error).__name__
            raise AwsError(str(error) or name, name) from error


def _on_the_way() -> tuple[type[Exception], ...]:
    """With those of aiohttp, which only who has imported it can meet: a command that asks once does without it."""
    aiohttp = sys.modules.get("aiohttp")
    return (*_ON_THE_WAY, aiohttp.ClientError) if aiohttp else _ON_THE_WAY


class answered:
    """Where an error of one of these codes is an answer like another: the block ends there, and nothing is raised."""

    __slots__ = ("_codes",)

    def __init__(self, *codes: str) -> None:
        self._codes = codes

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        return isinstance(error, AwsError) and error.code in self._codes
