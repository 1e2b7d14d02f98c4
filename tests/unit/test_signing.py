"""Signatures of our own against botocore's: the same headers, letter by letter."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import patch

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest

from service.aws.signing import Signer

HOST = "dynamodb.eu-central-1.amazonaws.com"
NOON, LATER, TOMORROW = "20260102T120000Z", "20260102T120001Z", "20260103T120000Z"
JSON = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"}


@dataclass(unsafe_hash=True)
class Keys:
    """Credentials of one moment."""

    access_key: str
    secret_key: str
    token: str | None = None


ANN, BOB = Keys("AKIA", "secret"), Keys("ASIA", "other", "token/+=")


@dataclass(frozen=True)
class Call:
    """One call that is to be signed."""

    headers: dict[str, str]
    body: bytes = b'{"a": 1}'
    credentials: Keys = ANN
    moment: str = NOON


CALLS: dict[str, Call] = {
    "a call": Call(JSON),
    "an empty body": Call(JSON, b""),
    "a body of many bytes": Call(JSON, "größe".encode() * 1000),
    "a session's": Call(JSON, credentials=BOB),
    "another day": Call(JSON, moment="20260103T000000Z"),
    "headers in any order and case": Call({"x-b": "2", "X-A": "1", **JSON}),
    "blanks within a value": Call({"X-A": "  one   two\t three ", **JSON}),
    "what may be changed on its way": Call(
        {
            "User-Agent": "jobferry",
            "X-Amzn-Trace-Id": "Root=1",
            "Expect": "100-continue",
            "Transfer-Encoding": "x",
            **JSON,
        }
    ),
}


def by_us(call: Call, service: str = "dynamodb") -> dict[str, str]:
    """All headers."""
    return read(signer_of(call, service).lines(call.body, call.credentials, call.moment))


def signer_of(call: Call, service: str = "dynamodb") -> Signer:
    """One that is new."""
    return Signer("eu-central-1", service, HOST, call.headers)


def read(lines: str) -> dict[str, str]:
    """Headers by their names, whose values are kept to the blank."""
    *told, end = lines.split("\r\n")
    assert end == ""
    return {name: value for name, _, value in (line.partition(": ") for line in told)}


def by_botocore(call: Call, service: str) -> dict[str, str]:
    """What botocore adds to the headers."""
    request = AWSRequest("POST", f"https://{HOST}/", dict(call.headers), call.body)
    moment = datetime.strptime(call.moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    with patch.object(auth, "get_current_datetime", return_value=moment):
        auth.SigV4Auth(cast("Any", call.credentials), service, "eu-central-1").add_auth(request)
    return {name: value for name, value in request.headers.items() if name not in call.headers}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
def test_a_call_is_signed_as_botocore_signs_it(call: Call, service: str) -> None:
    """What is not signed is sent all the same."""
    signed = by_us(call, service)
    assert {name: signed[name] for name in call.headers} == call.headers
    added = {name: value for name, value in signed.items() if name not in call.headers}
    assert added == by_botocore(call, service)


def test_what_a_second_and_a_day_have_in_common_is_made_once() -> None:
    """One that serves again and again signs each call as a new one would."""
    again = signer_of(Call(JSON))
    turns = [(body, keys, moment) for moment in (NOON, LATER, TOMORROW) for keys in (ANN, BOB) for body in (b"", b"{}")]
    for body, keys, moment in (*turns, *reversed(turns), *turns[::3]):
        assert again.lines(body, keys, moment) == signer_of(Call(JSON)).lines(body, keys, moment)
    with patch("service.aws.signing.hmac.digest", wraps=hmac.digest) as digest:
        another = signer_of(Call(JSON))
        for moment in (NOON, NOON, LATER):
            another.lines(b"", ANN, moment)
    assert digest.call_count == 4 + 3


@pytest.mark.parametrize("end", ["\n", "\r", "\r\nX-More: 1"])
def test_a_header_is_one_line(end: str) -> None:
    """As aiohttp holds it: a token that was read with the end of its line would be sent as another header."""
    with pytest.raises(ValueError, match="line break"):
        by_us(Call(JSON, credentials=Keys("ASIA", "secret", f"token{end}")))


def test_a_key_is_not_shown() -> None:
    """By whoever prints the signer."""
    signer = signer_of(Call(JSON))
    signer.lines(b"", ANN, NOON)
    assert "key" not in repr(signer)
