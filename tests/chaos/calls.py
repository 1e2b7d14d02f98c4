"""What an HTTP request asks of AWS, and how AWS refuses: the protocols, as far as a proxy must know them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from service.core.record.keys import RecordKey

_SERVICES = {
    "AmazonSQS": "sqs",
    "DynamoDB_20120810": "dynamodb",
    "AWSStepFunctions": "states",
    "AmazonEC2ContainerServiceV20141113": "ecs",
    "Logs_20140328": "logs",
}
_THROTTLES = {
    "sqs": "RequestThrottled",
    "dynamodb": "ProvisionedThroughputExceededException",
    "sns": "Throttling",
    "s3": "SlowDown",
}
LINK = "link"


@dataclass(frozen=True)
class Call:
    """One call: of which service, what, by which worker, and with what."""

    service: str
    operation: str
    caller: str
    body: bytes

    @property
    def request(self) -> Any:
        """The request of a JSON service."""
        return json.loads(self.body or b"{}")

    @property
    def is_a_wish(self) -> bool:
        """Whether it notes what somebody asked for of a job."""
        if self.operation != "UpdateItem":
            return False
        register = self.request.get("ExpressionAttributeNames", {}).get("#register", "")
        return bool(register.startswith("r#cancel#") or register == "r#redrive")

    @property
    def is_for_a_turn(self) -> bool:
        """Whether it takes a turn at what one worker does for all, which is about no message and before the first."""
        return self.operation == "UpdateItem" and RecordKey.read(self.request["Key"]["record_key"]["S"]).kind == "turn"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_call(caller: str, method: str, headers: Mapping[str, str], body: bytes) -> Call:
    """What a request asks. S3's operations go by their method; a presigned link has no signature there."""
    target = headers.get("X-Amz-Target", "")
    if target:
        prefix, _, operation = target.partition(".")
        return Call(_SERVICES.get(prefix, prefix), operation, caller, body)
    if "Authorization" not in headers:
        return Call("s3", LINK, caller, body)
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return Call("sns", form_of(body).get("Action", ""), caller, body)
    return Call("s3", f"{method.capitalize()}Object", caller, body)


def form_of(body: bytes) -> dict[str, str]:
    """The members of a query-protocol request."""
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}


def throttled(call: Call) -> Answer:
    """The service's own word for too many calls."""
    status = 503 if call.service == "s3" else 400
    return refused(call, status, _THROTTLES.get(call.service, "ThrottlingException"), "Rate exceeded")


def failed(call: Call, status: int) -> Answer:
    """A fault of the service."""
    return refused(call, status, "ServiceUnavailable" if status == 503 else "InternalFailure", "The drill says no")


def refused(call: Call, status: int, code: str, message: str) -> Answer:
    """An error, in the form of the call's protocol."""
    if call.service == "s3":
        return Answer(status, _XML, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())
    if call.service == "sns":
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return Answer(status, _XML, f"<ErrorResponse>{error}<RequestId>drill</RequestId></ErrorResponse>".encode())
    return Answer(status, _JSON, json.dumps({"__type": code, "message": message}).encode())


_XML = {"Content-Type": "text/xml"}
_JSON = {"Content-Type": "application/x-amz-json-1.0"}
