"""The errors that clients raise."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


def refusal(code: str, message: str = "", *, status: int = 400, **more: Any) -> ClientError:
    """What a client raises where AWS says no."""
    answer: Any = {"Error": {"Code": code, "Message": message or code}, **more}
    answer["ResponseMetadata"] = {"HTTPStatusCode": status}
    return ClientError(answer, "Operation")
