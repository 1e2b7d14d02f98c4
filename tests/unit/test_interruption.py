"""Ctrl-C while a job is waited for: noted once, asked about, and nobody's after that."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import signal
import sys
import threading
from typing import Any, cast

import pytest

from schemas.tracking import Asked
from service.operator import submit
from service.operator.interruption import Interruption, choice_of
from service.tracking.errors import NotNowError

QUESTION = "\nj-1 is not over. Cancel it (c), leave it running (l), or go on watching (w)? [l] "


def press() -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


async def test_the_first_is_noted_and_the_second_leaves() -> None:
    """Once the first is answered, the next one is the first again."""
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert await interruption.within(0) is False
        press()
        assert await interruption.within(5) is True
        assert await interruption.within(5) is True, "for as long as nobody has answered it"
        with pytest.raises(KeyboardInterrupt):
            press()
        interruption.forget()
        assert await interruption.within(0) is False
        press()
        assert await interruption.within(5) is True
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_outside_of_the_main_thread_none_is_noted() -> None:
    """Python hands over no signal there."""
    noted: list[bool] = []

    async def waits() -> None:
        with Interruption() as interruption:
            noted.append(await interruption.within(0))

    thread = threading.Thread(target=lambda: asyncio.run(waits()))
    thread.start()
    thread.join()
    assert noted == [False]


class Terminal(io.StringIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("typed", "choice", "asked"),
    [
        ("c\n", "cancel", 1),
        (" Cancel it\n", "cancel", 1),
        ("l\n", "leave", 1),
        ("\n", "leave", 1),
        ("", "leave", 1),
        ("W\n", "watch", 1),
        ("x\nno\nw\n", "watch", 3),
    ],
)
def test_whoever_sits_there_says_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, typed: str, choice: str, asked: int
) -> None:
    """By a word or its first letter; an answer that is none is asked for again."""
    said = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", said)
    assert choice_of("j-1") == choice
    assert said.getvalue() == QUESTION * asked


@pytest.mark.parametrize(("stdin", "stderr"), [(Terminal, io.StringIO), (io.StringIO, Terminal)])
def test_where_nobody_can_be_asked_the_job_is_left(monkeypatch: pytest.MonkeyPatch, stdin: Any, stderr: Any) -> None:
    """Without a question."""
    said = stderr()
    monkeypatch.setattr(sys, "stdin", stdin("c\n"))
    monkeypatch.setattr(sys, "stderr", said)
    assert choice_of("j-1") == "leave"
    assert said.getvalue() == ""


class Steering:
    """Takes a wish, or says why it comes to nothing."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.asked: list[tuple[str, ...]] = []

    async def ask(self, *wish: str) -> Asked:
        self.asked.append(wish)
        if self.fails is not None:
            raise self.fails
        told = {"verb": "cancel", "job_id": "j-1", "tenant": "web", "requested_by": "ann"}
        return Asked.model_validate({**told, "message_id": "m", "location": "/x"})


@pytest.mark.parametrize(
    ("choice", "fails", "said", "asked"),
    [
        ("watch", None, "j-1 is waited for.\n", []),
        ("cancel", None, "j-1 is to be cancelled; its end is waited for.\n", [("cancel", "web", "j-1")]),
        ("cancel", NotNowError("It is\x1b over already."), "It is  over already.\n", [("cancel", "web", "j-1")]),
    ],
)
async def test_what_was_chosen_is_done_and_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    choice: str,
    fails: Exception | None,
    said: str,
    asked: list[tuple[str, ...]],
) -> None:
    """A cancel that comes too late is no error: the end is waited for all the same."""
    monkeypatch.setattr(submit, "choice_of", lambda _: choice)
    steering = Steering(fails)
    await submit._decide(cast(Any, steering), "web", "j-1")
    assert tuple(capsys.readouterr()) == ("", said)
    assert steering.asked == asked


@pytest.mark.parametrize(("stack", "named"), [(None, ""), ("my stack", " --stack 'my stack'")])
async def test_who_leaves_is_told_how_to_cancel_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stack: str | None, named: str
) -> None:
    """By a command that looks at the same deployment."""

    async def watched(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(submit, "_watched", watched)
    with pytest.raises(KeyboardInterrupt):
        await submit.until_its_end(cast(Any, None), "web", "j-1", "j-1\x1b was sent.", argparse.Namespace(stack=stack))
    left = f"j-1 is left as it is. To cancel it: jobferry cancel j-1 --tenant web{named}\n"
    assert tuple(capsys.readouterr()) == ("", f"j-1  was sent.\n{left}")
