"""A control message as the worker hears it: the fact that it is, the log line, the count, and what is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from service.aws.queue import Message
from service.core.record.facts import Fact, Rejected
from service.core.record.record import Record
from service.core.record.wishes import CancelAsked, RedriveAsked
from service.metrics import Metrics
from tests.support.builders import JOB, KEY, NOW, execution, requested
from tests.support.sent_once import no_reruns
from tests.unit.test_settle import InMemory
from workers.control import Controls

ASKED: dict[str, Any] = {
    "verb": "cancel",
    "tenant": "web",
    "job_id": JOB,
    "requested_by": "ann",
    "reason": "wrong input",
}
WHO = {"verb": "cancel", "job_id": JOB, "tenant": "web", "asked_by": "ann"}


@dataclass
class Bucket:
    """Keeps what it is given."""

    kept: list[tuple[str, str, bytes, str]] = field(default_factory=list)

    async def put(self, bucket: str, key: str, content: bytes, kind: str) -> None:
        self.kept.append((bucket, key, content, kind))


@dataclass
class Heard:
    """What came of one message."""

    record: Any
    logs: list[Any]
    counted: dict[str, float]
    kept: list[tuple[str, str, bytes, str]]


async def heard(body: str | dict[str, Any], *facts: Fact, sent_at: float = NOW + 30) -> Heard:
    """Hear one message, forty seconds after the request, for a job of these facts."""
    jobs, bucket, metrics = InMemory(), Bucket(), Metrics()
    for fact in facts:
        await jobs.merge(fact)
    controls = Controls(cast("Any", bucket), "logs", jobs, lambda: NOW + 40, metrics, no_reruns(), cast("Any", None))
    text = body if isinstance(body, str) else json.dumps(body)
    with capture_logs() as logs:
        record = await controls.hear(Message("m-1", text, "r", sent_at=sent_at, sender_id="AIDA"))
    counted = {metric.name: float(cast("float", value)) for metric, value in metrics.drain(0).items() if value}
    return Heard(record, list(logs), counted, bucket.kept)


TOLD: dict[str, Any] = {"job_id": JOB, "tenant": "web", "sent_by": "AIDA", "reason": "wrong input"}


@pytest.mark.parametrize(("sent_at", "asked_at"), [(NOW + 30, NOW + 30), (0.0, NOW + 40)])
async def test_a_cancel_is_heard_with_who_asked_and_who_sent_it(sent_at: float, asked_at: float) -> None:
    """At the moment when it was sent, by the queue's clock, where that says."""
    it = await heard(ASKED, requested(), execution("RUNNING"), sent_at=sent_at)
    fact = CancelAsked.model_validate({**TOLD, "asked_at": asked_at, "asked_by": "ann"})
    assert it.record.registers["cancel#web"] == fact
    assert it.counted == {"ControlHeard": 1}
    assert it.logs == [
        {"event": "control_heard", "log_level": "info", **WHO, "seconds": NOW + 40 - asked_at},
    ]
    assert it.kept == []


async def test_a_message_that_names_nobody_is_its_senders() -> None:
    """As SQS knows him."""
    it = await heard({**ASKED, "verb": "redrive", "requested_by": None}, requested(), execution("FAILED"))
    fact = RedriveAsked.model_validate({**TOLD, "asked_at": NOW + 30, "asked_by": "AIDA"})
    assert it.record.registers["redrive"] == fact


@pytest.mark.parametrize(
    ("asked", "facts", "answered", "why"),
    [
        ({"tenant": "shop"}, (requested(),), False, "the job is another tenant's"),
        ({"verb": "redrive"}, (), False, "there is no such job"),
        (
            {},
            (requested(), execution("RUNNING"), CancelAsked.model_validate({**TOLD, "asked_at": NOW + 20})),
            True,
            "it was asked for already",
        ),
    ],
)
async def test_what_changes_nothing_is_counted_and_logged(
    asked: dict[str, Any], facts: tuple[Fact, ...], answered: bool, why: str
) -> None:
    """The job is settled all the same where it is the tenant's: who heard it first may have died."""
    it = await heard({**ASKED, **asked}, *facts)
    assert (isinstance(it.record, Record), it.counted) == (answered, {"ControlIgnored": 1})
    named = {"verb": asked.get("verb", "cancel"), "tenant": asked.get("tenant", "web")}
    assert it.logs == [{"event": "control_ignored", "log_level": "info", **WHO, **named, "why": why}]


@pytest.mark.parametrize(("sent_at", "submitted_at"), [(NOW + 30, NOW + 30), (0.0, NOW + 40)])
async def test_what_cannot_be_read_is_kept_and_becomes_a_rejection(sent_at: float, submitted_at: float) -> None:
    """Under the message's name, and never under the job's, which goes on as it does."""
    body = json.dumps({**ASKED, "verb": "kill", "novelty": 1, "reason": 7, "requested_by": ""})
    it = await heard(body, requested(), sent_at=sent_at)
    rejection = it.record.rejection
    assert isinstance(rejection, Rejected)
    assert rejection.model_dump(exclude={"problems"}) == Rejected(
        message_id="m-1",
        submitted_at=submitted_at,
        claimed_job_id=JOB,
        job_id_is_taken=True,
        was_control=True,
        claimed_tenant="web",
        problems=(),
        body_s3_uri="s3://logs/rejected/m-1.json",
    ).model_dump(exclude={"problems"})
    assert len(rejection.problems) == 4
    assert it.kept == [("logs", "rejected/m-1.json", body.encode(), "text/plain; charset=utf-8")]
    assert it.counted == {"ControlRejected": 1}
    [line] = it.logs
    told = [f"{problem.field}: {problem.message}" for problem in rejection.problems]
    assert line == {
        "event": "control_rejected",
        "log_level": "info",
        "job_id": JOB,
        "tenant": "web",
        "problems": told[:3],
    }


async def test_what_is_no_text_is_kept_as_it_came() -> None:
    """Half of a character, say, which no UTF-8 has."""
    it = await heard('"\ud83d', sent_at=NOW)
    assert it.kept[0][2] == b'"\xed\xa0\xbd'
    assert it.record.key != KEY
