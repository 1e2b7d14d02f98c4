"""What AWS, or the way to it, did wrong is one exception with a code; the rest is a bug and is seen."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ServerDisconnectedError
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker

from service.aws.errors import AwsError, answered, aws_errors
from service.aws.throttles import _CODES, on_throttle

REFUSED = {
    "Error": {"Code": "AccessDenied", "Message": "no"},
    "ResponseMetadata": {"HTTPStatusCode": 403},
    "CancellationReasons": [],
}
WRONG: dict[str, tuple[Exception, str, int | None]] = {
    "refused": (ClientError(REFUSED, "Get"), "AccessDenied", 403),  # type: ignore[arg-type]  # as botocore itself makes it
    "refused without a reason": (ClientError({}, "Get"), "", None),
    "no credentials": (NoCredentialsError(), "NoCredentialsError", None),
    "a connection that was dropped": (ServerDisconnectedError(), "ServerDisconnectedError", None),
    "a network that is away": (ConnectionResetError(), "ConnectionResetError", None),
    "an answer that was cut": (KeyError("ResponseMetadata"), "KeyError", None),
    "an answer that is no text": (ValueError("bad"), "ValueError", None),
    "credentials that ended": (RuntimeError("still expired"), "RuntimeError", None),
    "an answer that cannot be read": (ResponseParserError("bad"), "ResponseParserError", None),
}


@pytest.mark.parametrize(("raised", "code", "status"), WRONG.values(), ids=WRONG)
def test_what_aws_did_wrong_is_one_exception(raised: Exception, code: str, status: int | None) -> None:
    """With what the SDK raised as its cause, and never without words."""
    with pytest.raises(AwsError) as caught, aws_errors():
        raise raised
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.__cause__ is raised
    assert str(caught.value)
    assert caught.value.answer == (raised.response if isinstance(raised, ClientError) else {})


@pytest.mark.parametrize("bug", [TypeError, AttributeError, AssertionError, ZeroDivisionError])
def test_a_bug_is_a_bug(bug: type[Exception]) -> None:
    """Nobody takes it for AWS's fault."""
    with pytest.raises(bug), aws_errors():
        raise bug


def test_only_the_errors_that_are_named_are_answers() -> None:
    """Another one is raised as it is."""
    with answered("A", "B"):
        raise AwsError("x", "B")
    error = AwsError("x", "C")
    with pytest.raises(AwsError) as caught, answered("A", "B"):
        raise error
    assert caught.value is error


class _Client:
    """A client that notes who listens to what."""

    def __init__(self) -> None:
        self.heard: dict[str, Any] = {}
        self.meta = self
        self.events = self

    def register(self, event: str, handler: Any) -> None:
        self.heard[event] = handler


def test_botocores_throttles_are_ours_and_nothing_else_is() -> None:
    """Each is counted as it comes; another error, a success and a dropped connection are not."""
    client, throttles = _Client(), list[int]()
    on_throttle(client, lambda: throttles.append(1), ".sfn.StartExecution")
    [(event, note)] = client.heard.items()
    assert event == "needs-retry.sfn.StartExecution"
    own: Any = ThrottledRetryableChecker
    assert set(own._THROTTLED_ERROR_CODES) == _CODES
    for number, code in enumerate(sorted(_CODES), start=1):
        note(response=(object(), {"Error": {"Code": code}}))
        assert len(throttles) == number, code
    counted = len(throttles)
    others: tuple[Any, ...] = (
        None,
        (object(), {}),
        (object(), {"Error": {}}),
        (object(), {"Error": {"Code": "NoSuchKey"}}),
    )
    for response in others:
        note(response=response)
    assert len(throttles) == counted
