"""The emulator as a process: one port, one directory, and nothing left of it or of its tasks, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.emulator.process import PROJECT, EmulatorFailedError, EmulatorProcess
from tests.support.cloud import Cloud, container
from tests.support.waiting import WITHIN_SECONDS, wait_for

# An emulator that is started with a port and told nothing, as by a person at a terminal.
BARE = [sys.executable, "-m", "deploy.local.emulator.emulator", "--port"]
HOSTILE = {
    "BIND_HOST": "0.0.0.0", "GATEWAY_PORT": "1", "IOT_MTLS_ENABLED": "1", "SFTP_ENABLED": "1", "USE_SSL": "1",
    "PERSIST_STATE": "1", "SERVICES": "s3", "AUTH": "true", "LAMBDA_EXECUTOR": "docker", "AWS_PROFILE": "nobody",
    "AWS_ACCESS_KEY_ID": "AKIASECRET", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "MINISTACK_REGION": "eu-west-1",
    "http_proxy": "http://127.0.0.1:9", "PYTHONWARNINGS": "ignore",
}  # fmt: skip
PARENT = (
    "from deploy.local.emulator.process import EmulatorProcess; import time;"
    "aws = EmulatorProcess(); aws.start(); print(aws.pid, aws.port, flush=True); time.sleep(3600)"
)


@pytest.fixture
def own() -> Iterator[EmulatorProcess]:
    """An emulator of one's own, to be ended."""
    with EmulatorProcess() as process:
        yield process


def ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be collected by whoever started it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def await_death(*pids: int) -> None:
    """Wait until processes are gone."""
    wait_for(lambda: all(ended(pid) for pid in pids), "the end of every process")


def running_task(cloud: Cloud) -> tuple[int, Path]:
    """Start a container that stays: its process id, and its directory."""
    arn = cloud.run_task(cloud.define_task(container("sh", "-c", "echo $$; pwd; exec sleep 3600")))
    cloud.await_task(arn, "RUNNING")

    def both() -> list[str] | None:
        lines = [str(line["message"]) for line in cloud.lines(arn)]
        return lines if len(lines) == 2 else None

    pid, directory = wait_for(both, "what the container prints")
    return int(pid), Path(directory)


def test_it_says_so_when_its_port_is_taken() -> None:
    """One sentence, which names the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [*BARE, str(port)], capture_output=True, text=True, cwd=PROJECT, check=False, timeout=WITHIN_SECONDS
        )
        assert run.returncode == 1
        said = f"Port {port} of 127.0.0.1 cannot be used (Address already in use): choose another with --port.\n"
        assert run.stderr == said
        with pytest.raises(EmulatorFailedError, match="ended with status 1"):
            EmulatorProcess(port).start()


def test_sigterm_ends_it_and_its_tasks(own: EmulatorProcess) -> None:
    """A stop is quick, though a task would run on and a client waits in a long poll."""
    pid, directory = running_task(Cloud(own))
    emulator = own.pid
    own.stop(grace=WITHIN_SECONDS)
    await_death(emulator, pid)
    assert not directory.parent.exists()


def test_sigkill_takes_its_tasks_too(own: EmulatorProcess) -> None:
    """An emulator that could not clean up leaves neither processes nor files."""
    pid, directory = running_task(Cloud(own))
    os.kill(own.pid, signal.SIGKILL)
    await_death(pid)
    wait_for(lambda: not directory.parent.exists(), "the end of its directory")


def test_it_dies_with_its_parent() -> None:
    """A parent that was killed takes the emulator and its tasks with it."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert parent.stdout is not None
    emulator, port = map(int, parent.stdout.readline().split())
    stand_in = EmulatorProcess(port)
    pid, directory = running_task(Cloud(stand_in))
    parent.kill()
    parent.wait()
    await_death(emulator, pid)
    wait_for(lambda: not directory.parent.exists(), "the end of its directory")


def listening(pid: int) -> list[tuple[str, int]]:
    """The addresses a process listens on, from /proc/net/tcp and tcp6."""
    sockets = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                address, _, port = fields[1].partition(":")
                found.append((address, int(port, 16)))
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc/net/tcp")
def test_a_hostile_environment_changes_nothing(tmp_path: Path) -> None:
    """Whatever is exported, it has one port on the loopback, talks to no Docker, and leaves no file."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    docker = socket.socket(socket.AF_UNIX)
    docker.bind(str(tmp_path / "docker.sock"))
    docker.listen()
    docker.setblocking(False)
    environment = {
        **os.environ, **HOSTILE, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock", "TMPDIR": str(temporary),
        "HOME": str(temporary), "PYTHONPATH": str(PROJECT),
    }  # fmt: skip
    process = subprocess.Popen([*BARE, "0"], stdout=subprocess.PIPE, text=True, cwd=temporary, env=environment)
    assert process.stdout is not None
    port = int(process.stdout.readline().rpartition(":")[2])
    cloud = Cloud(EmulatorProcess(port))
    cloud.client("s3").create_bucket(Bucket="a-bucket")
    pid, _ = running_task(cloud)
    assert listening(process.pid) == [("0100007F", port)]
    function = cloud.define_function("import os\ndef handler(event, context):\n    return dict(os.environ)\n")
    seen = cloud.lambdas.invoke(FunctionName=function)["Payload"].read().decode()
    assert "AKIASECRET" not in seen
    assert "AWS_PROFILE" not in seen
    process.terminate()
    assert process.wait(WITHIN_SECONDS) == 0
    process.stdout.close()
    await_death(pid)
    wait_for(lambda: not list(temporary.iterdir()), "an empty directory")
    with pytest.raises(BlockingIOError):
        docker.accept()
    docker.close()
