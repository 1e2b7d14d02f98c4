"""The worker's death, sudden or asked for: nothing is lost, nothing is told twice."""

from __future__ import annotations

import signal

from tests.support.job_requests import shell
from tests.support.system import SharedWorker, System
from tests.support.waiting import WITHIN_SECONDS

WAVE = 3


def _send(system: System, wave: str) -> list[str]:
    names = [f"crash-{wave}-{number}" for number in range(WAVE)]
    for number, name in enumerate(names):
        system.send({"job_id": name, "stages": [shell(f"sleep 0.{number}; echo {name}")]})
    return names


def _any_told(system: System, names: list[str]) -> bool:
    system.collect()
    return any(system.found.get(name) for name in names)


def test_killing_the_worker_twice_loses_and_doubles_nothing(system: System, shared_worker: SharedWorker) -> None:
    """Once while jobs are being started, once while they are being announced.

    Where the second death falls between SNS's answer and our note of it, the second copy bears the same id; nothing
    else may be told twice.
    """
    names = _send(system, "a")
    system.wait_for(lambda: system.execution(names[0]), "the first start", names[0])
    shared_worker.kill()
    names += _send(system, "b")
    shared_worker.ensure()
    system.wait_for(lambda: _any_told(system, names), "the first announcement", names[0])
    shared_worker.kill()
    after = _send(system, "c")
    shared_worker.ensure()
    assert {name: system.told(name).status for name in names + after} == dict.fromkeys(names + after, "SUCCEEDED")
    assert {name: system.copies(name) for name in after} == dict.fromkeys(after, 1)
    assert {copy.notification.id for name in names for copy in system.found[name]} == {
        f"{name}:0:SUCCEEDED" for name in names
    }
    assert {name: len(system.tasks(name, "STOPPED")) for name in names} == dict.fromkeys(names, 1)


def test_sigterm_gives_messages_back_and_leaves(system: System, shared_worker: SharedWorker) -> None:
    """With status 0; another worker finishes what was begun. That it leaves within the drain, simulated time tells."""
    names = _send(system, "d")
    system.wait_for(lambda: system.execution(names[0]), "the first start", names[0])
    worker = shared_worker.ensure()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(WITHIN_SECONDS) == 0
    shared_worker.ensure()
    assert {name: system.told(name).status for name in names} == dict.fromkeys(names, "SUCCEEDED")
    assert {name: system.copies(name) for name in names} == dict.fromkeys(names, 1)


def test_two_workers_share_the_work_and_tell_each_outcome_once(system: System) -> None:
    """Replicas find the same things owed; a claim decides."""
    with system.worker():
        names = _send(system, "e")
        assert {system.told(name).status for name in names} == {"SUCCEEDED"}
        assert {name: system.copies(name) for name in names} == dict.fromkeys(names, 1)


def test_a_worker_that_leaves_takes_no_message_with_it(system: System, shared_worker: SharedWorker) -> None:
    """What arrives while it finishes its last poll is received by the next worker at once, not after a lease."""
    worker = shared_worker.ensure()
    worker.send_signal(signal.SIGTERM)
    system.send({"job_id": "late", "stages": [{"image": "image_1", "command": ["echo", "late"]}]})
    assert worker.wait(WITHIN_SECONDS) == 0
    attributes = system.client("sqs").get_queue_attributes(
        QueueUrl=system.outputs["RequestQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
    shared_worker.ensure()
    assert system.told("late").status == "SUCCEEDED"
