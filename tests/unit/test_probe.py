"""The container's health check asks the worker, and waits for no answer for ever."""

from __future__ import annotations

from http.client import BadStatusLine, HTTPConnection

import pytest

from workers import probe
from workers.probe import ask


def test_a_worker_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop is stuck: the question gives up, or each check leaves one more process waiting in the container."""
    waits: list[float | None] = []

    def never_answers(connection: HTTPConnection) -> None:
        waits.append(connection.timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr(HTTPConnection, "connect", never_answers)
    assert ask(8080) == 1
    assert waits[0] is not None
    assert 0 < waits[0] <= 10


class Answer:
    """What the worker answers."""

    def __init__(self, status: int) -> None:
        self.status = status

    def read(self) -> bytes:
        return b'{"ready": "perhaps"}'


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_the_answer_is_shown_and_its_status_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, code: int
) -> None:
    """ECS shows what a health check wrote."""
    asked: list[tuple[str, int, str, str]] = []
    closed: list[HTTPConnection] = []

    def request(connection: HTTPConnection, method: str, path: str) -> None:
        asked.append((connection.host, connection.port, method, path))

    monkeypatch.setattr(HTTPConnection, "request", request)
    monkeypatch.setattr(HTTPConnection, "getresponse", lambda _: Answer(status))
    monkeypatch.setattr(HTTPConnection, "close", lambda connection: closed.append(connection))
    assert ask(9000) == code
    assert asked == [("127.0.0.1", 9000, "GET", "/ready")]
    assert len(closed) == 1
    assert capsys.readouterr().out == '{"ready": "perhaps"}\n'


def test_why_nothing_was_answered_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker that is not there, or something else on its port."""
    for trouble in (ConnectionRefusedError("refused"), BadStatusLine("odd")):

        def fails(_: HTTPConnection, trouble: Exception = trouble) -> None:
            raise trouble

        monkeypatch.setattr(HTTPConnection, "connect", fails)
        assert ask(9000) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == "not ready: refused"
    assert second.startswith("not ready: ")


@pytest.mark.parametrize(
    ("given", "port"), [(None, 8080), ("9000", 9000), ("65535", 65535), ("65536", None), ("x", None), ("", None)]
)
def test_the_port_is_the_workers_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str | None, port: int | None
) -> None:
    """By the variable that the worker has; one that is no port is told."""
    monkeypatch.delenv("JOBFERRY_HEALTH_PORT", raising=False)
    if given is not None:
        monkeypatch.setenv("JOBFERRY_HEALTH_PORT", given)
    asked: list[int] = []

    def ask_at(number: int) -> int:
        asked.append(number)
        return 0

    monkeypatch.setattr(probe, "ask", ask_at)
    assert probe.main() == (1 if port is None else 0)
    assert asked == ([] if port is None else [port])
    assert ("JOBFERRY_HEALTH_PORT is not a port" in capsys.readouterr().out) is (port is None)
