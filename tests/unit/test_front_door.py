"""The front door's mapping: what POST /jobs makes of a request, and of the answer of SQS."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote_plus

import airspeed  # type: ignore[import-untyped]  # Velocity, which API Gateway's templates are; it ships no types
import pytest

from service.core.tracing import read_trace
from tests.support.builders import TRACE_HEADER, TRACEPARENT, body
from tests.support.deployment import properties

INTEGRATION = properties("ApiSubmit")["Integration"]
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"


class _Text(str):
    """A string of Java's, as far as the template asks of it."""

    def matches(self, pattern: str) -> bool:
        return re.fullmatch(pattern, self) is not None


@dataclass(frozen=True)
class _Input:
    """`$input`, as API Gateway gives it to a template [API Gateway, mapping template reference]."""

    body: str
    headers: dict[str, str]

    def path(self, path: str) -> Any:
        found = json.loads(self.body)
        for name in path.removeprefix("$.").split("."):
            found = found.get(name, "")
        return found

    def params(self, name: str) -> _Text:
        return _Text(self.headers.get(name, ""))


class _Util:
    """`$util`."""

    @staticmethod
    def urlEncode(text: str) -> str:  # API Gateway's own name
        return quote_plus(text)


def rendered(template: str, text: str, context: dict[str, Any], headers: dict[str, str] | None = None) -> str:
    """What a template makes of a body."""
    names = {"input": _Input(text, headers or {}), "util": _Util(), "context": context}
    return str(airspeed.Template(template).merge(names)).strip()


def asked_of_sqs(text: str, **headers: str) -> dict[str, str]:
    """The parameters of the call that a request becomes; each is given once."""
    template = INTEGRATION["RequestTemplates"]["application/json"]
    call = rendered(template, text, _context(), {name.replace("_", "-"): value for name, value in headers.items()})
    call_sent = parse_qs(call, keep_blank_values=True, strict_parsing=True)
    assert {len(values) for values in call_sent.values()} == {1}
    return {name: values[0] for name, values in call_sent.items()}


def _context() -> dict[str, Any]:
    return {"requestOverride": {"path": {}}}


@pytest.mark.parametrize("text", [body(user="größe & Co = 100% + ;"), body(labels={"a": "#set($x = 1)$x"})])
def test_a_request_becomes_a_message_letter_by_letter(text: str) -> None:
    """Whatever a body holds, it ends the message's text nowhere."""
    assert asked_of_sqs(text) == {"Action": "SendMessage", "MessageBody": text}


def test_the_trace_goes_along() -> None:
    """As the attributes that the worker asks for."""
    call_sent = asked_of_sqs(body(), traceparent=TRACEPARENT, X_Amzn_Trace_Id=TRACE_HEADER)
    assert call_sent["MessageAttribute.1.Name"] == "traceparent"
    assert call_sent["MessageAttribute.1.Value.StringValue"] == TRACEPARENT
    assert call_sent["MessageSystemAttribute.1.Name"] == "AWSTraceHeader"
    assert call_sent["MessageSystemAttribute.1.Value.StringValue"] == TRACE_HEADER
    assert {call_sent[name] for name in call_sent if name.endswith("DataType")} == {"String"}


@pytest.mark.parametrize("header", [ROOT, f"{ROOT};Sampled=?", f"Self=1-67891234-12456789abcdef012345678;{ROOT}"])
def test_every_form_of_x_rays_header_goes_along_and_is_read(header: str) -> None:
    """As API Gateway and load balancers write it."""
    call_sent = asked_of_sqs(body(), X_Amzn_Trace_Id=header)
    assert read_trace(None, call_sent["MessageSystemAttribute.1.Value.StringValue"]).trace is not None


@pytest.mark.parametrize("hostile", ["", "&Action=PurgeQueue", f"{TRACEPARENT}&x=1", f"{ROOT};x=<script>", "Root=1"])
def test_what_is_no_trace_is_left_out(hostile: str) -> None:
    """SQS would refuse an empty or a malformed attribute, and the whole message with it."""
    assert asked_of_sqs(body(), traceparent=hostile, X_Amzn_Trace_Id=hostile).keys() == {"Action", "MessageBody"}


@pytest.mark.parametrize(("text", "job_id"), {body(job_id="mine"): "mine", body(): "5fea"}.items())
def test_the_answer_names_the_job(text: str, job_id: str) -> None:
    """By the producer's own id, or else the message's."""
    context = _context()
    rendered(INTEGRATION["RequestTemplates"]["application/json"], text, context)
    answer = json.dumps({"SendMessageResponse": {"SendMessageResult": {"MessageId": "5fea"}}})
    [taken] = [item for item in INTEGRATION["IntegrationResponses"] if item["StatusCode"] == "202"]
    assert json.loads(rendered(taken["ResponseTemplates"]["application/json"], answer, context)) == {"job_id": job_id}


@pytest.mark.parametrize(
    ("code", "status"),
    {
        "InvalidParameterValue": 400,
        "InvalidMessageContents": 400,
        "AccessDenied": 503,
        "RequestThrottled": 503,
        "": 503,
    }.items(),
)
def test_only_what_may_succeed_later_is_asked_for_again(code: str, status: int) -> None:
    """What SQS never takes would be sent for ever; all else is trouble of ours, which passes."""
    [refused] = [item for item in INTEGRATION["IntegrationResponses"] if "SelectionPattern" in item]
    context: dict[str, Any] = {"responseOverride": {}}
    answer = json.dumps({"Error": {"Code": code, "Message": "no", "Type": "Sender"}, "RequestId": "5fea"})
    call_sent = json.loads(rendered(refused["ResponseTemplates"]["application/json"], answer, context))
    assert context["responseOverride"].get("status", int(refused["StatusCode"])) == status
    assert ("Send it again" in call_sent["message"]) == (status == 503)
    assert {"StatusCode": str(status)} in properties("ApiSubmit")["MethodResponses"]
