"""Task tokens: states that wait for SendTaskSuccess, SendTaskFailure and heartbeats.

Gaps in ministack 1.5.33: heartbeats reset nothing; an expired token, and one that was answered already, are unknown
rather than timed out.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import json_response
from ministack.services import stepfunctions as sfn

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import Json, Response, refused
from deploy.local.stepfunctions.task_states import CURRENT_ATTEMPT, WAIT_FOR_TOKEN, StateAttempt

CLOSED_KEPT = 10_000
LONGEST_OUTPUT = 262_144  # bytes (botocore, SensitiveData)


@dataclass
class Waiting:
    """A state that waits for its token. `outcome` gives the result or raises the failure."""

    attempt: StateAttempt
    outcome: Callable[[], Json] | None = None
    beat: float = field(default_factory=time.monotonic)

    def deadline(self) -> float:
        """When the state has waited too long, for its end or for a sign of life."""
        return min(self.attempt.deadline, self.beat + self.attempt.heartbeat)


def install() -> None:
    """Put our tokens in the place of the emulator's."""
    tokens = TaskTokens()
    tokens.plain = {
        name: replace(sfn, name, replacement)
        for name, replacement in (
            ("_send_task_success", tokens.succeed),
            ("_send_task_failure", tokens.fail),
            ("_send_task_heartbeat", tokens.heartbeat),
        )
    }
    replace(sfn, "_invoke_with_callback", tokens.call_and_wait)


class TaskTokens:
    """Every open token, and the closed ones that are still recognised."""

    def __init__(self) -> None:
        self.plain: dict[str, Callable[[Mapping[str, Any]], Response]] = {}
        self._open: dict[str, Waiting] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def call_and_wait(self, arn: str, arguments: Json, token: str, _state: Any) -> Json:
        """Call a resource that is handed the token, then wait until somebody answers with it.

        Raises:
            _ExecutionError: the call failed, the answer was a failure, or none came in time.
            ExecutionOverError: the execution ended meanwhile.
        """
        attempt = CURRENT_ATTEMPT.get()
        waiting = Waiting(attempt)
        with self._lock:
            self._open[token] = waiting
        try:
            attempt.submitted(sfn._invoke_resource(arn.replace(WAIT_FOR_TOKEN, ""), arguments))
            attempt.wait_until(lambda: waiting.outcome is not None, waiting.deadline)
        finally:
            self._close(token)
        assert waiting.outcome is not None
        return waiting.outcome()

    def succeed(self, request: Mapping[str, Any]) -> Response:
        """SendTaskSuccess."""
        output = request.get("output", "")
        if len(output.encode("utf-8", "surrogatepass")) > LONGEST_OUTPUT:
            return refused("ValidationException", "1 validation error detected: Value at 'output' is too long")
        try:
            result = json.loads(output)
        except ValueError as error:
            return refused("InvalidOutput", f"Invalid Output: '{error}'")
        return self._answer("_send_task_success", request, lambda: result)

    def fail(self, request: Mapping[str, Any]) -> Response:
        """SendTaskFailure. What it does not name has no name, and a Catch receives nulls (recorded by localstack)."""

        def failure() -> Json:
            raise sfn._ExecutionError(request.get("error"), request.get("cause"))

        return self._answer("_send_task_failure", request, failure)

    def heartbeat(self, request: Mapping[str, Any]) -> Response:
        """SendTaskHeartbeat."""
        waiting = self._open.get(request.get("taskToken", ""))
        if waiting is None:
            return self._not_open("_send_task_heartbeat", request)
        waiting.beat = time.monotonic()
        waiting.attempt.run.notify()
        response: Response = json_response({})
        return response

    def _answer(self, action: str, request: Mapping[str, Any], outcome: Callable[[], Json]) -> Response:
        waiting = self._close(request.get("taskToken", ""))
        if waiting is None:
            return self._not_open(action, request)
        waiting.outcome = outcome
        waiting.attempt.run.notify()
        response: Response = json_response({})
        return response

    def _close(self, token: str) -> Waiting | None:
        with self._lock:
            waiting = self._open.pop(token, None)
            if waiting is not None:
                self._closed[token] = None
            while len(self._closed) > CLOSED_KEPT:
                self._closed.popitem(last=False)
        return waiting

    def _not_open(self, action: str, request: Mapping[str, Any]) -> Response:
        token = request.get("taskToken", "")
        if token in self._closed:
            return refused("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        if sfn._task_tokens.get(token):  # an activity's
            return self.plain[action](request)
        return refused("InvalidToken", "Invalid Token: 'Invalid token'")
