"""A turn at what one worker does for all: what is asked of the table, and what its answer says of the last turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.aws.record_items import item_key
from service.aws.turns import Turn, Turns
from service.core.record.keys import RecordKey
from tests.support.connecting import refusal


@dataclass
class Table:
    """DynamoDB, which answers with what an item held before."""

    answer: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def update_item(self, **given: Any) -> dict[str, Any]:
        self.asked.append(given)
        return self.answer


HELD: dict[str, tuple[dict[str, Any], float | None]] = {
    "the first turn of all": ({}, None),
    "one that was never whole": ({"Attributes": {"began_at": {"N": "5"}}}, None),
    "one that was": ({"Attributes": {"began_at": {"N": "9"}, "done_at": {"N": "5.5"}}}, 5.5),
}


@pytest.mark.parametrize(("answer", "last"), HELD.values(), ids=HELD)
async def test_a_turn_knows_when_the_last_whole_one_began(answer: dict[str, Any], last: float | None) -> None:
    """It goes back as far."""
    table = Table(answer)
    turn = await Turns(cast(Any, table), "jobs", lambda: 1000.25).take("redrives", 300)
    assert turn == Turn("redrives", 1000.25, last)
    [asked] = table.asked
    assert asked["TableName"] == "jobs"
    assert asked["Key"] == item_key(RecordKey.of_turn("redrives"))
    assert asked["ExpressionAttributeValues"] == {":now": {"N": "1000.250"}, ":due": {"N": "700.250"}}


async def test_a_turn_that_came_to_its_end_is_noted_by_when_it_began() -> None:
    """What happened during it is the next one's."""
    table = Table()
    await Turns(cast(Any, table), "jobs", lambda: 2000.0).done(Turn("redrives", 1000.25, None))
    [asked] = table.asked
    assert asked["ExpressionAttributeValues"] == {":began": {"N": "1000.250"}}


async def test_a_turn_that_is_kept_begins_anew() -> None:
    """As long as nobody else has taken it: the condition is when it began."""
    table = Table()
    kept = await Turns(cast(Any, table), "jobs", lambda: 1030.5).keep(Turn("roll-call-1", 1000.25, 5.0))
    assert kept == Turn("roll-call-1", 1030.5, 5.0)
    [asked] = table.asked
    assert asked["ConditionExpression"] == "began_at = :began"
    assert asked["ExpressionAttributeValues"] == {":now": {"N": "1030.500"}, ":began": {"N": "1000.250"}}


async def test_a_turn_that_another_has_taken_is_lost() -> None:
    """It goes on with what is ours no more."""

    class Taken:
        async def update_item(self, **_: Any) -> None:
            raise refusal("ConditionalCheckFailedException")

    assert await Turns(cast(Any, Taken()), "jobs", lambda: 1030.5).keep(Turn("roll-call-1", 1000.25, None)) is None
