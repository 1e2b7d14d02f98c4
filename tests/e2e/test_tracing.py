"""A trace goes with a job: from the message through the execution and the containers to the notification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.trace import Trace
from tests.support.job_requests import shell
from tests.support.system import System, log_text

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
PRINT = shell('echo "$TRACEPARENT $_X_AMZN_TRACE_ID"')


def attributes(traceparent: str, trace_header: str) -> dict[str, Any]:
    """What a producer's tools add to SendMessage."""
    header, parent = ({"DataType": "String", "StringValue": value} for value in (trace_header, traceparent))
    return {"MessageSystemAttributes": {"AWSTraceHeader": header}, "MessageAttributes": {"traceparent": parent}}


def test_every_stage_and_every_subscriber_goes_on_with_the_trace(system: System) -> None:
    """A later copy of the request, with another trace, changes nothing."""
    request = {"job_id": "traced", "stages": [PRINT, PRINT]}
    system.send(request, **attributes(TRACEPARENT, TRACE_HEADER))
    received = system.received("traced")
    system.send(request, **attributes(TRACEPARENT.replace("0af7", "beef"), TRACE_HEADER))
    assert log_text(received.notification) == f"{TRACEPARENT} {TRACE_HEADER}\n" * 2
    assert received.notification.trace == Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER)
    assert received.attributes["traceparent"] == TRACEPARENT
    assert system.outcomes("traced") == 1
    execution = system.execution("traced")
    assert execution is not None
    assert json.loads(execution["input"])["trace"]["traceparent"] == TRACEPARENT


def test_a_container_that_reports_back_has_the_trace_beside_its_token(system: System) -> None:
    """Its environment is put together by the state machine."""
    reporter = {"image": "reporter", "command": ["report", "--seconds", "0.1"]}
    system.send({"job_id": "traced-back", "stages": [reporter]}, **attributes(TRACEPARENT, TRACE_HEADER))
    running = system.running_task("traced-back")
    given = {pair["name"]: pair["value"] for pair in running["overrides"]["containerOverrides"][0]["environment"]}
    assert (given["TRACEPARENT"], given["_X_AMZN_TRACE_ID"]) == (TRACEPARENT, TRACE_HEADER)
    assert given["TASK_TOKEN"]
    assert system.told("traced-back").status == "SUCCEEDED"


@pytest.mark.parametrize("hostile", ["'; exit 1; '", "${jndi:ldap://x/a}", "<script>alert(1)</script>"])
def test_what_is_no_trace_goes_nowhere_and_the_job_runs(system: System, hostile: str) -> None:
    """Neither to the container, nor to subscribers, nor into the execution, nor into the worker's log."""
    name = f"hostile-{sum(hostile.encode())}"
    system.send({"job_id": name, "stages": [PRINT]}, **attributes(hostile, f"Root={hostile}"))
    received = system.received(name)
    assert received.notification.status == "SUCCEEDED"
    assert log_text(received.notification) == " \n"
    assert received.notification.trace is None
    assert "traceparent" not in received.attributes
    assert hostile not in str(system.execution(name))
    system.log.flush()
    notification = Path(system.log.name).read_text(encoding="utf-8")
    assert "trace_dropped" in notification
    assert hostile not in notification


def test_a_rejection_is_in_the_trace_too(system: System) -> None:
    """Whoever follows the trace sees why it ended."""
    message_id = system.send({"stages": [{"image": "none-such"}]}, **attributes(TRACEPARENT, TRACE_HEADER))
    assert system.told(message_id).trace == Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER)
