"""Wishes for many jobs and reruns, as they are sent: the whole message, and the whole answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.bulk import BulkFilter, BulkSent, BulkWish
from schemas.catalog import Catalog
from schemas.tracking import Asked, RerunWish
from service.core.admission.rerun import new_id
from service.core.record.record import Record
from service.tracking.errors import NotAllowedError, RefusedError
from tests.support.builders import JOB, catalog, record, rejected, requested

from .test_sent_on import Sqs, steering

FAILED = BulkFilter(status="FAILED")


def message(sqs: Sqs) -> dict[str, Any]:
    """The one message that was sent; it goes to the control queue."""
    [sent] = sqs.sent
    assert sent["QueueUrl"] == "https://control"
    read: dict[str, Any] = json.loads(sent["MessageBody"])
    return read


@pytest.mark.parametrize(("given", "by"), [(None, "ann"), ("bob", "bob")])
async def test_a_wish_for_many_is_one_message(given: str | None, by: str) -> None:
    """In the tenant's name, under the id that it was given."""
    sqs = Sqs()
    wish = BulkWish(verb="rerun", jobs=FAILED, bulk_id="b-1", reason="again", changes={"user": "x"})
    told = await steering(sqs, None).many("web", wish, "a key that the id comes before", given)
    assert message(sqs) == {
        "version": 1,
        "verb": "rerun",
        "tenant": "web",
        "jobs": {"status": "FAILED"},
        "bulk_id": "b-1",
        "changes": {"user": "x"},
        "requested_by": by,
        "reason": "again",
    }
    assert told == BulkSent(
        verb="rerun",
        bulk_id="b-1",
        tenant="web",
        requested_by=by,
        message_id="m-1",
        location="/tenants/web/bulk/b-1",
    )


async def test_the_same_key_is_the_same_bulk_of_its_tenant() -> None:
    """Without a key each is one of its own."""
    wish = BulkWish(verb="cancel", jobs=FAILED)
    sent = [
        (await steering(Sqs(), None).many(tenant, wish, key)).bulk_id
        for tenant, key in (("web", "k"), ("web", "k"), ("shop", "k"), ("web", None), ("web", None))
    ]
    assert sent[0] == sent[1] == f"key-{hashlib.sha256(b'web/k').hexdigest()[:40]}"
    assert len(set(sent)) == 4


@pytest.mark.parametrize(("given", "by"), [(None, "ann"), ("bob", "bob")])
async def test_a_bulk_is_stopped_by_one_message(given: str | None, by: str) -> None:
    """Whose answer says where it can be looked at."""
    sqs = Sqs()
    told = await steering(sqs, None).stop_many("web", "b-1", "enough", given)
    assert message(sqs) == {
        "version": 1,
        "verb": "stop",
        "tenant": "web",
        "bulk_id": "b-1",
        "requested_by": by,
        "reason": "enough",
    }
    assert (told.verb, told.bulk_id, told.tenant, told.requested_by, told.message_id, told.location) == (
        "stop",
        "b-1",
        "web",
        by,
        "m-1",
        "/tenants/web/bulk/b-1",
    )


async def test_where_nothing_may_be_made_nothing_is() -> None:
    """Neither one nor many; what ends or goes on with a job may still be asked for."""
    sqs = Sqs()
    reader = replace(steering(sqs, record(requested())), reruns=False)
    with pytest.raises(NotAllowedError):
        await reader.many("web", BulkWish(verb="rerun", jobs=FAILED))
    with pytest.raises(NotAllowedError):
        await reader.rerun("web", JOB, RerunWish())
    assert sqs.sent == []
    await reader.many("web", BulkWish(verb="redrive", jobs=FAILED))
    assert message(sqs)["verb"] == "redrive"


def kept(**fields: Any) -> Record:
    """A job whose request is in its record."""
    return record(requested(asked=json.dumps({"stages": [{"image": "echo", "command": ["echo", "a"]}], **fields})))


async def made(sqs: Sqs, found: Record, wish: RerunWish, *given: Any, tenant: str | None = None) -> Asked:
    """What a rerun is answered with where the catalogue is at hand."""

    async def known() -> Catalog | None:
        return catalog()

    return await replace(steering(sqs, found), catalog=known).rerun(tenant, JOB, wish, *given)


async def test_a_rerun_is_sent_with_all_that_is_wanted() -> None:
    """For the tenant whose job it is, where the operator names none."""
    sqs = Sqs()
    wish = RerunWish(reason="again", new_job_id="new", changes={"stages.0.command": ["echo", "b"]})
    told = await made(sqs, kept(), wish, None, "bob")
    assert message(sqs) == {
        "version": 1,
        "verb": "rerun",
        "tenant": "web",
        "job_id": JOB,
        "requested_by": "bob",
        "reason": "again",
        "new_job_id": "new",
        "changes": {"stages.0.command": ["echo", "b"]},
    }
    assert told == Asked(
        verb="rerun",
        job_id=JOB,
        tenant="web",
        requested_by="bob",
        message_id="m-1",
        location="/tenants/web/jobs/new",
        new_job_id="new",
    )


async def test_the_new_id_is_the_same_for_the_same_key() -> None:
    """And of its tenant; without a key each wish makes a job of its own."""
    by_key = [(await made(Sqs(), kept(), RerunWish(), "k", tenant="shop")).new_job_id for _ in range(2)]
    assert by_key == [new_id(JOB, "shop", "k")] * 2
    without = {(await made(Sqs(), kept(), RerunWish())).new_job_id for _ in range(2)}
    assert len(without) == 2


async def test_a_rejected_request_is_rerun_for_who_claimed_it() -> None:
    """What was kept of it is for admission to judge."""
    sqs = Sqs()
    odd = RerunWish(changes={"stages.9.image": "nope"})
    assert (await made(sqs, record(rejected(claimed_tenant="shop")), odd)).tenant == "shop"
    assert message(sqs)["changes"] == {"stages.9.image": "nope"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"stages.9.command": []}, "stages.9.command"), ({"stages.0.image": "nope"}, "stages.0.image")],
)
async def test_a_rerun_that_would_be_rejected_is_not_sent(changes: dict[str, Any], field: str) -> None:
    """Whether its path leads nowhere or admission would refuse it."""
    sqs = Sqs()
    with pytest.raises(RefusedError) as refused:
        await made(sqs, kept(), RerunWish(changes=changes))
    assert [problem.field for problem in refused.value.problems] == [field]
    assert sqs.sent == []
