"""Redrives that no event told of, found by one list. moto knows no filter for redrives, so the list is scripted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest

from service.aws.errors import AwsError
from service.aws.executions import Executions
from service.aws.jobs_table import JobsTable
from service.aws.pace import Pace
from service.aws.starts import Starts
from service.aws.turns import Turns
from service.core.record.facts import Fact
from service.core.record.record import Record
from service.metrics import UNMETERED
from tests.support.connecting import ACCOUNT, REGION, Connect, answering, refusal
from tests.support.job_facts import GRACE, KEY, Time, announced, execution, item, open_jobs, requested
from workers.redrives import Redrives

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:jobferry"
EVERY = 300


@pytest.fixture
async def redrives(connect: Connect, table: JobsTable, time: Time) -> Redrives:
    """A look for redrives over an empty table."""
    executions = Executions(await connect("stepfunctions"), MACHINE, Starts(Pace.full(1, 1)))
    return Redrives(executions, table, Turns(table.client, table.name, time), EVERY, asyncio.Event(), UNMETERED)


def listed(at: float, status: str = "RUNNING", count: int = 1, name: str = "job") -> dict[str, Any]:
    """An item of ListExecutions, redriven or ended at this moment."""
    moment = datetime.fromtimestamp(at, UTC)
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:jobferry:{name}"
    described = {"executionArn": arn, "stateMachineArn": MACHINE, "name": name, "status": status, "redriveCount": count}
    ended = {"stopDate": moment} if status != "RUNNING" else {}
    return {**described, "startDate": datetime.fromtimestamp(0, UTC), "redriveDate": moment, **ended}


def page(*items: dict[str, Any], **more: str) -> dict[str, Any]:
    """A page of the list."""
    return {"executions": list(items), **more}


async def announce_one(table: JobsTable) -> None:
    """A job that failed, and of which subscribers were told: it is in nobody's index."""
    for fact in (requested(), execution("FAILED"), announced()):
        await table.merge(fact)


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED"])
async def test_a_redrive_that_no_event_told_of_is_found(redrives: Redrives, time: Time, status: str) -> None:
    """The job is open again, soon due, and what the list does not say of its end is asked for."""
    await announce_one(redrives.table)
    with answering(redrives.executions.client, "ListExecutions", page(listed(time(), status))) as asked:
        assert await redrives.look() == 1
    assert asked == [{"stateMachineArn": MACHINE, "maxResults": 1000, "redriveFilter": "REDRIVEN"}]
    assert await open_jobs(redrives.table, time() + 2 * GRACE) == {"job"}
    held = (await redrives.table.read(KEY)).execution
    assert held is not None
    assert (held.status, held.redrive_count, held.detailed) == (status, 1, False)


async def test_a_redrive_that_is_known_changes_nothing(redrives: Redrives, time: Time) -> None:
    """A job that is announced for this redrive stays closed."""
    await announce_one(redrives.table)
    await redrives.table.merge(execution("SUCCEEDED", redrive=1))
    await redrives.table.merge(announced(1))
    before = await item(redrives.table)
    with answering(redrives.executions.client, "ListExecutions", page(listed(time(), "SUCCEEDED"))):
        await redrives.look()
    assert await item(redrives.table) == before


async def test_a_redrive_of_nobodys_job_leaves_nothing_behind(redrives: Redrives, time: Time) -> None:
    """Somebody started the execution by hand."""
    with answering(redrives.executions.client, "ListExecutions", page(listed(time(), name="by-hand"))):
        await redrives.look()
    assert await item(redrives.table, "by-hand") == {}


async def test_one_replica_looks_for_all(redrives: Redrives, time: Time) -> None:
    """The next one does when the interval is over."""
    with answering(redrives.executions.client, "ListExecutions", *[page()] * 2) as asked:
        for _ in range(3):
            await redrives.look()
        time.seconds += EVERY + 1
        await redrives.look()
    assert len(asked) == 2


async def test_a_look_ends_where_the_last_whole_one_began(redrives: Redrives, time: Time) -> None:
    """And some, since the list is eventually consistent; the first look goes back as far as jobs can be redriven."""
    client, day = redrives.executions.client, 86_400
    old, older = listed(time() - 13 * day), listed(time() - 15 * day)
    with answering(client, "ListExecutions", page(old, nextToken="a"), page(older, nextToken="b")) as asked:
        assert await redrives.look() == 1
    assert [call.get("nextToken") for call in asked] == [None, "a"]
    time.seconds += EVERY + 1
    recent, before = listed(time() - EVERY - 500), listed(time() - EVERY - 700)
    with answering(client, "ListExecutions", page(recent, before, nextToken="c"), page(before, nextToken="d")) as asked:
        assert await redrives.look() == 1
    assert len(asked) == 2


async def test_a_look_that_failed_is_made_up_for(redrives: Redrives, time: Time) -> None:
    """The next one goes back to the last that was whole."""
    with answering(redrives.executions.client, "ListExecutions", page()):
        await redrives.look()
    time.seconds += EVERY + 1
    missed = listed(time())
    denied = answering(redrives.executions.client, "ListExecutions", refusal("AccessDeniedException"))
    with denied, pytest.raises(AwsError, match="AccessDenied"):
        await redrives.look()
    time.seconds += 10 * EVERY
    with answering(redrives.executions.client, "ListExecutions", page(missed)):
        assert await redrives.look() == 1


async def test_a_filter_that_is_refused_is_left_out(redrives: Redrives, time: Time) -> None:
    """What was not redriven is then left out here."""
    refused = refusal("ValidationException")
    plain = listed(time(), count=0, name="other")
    answers = (refused, page(listed(time()), plain))
    with answering(redrives.executions.client, "ListExecutions", *answers) as asked:
        assert await redrives.look() == 1
    assert ["redriveFilter" in call for call in asked] == [True, False]


async def test_a_record_that_cannot_be_read_holds_up_no_other(redrives: Redrives, time: Time) -> None:
    """The others are told, and the look is whole."""
    await announce_one(redrives.table)
    merge = JobsTable.merge

    async def cannot_read(table: JobsTable, fact: Fact) -> Record:
        if fact.record_key.id == "newer":
            raise ValueError("a newer worker wrote this")
        return await merge(table, fact)

    pages = page(listed(time(), name="newer"), listed(time()))
    with (
        patch.object(JobsTable, "merge", cannot_read),
        answering(redrives.executions.client, "ListExecutions", pages, page()) as asked,
    ):
        assert await redrives.look() == 1
        assert await redrives.look() == 0
    assert len(asked) == 1
