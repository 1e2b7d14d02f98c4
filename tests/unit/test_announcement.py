"""An outcome is told by whoever holds the claim on it, at the moment of telling."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from service.aws.topic import Topic
from service.core.policy.actions import Announce
from service.core.record.facts import Announced, Fact
from service.core.redaction import Redaction
from service.metrics import UNMETERED
from service.perform import Performer
from tests.support.builders import KEY, NOW, claim, execution, record, requested


@dataclass
class Sns:
    """What reached SNS."""

    took: list[dict[str, Any]] = field(default_factory=list)

    async def publish(self, **message: Any) -> None:
        self.took.append(message)


async def announced_after(seconds: float, sns: Sns) -> tuple[Fact, ...]:
    """Tell of an outcome so long after it was claimed."""
    nothing = cast("Any", None)
    topic = Topic(cast("Any", sns), "arn:aws:sns:eu-central-1:123456789012:jobferry")
    performer = Performer(
        nothing, nothing, nothing, nothing, topic, 3600, {}, Redaction.of(), 60, lambda: NOW, UNMETERED
    )
    job = record(requested(), execution("ABORTED"), claim("announce#0", "me", at=NOW, seconds=60))
    return await replace(performer, now=lambda: NOW + seconds).perform(Announce(KEY, 0), job, "me")


@pytest.mark.parametrize("seconds", [0, 60])
async def test_an_outcome_is_told_while_the_claim_holds(seconds: float) -> None:
    """And noted under the id that it was told by."""
    (fact,) = await announced_after(seconds, sns := Sns())
    assert isinstance(fact, Announced)
    assert (fact.redrive_count, fact.status, fact.at) == (0, "ABORTED", NOW + seconds)
    assert len(sns.took) == 1


async def test_a_worker_that_stood_still_past_its_claim_tells_nothing() -> None:
    """Another may be telling it by now; the sweeper comes in any case, for the claim made the job due."""
    assert await announced_after(61, sns := Sns()) == ()
    assert sns.took == []
