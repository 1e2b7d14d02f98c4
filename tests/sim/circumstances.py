"""Under which circumstances a history happens: drawn from its seed, or calm ones, for those that follow a script."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from random import Random

from service.settings import Settings
from tests.sim.replicas import Blackout, draw_settings
from tests.sim.wishes import Manners
from tests.support.faults import Rates, draw_rates
from tests.support.settings import default_settings

_CALM_WITHIN_SECONDS = (150, 300, 900)
# At the last, two silent jobs are more than are asked after one by one.
_SWEEPS_PER_SECOND = (10.0, 10.0, 0.05)


@dataclass(frozen=True)
class Circumstances:
    """What is settled before a history begins. `shuffled`: what is ready at one moment runs in the seed's order."""

    shuffled: bool
    calm_at: float
    most_kills: int
    rates: Rates
    settings: Settings
    index_lag: float
    blackout: Blackout
    replicas: int
    people: Manners

    @classmethod
    def draw(cls, plan: Random, people: Random) -> Circumstances:
        """Those of a seed."""
        drawn = cls(
            shuffled=plan.random() < 0.5,
            calm_at=plan.random() * plan.choice(_CALM_WITHIN_SECONDS),
            most_kills=int(plan.random() * 12),
            rates=draw_rates(plan),
            settings=draw_settings(plan),
            index_lag=plan.choice((0.0, 1.0)),
            blackout=Blackout.draw(plan),
            replicas=plan.choice((1, 2, 2, 3)),
            people=Manners.draw(people),
        )
        pace = {"sweep_per_second": people.choice(_SWEEPS_PER_SECOND)}
        return replace(drawn, settings=drawn.settings.model_copy(update=pace))

    @classmethod
    def calm(cls) -> Circumstances:
        """Nothing goes wrong by chance."""
        return cls(
            shuffled=True,
            calm_at=-1000.0,  # And it has been for long.
            most_kills=0,
            rates=Rates(**{item.name: 0.0 for item in fields(Rates)}),
            settings=default_settings(),
            index_lag=1.0,
            blackout=Blackout(0.0, 0.0),
            replicas=2,
            people=Manners(),
        )
