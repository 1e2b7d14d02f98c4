"""Histories of redrives that follow a script, for chance seldom makes them: what matters is lost for good, in the calm.

Every story is told with every manner in which the events of Step Functions, and those of ECS, may come or not come.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import product
from typing import Any

from tests.sim.circumstances import Circumstances
from tests.sim.ledger import Asked
from tests.sim.replicas import Blackout
from tests.sim.simulation import Result, World, history, undisturbed
from tests.sim.truth import place_of
from tests.support.aws.ecs import Task
from tests.support.aws.sqs import Held, SimQueue
from tests.support.aws.stepfunctions import Execution
from tests.support.loop import world_call_at
from tests.support.simulated_images import Script

JOB = "job"
_TOKEN = "job-a"
_LOOK_SECONDS = 1.0
_LONG_LOOK_SECONDS = 10.0  # For the end, after which nobody does anything.
# An operator sees that a container runs, and takes so long to cancel it.
_RUNS_SECONDS = 5.0
_WITHIN_THE_GRACE_TIME_SECONDS = 4.0
_LATE_SECONDS = 45.0
_WINDOW_SECONDS = 60.0
_QUOTA_SECONDS = 100.0
_AT_WORK_SECONDS = 60.0
# The look for redrives that no event told of, and a sweep; the job is due a little later, too.
_FOUND_WITHIN_SECONDS = 300.0 + 30.0 + 40.0
# After the last announcement, another look for redrives and another silence pass: nothing more may come of them.
_AFTER_ALL_SECONDS = 400.0
# What is cancelled would have run for long: so it does, where it is a callback's container that nobody stops.
_LONG = Script(pending=2.0, runs=3000.0, lingers=1.0, lines=60)
_PASSING = Script(pending=2.0, runs=10.0, lingers=1.0, lines=3)
_FAILING = Script(pending=2.0, runs=20.0, lingers=1.0, lines=3, exit_code=1, reports=False)


class Manner(Enum):
    """How the events of one service come."""

    HEARD = "heard"
    LATE = "late"
    OVERTAKEN = "the newest first"
    LOST_LATER = "lost from the first redrive on"
    LOST = "all lost"


@dataclass(frozen=True)
class Scene:
    """A story, of a job of this image, as it is heard of."""

    story: str
    image: str
    states: Manner
    tasks: Manner

    def __str__(self) -> str:
        return f"{self.story}; {self.image}; Step Functions {self.states.value}; ECS {self.tasks.value}"


class Stage(World):
    """The world of one scene: an operator does what the story says, and all else goes well."""

    def __init__(self, scene: Scene, steps: Sequence[Step], seed: int, *, trace: bool = False) -> None:
        circumstances = replace(Circumstances.calm(), blackout=_BLACKOUTS.get(scene.story, _NONE))
        super().__init__(seed, 0, trace=trace, circumstances=circumstances)
        self.scene = scene
        self.steps_to_play = steps
        self.script = _LONG
        self.bridge.held_back = self._held_back
        self.ecs.draw_script = lambda chance, family, fails: self.script
        self.events.on_delete = self._on_delete
        self.outlived_seconds += self._heard_within + _LOOKED_AFTER_WITHIN[scene.tasks]

    @property
    def execution(self) -> Execution:
        """The job's."""
        return self.states.executions[JOB]

    @property
    def redrives(self) -> int:
        """How often it was redriven."""
        held = self.states.executions.get(JOB)
        return held.now.redrive_count if held else 0

    @property
    def _heard_within(self) -> float:
        """How soon a redrive is known, by the first of all that tells of it."""
        return min(_HEARD_WITHIN[self.scene.states], _HEARD_WITHIN[self.scene.tasks], _FOUND_WITHIN_SECONDS)

    @classmethod
    def of(cls, scene: Scene, *, trace: bool = False) -> Stage:
        """The stage of one of the scenes of this module."""
        return cls(scene, (cls.requests_it, *STORIES[scene.story]), SCENES.index(scene), trace=trace)

    def _begin(self) -> None:
        self.workload.to_send = 1  # More is to come, until the story is told.
        self.loop.in_world(self._play())

    async def _play(self) -> None:
        for step in self.steps_to_play:
            await step(self)
        await self._until(lambda: JOB not in self.states.executions or self.execution.ended, _LONG_LOOK_SECONDS)
        await self.hears_of_it()
        await self.loop.pause(_AFTER_ALL_SECONDS)
        self.workload.to_send = 0

    async def _until(self, holds: Callable[[], bool], look_seconds: float = _LOOK_SECONDS) -> None:
        while not holds():
            await self.loop.pause(look_seconds)

    # What producers and operators do.

    async def requests_it(self) -> None:
        """Send the job's request."""
        body = {
            "job_id": JOB,
            "user": _TOKEN,
            "stages": [{"image": self.scene.image, "command": ["say", _TOKEN]}] * _STAGES.get(self.scene.story, 1),
        }
        text = json.dumps(body)
        self.ledger.note_request(self.requests.next_id(), Asked(text, JOB, _TOKEN))
        self.requests.send(text)

    async def cancels(self) -> None:
        """Stop the execution, once a container of its present redrive runs."""
        await self.runs()
        self.states.cut_off(self.execution, "ABORTED")

    async def runs(self) -> None:
        """Let a container of its present redrive run for a while."""
        await self._until(self._runs)
        await self.loop.pause(_RUNS_SECONDS)

    def _runs(self) -> bool:
        running = [task for task in self._tasks() if task.last_status == "RUNNING"]
        return any(place_of(task)[0] == self.redrives for task in running)

    def _tasks(self) -> Sequence[Task]:
        return self.ecs.groups.get(f"job:{JOB}", ())

    async def passes_a_stage(self) -> None:
        """Let the container of its first stage exit with 0, and the one of the next run for long."""
        self.script = _PASSING
        await self._until(lambda: any(True for _ in self._tasks()))
        self.script = _LONG
        await self._until(lambda: any(place_of(task)[1] > 1 for task in self._tasks()))

    async def fails(self) -> None:
        """Let its container fail."""
        self.script = _FAILING
        await self._until(lambda: JOB in self.states.executions and self.execution.ended)

    async def hears_of_it(self) -> None:
        """Wait for the announcement of how it ended; the world's own patience is longer."""
        count = self.redrives
        await self._until(lambda: bool({count} & (self.judge.announced[JOB].keys() | self.judge.earlier[JOB])))
        await self.loop.pause(_LOOK_SECONDS)

    async def hesitates(self) -> None:
        """For less than the grace time."""
        await self.loop.pause(_WITHIN_THE_GRACE_TIME_SECONDS)

    async def redrives_for_good(self) -> None:
        """Redrive it; what runs then runs to its end."""
        # Longer than what was cancelled may: nobody is to take care of that only when all has ended.
        self.script = replace(_LONG, runs=self.outlived_seconds + _WINDOW_SECONDS, lines=30)
        await self.redrives_it()

    async def redrives_it(self) -> None:
        """Redrive it; what runs then runs for long."""
        self.states.redrive(self.execution)
        self.on_redrive(self.execution)

    async def uses_the_quota_up(self) -> None:
        """Let something else have all that the account may run, and give it back after a while."""
        taken = self.quotas.vcpus
        self.quotas.vcpus_in_use += taken
        self.loop.in_world(self._give_back(taken))

    async def _give_back(self, vcpus: float) -> None:
        await self.loop.pause(_QUOTA_SECONDS)
        self.quotas.vcpus_in_use -= vcpus

    # What is heard of it.

    def _on_delete(self, queue: SimQueue, held: Held) -> None:
        """Whoever is at work on the job already hears of it when that is done."""
        self.judge.on_delete(queue, held)
        world_call_at(self.loop, self.loop.time() + _AT_WORK_SECONDS, self.judge.on_heard, held)

    def _held_back(self, event: dict[str, Any]) -> float | None:
        manner = self.scene.states if event["source"] == "aws.states" else self.scene.tasks
        match manner:
            case Manner.LATE:
                return _LATE_SECONDS
            case Manner.OVERTAKEN:
                # What comes later in the window waits for less, by more than the time between them.
                return 1.1 * (_WINDOW_SECONDS - self.loop.time() % _WINDOW_SECONDS)
            case Manner.LOST:
                return None
            case Manner.LOST_LATER if self.redrives:
                return None
        return 0.0


_HEARD_WITHIN = {
    Manner.HEARD: 0.0,
    Manner.LATE: _LATE_SECONDS,
    Manner.OVERTAKEN: 1.1 * _WINDOW_SECONDS,
    Manner.LOST_LATER: float("inf"),
    Manner.LOST: float("inf"),
}
# A task of before of which nobody tells in time is the sweeper's: after the grace time, or when its job was silent.
_LOOKED_AFTER_WITHIN = {
    Manner.HEARD: 0.0,
    Manner.LATE: 33.0 + 30.0,
    Manner.OVERTAKEN: 33.0 + 30.0,
    Manner.LOST_LATER: 330.0 + 30.0,
    Manner.LOST: 330.0 + 30.0,
}
Step = Callable[[Any], Awaitable[None]]
STORIES: Mapping[str, tuple[Step, ...]] = {
    "cancelled, announced, redriven": (Stage.cancels, Stage.hears_of_it, Stage.redrives_for_good),
    "failed, announced, redriven": (Stage.fails, Stage.hears_of_it, Stage.redrives_for_good),
    "redriven within the grace time": (Stage.cancels, Stage.hesitates, Stage.redrives_for_good),
    "redriven at once": (Stage.cancels, Stage.redrives_for_good),
    "cancelled in its second stage, and redriven at once": (
        *(Stage.passes_a_stage, Stage.cancels, Stage.redrives_for_good),
    ),
    "cancelled in its second stage, and redriven while nobody works": (
        *(Stage.passes_a_stage, Stage.cancels, Stage.redrives_for_good),
    ),
    "redriven, cancelled, and redriven within the grace time": (
        *(Stage.cancels, Stage.hears_of_it, Stage.redrives_it),
        *(Stage.cancels, Stage.hesitates, Stage.redrives_for_good),
    ),
    "redriven within the grace time, cancelled, announced, redriven": (
        *(Stage.cancels, Stage.hesitates, Stage.redrives_it),
        *(Stage.cancels, Stage.hears_of_it, Stage.redrives_for_good),
    ),
    "redriven twice within the grace time": (
        *(Stage.cancels, Stage.hesitates, Stage.redrives_it),
        *(Stage.cancels, Stage.hesitates, Stage.redrives_for_good),
    ),
    "redriven when a quota is used up": (
        *(Stage.cancels, Stage.hears_of_it),
        *(Stage.uses_the_quota_up, Stage.redrives_for_good),
    ),
}
_STAGES = {
    "cancelled in its second stage, and redriven at once": 2,
    "cancelled in its second stage, and redriven while nobody works": 2,
}
_NONE = Blackout(0.0, 0.0)
# From when its first stage is over until after its end, and before ECS forgets its tasks.
_BLACKOUTS = {"cancelled in its second stage, and redriven while nobody works": Blackout(20.0, 1500.0)}
# The container of the one stops with its execution, that of the other runs on.
IMAGES = ("plain", "reporter")
SCENES = tuple(
    Scene(story, image, states, tasks) for story, image, states, tasks in product(STORIES, IMAGES, Manner, Manner)
)


def play(scene: Scene, *, trace: bool = False) -> Result:
    """Play one scene to its end, or to its first violation."""
    with undisturbed():
        return history(Stage.of(scene, trace=trace))
