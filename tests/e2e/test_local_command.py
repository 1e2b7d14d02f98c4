"""`jobferry local` and `jobferry demo`, as somebody runs them in a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from deploy.local.stack import PROJECT
from schemas.notification import JobNotification
from tests.support.processes import (
    Command,
    alive,
    bare_environment,
    descendants,
    is_free,
    jobferry,
    needs_proc,
    running,
)
from tests.support.waiting import WITHIN_SECONDS, wait_for

PROMISED = {
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "JOBFERRY_REQUEST_QUEUE_URL",
    "JOBFERRY_EVENT_QUEUE_URL",
    "JOBFERRY_STATE_MACHINE_ARN",
    "JOBFERRY_TOPIC_ARN",
    "JOBFERRY_LOG_BUCKET",
    "JOBFERRY_JOBS_TABLE",
    "JOBFERRY_CATALOG",
}
LASTING = '{"stages": [{"image": "image_1", "command": ["sh", "-c", "sleep 3600"]}]}'


def port_of(command: Command) -> int:
    """The port that a started `jobferry local` says it runs at, once everything runs."""
    line = command.wait_for_line("Jobferry runs at http://127.0.0.1:")
    command.wait_for_line("aws sqs send-message")
    return int(line.split(",")[0].rpartition(":")[2])


def env_file(folder: Path) -> dict[str, str]:
    """What any AWS client reads to join."""
    lines = (folder / ".jobferry" / "local.env").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def client_of(environment: dict[str, str], service: str) -> object:
    """A client made of the file's values alone."""
    session = boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    kind: Callable[..., object] = session.client
    return kind(service, region_name=environment["AWS_REGION"], endpoint_url=environment["AWS_ENDPOINT_URL"])


def with_a_container(command: Command, folder: Path) -> set[int]:
    """Send a job that lasts; answers with every process there is once its container runs."""
    before = descendants(command.process.pid)
    environment = env_file(folder)
    sqs = client_of(environment, "sqs")
    sqs.send_message(QueueUrl=environment["JOBFERRY_REQUEST_QUEUE_URL"], MessageBody=LASTING)  # type: ignore[attr-defined]
    return wait_for(lambda: _with_sleep(command, before), "the container's process")


def _with_sleep(command: Command, before: set[int]) -> set[int] | None:
    now = descendants(command.process.pid)
    commands = {Path(f"/proc/{pid}/cmdline") for pid in now - before}
    sleeps = [path for path in commands if path.exists() and path.read_bytes().startswith(b"sleep\x003600")]
    return now if sleeps else None


@needs_proc
def test_it_says_where_things_are_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """It writes the file for other clients; SIGTERM ends every process, the container's too, and frees the port."""
    with running("local", "--port", "0", folder=tmp_path) as command:
        port = port_of(command)
        environment = env_file(tmp_path)
        assert environment.keys() >= PROMISED
        assert environment["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"
        assert all(value and value == value.strip() for value in environment.values())
        printed = "\n".join(command.lines)
        for told in ("REQUEST_QUEUE_URL", "TOPIC_ARN", "STATE_MACHINE_ARN", "JOBS_TABLE", "LOG_BUCKET"):
            assert environment[f"JOBFERRY_{told}"] in printed

        second = jobferry("local", "--port", str(port), folder=tmp_path)
        assert second.returncode == 1
        assert second.stdout == ""
        [sentence] = second.stderr.splitlines()
        assert str(port) in sentence and "--port" in sentence
        assert env_file(tmp_path) == environment, "the first one's file is still there"

        processes = with_a_container(command, tmp_path)
        command.process.send_signal(signal.SIGTERM)
        assert command.process.wait(WITHIN_SECONDS) == 0
        wait_for(lambda: not alive(processes), "every process's end")
        assert is_free(port)
    assert not (tmp_path / ".jobferry" / "local.env").exists()
    said = (tmp_path / "stderr.log").read_text()
    assert "Traceback" not in said and "ERROR" not in said


@needs_proc
def test_a_kill_leaves_nothing_behind_either(tmp_path: Path) -> None:
    """SIGKILL cannot be heard, so the children must notice it by themselves."""
    with running("local", "--port", "0", folder=tmp_path) as command:
        port = port_of(command)
        processes = with_a_container(command, tmp_path)
        command.process.kill()
        command.process.wait()
        wait_for(lambda: not alive(processes), "every process's end")
        assert is_free(port)


def test_the_demo_as_json_prints_notifications_and_nothing_else(tmp_path: Path) -> None:
    """One a line on standard output, every check held; what people read goes to standard error."""
    ended = jobferry("demo", "--json", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    told = [JobNotification.model_validate(json.loads(line)) for line in ended.stdout.splitlines()]
    endings = [(each.status, each.failure.failure_class if each.failure else None) for each in told]
    assert endings == [
        ("SUCCEEDED", None),
        ("SUCCEEDED", None),
        ("SUCCEEDED", None),
        ("FAILED", "application_exit"),
        ("FAILED", "application_exit"),
        ("FAILED", "out_of_memory"),
        ("FAILED", "image_missing"),
        ("FAILED", "stage_timeout"),
        ("TIMED_OUT", "job_timeout"),
        ("FAILED", "heartbeat"),
        ("ABORTED", "cancelled"),
        ("REJECTED", None),
    ]


@needs_proc
def test_a_demo_that_is_told_to_end_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """In the midst of its jobs: no traceback, no error of the emulator's, no process."""
    with running("demo", folder=tmp_path) as command:
        command.wait_for_line("Jobferry runs at")
        processes = descendants(command.process.pid)
        command.process.send_signal(signal.SIGTERM)
        assert command.process.wait(WITHIN_SECONDS) == 130
        wait_for(lambda: not alive(processes), "every process's end")
    printed = (tmp_path / "stderr.log").read_text()
    assert printed == "Stopped before the demo was over.\n"


def test_it_shows_a_jobs_life_with_the_shells_own_catalogue(tmp_path: Path) -> None:
    """Every step with what the container prints beside it; a second run leaves the first its settings."""
    own = yaml.safe_load((PROJECT / "deploy" / "catalog.yaml").read_text())
    own["images"]["mine"] = own["images"]["image_1"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(own))
    shell = {"JOBFERRY_CATALOG": "mine.yaml", "JOBFERRY_SILENCE_SECONDS": "21"}
    with running("local", "--port", "0", folder=tmp_path, environment=shell) as command:
        port_of(command)
        first = env_file(tmp_path)
        assert first["JOBFERRY_CATALOG"] == str(tmp_path / "mine.yaml")
        assert first["JOBFERRY_SILENCE_SECONDS"] == "21"
        with running("local", "--port", "0", folder=tmp_path) as second:
            port_of(second)
            assert env_file(tmp_path) == first
        assert second.process.returncode == 0
        assert env_file(tmp_path) == first

        command.wait_for_line("What becomes of jobs is shown here.")
        command.next_line()  # A blank one.
        send(first, {"job_id": "seen", "stages": [{"image": "mine", "command": ["echo", "hello", "you"]}]})
        send(first, {"job_id": "wrong", "stages": [{"image": "theirs"}]})
        seen = {"admitted", "started", "|", "task", "execution", "archived", "announced"}
        shown: dict[str, set[str]] = {"seen": set(), "wrong": set()}
        while shown != {"seen": seen, "wrong": {"rejected", "announced"}}:
            line = command.next_line(f"more than {shown}")
            _, job_id, what, *told = line.split()
            shown[job_id].add(what)
            assert what != "|" or told == ["hello", "you"]

        os.kill(emulator_of(command), signal.SIGKILL)
        command.wait_for_line("The AWS on this machine is gone (it ended with status -9)")
        assert command.process.wait(WITHIN_SECONDS) == 1
    assert "Traceback" not in (tmp_path / "stderr.log").read_text()
    assert not (tmp_path / ".jobferry" / "local.env").exists()


def send(environment: dict[str, str], request: dict[str, Any]) -> None:
    """Send a request as any client would."""
    sqs = client_of(environment, "sqs")
    sqs.send_message(QueueUrl=environment["JOBFERRY_REQUEST_QUEUE_URL"], MessageBody=json.dumps(request))  # type: ignore[attr-defined]


def emulator_of(command: Command) -> int:
    """The process that is the AWS of a `jobferry local`."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(command.process.pid)}
    (pid,) = (pid for pid, line in commands.items() if b"deploy.local.emulator.emulator" in line)
    return pid


def test_a_slip_in_a_variable_ends_it_with_a_sentence(tmp_path: Path) -> None:
    """The worker's own, where everything else is shown."""
    with running("local", "--port", "0", folder=tmp_path, environment={"JOBFERRY_SILENCE_SECOND": "21"}) as command:
        command.wait_for_line("JOBFERRY_SILENCE_SECOND is no setting of the worker's. Did you mean JOBFERRY_SILENCE_")
        command.wait_for_line("The worker ended by itself")
        assert command.process.wait(WITHIN_SECONDS) == 1
    assert (tmp_path / "stderr.log").read_text() == ""


@pytest.mark.parametrize("verb", ["local", "demo"])
def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, verb: str) -> None:
    """One sentence."""
    (tmp_path / ".jobferry").write_text("a file in the way")
    ended = jobferry(verb, folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith(".jobferry/") and "cannot be written (" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_alone_it_helps_and_it_knows_its_version(tmp_path: Path) -> None:
    """On standard output, and that is no error."""
    alone, version = jobferry(folder=tmp_path), jobferry("--version", folder=tmp_path)
    assert (alone.returncode, version.returncode) == (0, 0)
    assert alone.stdout.startswith("usage: jobferry") and "run the worker" in alone.stdout
    assert version.stdout.startswith("jobferry 0.")


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """As behind `| head`: no traceback, and the status of a command that SIGPIPE ended."""
    source, sink = os.pipe()
    os.close(source)
    ended = subprocess.run(
        [sys.executable, "-m", "service.operator.cli", "--version"],
        env=bare_environment(),
        stdout=sink,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(sink)
    assert (ended.returncode, ended.stderr) == (141, "")


@pytest.mark.parametrize("arguments", [("local", "--port", "lots"), ("sail",)], ids=["port", "unknown"])
def test_a_command_that_is_wrong_says_how_it_is_used(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Status 2, as everywhere."""
    ended = jobferry(*arguments, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("usage: jobferry")
