"""Who called what: a line of JSON for each call to the embedded AWS, so that roles can be held to what they use.

Whoever calls by HTTP signs with the name of the role that AWS would lend it, in the place of an access key. What a
service does in the name of a role, or of its own, is told by whatever does it here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import IO, Any, Protocol

from ministack import app
from ministack.core.iam_actions import extract_iam_action
from ministack.core.router import detect_service, extract_access_key_id
from ministack.services import eventbridge
from ministack.services import stepfunctions as sfn

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import Response
from deploy.local.fills.role_credentials import role_name
from deploy.local.fills.runs import CURRENT

# The members of a request that name a resource; the others, task tokens among them, are nobody's business.
NAMING = frozenset(
    {
        "IndexName",
        "QueueUrl",
        "TableName",
        "TopicArn",
        "cluster",
        "executionArn",
        "logGroupName",
        "logStreamName",
        "prefix",
        "stateMachineArn",
        "task",
        "taskDefinition",
        "tasks",
    }
)


class Tell(Protocol):
    """Hears of a call that was made in somebody's name; `context` are the condition keys that a policy may ask for."""

    def __call__(self, by: str, action: str, resource: str, /, **context: str) -> None:
        """Hear of one call."""


def nobody(_by: str, _action: str, _resource: str, /, **_context: str) -> None:
    """Where nobody wants to know."""


class CallLog:
    """Writes down every call of an emulator."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def install(self) -> None:
        """Listen to every request, to every function that a state machine calls, and to every event on its way."""
        replace(app, "_dispatch_service_request", self._listening(app._dispatch_service_request))
        replace(sfn, "_call_lambda", self._invoking(sfn._call_lambda))
        replace(eventbridge, "_invoke_target", self._delivering(eventbridge._invoke_target))

    def tell(self, by: str, action: str, resource: str, /, **context: str) -> None:
        """Write down a call that went through no request."""
        self._write({"by": role_name(by), "action": action, "resource": resource, "context": context})

    def _write(self, call: Mapping[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(call) + "\n")
            self._file.flush()

    def _listening(self, plain: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        async def dispatch(
            method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any], request_id: str
        ) -> Response:
            self._write(call_of(method, path, headers, body, query))
            return await plain(method, path, headers, body, query, request_id)

        return dispatch

    def _invoking(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def invoke(function: str, event: Any) -> Any:
            self.tell(role_of_machine(), "lambda:InvokeFunction", function)
            return plain(function, event)

        return invoke

    def _delivering(self, plain: Callable[..., None]) -> Callable[..., None]:
        def deliver(target: Mapping[str, Any], event: Any, rule: Mapping[str, Any], *rest: Any, **named: Any) -> None:
            source = {"aws:SourceArn": str(rule["Arn"])}
            self.tell("events.amazonaws.com", "sqs:SendMessage", str(target["Arn"]), **source)
            plain(target, event, rule, *rest, **named)

        return deliver


def call_of(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> dict[str, Any]:
    """A request as its caller's policy sees it, with those members that name a resource."""
    routing = app._routing_params(method, path, headers, body, query)
    service = detect_service(method, path, headers, routing)
    return {
        "by": extract_access_key_id(headers, query),
        "action": extract_iam_action(service, method, path, headers, body, routing) or f"{service}:{method}",
        "path": path,
        "request": {name: value for name, value in members_of(headers, body, routing) if name in NAMING},
    }


def members_of(headers: Mapping[str, str], body: bytes, routing: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The members of a request, whether it is JSON or a form; an object on its way to S3 is neither."""
    if "x-amz-target" in headers and body:
        members = json.loads(body)
        yield from members.items()
        # A batch names its table as the key of what it asks there [DynamoDB API, BatchGetItem].
        yield from (("TableName", table) for table in members.get("RequestItems", ()))
    else:
        yield from ((name, values[0]) for name, values in routing.items() if values)


def role_of_machine() -> str:
    """The role in whose name the execution of this thread acts."""
    run = CURRENT.get()
    assert run is not None, "a state machine's calls are made on its execution's thread"
    return str(sfn._state_machines[run.execution["stateMachineArn"]]["roleArn"])
