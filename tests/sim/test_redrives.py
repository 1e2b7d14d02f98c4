"""Redrives by script: whatever is lost or late, nothing of a redrive is lost, and mistakes with redrives are seen."""

from __future__ import annotations

from random import Random

import pytest

from tests.sim.cli import replay_scene
from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.promises import REDRIVE_MUTANTS
from tests.sim.redrives import IMAGES, JOB, SCENES, STORIES, Manner, Scene, Stage, play
from tests.sim.simulation import history, undisturbed


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("story", STORIES)
def test_no_redrive_breaks_a_promise(story: str, image: str) -> None:
    """Events of Step Functions and of ECS come in every manner, and every outcome is told of once."""
    scenes = [scene for scene in SCENES if (scene.story, scene.image) == (story, image)]
    broken = [f"{found[0]}\n  replay: {replay_scene(scene)}" for scene in scenes if (found := play(scene).violations)]
    assert not broken, "\n".join(broken)
    assert len(scenes) == len(Manner) ** 2


@pytest.mark.parametrize(
    ("story", "announced", "earlier"),
    [
        ("cancelled, announced, redriven", {0, 1}, set()),
        ("redriven at once", {1}, {0}),
        ("redriven, cancelled, and redriven within the grace time", {0, 2}, {1}),
        ("redriven within the grace time, cancelled, announced, redriven", {1, 2}, {0}),
        ("redriven twice within the grace time", {2}, {0, 1}),
    ],
)
def test_a_story_is_what_its_name_says(story: str, announced: set[int], earlier: set[int]) -> None:
    """Each outcome is announced by itself, or by the next one."""
    ids, before = _told_of(Scene(story, "reporter", Manner.HEARD, Manner.HEARD))
    assert (set(ids), before) == (announced, earlier)
    assert ids[max(announced)].endswith(":SUCCEEDED")


def _told_of(scene: Scene) -> tuple[dict[int, str], set[int]]:
    """What subscribers were told in a scene: notification ids by redrive count, and counts told of in a later one."""
    with undisturbed():
        stage = Stage.of(scene)
        history(stage)
        told = stage.judge.announced[JOB], stage.judge.earlier[JOB]
        del stage  # It is to be collected while nobody is disturbed.
    return told


@pytest.mark.parametrize("mutant", REDRIVE_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_redrives_is_caught(mutant: Mutant) -> None:
    """Some scene shows each of them, and names the promise that it breaks."""
    in_any_order = Random(1).sample(SCENES, len(SCENES))
    with mutant.at_work():
        found = next((result for result in map(play, in_any_order) if result.violations), None)
    assert found is not None, "nobody noticed in any scene"
    assert found.violations[0].promise in mutant.promises, str(found.violations[0])
