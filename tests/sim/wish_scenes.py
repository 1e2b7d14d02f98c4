"""Wishes by script: cancels and redrives by the control queue, at each moment of a job's life, in the calm.

Every story is told with the events of Step Functions, and those of ECS, heard or lost for good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

from tests.sim.redrives import IMAGES, JOB, Manner, Scene, Stage, Step
from tests.sim.simulation import Result, history, undisturbed
from tests.sim.wishes import ANOTHER_TENANT
from tests.support.aws.stepfunctions import Execution
from tests.support.loop import PROCESS
from tests.support.simulated_images import Script

_LATE_SECONDS = 50.0
_A_MOMENT = 0.01
_LATER_SECONDS = 10.0
_SHORT = Script(pending=2.0, runs=60.0, lingers=1.0, lines=3)


class WishStage(Stage):
    """The world of one scene: people ask, and all else goes well but for what the story says."""

    @classmethod
    def of(cls, scene: Scene, *, trace: bool = False) -> WishStage:
        """The stage of one of the scenes of this module."""
        return cls(scene, WISH_STORIES[scene.story], WISH_SCENES.index(scene), trace=trace)

    async def waits(self) -> None:
        """A little."""
        await self.loop.pause(_LATER_SECONDS)

    async def runs_for_a_minute(self) -> None:
        """Whatever runs from now on ends by itself before long."""
        self.script = _SHORT

    async def asks_for_an_end(self) -> None:
        """Cancel it by message."""
        await self._ask("cancel")

    async def asks_late_for_an_end(self) -> None:
        """Cancel it by a message that is overtaken."""
        await self._ask("cancel", late=_LATE_SECONDS)

    async def asks_for_a_redrive(self) -> None:
        """Redrive it by message; what runs then runs to its end."""
        self._goes_well()
        await self._ask("redrive")

    async def asks_late_for_a_redrive(self) -> None:
        """Redrive it by a message that is overtaken."""
        self._goes_well()
        await self._ask("redrive", late=_LATE_SECONDS)

    async def _ask(self, verb: str, late: float = 0.0) -> None:
        self.people.ask(verb, JOB, late=late)
        await self.loop.pause(_A_MOMENT)  # Nobody asks for two things in the same millisecond.

    async def another_asks(self) -> None:
        """For its end, and a redrive, in the name of another tenant."""
        self.people.ask("cancel", JOB, ANOTHER_TENANT)
        self.people.ask("redrive", JOB, ANOTHER_TENANT)

    async def redrives_by_hand(self) -> None:
        """Redrive it past the workers."""
        self._goes_well()
        await self.redrives_it()

    def _goes_well(self) -> None:
        self.script = replace(_SHORT, runs=self.outlived_seconds + 2 * _SHORT.runs)

    # What AWS does of it.

    async def is_too_old(self) -> None:
        """Its end was more than fourteen days ago."""
        self.states.redrivable_seconds = 0.0

    async def is_deleted(self) -> None:
        """Its execution goes, with the state machine."""
        self.states.forget(JOB)

    async def forbids_ends(self) -> None:
        """The workers' role may stop no execution."""
        self._forbids("states.StopExecution")

    async def forbids_redrives(self) -> None:
        """The workers' role may redrive none."""
        self._forbids("states.RedriveExecution")

    async def allows_it_all(self) -> None:
        """The role may do everything again; what is done from now on is done by it."""
        self._forbids()

    def _forbids(self, *calls: str) -> None:
        self.network.denied = self.judge.steering.denied = frozenset(calls)

    async def kills_who_does_it(self) -> None:
        """The worker that stops or redrives it next dies when it has."""
        self.states.on_stop = self._killing(self.states.on_stop)
        self.states.on_redrive = self._killing(self.states.on_redrive)

    def _killing(self, hook: Callable[[Execution], None]) -> Callable[[Execution], None]:
        def kill(execution: Execution) -> None:
            hook(execution)
            process = PROCESS.get()
            if process is not None and not self.kills:
                self.loop.kill(process)
                self.network.on_kill(process)

        return kill


_FAILS = (WishStage.requests_it, WishStage.fails, WishStage.hears_of_it)
_RUNS = (WishStage.requests_it, WishStage.runs)
WISH_STORIES: Mapping[str, tuple[Step, ...]] = {
    "cancelled before its request": (WishStage.asks_for_an_end, WishStage.waits, WishStage.requests_it),
    "cancelled while it starts": (WishStage.requests_it, WishStage.asks_for_an_end),
    "cancelled while it runs": (*_RUNS, WishStage.asks_for_an_end),
    "cancelled twice": (*_RUNS, WishStage.asks_for_an_end, WishStage.asks_for_an_end),
    "cancelled after its end": (*_FAILS, WishStage.asks_for_an_end, WishStage.waits),
    "cancelled, and again after that": (*_RUNS, WishStage.asks_for_an_end, WishStage.waits, WishStage.asks_for_an_end),
    "cancelled, and who stops it dies": (*_RUNS, WishStage.kills_who_does_it, WishStage.asks_for_an_end),
    "redriven": (*_FAILS, WishStage.asks_for_a_redrive, WishStage.waits),
    "redriven before it is announced": (*_FAILS[:2], WishStage.asks_for_a_redrive, WishStage.waits),
    "redriven by two people": (
        *_FAILS,
        *(WishStage.asks_for_a_redrive, WishStage.asks_for_a_redrive, WishStage.asks_late_for_a_redrive),
        *(WishStage.waits,) * 6,
    ),
    "redriven by hand at the same time": (
        *_FAILS,
        *(WishStage.asks_for_a_redrive, WishStage.redrives_by_hand, WishStage.waits),
    ),
    "redriven, and who does it dies": (
        *_FAILS,
        *(WishStage.kills_who_does_it, WishStage.asks_for_a_redrive, WishStage.waits),
    ),
    "cancelled and redriven": (*_RUNS, WishStage.asks_for_an_end, WishStage.asks_for_a_redrive, WishStage.waits),
    "cancelled and redriven, heard the other way round": (
        *_RUNS,
        *(WishStage.asks_late_for_an_end, WishStage.waits, WishStage.asks_for_a_redrive),
        *(WishStage.waits,) * 6,
    ),
    "cancelled before its start and redriven": (
        *(WishStage.asks_for_an_end, WishStage.requests_it, WishStage.waits),
        *(WishStage.asks_for_a_redrive, WishStage.waits),
    ),
    "never started and redriven": (
        *(WishStage.asks_for_an_end, WishStage.waits, WishStage.requests_it, WishStage.waits),
        *(WishStage.asks_for_a_redrive, WishStage.waits),
    ),
    "redriven and cancelled": (*_FAILS, WishStage.asks_for_a_redrive, WishStage.asks_for_an_end, WishStage.waits),
    "redriven when it is too old": (*_FAILS, WishStage.is_too_old, WishStage.asks_for_a_redrive, WishStage.waits),
    "redriven when it is deleted": (*_FAILS, WishStage.is_deleted, WishStage.asks_for_a_redrive, WishStage.waits),
    "another tenant's wishes": (*(WishStage.runs_for_a_minute, *_RUNS, WishStage.another_asks, WishStage.waits),),
    "another tenant's wishes after its end": (*_FAILS, WishStage.another_asks, WishStage.waits),
    "cancelled, and nobody may": (
        *(WishStage.forbids_ends, WishStage.runs_for_a_minute, *_RUNS, WishStage.asks_for_an_end),
    ),
    "redriven, and nobody may": (*_FAILS, WishStage.forbids_redrives, WishStage.asks_for_a_redrive, WishStage.waits),
    "redriven, and nobody may, and again when they may": (
        *(*_FAILS, WishStage.forbids_redrives, WishStage.asks_for_a_redrive, WishStage.waits),
        *(WishStage.allows_it_all, WishStage.asks_for_a_redrive, WishStage.waits),
    ),
}
_MANNERS = (Manner.HEARD, Manner.LOST)
WISH_SCENES = tuple(
    Scene(story, image, states, tasks)
    for story, image, states, tasks in product(WISH_STORIES, IMAGES, _MANNERS, _MANNERS)
)


def play_wish(scene: Scene, *, trace: bool = False) -> Result:
    """Play one scene to its end, or to its first violation."""
    with undisturbed():
        return history(WishStage.of(scene, trace=trace))
