"""What cannot be an answer of AWS, whatever its HTTP status: cut off or changed on its way, or a proxy's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from service.aws.errors import AwsError

_SUCCESSFUL = range(200, 300)


class GarbledAnswerError(AwsError):
    """What came is no answer of AWS; whether the call had its effect is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="GarbledAnswer")


def refuse_garbled(client: Any) -> None:
    """Let a client of a JSON service raise GarbledAnswerError where botocore would take nonsense for an empty answer.

    Its parser reads a text that is no JSON as an answer without members [botocore, parsers.py]: half a page of messages
    as none, half a record as none. An empty body stays one: some operations answer with nothing.
    """
    if client.meta.service_model.resolved_protocol == "json":
        client.meta.events.register("before-parse", _refuse)


def _refuse(response_dict: Mapping[str, Any], **_: object) -> None:
    body, succeeded = response_dict["body"], response_dict["status_code"] in _SUCCESSFUL
    if not body:
        return
    try:
        answer = json.loads(body)
    except ValueError:
        if succeeded:
            raise GarbledAnswerError("the answer is no JSON") from None
        return  # A proxy's page; its status tells enough.
    if not isinstance(answer, dict):
        raise GarbledAnswerError(f"the answer is JSON, but no object: {type(answer).__name__}")
    if succeeded and "__type" in answer:
        raise GarbledAnswerError(f"the answer is an error: {str(answer['__type'])[:100]!a}")
