"""The history of an execution and its status events, as Step Functions writes them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import eventbridge
from ministack.services import stepfunctions as sfn

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import JsonObject

# "If the combined escaped input and escaped output exceeds 248 KB, the input is excluded; if the escaped output
# exceeds 248 KB, the output is too" (SFN guide, cw-events).
ROOM_FOR_PAYLOADS = 248 * 1024
OPEN_TO_REDRIVE = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
_WRITING = threading.Lock()


def install() -> None:
    """Put our history and status events in the place of the emulator's."""
    replace(sfn, "_add_event", add_event)
    replace(sfn, "_emit_execution_status_event", publish)


def add_event(execution: JsonObject, event_type: str, details: Mapping[str, Any] | None = None) -> JsonObject:
    """Append to the history of a running execution; what a state does after the end is not recorded."""
    if execution["status"] != "RUNNING":
        return {"id": 0}
    return _append(execution, event_type, details)


def record_last(execution: JsonObject, event_type: str, details: Mapping[str, Any]) -> None:
    """Append the event of an execution's end."""
    _append(execution, event_type, details)


def _append(execution: JsonObject, event_type: str, details: Mapping[str, Any] | None) -> JsonObject:
    with _WRITING:
        number = len(execution["events"]) + 1
        event = {
            "id": number,
            "previousEventId": number - 1 if number > 2 else 0,
            "type": event_type,
            "timestamp": now_iso(),
            **(details or {}),
        }
        execution["events"].append(event)
    return event


def publish(execution: Mapping[str, Any]) -> None:
    """Put an execution's status on the default event bus. Express executions have no such events."""
    if execution.get("sync"):
        return
    eventbridge._put_events(
        {
            "Entries": [
                {
                    "Source": "aws.states",
                    "DetailType": "Step Functions Execution Status Change",
                    "Detail": json.dumps(status_detail(execution)),
                    "Resources": [execution["executionArn"]],
                }
            ]
        },
        allow_aws_source=True,
    )


def status_detail(execution: Mapping[str, Any]) -> JsonObject:
    """The `detail` of a status event; what there is not is an explicit null (recorded by localstack, Feb 2024)."""
    output = execution.get("output") if execution["status"] == "SUCCEEDED" else None
    escaped_input, escaped_output = escaped_length(execution["input"]), escaped_length(output)
    keeps_input = escaped_input + escaped_output <= ROOM_FOR_PAYLOADS
    keeps_output = escaped_output <= ROOM_FOR_PAYLOADS
    redrive = redrive_members(execution)
    return {
        "executionArn": execution["executionArn"],
        "stateMachineArn": execution["stateMachineArn"],
        "name": execution["name"],
        "status": execution["status"],
        "startDate": sfn._iso_to_epoch_ms(execution["startDate"]),
        "stopDate": sfn._iso_to_epoch_ms(execution.get("stopDate")),
        "input": execution["input"] if keeps_input else None,
        "inputDetails": {"included": keeps_input},
        "output": output if keeps_output else None,
        "outputDetails": None if output is None else {"included": keeps_output},
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": redrive["redriveCount"],
        "redriveDate": sfn._iso_to_epoch_ms(execution.get("redriveDate")),
        "redriveStatus": redrive["redriveStatus"],
        "redriveStatusReason": redrive.get("redriveStatusReason"),
        "error": execution.get("error"),
        "cause": execution.get("cause"),
    }


def escaped_length(text: str | None) -> int:
    """The bytes a payload takes as a JSON string inside the event."""
    return 0 if text is None else len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def redrive_members(execution: Mapping[str, Any]) -> JsonObject:
    """What DescribeExecution says of redrives; a redrivable execution has no reason (recorded, test_global_timeout)."""
    status = execution["status"]
    count = {"redriveCount": execution.get("redriveCount", 0)}
    if execution.get("redriveDate"):
        count["redriveDate"] = execution["redriveDate"]
    if status in OPEN_TO_REDRIVE:
        return {**count, "redriveStatus": "REDRIVABLE"}
    reason = f"Execution is {status} and cannot be redriven"
    return {**count, "redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
