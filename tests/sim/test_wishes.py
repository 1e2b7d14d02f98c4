"""Wishes by script: each is done, or refused with a true reason, and mistakes with them are seen."""

from __future__ import annotations

from random import Random

import pytest

from tests.sim.cli import replay_scene
from tests.sim.mutants.mutant import Mutant
from tests.sim.mutants.wishes import WISH_MUTANTS
from tests.sim.redrives import JOB, Manner, Scene
from tests.sim.simulation import history, undisturbed
from tests.sim.wish_scenes import WISH_SCENES, WISH_STORIES, WishStage, play_wish


@pytest.mark.parametrize("story", WISH_STORIES)
def test_no_wish_breaks_a_promise(story: str) -> None:
    """Whether the container reports or exits, and whether events are heard or lost for good."""
    scenes = [scene for scene in WISH_SCENES if scene.story == story]
    broken = [
        f"{found[0]}\n  replay: {replay_scene(scene)}" for scene in scenes if (found := play_wish(scene).violations)
    ]
    assert not broken, "\n".join(broken)
    assert len(scenes) == 8


@pytest.mark.parametrize(
    ("story", "announced", "steered"),
    [
        ("cancelled before its request", ["ABORTED"], {"cancel"}),
        ("cancelled while it runs", ["ABORTED"], {"cancel"}),
        ("cancelled, and again after that", ["ABORTED"], {"cancel"}),
        ("cancelled after its end", ["FAILED"], set()),
        ("redriven", ["FAILED", "SUCCEEDED"], {"redrive"}),
        ("redriven by two people", ["FAILED", "SUCCEEDED"], {"redrive"}),
        ("redriven, and who does it dies", ["FAILED", "SUCCEEDED"], {"redrive"}),
        ("cancelled and redriven", ["SUCCEEDED"], {"redrive"}),
        ("never started and redriven", ["ABORTED"], {"cancel"}),
        ("redriven when it is too old", ["FAILED"], set()),
        ("another tenant's wishes", ["SUCCEEDED"], set()),
        ("cancelled, and nobody may", ["SUCCEEDED"], set()),
        ("redriven, and nobody may", ["FAILED"], set()),
        ("redriven, and nobody may, and again when they may", ["FAILED", "SUCCEEDED"], {"redrive"}),
    ],
)
def test_a_wish_is_what_its_name_says(story: str, announced: list[str], steered: set[str]) -> None:
    """What subscribers are told, and what the last of it says was asked for."""
    told = _told_of(Scene(story, "plain", Manner.HEARD, Manner.HEARD))
    assert [status for status, _ in told] == announced
    assert told[-1][1] == steered


def _told_of(scene: Scene) -> list[tuple[str, set[str]]]:
    """The outcomes of a scene in order, each with the verbs that steered it."""
    with undisturbed():
        stage = WishStage.of(scene)
        history(stage)
        outcomes = [notice.body for notice in stage.topic.notices if notice.id in stage.judge.announced[JOB].values()]
        told = [(body["status"], {wish["verb"] for wish in body["steered"]}) for body in outcomes]
        del stage  # It is to be collected while nobody is disturbed.
    return told


@pytest.mark.parametrize("mutant", WISH_MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mistake_with_wishes_is_caught(mutant: Mutant) -> None:
    """Some scene shows each of them, and names the promise that it breaks."""
    in_any_order = Random(1).sample(WISH_SCENES, len(WISH_SCENES))
    with mutant.at_work():
        found = next((result for result in map(play_wish, in_any_order) if result.violations), None)
    assert found is not None, "nobody noticed in any scene"
    assert found.violations[0].promise in mutant.promises, str(found.violations[0])
