"""The container's health check asks the worker, and waits for no answer for ever."""

from __future__ import annotations

from typing import Any

import pytest

from workers.health import ask


def test_a_worker_that_does_not_answer_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop is stuck: the question gives up, or each check leaves one more process waiting in the container."""
    waits: list[float] = []

    def never_answers(url: str, *, timeout: float) -> Any:
        waits.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib.request.urlopen", never_answers)
    assert ask(8080) == 1
    assert 0 < waits[0] <= 10
