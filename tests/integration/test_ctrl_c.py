"""Ctrl-C at `jobferry submit --follow` and `--wait`, as a person and as a script press it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.stack import PROJECT
from schemas.control import ControlMessage
from service.aws.jobs_table import JobsTable
from tests.support.builders import MACHINE
from tests.support.connecting import CREDENTIALS, REGION, Connect
from tests.support.processes import bare_environment
from tests.support.waiting import WITHIN_SECONDS

REQUEST = {"job_id": "watched", "tenant": "web", "stages": [{"image": "image_1", "command": ["echo", "hello"]}]}
CTRL_C = b"\x03"
QUESTION = r"watched is not over\. Cancel it \(c\), leave it running \(l\), or go on watching \(w\)\? \[l\] "
LEFT = r"watched is left as it is\. To cancel it: jobferry cancel watched --tenant web"


@pytest.fixture
async def variables(endpoint: str, connect: Connect, name: str, table: JobsTable, tmp_path: Path) -> Mapping[str, str]:
    """A shell's, with those of a worker; the requests that are sent stay in the queue."""
    (tmp_path / "request.json").write_text(json.dumps(REQUEST))
    await (await connect("s3")).create_bucket(Bucket=name)
    sqs = await connect("sqs")
    requests, control = [(await sqs.create_queue(QueueName=f"{name}-{kind}"))["QueueUrl"] for kind in ("r", "c")]
    return {
        **bare_environment(),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        **{key.upper(): value for key, value in CREDENTIALS.items()},
        "JOBFERRY_REQUEST_QUEUE_URL": requests,
        "JOBFERRY_EVENT_QUEUE_URL": requests,
        "JOBFERRY_CONTROL_QUEUE_URL": control,
        "JOBFERRY_STATE_MACHINE_ARN": MACHINE.replace("eu-central-1", REGION),
        "JOBFERRY_TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:t",
        "JOBFERRY_LOG_BUCKET": name,
        "JOBFERRY_JOBS_TABLE": table.name,
        "JOBFERRY_CATALOG": str(PROJECT / "deploy" / "catalog.yaml"),
    }


class Terminal:
    """A command that runs in a terminal of its own, as the one whom Ctrl-C reaches."""

    def __init__(self, variables: Mapping[str, str], folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "service.operator.cli", *words]
        self._pid, self._keyboard = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(sys.executable, command, dict(variables))
        self._shown = b""

    def press(self, keys: bytes) -> None:
        """Type these."""
        os.write(self._keyboard, keys)

    def sees(self, pattern: str) -> None:
        """Wait until this is shown, and forget what was shown until then."""
        until = time.monotonic() + WITHIN_SECONDS
        while (found := re.search(pattern.encode(), self._shown)) is None:
            ready, _, _ = select.select([self._keyboard], [], [], max(0, until - time.monotonic()))
            assert ready, f"no {pattern!r} in {self._shown!r}"
            read = self._read()
            assert read, f"it ended without {pattern!r}: {self._shown!r}"
            self._shown += read
        self._shown = self._shown[found.end() :]

    def ends(self) -> int:
        """Its exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bytes:
        try:
            return os.read(self._keyboard, 4096)
        except OSError:  # As Linux says that nobody is at the other end any more.
            return b""


Watched = Callable[..., Terminal]


@pytest.fixture
def watched(variables: Mapping[str, str], tmp_path: Path) -> Iterator[Watched]:
    """Submits the job in a terminal; answers when its end is waited for."""

    def submit(*options: str) -> Terminal:
        terminal = Terminal(variables, tmp_path, "submit", "-f", "request.json", *options)
        terminal.sees(r"watched was sent\.")
        return terminal

    yield submit


async def asked_for(connect: Connect, variables: Mapping[str, str]) -> list[ControlMessage]:
    """What lies in the control queue."""
    sqs = await connect("sqs")
    answer = await sqs.receive_message(QueueUrl=variables["JOBFERRY_CONTROL_QUEUE_URL"], MaxNumberOfMessages=10)
    return [ControlMessage.model_validate_json(item["Body"]) for item in answer.get("Messages", [])]


@pytest.mark.parametrize("answer", [b"l\r", b"\r", CTRL_C, b"\x04"], ids=["l", "enter", "ctrl-c", "ctrl-d"])
async def test_the_job_is_left_as_it_is(
    watched: Watched, variables: Mapping[str, str], connect: Connect, answer: bytes
) -> None:
    """By an answer, by none, and by a second Ctrl-C; what would cancel it is named."""
    terminal = watched("--follow")
    terminal.press(CTRL_C)
    terminal.sees(QUESTION)
    terminal.press(answer)
    terminal.sees(LEFT)
    assert terminal.ends() == 130
    assert await asked_for(connect, variables) == []


async def test_the_job_is_cancelled_and_its_end_is_waited_for(
    watched: Watched, variables: Mapping[str, str], connect: Connect
) -> None:
    """In the name of whoever's credentials these are; then a Ctrl-C asks again."""
    terminal = watched("--wait")
    terminal.press(CTRL_C)
    terminal.sees(QUESTION)
    terminal.press(b"c\r")
    terminal.sees(r"watched is to be cancelled; its end is waited for\.")
    [wish] = await asked_for(connect, variables)
    assert (wish.verb, wish.tenant, wish.job_id) == ("cancel", "web", "watched")
    assert wish.requested_by is not None and wish.requested_by.startswith("arn:aws:")
    terminal.press(CTRL_C)
    terminal.sees(QUESTION)
    terminal.press(b"l\r")
    assert terminal.ends() == 130


async def test_one_goes_on_watching(watched: Watched) -> None:
    """An answer that is none is asked for again, and the next Ctrl-C asks as the first did."""
    terminal = watched("--wait")
    terminal.press(CTRL_C)
    terminal.sees(QUESTION)
    terminal.press(b"x\r")
    terminal.sees(QUESTION)
    terminal.press(b"w\r")
    # What Ctrl-C does while an answer is read is to leave, so this one is pressed until the answer was taken.
    terminal.sees(r"watched is waited for\.")
    terminal.press(CTRL_C)
    terminal.sees(QUESTION)
    terminal.press(b"l\r")
    assert terminal.ends() == 130


@pytest.mark.parametrize("option", ["--wait", "--follow"])
def test_a_script_leaves_the_job_and_says_how_to_cancel_it(
    variables: Mapping[str, str], tmp_path: Path, option: str
) -> None:
    """Nobody can be asked there."""
    command = [sys.executable, "-m", "service.operator.cli", "submit", "-f", "request.json", option]
    with subprocess.Popen(
        command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as run:
        assert run.stderr is not None
        assert run.stderr.readline() == b"watched was sent.\n"
        run.send_signal(signal.SIGINT)
        assert re.match(LEFT.encode(), run.stderr.readline())
        assert run.wait(WITHIN_SECONDS) == 130
