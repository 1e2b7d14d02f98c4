"""`jobferry cancel --all` and the like, `jobferry bulk`, and the routes of bulks: what is sent and said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.bulk import BulkMessage, BulkSent, TrackedBulk
from schemas.operator import NothingMatches
from service.aws.jobs_table import JobsTable
from service.core.record.bulk_facts import BulkAsked, BulkProgressed
from service.core.record.keys import RecordKey
from service.operator import many
from tests.support.asking import ask
from tests.support.builders import NOW, announced, execution, requested
from tests.support.connecting import Connect

from .test_job_verbs import Typed, typed  # noqa: F401  # a fixture
from .test_tracking_api import app, merged, place, shared, tracking  # noqa: F401  # fixtures

JSON = {"content_type": "application/json"}
ROUTE = "/tenants/web/bulk"
WISH = {"verb": "cancel", "jobs": {"status": "OPEN", "type": "thumbs"}, "reason": "all wrong"}
OPEN = ("--tenant", "web", "--all", "status:running", "type:thumbs")


async def sent(connect: Connect, name: str) -> list[dict[str, Any]]:
    """What lies in the control queue."""
    sqs = await connect("sqs")
    queue = await sqs.get_queue_url(QueueName=name)
    answer = await sqs.receive_message(QueueUrl=queue["QueueUrl"], MaxNumberOfMessages=10)
    return [json.loads(item["Body"]) for item in answer.get("Messages", [])]


async def three(table: JobsTable) -> None:
    """Two jobs that run, of the type, and one that is over."""
    for job_id in ("a", "b"):
        await merged(
            table, requested(job_id=job_id, digest=job_id, job_type="thumbs"), execution("RUNNING", job_id=job_id)
        )
    over = requested(job_id="c", digest="c", job_type="thumbs")
    told = announced(of=over.record_key).model_copy(update={"status": "FAILED"})
    await merged(table, over, execution("FAILED", job_id="c"), told)


async def test_it_is_said_how_many_match_and_asked_first(
    typed: Typed,  # noqa: F811
    table: JobsTable,
    connect: Connect,
    name: str,
) -> None:
    """Who says yes has the bulk's id; who says no, or nothing, has status 2."""
    await three(table)
    question = "2 jobs of the tenant web match status:open type:thumbs. Cancel them? [y/N] "
    for answer in ("n\n", ""):
        refused = await typed("cancel", *OPEN, given=answer)
        assert (refused.status, refused.out) == (2, "") and refused.err.startswith(question)
    assert await sent(connect, name) == []
    agreed = await typed("cancel", *OPEN, "--reason", "all wrong", given="y\n")
    [message] = await sent(connect, name)
    asked = BulkMessage.model_validate_json(json.dumps(message))
    assert (agreed.status, agreed.out) == (0, f"{asked.bulk_id}\n") and agreed.err.startswith(question)
    assert (asked.verb, asked.tenant, asked.jobs.status, asked.jobs.type, asked.reason) == (
        "cancel",
        "web",
        "OPEN",
        "thumbs",
        "all wrong",
    )
    assert (asked.requested_by or "").startswith("arn:aws:sts::")


async def test_a_word_of_the_shell_is_one_word_of_the_filter(
    typed: Typed,  # noqa: F811
    table: JobsTable,
) -> None:
    """Ann Smith's jobs are meant, and not Ann's whose id holds Smith."""
    await merged(table, requested(user="Ann Smith"), execution("RUNNING"))
    said = await typed("cancel", "--tenant", "web", "--all", "user:Ann Smith", given="n\n")
    assert said.err.startswith('1 job of the tenant web matches user:"Ann Smith". Cancel it? [y/N] ')


async def test_who_is_sure_is_not_asked(typed: Typed, table: JobsTable, connect: Connect, name: str) -> None:  # noqa: F811
    """A rerun takes changes with it; the answer is the contract's."""
    await three(table)
    words = ("--tenant", "web", "--all", "status:failed")
    said = await typed("rerun", *words, "--memory", "echo=1024", "--yes", "--json")
    told = BulkSent.model_validate_json(said.out)
    assert (said.status, told.verb, told.location) == (0, "rerun", f"/tenants/web/bulk/{told.bulk_id}")
    [message] = await sent(connect, name)
    assert message["changes"] == {"sizes.echo.memory": 1024}


def test_the_hint_names_the_stack_that_was_meant() -> None:
    """What is typed after it looks at the same deployment."""
    assert many.how_to_look("b", "web", "jobs") == "jobferry bulk b --tenant web --stack jobs"
    assert many.how_to_look("b", "web", None) == "jobferry bulk b --tenant web"


async def test_where_nothing_matches_nothing_is_sent(
    typed: Typed,  # noqa: F811
    table: JobsTable,
    connect: Connect,
    name: str,
) -> None:
    """Another tenant's jobs match nothing."""
    await three(table)
    for words in (("--tenant", "web", "--all", "type:other"), ("--all", "status:open", "tenant:shop")):
        said = await typed("cancel", *words, "--yes")
        assert (said.status, said.out, said.err) == (0, "", "No job matches: nothing is asked for.\n")
    told = NothingMatches.model_validate_json((await typed("cancel", "--all", "type:other", "--json")).out)
    assert (told.verb, told.tenant, told.jobs.type, told.matched) == ("cancel", "default", "other", 0)
    assert await sent(connect, name) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("cancel",), "Name a job, or many by --all."),
        (("rerun",), "Name a job, or many by --all."),
        (("cancel", "a", "--all", "status:open"), "Name one job, or many by --all: not both."),
        (
            ("rerun", "--all", "status:failed", "--id", "new"),
            "--id is not for --all: each new job has an id of its own.",
        ),
        (("rerun", "--follow", "--all", "status:failed"), "--follow is not for --all: follow one of the new jobs"),
        (("cancel", "--all", "colour:red"), "colour:red cannot be asked for"),
        (("cancel", "--all", "status:late"), "status:late is none of"),
        (("redrive", "--all", "tenant:web"), "--all: a filter that names nothing"),
        (("cancel", "--all", "type:a", "type:b"), "type:b is a second type"),
        (("cancel", "--all", "since:999999w"), "since:999999w is no time"),
        (("cancel", "--tenant", "web", "--all", "type:a", "tenant:shop"), "Name the tenant by --tenant, or in"),
    ],
)
async def test_a_slip_is_named(typed: Typed, words: tuple[str, ...], why: str) -> None:  # noqa: F811
    """With status 2, and nobody is asked."""
    said = await typed(*words)
    assert said.status == 2 and why in said.err, said.err


def asked(**fields: Any) -> BulkAsked:
    """A bulk that was heard of."""
    told = {"record_key": RecordKey.of_bulk("web", "b"), "bulk_id": "b", "tenant": "web", "verb": "cancel"}
    return BulkAsked.model_validate({**told, "jobs": {"status": "OPEN"}, "asked_at": NOW, "asked_by": "ann", **fields})


def progressed(**fields: Any) -> BulkProgressed:
    """How far it has come."""
    told = {"record_key": RecordKey.of_bulk("web", "b"), "page": 3, "at": NOW + 9, "matched": 120, "done": 99}
    return BulkProgressed.model_validate({**told, "refused": 1, "refusals": {"It is over already.": 1}, **fields})


async def test_a_bulk_says_how_far_it_has_come(typed: Typed, table: JobsTable) -> None:  # noqa: F811
    """In lines, and as the contract; before a worker heard of it there is none."""
    unknown = await typed("bulk", "b", "--tenant", "web")
    assert (unknown.status, unknown.err) == (1, "There is no such bulk.\n")
    await merged(table, asked(), progressed())
    said = await typed("bulk", "b", "--tenant", "web")
    assert said.out.splitlines() == [
        "b: cancel RUNNING, asked for by ann at 2023-11-14T22:13:20.000Z",
        "  120 matched, 99 done, 1 refused",
        "  1: It is over already.",
    ]
    told = TrackedBulk.model_validate_json((await typed("bulk", "b", "--tenant", "web", "--json")).out)
    assert (told.matched, told.done, told.refused) == (120, 99, 1)
    assert (await typed("bulk", "b")).status == 1


@pytest.mark.parametrize(("refused", "stopped", "status"), [(0, False, 0), (1, False, 1), (0, True, 1)])
async def test_who_waits_for_a_bulk_has_its_status(
    typed: Typed,  # noqa: F811
    table: JobsTable,
    refused: int,
    stopped: bool,
    status: int,
) -> None:
    """1 where some were refused, or it was stopped; 4 where it takes too long."""
    late = await typed("bulk", "b", "--tenant", "web", "--wait", "--timeout", "0")
    assert late.status == 4 and "it goes on" in late.err
    await merged(table, asked(), progressed(refused=refused, stopped=stopped, finished_at=NOW + 9))
    assert (await typed("bulk", "b", "--tenant", "web", "--wait")).status == status


async def test_who_waits_for_a_rerun_of_many_waits_for_the_bulk(
    typed: Typed,  # noqa: F811
    table: JobsTable,
    connect: Connect,
    name: str,
) -> None:
    """By a key a repeat is the same bulk; one that takes too long has status 4, as with `bulk --wait`."""
    await three(table)
    words = ("rerun", "--tenant", "web", "--all", "status:failed", "--yes", "--idempotency-key", "again")
    late = await typed(*words, "--wait", "--timeout", "0")
    assert (late.status, late.out) == (4, "") and "it goes on" in late.err
    [first] = await sent(connect, name)
    of = RecordKey.of_bulk("web", first["bulk_id"])
    heard = asked(record_key=of, bulk_id=first["bulk_id"], verb="rerun")
    await merged(table, heard, progressed(record_key=of, refused=0, finished_at=NOW + 9))
    said = await typed(*words, "--wait", "--json")
    told = TrackedBulk.model_validate_json(said.out)
    assert (said.status, told.bulk_id, told.status) == (0, first["bulk_id"], "FINISHED")
    assert [message["bulk_id"] for message in await sent(connect, name)] == [first["bulk_id"]]


async def test_a_bulk_that_nobody_hears_of_is_waited_for_no_longer_than_a_minute(
    typed: Typed,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then there is none of that id, as without --wait."""
    monkeypatch.setattr(many, "HEARD_WITHIN_SECONDS", 0.0)
    said = await typed("bulk", "typo", "--tenant", "web", "--wait")
    assert (said.status, said.err) == (1, "There is no such bulk.\n")


async def test_a_bulk_is_stopped(typed: Typed, connect: Connect, name: str) -> None:  # noqa: F811
    """In the caller's name."""
    said = await typed("bulk", "b", "--tenant", "web", "--stop", "--reason", "enough")
    [message] = await sent(connect, name)
    assert (message["verb"], message["bulk_id"], message["tenant"], message["reason"]) == ("stop", "b", "web", "enough")
    assert (said.status, said.out) == (0, f"b is to be stopped, as {message['requested_by']}.\n")


async def test_the_routes_of_a_bulk(app: Any, table: JobsTable, connect: Connect, name: str) -> None:  # noqa: F811
    """202 and where it is; the same key is the same bulk; it can be stopped and looked at."""
    first, again = [await ask(app, "POST", ROUTE, json.dumps(WISH), idempotency_key="k", **JSON) for _ in range(2)]
    assert first.status == 202 and first.headers["location"] == again.headers["location"]
    stopped = await ask(app, "POST", f"{first.headers['location']}/stop")
    assert stopped.status == 202
    messages = await sent(connect, name)
    assert sorted(message["verb"] for message in messages) == ["cancel", "cancel", "stop"]
    assert {message["bulk_id"] for message in messages} == {first.json()["bulk_id"]}
    await merged(table, asked(), progressed())
    seen = await ask(app, "GET", f"{ROUTE}/b")
    assert (seen.status, TrackedBulk.model_validate_json(seen.body).status) == (200, "RUNNING")


async def test_another_tenants_bulk_is_as_one_that_is_not_there(app: Any, table: JobsTable) -> None:  # noqa: F811
    """The same status and the same body."""
    await merged(table, asked(), progressed())
    theirs, nobodys = [await ask(app, "GET", f"/tenants/shop/bulk/{name}") for name in ("b", "none")]
    assert (theirs.status, theirs.body) == (404, nobodys.body)


@pytest.mark.parametrize(
    "wish",
    [
        {**WISH, "jobs": {}},
        {**WISH, "changes": {"user": "x"}},
        {**WISH, "tenant": "shop"},
        {**WISH, "requested_by": "boss"},
        {"verb": "stop", "jobs": {"status": "OPEN"}},
    ],
)
async def test_a_wish_that_cannot_be_is_refused(app: Any, wish: dict[str, Any]) -> None:  # noqa: F811
    """With 422; nobody speaks for another tenant, nor in another's name."""
    assert (await ask(app, "POST", ROUTE, json.dumps(wish), **JSON)).status == 422
