"""The errors that clients raise."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


class ExecutionAlreadyExists(ClientError):  # AWS's own name
    """Step Functions: the name is taken."""


class ExecutionDoesNotExist(ClientError):  # AWS's own name
    """Step Functions: there is no such execution, or not yet where one looks."""


class ResourceNotFoundException(ClientError):
    """CloudWatch Logs: there is no such group or stream, or not yet."""


class ConditionalCheckFailedException(ClientError):
    """DynamoDB: the condition of a write does not hold."""


class Exceptions:
    """`client.exceptions`."""

    ExecutionAlreadyExists = ExecutionAlreadyExists
    ExecutionDoesNotExist = ExecutionDoesNotExist
    ResourceNotFoundException = ResourceNotFoundException
    ConditionalCheckFailedException = ConditionalCheckFailedException


_CLASSES = {item.__name__: item for item in vars(Exceptions).values() if isinstance(item, type)}


def refusal(code: str, message: str = "", *, status: int = 400, **more: Any) -> ClientError:
    """What a client raises where AWS says no."""
    answer: Any = {"Error": {"Code": code, "Message": message or code}, **more}
    answer["ResponseMetadata"] = {"HTTPStatusCode": status}
    refused: ClientError = _CLASSES.get(code, ClientError)(answer, "Operation")
    return refused
