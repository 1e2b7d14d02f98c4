"""What the proxy saw of each announcement: whether a second copy of it can be excused.

Between SNS's answer and our note of it lies the one window in which a crash makes a second copy. So a job is excused
if trouble met its claim, its publication or its note; if its worker died between the first and the last of them; or if
they took longer than the claim holds. Two copies of any other announcement mean that two workers were at it at once.

It sees stops that come late, too: StopExecution names no run, so one that was meant for the run before a redrive ends
what was redriven, and the workers redrive that once more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from service.core.record.keys import RecordKey
from tests.chaos.calls import Call, form_of

_REGISTER = "r#"
_CLAIM = "claim#announce#"
_NOTE = "announced#"


@dataclass
class Witness:
    """Told of every call by the proxy, in its thread; asked at the end."""

    claim_seconds: float
    excused: set[str] = field(default_factory=set)
    late_stops: Counter[str] = field(default_factory=Counter)
    _redriven: set[str] = field(default_factory=set)
    _claimed: dict[tuple[str, str], float] = field(default_factory=dict)

    def saw(self, call: Call, began: float, ended: float, *, troubled: bool) -> None:
        """A call of a worker, and whether any fault met it."""
        self._see_late_stop(call)
        for step, subject in _steps(call):
            if troubled:
                self.excused.add(subject)
            self._follow(step, subject, call.caller, began, ended)

    def saw_die(self, caller: str) -> None:
        """A worker died: what it had claimed and not noted yet may be announced by another, too."""
        self.excused.update(subject for name, subject in self._claimed if name == caller)

    def saw_begin(self, call: Call) -> None:
        """A call of a worker, before it has any effect."""
        if call.operation == "RedriveExecution":
            self._redriven.add(_execution_of(call))

    def _see_late_stop(self, call: Call) -> None:
        if call.operation == "StopExecution" and _execution_of(call) in self._redriven:
            self.late_stops[_execution_of(call)] += 1

    def _follow(self, step: str, subject: str, caller: str, began: float, ended: float) -> None:
        claimed_at = self._claimed.get((caller, subject), began)
        if ended - claimed_at >= self.claim_seconds:
            self.excused.add(subject)
        if step == _CLAIM:
            self._claimed[caller, subject] = began
        elif step == _NOTE:
            self._claimed.pop((caller, subject), None)


def _execution_of(call: Call) -> str:
    return str(call.request["executionArn"]).rsplit(":", 1)[1]


def _steps(call: Call) -> Iterator[tuple[str, str]]:
    """The steps of an announcement that a call makes, and of whose: as notification ids begin."""
    if call.operation == "Publish":
        message = json.loads(form_of(call.body)["Message"])
        yield "publish", json.loads(message["default"])["id"].rsplit(":", 2)[0]
    elif call.operation == "UpdateItem":
        registers = [name.removeprefix(_REGISTER) for name in _written(call.request)]
        for step in (_CLAIM, _NOTE):
            if any(register.startswith(step) for register in registers):
                yield step, RecordKey.read(call.request["Key"]["record_key"]["S"]).id


def _written(request: Any) -> Iterator[str]:
    """The registers that an update writes: its own, and the claim that another fact's write carries."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    if "#register" in names:
        yield names["#register"]
    if ":claim" in values:
        yield names["#claim"]
