"""When a stage is tried again, how long after, and on what."""

from __future__ import annotations

import json

from tests.support.machine import EXIT_1, LOST, OUT_OF_MEMORY, SPOT, THROTTLED, Machine, ok, stage


def test_an_exit_code_is_tried_again_where_the_catalogue_says_so() -> None:
    """As often as it says, and no more."""
    patient = stage(retries={"application": 2})
    assert Machine([patient]).run(EXIT_1, EXIT_1, ok()).decision == "succeed"
    assert Machine([patient]).run(EXIT_1, EXIT_1, EXIT_1).decision == "fail"


def test_what_mends_itself_is_tried_again_after_a_doubling_pause() -> None:
    """By default three times; then the job fails with what it was as its evidence."""
    machine = Machine([stage()])
    end = machine.run(SPOT, SPOT, SPOT, SPOT)
    first, *pauses = machine.waited
    assert first == 0
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, (5, 10, 20), strict=True))
    assert end.outcome is not None
    assert "Your Spot Task was interrupted" in json.loads(end.outcome.cause)["evidence"]
    assert [item.attempt for item in end.outcome.attempts] == [1, 2, 3, 4]


def test_no_pause_is_longer_than_five_minutes() -> None:
    """Doubling stops there."""
    machine = Machine([stage(retries={"transient": 20})])
    machine.run(*[LOST] * 20, ok())
    assert min(machine.waited[8:]) >= 150
    assert max(machine.waited) <= 300


def test_what_mends_itself_has_one_budget() -> None:
    """Spot, hosts that were lost: whatever comes in whatever order, no more attempts than were allowed."""
    allowed = stage(retries={"transient": 3})
    assert Machine([allowed]).run(LOST, SPOT, LOST, ok()).decision == "succeed"
    assert Machine([allowed]).run(LOST, SPOT, LOST, SPOT).decision == "fail"


def test_retries_are_counted_by_stage_and_by_budget() -> None:
    """A lost host uses up no attempt after an out-of-memory or a bug, nor any of the next stage."""
    once = stage(max_memory=2048, retries={"transient": 1, "out_of_memory": 1, "application": 1})
    machine = Machine([once, once])
    end = machine.run(LOST, OUT_OF_MEMORY, EXIT_1, ok(), LOST, ok())
    assert end.decision == "succeed"
    assert [(item.stage, item.attempt) for item in machine.ran] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)]
    assert Machine([once]).run(LOST, OUT_OF_MEMORY, EXIT_1, EXIT_1).decision == "fail"


def test_a_run_that_left_no_exit_code_is_tried_again() -> None:
    """Most likely its host was lost, which a bug in the job's program does not do."""
    assert Machine([stage()]).run(LOST, ok()).decision == "succeed"
    assert Machine([stage(retries={"transient": 0})]).run(LOST).decision == "fail"


def test_out_of_memory_is_tried_at_once_with_the_next_size() -> None:
    """Up the ladder to the catalogue's ceiling, and then it is over."""
    machine = Machine([stage(max_memory=2048, retries={"out_of_memory": 5})])
    end = machine.run(OUT_OF_MEMORY, OUT_OF_MEMORY, OUT_OF_MEMORY)
    assert [(item.cpu, item.memory) for item in machine.ran] == [("256", "512"), ("256", "1024"), ("256", "2048")]
    assert machine.waited == [0, 0, 0]
    assert end.decision == "fail"


def test_out_of_memory_is_tried_no_more_often_than_the_catalogue_says() -> None:
    """Twice by default, however high the ceiling."""
    machine = Machine([stage(max_memory=30_720)])
    assert machine.run(OUT_OF_MEMORY, OUT_OF_MEMORY, OUT_OF_MEMORY).decision == "fail"
    assert [item.memory for item in machine.ran] == ["512", "1024", "2048"]


def test_a_throttle_on_the_way_up_does_not_lose_the_size() -> None:
    """What was learnt of the memory stays with the stage; the next stage begins with its own."""
    machine = Machine([stage(max_memory=2048), stage()])
    machine.run(OUT_OF_MEMORY, THROTTLED, ok(), ok())
    assert [item.memory for item in machine.ran] == ["512", "1024", "1024", "512"]


def test_memory_on_EC2_is_doubled_up_to_the_ceiling() -> None:
    """No fixed sizes there."""
    machine = Machine([stage(on_fargate=False, launch_type="EC2", memory=600, max_memory=1000)])
    machine.run(OUT_OF_MEMORY, OUT_OF_MEMORY)
    assert [item.memory for item in machine.ran] == ["600", "1000"]


SPOT_PROVIDERS = [{"capacity_provider": "FARGATE_SPOT", "weight": 1, "base": 0}]


def test_after_a_Spot_interruption_the_stage_runs_on_demand_where_the_catalogue_allows() -> None:
    """And does not go back to Spot for another reason."""
    machine = Machine([stage(capacity_providers=SPOT_PROVIDERS, on_demand_fallback=True)])
    machine.run(SPOT, THROTTLED, ok())
    assert [item.launch for item in machine.ran] == ["sync_on_capacity_provider", "sync", "sync"]
    assert machine.ran[0].capacity_provider_strategy == ({"CapacityProvider": "FARGATE_SPOT", "Weight": 1, "Base": 0},)


def test_without_the_fallback_it_stays_on_Spot() -> None:
    """Money is the catalogue's to spend."""
    machine = Machine([stage(capacity_providers=SPOT_PROVIDERS)])
    machine.run(SPOT, ok())
    assert [item.launch for item in machine.ran] == ["sync_on_capacity_provider"] * 2


def test_on_demand_is_the_images_own_launch_type() -> None:
    """A group of EC2 Spot instances falls back to EC2, not to Fargate, whose sizes it may not fit."""
    spot_group = [{"capacity_provider": "spot-group"}]
    of_ec2 = stage(launch_type="EC2", on_fargate=False, capacity_providers=spot_group, on_demand_fallback=True)
    machine = Machine([of_ec2])
    machine.run(SPOT, ok())
    assert (machine.ran[1].launch, machine.ran[1].launch_type) == ("sync", "EC2")
