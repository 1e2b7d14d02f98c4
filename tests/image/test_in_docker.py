"""Images that Docker runs in the local run, by a client that is podman's: what ends them, and that nothing is left."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.emulator.process import EmulatorProcess
from tests.image.store import Store
from tests.support.cloud import Cloud, container
from tests.support.waiting import wait_for

IMAGE = "boxed:dev"
PROGRAMS = ("sh", "sleep", "env")
# As podman-docker has it, on a store of its own. Podman would raise limits, which not every root may.
CLIENT = """\
#!/bin/sh
verb=$1; shift
case $verb in create) set -- --ulimit=nofile=1024:4096 --ulimit=nproc=4096:4096 "$@";; esac
exec podman --root {store}/images --runroot {store}/run --runtime runc --log-level=fatal "$verb" "$@"
"""


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A command that is Docker's client to whoever asks, and has an image of a shell."""
    if os.geteuid() or not all(map(shutil.which, ("podman", "runc"))):
        pytest.fail("Needs root, podman and runc: run make image-check INSTALL=1.", pytrace=False)
    folder = tmp_path_factory.mktemp("docker")
    client = folder / "docker"
    client.write_text(CLIENT.format(store=folder))
    client.chmod(0o755)
    root = folder / "root"
    for program in PROGRAMS:
        copy_with_libraries(Path(str(shutil.which(program))).resolve(), root, root / "bin" / program)
    archive = shutil.make_archive(str(folder / "root"), "tar", root)
    subprocess.run([client, "import", archive, IMAGE], check=True, capture_output=True)
    yield client
    Store(folder).podman("rm", "--all", "--force", "--time=0")
    Store(folder).podman("rmi", "--all", "--force")


def copy_with_libraries(program: Path, root: Path, place: Path) -> None:
    """A program as an image holds it, with what it is linked to."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in map(Path, re.findall(r"(/\S+) \(0x", listed)):
        copy(library, root / library.relative_to("/"))
    copy(program, place)


def copy(source: Path, target: Path) -> None:
    """A file, whatever it was a link to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source.resolve(), target)


@pytest.fixture(scope="module")
def cloud(docker: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The emulator of somebody who has Docker."""
    with emulator_of(docker, tmp_path_factory.mktemp("images")) as process:
        yield Cloud(process)


@contextmanager
def emulator_of(docker: Path, folder: Path) -> Iterator[EmulatorProcess]:
    """An emulator with images of one's own, which finds this Docker first."""
    boxed = {"docker": True, "image": IMAGE, "environment": {"MODE": "boxed"}, "memory_limit": True}
    images = {"mine": boxed, "gone": {"docker": True, "image": "localhost:1/gone:1"}}
    (folder / "images.yaml").write_text(json.dumps({"images": images}))
    process = EmulatorProcess(own_images=folder / "images.yaml")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
        process.start()
    try:
        yield process
    finally:
        process.stop()


def names(docker: Path) -> list[str]:
    """Every container that Docker has."""
    listed = subprocess.run(
        [docker, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def ended(cloud: Cloud, script: str, image: str = "mine") -> dict[str, Any]:
    """A task of this image, once it has stopped; and its container."""
    task = cloud.stop_reason(container("sh", "-c", script, image=image))
    return {**task, "container": task["containers"][0]}


def test_it_ends_as_its_program_does_and_is_taken_away(docker: Path, cloud: Cloud) -> None:
    """With its exit code, its output in the log, and the variables of image and task; ours of this machine are not."""
    task = ended(cloud, "echo $MODE $AWS_ENDPOINT_URL ${PYTHONPATH-none}; exit 3")
    assert task["container"]["exitCode"] == 3
    assert [line["message"] for line in cloud.lines(task["taskArn"])] == [f"boxed {cloud.emulator.endpoint_url} none"]
    assert names(docker) == []


def test_an_image_that_cannot_be_had_is_said(cloud: Cloud) -> None:
    """In the words of who was asked."""
    task = ended(cloud, "true", image="gone")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: localhost:1/gone:1: ")


def test_it_is_held_to_its_memory(cloud: Cloud) -> None:
    """That memory was the reason, Docker would say; Debian's podman kills it and does not."""
    assert ended(cloud, "x=a; while :; do x=$x$x; done")["container"]["exitCode"] == 137


def test_what_is_stopped_hears_it(docker: Path, cloud: Cloud) -> None:
    """SIGTERM, and SIGKILL for who does not heed it."""
    heeds = "trap 'echo heard; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    definitions = [
        cloud.define_task(container("sh", "-c", script, image="mine", stopTimeout=2))
        for script in (heeds, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    ]
    arns = [cloud.run_task(definition) for definition in definitions]
    for arn in arns:
        wait_for(partial(cloud.lines, arn), "its first word")
        cloud.ecs.stop_task(cluster="jobs", task=arn)
    codes = [cloud.await_task(arn)["containers"][0]["exitCode"] for arn in arns]
    assert codes == [5, 137]
    assert "heard" in [line["message"] for line in cloud.lines(arns[0])]
    wait_for(lambda: names(docker) == [], "the containers' end")


def test_a_crash_of_ours_leaves_no_container(docker: Path, tmp_path: Path) -> None:
    """The process that outlives the emulator takes them away."""
    with emulator_of(docker, tmp_path) as process:
        other = Cloud(process)
        other.run_task(other.define_task(container("sh", "-c", "sleep 1000", image="mine")))
        wait_for(lambda: names(docker), "the container")
        os.kill(process.pid, 9)
    wait_for(lambda: names(docker) == [], "the container's end")
