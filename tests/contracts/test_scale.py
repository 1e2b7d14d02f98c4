"""Three hundred jobs at once on a small machine, and nothing left of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cloud import Cloud, container, run_task_state
from tests.support.waiting import wait_for

MANY = 300


def entries(directory: Path) -> int:
    """How many entries a directory has."""
    return len(list(directory.iterdir()))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_three_hundred_one_second_tasks(cloud: Cloud, temporary: Path) -> None:
    """They all succeed, and their threads, files and descriptors are given back."""
    cloud.output({"Run": run_task_state(cloud.define_task(container("true")))})
    process = Path(f"/proc/{cloud.emulator.pid}")
    before = entries(process / "task")
    machine = cloud.define_machine({"Run": run_task_state(cloud.define_task(container("sleep", "1")))})
    queue = cloud.event_queue(
        {"source": ["aws.states"], "detail": {"stateMachineArn": [machine], "status": [{"anything-but": "RUNNING"}]}}
    )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: cloud.sfn.start_execution(stateMachineArn=machine), range(MANY)))
    events = cloud.collect(queue, lambda found: len(found) >= MANY)
    assert [event["detail"]["status"] for event in events] == ["SUCCEEDED"] * MANY
    wait_for(lambda: entries(process / "task") <= before + 5, "threads given back")
    assert entries(process / "fd") < 200
    wait_for(lambda: not list(temporary.glob("*/container-*")), "directories given back")
