"""A job's own container that is killed beside another one: whose failure it is, and what is tried next."""

from __future__ import annotations

import pytest

from tests.support.machine import Machine, brief, failed, ok, stage

OWN_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
GROWS = stage(max_memory=1024)


@pytest.mark.parametrize("sidecar", [None, 0, 137, 143])
def test_a_kill_beside_a_sidecar_that_did_not_fail_by_itself_is_tried_with_more_memory(sidecar: int | None) -> None:
    """ECS stops the others with 143 or 137 when one has died: those codes are echoes, and lead to nothing."""
    machine = Machine([GROWS])
    end = machine.run(failed(("sidecar", sidecar), ("main", 137)), ok())
    assert [item.memory for item in machine.ran] == ["512", "1024"]
    assert brief(end) == [(1, 1, False, 137), (1, 2, True, 0)]
    assert end.outcome is not None
    assert end.outcome.attempts[0].failure_class == "out_of_memory"


@pytest.mark.parametrize("sidecar", [1, 2, 139, 255])
def test_a_kill_for_memory_beside_a_sidecar_that_failed_is_tried_with_more_memory(sidecar: int) -> None:
    """AWS names the memory, which is certain, whatever else went wrong."""
    machine = Machine([GROWS])
    end = machine.run(failed(("sidecar", sidecar), ("main", 137), reason=OWN_OUT_OF_MEMORY), ok())
    assert end.decision == "succeed"
    assert [item.memory for item in machine.ran] == ["512", "1024"]


@pytest.mark.parametrize("own", [137, 143])
@pytest.mark.parametrize("sidecar", [1, 139])
def test_a_kill_after_a_sidecar_that_failed_is_the_sidecars(sidecar: int, own: int) -> None:
    """It led, and ECS stopped the job's own: more memory mends nothing, and the catalogue says whether to try again."""
    end = Machine([GROWS]).run(failed(("sidecar", sidecar), ("main", own)))
    assert end.outcome is not None
    assert end.outcome.attempts[0].failure_class == "sidecar_failed"
    retried = Machine([stage(max_memory=1024, retries={"application": 1})])
    assert retried.run(failed(("sidecar", sidecar), ("main", own)), ok()).decision == "succeed"
    assert [item.memory for item in retried.ran] == ["512", "512"]


def test_a_sidecar_leads_only_where_ecs_stopped_the_task_for_a_container() -> None:
    """Where it stopped the task for a reason that we do not know, nobody was seen first: memory is the best guess."""
    machine = Machine([GROWS])
    machine.run(failed(("sidecar", 1), ("main", 137), stop_code="SomethingNew"), ok())
    assert [item.memory for item in machine.ran] == ["512", "1024"]


def test_a_sidecar_leads_where_ecs_gives_no_stop_code() -> None:
    """Its exit code is then all that there is to tell by."""
    end = Machine([GROWS]).run(failed(("sidecar", 1), ("main", 137), stop_code=""))
    assert end.outcome is not None
    assert end.outcome.attempts[0].failure_class == "sidecar_failed"
