"""The container's health check asks the worker, and waits for no answer for ever."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest

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
