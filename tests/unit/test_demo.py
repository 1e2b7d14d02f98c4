"""What the demo says when it cannot be one, and that its verdict is honest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.demo import demo as module
from deploy.local.demo.jobs import Check, demo_jobs
from deploy.local.demo.report import Outcome, broken
from deploy.local.emulator.process import EmulatorEndedError, EmulatorFailedError
from deploy.local.local_run import LocalRun
from deploy.local.subscriber import Received
from deploy.stacks import DeployError
from service.core.telling.compose import Links, compose
from tests.support.builders import succeeded

FAILURES = [
    (EmulatorFailedError("The emulator did not answer within 30 s."), 1, "The emulator did not answer within 30 s.\n"),
    (DeployError("the stack could not be made: {}"), 1, "the stack could not be made: {}\n"),
    (EmulatorEndedError("The emulator ended with status 1."), 1, ""),
    (KeyboardInterrupt(), 130, "Stopped before the demo was over.\n"),
]


@pytest.mark.parametrize(("failure", "status", "sentence"), FAILURES, ids=[type(item[0]).__name__ for item in FAILURES])
def test_a_demo_that_cannot_run_says_so(
    failure: BaseException,
    status: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """A sentence and a status, and no traceback; an emulator that ended has said why itself."""

    @contextmanager
    def failing() -> Iterator[LocalRun]:
        raise failure
        yield

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "local_run", failing)
    assert module.demo(as_json=True) == status
    assert capsys.readouterr().err == sentence


def test_a_claim_that_does_not_hold_is_told() -> None:
    """So is a job of which nobody heard; neither counts as held."""
    first, second, third = (Outcome(job, 0.0) for job in demo_jobs()[:3])
    notification = compose(succeeded(), Links())
    first.received = second.received = Received("", {}, notification.model_dump_json())
    first.checks = [Check("it is so", held=True)]
    second.checks = [Check("it is so", held=True), Check("it is not", held=False)]
    assert [outcome.held for outcome in (first, second, third)] == [True, False, False]
    assert [line.plain for line in broken([first, second, third])] == [
        f"✗ {second.job.title}: it is not",
        f"✗ {third.job.title}: no notification came",
    ]
