"""What people want done with jobs, from the HTTP API to the record: sent, heard, and what a record is told."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from service.aws.jobs_table import JobsTable
from service.aws.queue import Message
from service.core.record.asked import cancel_asked, redrive_asked
from service.core.record.record import Record
from service.core.record.wishes import CancelAsked, RedriveAsked
from service.metrics import CONTROL_HEARD, CONTROL_IGNORED, CONTROL_REJECTED, Metrics
from service.tracking import steering
from service.tracking.errors import NotNowError
from tests.support.asking import ask
from tests.support.builders import JOB, NOW, announced, execution, record, rejected, requested
from tests.support.connecting import Connect
from tests.support.sent_once import no_reruns
from workers.control import Controls

from .test_tracking_api import app, merged, place, shared, tracking  # noqa: F401  # fixtures

JSON = {"content_type": "application/json"}
COUNTED = (CONTROL_HEARD, CONTROL_IGNORED, CONTROL_REJECTED)
BODY = {"verb": "cancel", "tenant": "web", "job_id": JOB, "requested_by": "ann", "reason": "wrong input"}


class Kept:
    """A bucket that keeps what it is given."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, _bucket: str, key: str, content: bytes, _kind: str) -> None:
        self.objects[key] = content


class Heard:
    """Controls over the table, with what they counted and kept."""

    def __init__(self, table: JobsTable) -> None:
        self.metrics, self.bucket = Metrics(), Kept()
        self._controls = Controls(
            cast(Any, self.bucket), "logs", table, lambda: NOW, self.metrics, no_reruns(), lambda _: None
        )

    async def hear(self, body: str | dict[str, Any], at: float = NOW + 30) -> Any:
        """Hear one message."""
        text = body if isinstance(body, str) else json.dumps(body)
        return await self._controls.hear(Message("m-1", text, "r", sent_at=at))

    def counted(self) -> list[float]:
        """Heard, ignored, rejected."""
        told = self.metrics.drain(0)
        return [cast(float, told[metric]) for metric in COUNTED]


async def item_of(table: JobsTable) -> dict[str, Any]:
    """The head as it lies in the table."""
    key = {"record_key": {"S": JOB}, "part": {"S": "head"}}
    answer = await table.client.get_item(TableName=table.name, Key=cast(Any, key))
    return cast(dict[str, Any], answer.get("Item", {}))


async def test_a_cancel_that_comes_before_its_job_waits_for_it_and_expires(table: JobsTable) -> None:
    """The request that comes opens the record for good, and finds the cancel in it."""
    heard = Heard(table)
    await heard.hear(BODY)
    await heard.hear({**BODY, "tenant": "other"})
    early = await item_of(table)
    assert "expires_at" in early and "open_shard" not in early
    job = await table.merge(requested(tenant="web"))
    asked = cancel_asked(job)
    assert asked is not None and (asked.asked_by, asked.reason, asked.asked_at) == ("ann", "wrong input", NOW + 30)
    assert asked.came_first, "so nobody is starting the job"
    late = await item_of(table)
    assert "expires_at" not in late and "open_shard" in late
    assert heard.counted() == [2, 0, 0]


async def test_a_cancel_of_an_open_job_lets_nothing_expire(table: JobsTable) -> None:
    """And the sweeper comes soon, should nobody else see to it."""
    await merged(table, requested(tenant="web"), execution("RUNNING"))
    job = await Heard(table).hear(BODY)
    assert cancel_asked(job) is not None
    item = await item_of(table)
    assert "expires_at" not in item and "open_shard" in item


async def test_a_cancel_that_meets_its_request_is_heard_all_the_same(
    table: JobsTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request comes between the look for a record and the making of one."""
    put = JobsTable._wait_for_request

    async def after_the_request(self: JobsTable, fact: CancelAsked) -> bool:
        await self.merge(requested(tenant="web"))
        return await put(self, fact)

    monkeypatch.setattr(JobsTable, "_wait_for_request", after_the_request)
    job = await table.merge(CancelAsked(job_id=JOB, tenant="web", asked_at=NOW))
    asked = cancel_asked(job)
    assert asked is not None and not asked.came_first
    assert "expires_at" not in await item_of(table)


async def test_a_redrive_opens_a_record_that_was_closed(table: JobsTable) -> None:
    """So that the sweeper sees to it, whatever becomes of the worker that heard it."""
    await merged(table, requested(tenant="web"), execution("FAILED"), announced())
    assert "open_shard" not in await item_of(table)
    job = await Heard(table).hear({**BODY, "verb": "redrive"}, NOW + 90)
    assert redrive_asked(job) is not None
    item = await item_of(table)
    assert "open_shard" in item and "expires_at" not in item


async def test_what_changes_nothing_is_counted_and_leaves_nothing_behind(table: JobsTable) -> None:
    """Another tenant's, and the redrive of a job that nobody knows."""
    heard = Heard(table)
    assert await heard.hear({**BODY, "verb": "redrive"}) is None
    assert await item_of(table) == {}
    await merged(table, requested(tenant="web"), execution("RUNNING"))
    before = await item_of(table)
    assert await heard.hear({**BODY, "tenant": "other"}) is None
    assert await item_of(table) == before
    assert heard.counted() == [0, 2, 0]


UNREADABLE: dict[str, tuple[str | dict[str, Any], str]] = {
    "no JSON": ("{", ""),
    "no verb": ({"job_id": JOB}, "verb"),
    "an unknown verb": ({**BODY, "verb": "explode"}, "verb"),
    "no job": ({"verb": "cancel"}, "job_id"),
    "an odd id": ({**BODY, "job_id": "../x"}, "job_id"),
    "an unknown field": ({**BODY, "forse": True}, "forse"),
    "another version": ({**BODY, "version": 2}, "version"),
    "a reason with line breaks": ({**BODY, "reason": "a\nb"}, "reason"),
}


@pytest.mark.parametrize(("body", "field"), UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_read_is_kept_and_told(table: JobsTable, body: str | dict[str, Any], field: str) -> None:
    """As a rejection of the message's own, which takes no job's id."""
    heard = Heard(table)
    job = await heard.hear(body)
    rejection = job.rejection
    assert (rejection.problems[0].field, rejection.job_id_is_taken) == (field, True)
    [content] = heard.bucket.objects.values()
    assert content.decode() == (body if isinstance(body, str) else json.dumps(body))
    assert heard.counted() == [0, 0, 1]


async def asked_for(connect: Connect, url: str) -> list[dict[str, Any]]:
    """What lies in the control queue."""
    answer = await (await connect("sqs")).receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(item["Body"]) for item in answer.get("Messages", [])]


async def test_a_wish_is_sent_in_the_callers_own_name(app: Any, table: JobsTable, connect: Connect, place: Any) -> None:  # noqa: F811
    """202, and where the job is; who asks is known by the credentials, whatever the body says."""
    await merged(table, requested(tenant="web"), execution("RUNNING"))
    answer = await ask(app, "POST", f"/tenants/web/jobs/{JOB}/cancel", json.dumps({"reason": "wrong input"}), **JSON)
    assert (answer.status, answer.headers["location"]) == (202, f"/tenants/web/jobs/{JOB}")
    told = answer.json()
    assert (told["verb"], told["job_id"], told["tenant"]) == ("cancel", JOB, "web")
    [sent] = await asked_for(connect, place.control_queue_url)
    assert sent == {**BODY, "version": 1, "requested_by": told["requested_by"]}
    assert sent["requested_by"].startswith("arn:aws:sts::")
    lying = await ask(app, "POST", f"/tenants/web/jobs/{JOB}/cancel", json.dumps({"requested_by": "boss"}), **JSON)
    assert lying.status == 422


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancel of what is over is looked at again at once."""
    monkeypatch.setattr(steering, "_LOOK_SECONDS", 0)


OVER = (requested(tenant="web"), execution("FAILED"))
REFUSED: dict[str, tuple[str, str, tuple[Any, ...], int]] = {
    "a cancel of what is over": ("cancel", "web", OVER, 409),
    "a redrive of what runs": ("redrive", "web", (OVER[0], execution("RUNNING")), 409),
    "a redrive of what succeeded": ("redrive", "web", (OVER[0], execution()), 409),
    "a redrive of what nobody knows": ("redrive", "web", (), 404),
    "a redrive of another tenant's": ("redrive", "other", OVER, 404),
    "a cancel of what was rejected": ("cancel", "web", (rejected(claimed_tenant="web", claimed_job_id=JOB),), 409),
    "a redrive of what failed": ("redrive", "web", OVER, 202),
    "a cancel of what nobody knows": ("cancel", "web", (), 202),
    "a cancel of another tenant's": ("cancel", "other", (OVER[0], execution("RUNNING")), 202),
}


async def test_a_cancel_that_follows_at_once_on_a_redrive_is_sent() -> None:
    """The record knows of the redrive a moment later; of one that knows of none the third look is the last."""
    over = record(*OVER)
    to_go_on = record(*OVER, RedriveAsked(job_id=JOB, tenant="web", asked_at=NOW + 90))
    sent: list[str] = []

    class Queue:
        async def send(self, body: str) -> str:
            sent.append(body)
            return "m-1"

    async def ann() -> str:
        return "ann"

    def looks(*records: Record) -> steering.Steering:
        left = iter(records)

        async def find(_tenant: str | None, _job_id: str) -> Record:
            return next(left)

        return steering.Steering(cast(Any, Queue()), find, ann)

    await looks(over, over, to_go_on).ask("cancel", "web", JOB)
    assert json.loads(sent[0])["verb"] == "cancel"
    with pytest.raises(NotNowError, match="over already"):
        await looks(over, over, over, over).ask("cancel", "web", JOB)
    with pytest.raises(NotNowError, match="over already"):
        await looks(record(OVER[0], execution())).ask("cancel", "web", JOB)
    assert len(sent) == 1


@pytest.mark.parametrize(("verb", "tenant", "facts", "status"), REFUSED.values(), ids=REFUSED)
async def test_what_would_come_to_nothing_is_refused(
    app: Any,  # noqa: F811
    table: JobsTable,
    connect: Connect,
    place: Any,  # noqa: F811
    verb: str,
    tenant: str,
    facts: tuple[Any, ...],
    status: int,
) -> None:
    """And sent nowhere; of another tenant's job one learns as much as of none."""
    await merged(table, *facts)
    answer = await ask(app, "POST", f"/tenants/{tenant}/jobs/{JOB}/{verb}")
    assert answer.status == status
    assert len(await asked_for(connect, place.control_queue_url)) == (status == 202)
