"""How long what lies in the table is its job's: by the retention of today and of before, until an id is free again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.plan import Attempt
from service.aws.jobs_table import JobsTable
from service.aws.record_items import item_key
from service.core.record.facts import LogArchived
from service.core.record.record import Record
from tests.support.job_facts import KEY, RETENTION_DAYS, Time, execution, requested, task


async def leave(table: JobsTable, part: str = "head") -> None:
    """DynamoDB deletes a part whose time to live is over."""
    await table.client.delete_item(TableName=table.name, Key=item_key(KEY, part))


async def test_an_id_is_free_again_when_its_jobs_head_has_left(table: JobsTable, time: Time) -> None:
    """Its request lies there for a year longer, and what else is beside it: none of that is the new job's."""
    old = requested(digest="d1").model_copy(update={"submitted_at": time()})
    await table.merge(old)
    attempts = tuple(Attempt(stage=1, attempt=number, passed=False) for number in range(1, 6))
    await table.merge(execution("FAILED").model_copy(update={"attempts": attempts}))
    time.seconds += (RETENTION_DAYS + 1) * 86_400
    rival = requested(digest="d2").model_copy(update={"submitted_at": time()})
    assert (await table.merge(rival)).request == old, "its head is still there: it was late to be deleted"
    await leave(table)
    assert (await table.merge(rival)).request == rival
    whole = await table.read_whole(KEY)
    assert (whole.request, whole.execution) == (rival, None)


async def test_a_job_is_gone_when_its_head_has_left(table: JobsTable) -> None:
    """Whoever looks finds none, although its request lies there for a year longer; else it would look unstarted."""
    await table.merge(requested())
    await table.merge(execution("RUNNING"))
    await leave(table)
    assert await table.read_whole(KEY) == Record(KEY)


async def test_what_was_written_under_a_longer_retention_is_its_jobs(table: JobsTable, time: Time) -> None:
    """Somebody lowers the setting while jobs are open: nothing of them is taken for an earlier job's."""
    await table.merge(requested())
    await table.merge(execution("RUNNING"))
    time.seconds += 3600
    lower = replace(table, retention_days=1)
    stopped = task(4, "STOPPED")
    receipt = LogArchived(job_id="job", task_id=stopped.task_id, container="main", status="complete")
    await lower.merge(stopped)
    await lower.merge(receipt)
    whole = await lower.read_whole(KEY)
    assert whole.tasks == (stopped,)
    assert whole.receipt(stopped, stopped.containers[0]) == receipt
    assert whole.has_every_task


@pytest.mark.parametrize("retention_days", [14, 400])
async def test_an_id_is_free_whatever_the_retention_was(table: JobsTable, time: Time, retention_days: int) -> None:
    """Its head left by the setting of then; somebody has lowered or raised that since."""
    await table.merge(requested(digest="d1").model_copy(update={"submitted_at": time()}))
    await leave(table)
    time.seconds += 15 * 86_400
    rival = requested(digest="d2").model_copy(update={"submitted_at": time()})
    assert (await replace(table, retention_days=retention_days).merge(rival)).request == rival


async def test_a_late_outcome_of_the_same_job_does_not_replace_what_is_known(table: JobsTable, time: Time) -> None:
    """However long ago that was written: what is of an earlier job was written before this execution began."""
    attempts = tuple(Attempt(stage=1, attempt=number, passed=False) for number in range(1, 6))
    known = execution("FAILED").model_copy(update={"attempts": attempts, "started_at": time() - 60})
    await table.merge(requested())
    await table.merge(known)
    time.seconds += (RETENTION_DAYS + 1) * 86_400
    await table.merge(known.model_copy(update={"attempts": attempts[:4], "error": "told of less", "detailed": False}))
    assert (await table.read_whole(KEY)).execution == known


async def test_an_id_whose_request_has_no_head_yet_is_not_free(table: JobsTable, time: Time) -> None:
    """It may be of a worker that died between the two, however long ago the message was sent."""
    first = requested(digest="d1").model_copy(update={"submitted_at": time() - (RETENTION_DAYS + 1) * 86_400})
    await table.merge(first)
    await leave(table)
    assert (await table.merge(requested(digest="d2"))).request == first


async def test_what_is_kept_beside_a_head_outlives_it(table: JobsTable, time: Time) -> None:
    """It is written once, so it is kept for as long as a job may take, and for the retention after that."""
    await table.merge(requested())
    answer = await table.client.get_item(TableName=table.name, Key=item_key(KEY, "request"), ConsistentRead=True)
    assert int(answer["Item"]["expires_at"]["N"]) == int(time()) + (RETENTION_DAYS + 380) * 86_400
