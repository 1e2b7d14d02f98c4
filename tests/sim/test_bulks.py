"""One wish for many jobs, among all else that goes wrong: nobody is left out, and mistakes with it are seen."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.sim.catching import look_into, must_be_seen
from tests.sim.cli import replay_scene
from tests.sim.many_judge import BULK_KEY
from tests.sim.many_scenes import MANY_SCENES, OTHERS, ManyStage, play_many
from tests.sim.mutants.many import BULK_MUTANTS, REPLAY_MUTANTS, SCENE_MUTANTS
from tests.sim.mutants.mutant import Mutant
from tests.sim.redrives import JOB, Scene
from tests.sim.simulation import World, history, undisturbed
from tests.sim.truth import fact_in

_MOST_SEEDS = 1000
_SEEDS = 70


def test_bulks_of_each_kind_come_to_their_end() -> None:
    """In several pages, some stopped, some asked for by a copy; no promise is broken by that."""
    seen: Counter[str] = Counter()

    def look(world: World) -> None:
        bulk, progress = world.judge.many, fact_in(world.table.item(BULK_KEY), "bulk_progress") or {}
        done = progress.get("done", 0)
        seen[f"done by a {bulk.verb}"] += done
        seen["several pages"] += bulk.pages > 2
        seen["stopped"] += progress.get("stopped", False)
        seen["replayed"] += world.letters.replayed

    assert not [found for seed in range(_SEEDS) for found in look_into(seed, look).violations]
    named = ("done by a cancel", "done by a redrive", "done by a rerun", "several pages")
    assert not [name for name in (*named, "stopped", "replayed") if not seen[name]], dict(seen)


@pytest.mark.parametrize("mutant", (*BULK_MUTANTS, *REPLAY_MUTANTS), ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_a_bulk_is_seen(mutant: Mutant) -> None:
    """The violation names the promise that it breaks."""
    must_be_seen(mutant, 0, _MOST_SEEDS)


@pytest.mark.parametrize("scene", MANY_SCENES, ids=lambda scene: scene.story.replace(" ", "-"))
def test_no_bulk_by_script_breaks_a_promise(scene: Scene) -> None:
    """Its worker dies, stands still, is told to stop, or AWS fails, in the middle of it."""
    found = play_many(scene).violations
    assert not found, f"{found[0]}\n  replay: {replay_scene(scene)}"


ENDS = {
    "all cancelled": ["ABORTED"],
    "all cancelled, and who does it stands still": ["ABORTED"],
    "all redriven": ["FAILED", "SUCCEEDED"],
    "all redriven, and who does it stands still": ["FAILED", "SUCCEEDED"],
    "all redriven, while Step Functions fails": ["FAILED", "SUCCEEDED"],
}


@pytest.mark.parametrize(("story", "statuses"), ENDS.items())
def test_a_bulk_by_script_is_what_its_name_says(story: str, statuses: list[str]) -> None:
    """Each job ends so, and is told of so."""
    ends = _ends_of(next(scene for scene in MANY_SCENES if scene.story == story))
    assert ends == dict.fromkeys((JOB, *OTHERS), statuses)


@pytest.mark.parametrize("what", ["cancelled", "redriven"])
def test_two_workers_are_at_one_bulk_where_one_stands_still(what: str) -> None:
    """The other goes on when the claim of the first is over, and the first goes on when it wakes."""
    scene = next(scene for scene in MANY_SCENES if scene.story == f"all {what}, and who does it stands still")
    with undisturbed(page_jobs=1):
        assert len(_workers_at(scene)) == 2


def _workers_at(scene: Scene) -> set[str]:
    stage = ManyStage.of(scene)
    history(stage)
    return stage.judge.many.workers


def _ends_of(scene: Scene) -> dict[str, list[str]]:
    with undisturbed(page_jobs=1):
        stage = ManyStage.of(scene)
        history(stage)
        told = {job_id: [name.rpartition(":")[2] for _, name in sorted(ids.items())] for job_id, ids in _told_in(stage)}
        del stage  # It is to be collected while nobody is disturbed.
    return told


def _told_in(stage: ManyStage) -> list[tuple[str, dict[int, str]]]:
    return [(job_id, dict(ids)) for job_id, ids in stage.judge.announced.items()]


@pytest.mark.parametrize("mutant", SCENE_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_in_a_scene_is_seen(mutant: Mutant) -> None:
    """Some scene shows each of them."""
    with mutant.at_work():
        found = next((result for result in map(play_many, MANY_SCENES) if result.violations), None)
    assert found is not None, "nobody noticed in any scene"
    assert found.violations[0].promise in mutant.promises, str(found.violations[0])
