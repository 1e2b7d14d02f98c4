"""Bulks by script, in pages of one job: what chance seldom brings together happens in the middle of them, in the calm.

And one job that is cancelled while whoever heard of its request stands still.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.sim.ledger import Asked
from tests.sim.redrives import JOB, Manner, Scene, Step
from tests.sim.simulation import Result, history, undisturbed
from tests.sim.wish_scenes import WishStage
from tests.support.aws.dynamodb import HEAD, Item
from tests.support.aws.stepfunctions import Execution
from tests.support.loop import PROCESS

OTHERS = ("job-2", "job-3", "job-4")
# Longer than a claim is, and than the grace time.
_STANDS_STILL_SECONDS = 150.0
_LONG_SECONDS = 200.0


class ManyStage(WishStage):
    """The world of one scene: several jobs of the same image."""

    @classmethod
    def of(cls, scene: Scene, *, trace: bool = False) -> ManyStage:
        """The stage of one of the scenes of this module."""
        return cls(scene, MANY_STORIES[scene.story], MANY_SCENES.index(scene), trace=trace)

    async def requests_them(self) -> None:
        """Send the requests of the job and of the others."""
        await self.requests_it()
        for job_id in OTHERS:
            stages = [{"image": self.scene.image, "command": ["say", job_id]}]
            body = json.dumps({"job_id": job_id, "user": job_id, "stages": stages})
            self.ledger.note_request(self.requests.next_id(), Asked(body, job_id, job_id))
            self.requests.send(body)

    async def all_run(self) -> None:
        """Wait until each has a container."""
        await self._until(lambda: all(self.ecs.groups.get(f"job:{job_id}") for job_id in (JOB, *OTHERS)))
        await self.runs()

    async def all_fail(self) -> None:
        """Let each fail, and be told of."""
        await self.fails()
        await self._until(lambda: all(0 in self.judge.announced[job_id] for job_id in (JOB, *OTHERS)))

    async def waits_long(self) -> None:
        """For whatever a claim or a silence holds up."""
        await self.loop.pause(_LONG_SECONDS)

    async def asks_for_all_ends(self) -> None:
        """Cancel all that are open."""
        await self._ask_for_all("cancel")

    async def asks_for_all_redrives(self) -> None:
        """Redrive all that failed."""
        self._goes_well()
        await self._ask_for_all("redrive")

    async def asks_for_all_again(self) -> None:
        """Make each again."""
        self._goes_well()
        await self._ask_for_all("rerun")

    async def _ask_for_all(self, verb: str) -> None:
        self.many.ask(verb, times=2)
        await self.loop.pause(1.0)

    async def stops_the_bulk(self) -> None:
        """Let it touch no more; in the meantime some were."""
        self.many.stop()

    # What goes wrong.

    async def breaks_redrives(self) -> None:
        """Step Functions fails to redrive anything, for now."""
        self.network.failing = frozenset({"states.RedriveExecution"})

    async def mends_redrives(self) -> None:
        """It works again."""
        self.network.failing = frozenset()

    async def stands_still_at_a_stop(self) -> None:
        """Whoever stops a job next stands still at once."""
        self.states.on_stop = self._standing_still(self.states.on_stop)

    async def stands_still_at_a_redrive(self) -> None:
        """Whoever redrives a job next stands still at once."""
        self.states.on_redrive = self._standing_still(self.states.on_redrive)

    def _standing_still(self, hook: Callable[[Execution], None]) -> Callable[[Execution], None]:
        def stand_still(execution: Execution) -> None:
            hook(execution)
            self._stand_still()

        return stand_still

    async def stands_still_at_its_request(self) -> None:
        """Whoever writes the request down stands still before it hears that it is."""
        hook = self.table.on_write

        def stand_still(key: str, part: str, before: Item, after: Item) -> None:
            hook(key, part, before, after)
            if (key, part) == (JOB, HEAD) and "r#request" in after and "r#request" not in before:
                self._stand_still()

        self.table.on_write = stand_still

    def _stand_still(self) -> None:
        process: Any = PROCESS.get()
        if process is not None and not self.stood_still:
            self.stood_still = True
            process.stalled_until = self.loop.time() + _STANDS_STILL_SECONDS

    stood_still = False


_ALL_RUN = (ManyStage.requests_them, ManyStage.all_run)
_ALL_FAIL = (ManyStage.requests_them, ManyStage.all_fail)
MANY_STORIES: Mapping[str, tuple[Step, ...]] = {
    "all cancelled": (*_ALL_RUN, ManyStage.asks_for_all_ends),
    "all cancelled, and who does it dies": (*_ALL_RUN, ManyStage.kills_who_does_it, ManyStage.asks_for_all_ends),
    "all cancelled, and who does it stands still": (
        *(*_ALL_RUN, ManyStage.stands_still_at_a_stop, ManyStage.asks_for_all_ends, ManyStage.waits_long),
    ),
    "all cancelled, and that stopped": (
        *(ManyStage.runs_for_a_minute, *_ALL_RUN, ManyStage.asks_for_all_ends, ManyStage.stops_the_bulk),
    ),
    "all redriven": (*_ALL_FAIL, ManyStage.asks_for_all_redrives, ManyStage.waits_long),
    "all redriven, and who does it dies": (
        *(*_ALL_FAIL, ManyStage.kills_who_does_it, ManyStage.asks_for_all_redrives, ManyStage.waits_long),
    ),
    "all redriven, and who does it stands still": (
        *(*_ALL_FAIL, ManyStage.stands_still_at_a_redrive, ManyStage.asks_for_all_redrives, ManyStage.waits_long),
    ),
    "all redriven, while Step Functions fails": (
        *(*_ALL_FAIL, ManyStage.breaks_redrives, ManyStage.asks_for_all_redrives, ManyStage.waits_long),
        *(ManyStage.mends_redrives, ManyStage.waits_long),
    ),
    "all made again": (*_ALL_FAIL, ManyStage.asks_for_all_again, ManyStage.waits_long),
    "cancelled while who starts it stands still": (
        # Its polls are over by then, so that another hears of the end.
        *(ManyStage.stands_still_at_its_request, ManyStage.requests_it, *(ManyStage.waits,) * 4),
        *(ManyStage.asks_for_an_end, ManyStage.waits_long),
    ),
}
MANY_SCENES = tuple(Scene(story, "plain", Manner.HEARD, Manner.HEARD) for story in MANY_STORIES)


def play_many(scene: Scene, *, trace: bool = False) -> Result:
    """Play one scene to its end, or to its first violation."""
    with undisturbed(page_jobs=1):
        return history(ManyStage.of(scene, trace=trace))
