"""`jobferry local` and `jobferry demo`, as somebody runs them in a terminal."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from schemas.notification import JobNotification
from tests.support.processes import Command, alive, descendants, is_free, jobferry, needs_proc, running
from tests.support.system import wait_for

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
LASTING = '{"stages": [{"image": "image_1", "command": ["sh", "-c", "sleep 300"]}]}'


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
    return wait_for(lambda: _with_sleep(command, before), what="the container's process")


def _with_sleep(command: Command, before: set[int]) -> set[int] | None:
    now = descendants(command.process.pid)
    commands = {Path(f"/proc/{pid}/cmdline") for pid in now - before}
    sleeps = [path for path in commands if path.exists() and path.read_bytes().startswith(b"sleep\x00300")]
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
        assert command.process.wait(30) == 0
        wait_for(lambda: not alive(processes), within=5, what="every process's end")
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
        wait_for(lambda: not alive(processes), within=25, what="every process's end")
        assert is_free(port)


def test_the_demo_as_json_prints_notifications_and_nothing_else(tmp_path: Path) -> None:
    """One a line on standard output, every check held; what people read goes to standard error."""
    ended = jobferry("demo", "--json", folder=tmp_path, within=120)
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
        assert command.process.wait(30) == 130
        wait_for(lambda: not alive(processes), within=5, what="every process's end")
    printed = (tmp_path / "stderr.log").read_text()
    assert printed == "Stopped before the demo was over.\n"


@pytest.mark.parametrize("arguments", [("local", "--port", "lots"), ("sail",), ()], ids=["port", "unknown", "none"])
def test_a_command_that_is_wrong_says_how_it_is_used(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Status 2, as everywhere."""
    ended = jobferry(*arguments, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("usage: jobferry")
