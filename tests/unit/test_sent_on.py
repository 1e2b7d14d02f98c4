"""What is sent on for people: requests to the request queue, wishes to the control queue, each as its tenant's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from schemas.catalog import Catalog
from schemas.errors import SettingsError
from schemas.notification import Problem
from schemas.trace import Trace
from schemas.tracking import Asked, RerunWish, StagePlan, Submitted, Validated
from service.aws.sender import Sender
from service.core.record.facts import Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record
from service.core.record.wishes import RedriveRefused
from service.tracking.errors import (
    CatalogUnknownError,
    NotNowError,
    RefusedError,
    TakenError,
    UnknownJobError,
)
from service.tracking.finding import Finder
from service.tracking.steering import Steering
from service.tracking.submission import Submission
from tests.support.builders import (
    JOB,
    KEY,
    MESSAGE,
    NOW,
    TRACE_HEADER,
    TRACEPARENT,
    admitted,
    body,
    catalog,
    execution,
    record,
    rejected,
    requested,
)

KNOWN = catalog()
TRACE = Trace(traceparent=TRACEPARENT, aws_trace_header=TRACE_HEADER)


@dataclass
class Sqs:
    """A queue that takes what is sent."""

    sent: list[dict[str, Any]] = field(default_factory=list)

    async def send_message(self, **message: Any) -> dict[str, str]:
        self.sent.append(message)
        return {"MessageId": "m-1"}


@dataclass
class Records:
    """Records by their keys, and what was read of them."""

    held: Mapping[RecordKey, Record] = field(default_factory=dict)
    read: list[RecordKey] = field(default_factory=list)

    async def read_whole(self, key: RecordKey) -> Record:
        self.read.append(key)
        return self.held.get(key, Record(key))


def submission(sqs: Sqs, *facts: Fact, known: Catalog | None = KNOWN) -> Submission:
    """Sends to this queue, where there is a job of these facts."""

    async def read() -> Catalog | None:
        return known

    records = Records({KEY: record(*facts)} if facts else {})
    return Submission(Sender(cast("Any", sqs), "https://queue"), cast("Any", records), read)


async def test_a_request_is_sent_as_it_is_with_its_tenant_and_its_trace() -> None:
    """In one form, whatever its spelling; what the queue calls it is its id, if it names none."""
    sqs = Sqs()
    told = await submission(sqs).submit("web", f" {body()} ", trace=TRACE)
    assert told == Submitted(job_id="m-1", tenant="web", location="/tenants/web/jobs/m-1")
    [message] = sqs.sent
    assert json.loads(message["MessageBody"]) == {**json.loads(body()), "tenant": "web"}
    assert {name: message[name] for name in message if name != "MessageBody"} == {
        "QueueUrl": "https://queue",
        "MessageAttributes": {"traceparent": {"DataType": "String", "StringValue": TRACEPARENT}},
        "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE_HEADER}},
    }


@pytest.mark.parametrize("trace", [None, Trace()])
async def test_a_request_without_a_trace_has_no_attributes(trace: Trace | None) -> None:
    """SQS refuses empty ones."""
    sqs = Sqs()
    await submission(sqs).submit("web", body(job_id=JOB), trace=trace)
    assert (sqs.sent[0]["MessageAttributes"], sqs.sent[0]["MessageSystemAttributes"]) == ({}, {})


async def test_a_request_names_its_job_or_a_key_does() -> None:
    """Of a tenant and a key comes always the same id, which is a job's; a named one counts before a key."""
    sqs = Sqs()
    by_key = await submission(sqs).submit("web", body(job_id=None), "k1")
    assert by_key.job_id == "key-33d54103060bcd0fcff4342f50e9e38367736383"
    assert json.loads(sqs.sent[0]["MessageBody"])["job_id"] == by_key.job_id
    assert (await submission(sqs).submit("web", body(), "k1")).job_id == by_key.job_id
    others = {
        (await submission(sqs).submit(tenant, body(), key)).job_id for tenant, key in (("web", "k2"), ("b", "k1"))
    }
    assert len(others | {by_key.job_id}) == 3
    named = await submission(sqs).submit("web", body(job_id=JOB), "k1")
    assert named == Submitted(job_id=JOB, tenant="web", location=f"/tenants/web/jobs/{JOB}")


OURS = requested(digest=admitted(body(job_id=JOB, tenant="web")).digest)


async def test_the_same_request_once_more_is_not_sent() -> None:
    """It was admitted already."""
    sqs = Sqs()
    told = await submission(sqs, OURS).submit("web", body(job_id=JOB))
    assert (told.job_id, sqs.sent) == (JOB, [])


async def test_another_request_of_the_id_is_refused_to_its_tenant_and_sent_for_another() -> None:
    """Who learns by the rejection no more than that."""
    sqs = Sqs()
    with pytest.raises(TakenError) as refusal:
        await submission(sqs, requested(digest="another")).submit("web", body(job_id=JOB))
    assert [problem.field for problem in refusal.value.problems] == ["job_id"]
    assert sqs.sent == []
    await submission(sqs, OURS).submit("shop", body(job_id=JOB))
    assert len(sqs.sent) == 1


async def test_without_a_catalogue_a_request_is_sent_for_admission_to_judge() -> None:
    """Also one whose id is there; but not with an id that is no part of a path."""
    sqs = Sqs()
    unjudged = submission(sqs, OURS, known=None)
    assert (await unjudged.submit("web", body(job_id=JOB, stages=[]))).job_id == JOB
    assert len(sqs.sent) == 1
    for job_id in ("a/b", "", 7, "x" * 65, ["a"]):
        with pytest.raises(RefusedError) as refusal:
            await unjudged.submit("web", body(job_id=job_id))
        assert refusal.value.problems == (
            Problem(
                field="job_id",
                message="it cannot be a job's id",
                remedy="Give 1 to 64 letters, digits, _ and -.",
            ),
        )
    with pytest.raises(CatalogUnknownError):
        await unjudged.validate("web", body())
    assert len(sqs.sent) == 1


WRONG: dict[str, tuple[str, str, str]] = {
    "no JSON": ("{", "", "is not JSON"),
    "another tenant's": (
        body(tenant="shop"),
        "tenant",
        "the request is sent to the jobs of the tenant web, and names another",
    ),
    "an image that is not there": (body(stages=[{"image": "nope"}]), "stages.0.image", "no image is named"),
}


@pytest.mark.parametrize(("text", "where", "why"), WRONG.values(), ids=WRONG)
async def test_what_would_be_rejected_is_refused_before_it_is_sent(text: str, where: str, why: str) -> None:
    """With the field and the reason, whether it is to be sent or only judged."""
    sqs = Sqs()
    for work in (submission(sqs).submit, submission(sqs).validate):
        with pytest.raises(RefusedError) as refusal:
            await work("web", text)
        [problem, *_] = refusal.value.problems
        assert problem.field == where
        assert why in problem.message
        assert problem.remedy
    assert sqs.sent == []


async def test_what_would_run_is_told_whole() -> None:
    """Stage by stage, and nothing is sent."""
    sqs = Sqs()
    told = await submission(sqs).validate("web", body())
    [stage] = admitted(body()).stages
    assert told == Validated(
        tenant="web",
        stages=(
            StagePlan(
                stage=1,
                name="echo",
                image="echo",
                command=("echo", "hello", "world"),
                cpu=stage.cpu,
                memory=stage.memory,
                timeout_seconds=600,
            ),
        ),
    )
    assert sqs.sent == []


def steering(sqs: Sqs, found: Record | None) -> Steering:
    """Sends wishes to this queue, where this is what is found; the caller is ann."""

    async def find(tenant: str | None, job_id: str) -> Record:
        assert job_id == JOB
        if found is None:
            raise UnknownJobError
        return found

    async def caller() -> str:
        return "ann"

    return Steering(Sender(cast("Any", sqs), "https://control"), find, caller)


@pytest.mark.parametrize(("tenant", "owner"), [("web", "web"), (None, "web")])
@pytest.mark.parametrize(("given", "by"), [(None, "ann"), ("bob", "bob")])
async def test_a_wish_is_sent_in_the_name_of_who_asks(
    tenant: str | None, owner: str, given: str | None, by: str
) -> None:
    """As the job's own tenant's, also where the operator asks."""
    sqs = Sqs()
    runs = record(requested(), execution("RUNNING"))
    told = await steering(sqs, runs).ask("cancel", tenant, JOB, "wrong input", given)
    assert told == Asked(
        verb="cancel",
        job_id=JOB,
        tenant=owner,
        requested_by=by,
        message_id="m-1",
        location=f"/tenants/{owner}/jobs/{JOB}",
    )
    [message] = sqs.sent
    said = json.loads(message["MessageBody"])
    assert {name: said[name] for name in ("verb", "tenant", "job_id", "requested_by", "reason")} == {
        "verb": "cancel",
        "tenant": owner,
        "job_id": JOB,
        "requested_by": by,
        "reason": "wrong input",
    }
    assert None not in said.values()


async def test_a_cancel_may_come_before_its_job_and_no_other_wish() -> None:
    """In the name of the tenant that asks, or of the usual one."""
    sqs = Sqs()
    for tenant, owner in (("shop", "shop"), (None, "default")):
        assert (await steering(sqs, None).ask("cancel", tenant, JOB)).tenant == owner
    with pytest.raises(UnknownJobError):
        await steering(sqs, None).ask("redrive", "web", JOB)
    assert [json.loads(message["MessageBody"])["tenant"] for message in sqs.sent] == ["shop", "default"]


REFUSED = RedriveRefused(job_id=JOB, redrive_count=0, at=NOW, why="it is too old")
NOT_NOW: dict[str, tuple[str, tuple[Fact, ...], str]] = {
    "a cancel of what is over": ("cancel", (requested(), execution()), "It is over already."),
    "a redrive of what runs": (
        "redrive",
        (requested(), execution("RUNNING")),
        "It is not over: only what failed, or was stopped, can be redriven.",
    ),
    "a redrive of what is not started": (
        "redrive",
        (requested(),),
        "It is not over: only what failed, or was stopped, can be redriven.",
    ),
    "a redrive of what succeeded": (
        "redrive",
        (requested(), execution()),
        "It succeeded: only what failed, or was stopped, can be redriven.",
    ),
    "a redrive of what never started": (
        "redrive",
        (requested(), execution("ABORTED", arn="")),
        "It was never started, so that there is nothing to go on from: submit it again.",
    ),
    "a redrive that was refused": (
        "redrive",
        (requested(), execution("FAILED"), REFUSED),
        "Step Functions refused to redrive it: it is too old",
    ),
    "a cancel of a rejection": (
        "cancel",
        (rejected(),),
        "The request was rejected, so that there is nothing to steer.",
    ),
}


@pytest.mark.parametrize(("verb", "facts", "why"), NOT_NOW.values(), ids=NOT_NOW)
async def test_a_wish_that_would_come_to_nothing_is_not_sent(verb: Any, facts: tuple[Fact, ...], why: str) -> None:
    """Whoever asks is told why, and what may be done."""
    sqs = Sqs()
    with pytest.raises(NotNowError) as refusal:
        await steering(sqs, record(*facts)).ask(verb, "web", JOB)
    assert str(refusal.value).startswith(why.rstrip("."))
    assert sqs.sent == []


REJECTION = RecordKey.of_rejection(MESSAGE)
REJECTED = record(rejected(claimed_job_id="odd", claimed_tenant="web"))
CLAIMS = {("web", "odd"): REJECTION, ("default", "odd"): REJECTION}
FOUND: dict[str, tuple[str | None, str, Record | None, list[str]]] = {
    "a job of the tenant's": ("web", JOB, record(requested()), [JOB]),
    "a job, for the operator": (None, JOB, record(requested()), [JOB]),
    "another tenant's job": ("shop", JOB, None, [JOB, f"rejected:{JOB}", f"rejected:{JOB}"]),
    "a rejection by its message": ("web", MESSAGE, REJECTED, [MESSAGE, f"rejected:{MESSAGE}"]),
    "a rejection by its message, for the operator": (None, MESSAGE, REJECTED, [MESSAGE, f"rejected:{MESSAGE}"]),
    "a rejection by what it claimed": ("web", "odd", REJECTED, ["odd", "rejected:odd", f"rejected:{MESSAGE}"]),
    "one by what it claimed, for the operator": (
        None,
        "odd",
        REJECTED,
        ["odd", "rejected:odd", f"rejected:{MESSAGE}"],
    ),
    "another tenant's rejection": ("shop", MESSAGE, None, [MESSAGE, f"rejected:{MESSAGE}", f"rejected:{MESSAGE}"]),
    "nothing at all": (None, "nobody", None, ["nobody", "rejected:nobody", "rejected:nobody"]),
}


@pytest.mark.parametrize(("tenant", "name", "found", "read"), FOUND.values(), ids=FOUND)
async def test_what_is_found_by_a_name(tenant: str | None, name: str, found: Record | None, read: list[str]) -> None:
    """After as many reads where there is none as where it is another tenant's."""
    records = Records({KEY: record(requested()), REJECTION: REJECTED})

    async def rejected_as(whose: str, job_id: str) -> RecordKey | None:
        return CLAIMS.get((whose, job_id))

    finder = Finder(records.read_whole, rejected_as)
    if found is None:
        with pytest.raises(UnknownJobError):
            await finder.find(tenant, name)
    else:
        assert await finder.find(tenant, name) == found
    assert [str(key) for key in records.read] == read


async def test_a_catalogue_that_may_not_be_read_keeps_no_rerun_back() -> None:
    """Admission has it, and judges the new job by it."""

    async def denied() -> Catalog | None:
        raise SettingsError("JOBFERRY_CATALOG cannot be read: AccessDenied")

    sqs = Sqs()
    kept = record(requested(asked=json.dumps({"stages": [{"image": "nope"}]})))
    told = await replace(steering(sqs, kept), catalog=denied).rerun("web", JOB, RerunWish(new_job_id="new"))
    [message] = sqs.sent
    assert (told.new_job_id, json.loads(message["MessageBody"])["new_job_id"]) == ("new", "new")
