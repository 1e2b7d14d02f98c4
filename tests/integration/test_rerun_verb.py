"""`jobferry rerun` and `POST .../rerun`: what is sent, what is refused at once, and with which status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.control import ControlMessage
from schemas.tracking import Asked
from service.aws.jobs_table import JobsTable
from service.core.record.facts import Requested
from tests.support.asking import ask
from tests.support.builders import JOB, announced, attempt, execution, rejected, requested
from tests.support.connecting import Connect

from .test_job_verbs import Typed, typed  # noqa: F401  # a fixture
from .test_tracking_api import app, merged, place, shared, tracking  # noqa: F401  # fixtures

STAGES = [{"image": "image_1", "command": ["echo", "hello"]}]
JSON = {"content_type": "application/json"}
ROUTE = f"/tenants/web/jobs/{JOB}/rerun"


def kept(**fields: Any) -> Requested:
    """A job whose request is kept."""
    return requested(asked=json.dumps({"stages": STAGES, **fields}))


async def sent(connect: Connect, name: str) -> list[ControlMessage]:
    """What lies in the control queue."""
    sqs = await connect("sqs")
    queue = await sqs.get_queue_url(QueueName=name)
    answer = await sqs.receive_message(QueueUrl=queue["QueueUrl"], MaxNumberOfMessages=10)
    return [ControlMessage.model_validate_json(item["Body"]) for item in answer.get("Messages", [])]


async def test_a_rerun_is_sent_with_its_changes_in_the_callers_name(
    typed: Typed,  # noqa: F811
    table: JobsTable,
    connect: Connect,
    name: str,
) -> None:
    """And the new job's id is printed, before there is one."""
    await merged(table, kept(stages=[{"image": "pictures"}]))
    sizes = ("--memory", "pictures=1024MB", "--cpu", "1=256")
    fields = ("user=ann", "timeout_seconds=60", "labels.team=null")
    sets = (word for field in fields for word in ("--set", field))
    said = await typed("rerun", JOB, *sizes, *sets, "--reason", "more room")
    [message] = await sent(connect, name)
    assert (said.status, said.out, said.err) == (0, f"{message.new_job_id}\n", "")
    assert (message.verb, message.tenant, message.job_id, message.reason) == ("rerun", "web", JOB, "more room")
    assert (message.requested_by or "").startswith("arn:aws:sts::")
    assert message.changes == {
        "sizes.pictures.memory": 1024,
        "sizes.1.cpu": 256,
        "user": "ann",
        "timeout_seconds": 60,
        "labels.team": None,
    }


async def test_a_rerun_under_an_id_of_ones_own_tells_it_as_the_contract(
    typed: Typed,  # noqa: F811
    table: JobsTable,
) -> None:
    """With where the new job is asked for."""
    await merged(table, kept())
    told = Asked.model_validate_json((await typed("rerun", JOB, "--id", "new", "--json")).out)
    assert (told.verb, told.job_id, told.new_job_id) == ("rerun", JOB, "new")
    assert told.location == "/tenants/web/jobs/new"


REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "more than the image may have": (("--memory", "1=999999"), 3, "sizes.1.memory: 999999 MiB are more than"),
    "a stage that is not there": (("--memory", "nope=1024"), 3, "sizes.nope: the job has no stage of this name"),
    "a path that leads nowhere": (("--set", "stages.7.command=[]"), 3, "stages.7.command: there is no 7 among 1"),
    "a command that is not allowed": (("--set", 'stages.0.image="nope"'), 3, "stages.0.image: no image is named"),
    "no number": (("--memory", "image_1=lots"), 2, "--memory image_1=lots cannot be read"),
    "no stage": (("--cpu", "512"), 2, "--cpu 512 cannot be read"),
    "no value": (("--set", "user"), 2, "--set user cannot be read"),
    "an id that cannot be": (("--id", "a b"), 2, "new_job_id cannot be"),
}


@pytest.mark.parametrize(("words", "status", "why"), REFUSED.values(), ids=REFUSED)
async def test_a_rerun_that_cannot_be_is_refused_at_once(
    typed: Typed,  # noqa: F811
    table: JobsTable,
    connect: Connect,
    name: str,
    words: tuple[str, ...],
    status: int,
    why: str,
) -> None:
    """As a request is, by the same catalogue; nothing is sent."""
    await merged(table, kept())
    said = await typed("rerun", JOB, *words)
    assert said.status == status and said.err.startswith(why), said.err
    assert await sent(connect, name) == []


async def test_a_rerun_of_nothing_has_status_one(typed: Typed, table: JobsTable) -> None:  # noqa: F811
    """As of another tenant's job."""
    await merged(table, kept())
    for words in (("nothing",), (JOB, "--tenant", "other")):
        said = await typed("rerun", *words)
        assert (said.status, said.err) == (1, "There is no such job.\n")


@pytest.mark.parametrize(("status", "expected"), [("SUCCEEDED", 0), ("FAILED", 1)])
async def test_who_waits_for_a_rerun_has_the_new_jobs_status(
    typed: Typed,  # noqa: F811
    table: JobsTable,
    status: str,
    expected: int,
) -> None:
    """As who submits has."""
    new, tried = requested(job_id="new"), (attempt(passed=status == "SUCCEEDED"),)
    told = announced(of=new.record_key).model_copy(update={"status": status})
    await merged(table, kept(), new, execution(status, job_id="new", attempts=tried), told)
    said = await typed("rerun", JOB, "--id", "new", "--wait")
    assert said.status == expected and said.out.startswith(f"new: {status}")
    late = await typed("rerun", JOB, "--id", "later", "--wait", "--timeout", "0")
    assert late.status == 4


async def test_a_route_makes_a_job_of_a_job(app: Any, table: JobsTable, connect: Connect, name: str) -> None:  # noqa: F811
    """202, and where it will be; the same key is the same job."""
    await merged(table, kept())
    text = json.dumps({"reason": "once more", "changes": {"stages.0.command": ["echo", "bye"]}})
    first, again, other = [await ask(app, "POST", ROUTE, text, idempotency_key=key, **JSON) for key in ("k", "k", "l")]
    assert (first.status, first.json()["verb"]) == (202, "rerun")
    assert first.headers["location"] == f"/tenants/web/jobs/{first.json()['new_job_id']}"
    assert first.headers["location"] == again.headers["location"] != other.headers["location"]
    assert [message.changes for message in await sent(connect, name)] == [{"stages.0.command": ["echo", "bye"]}] * 3


async def test_a_route_makes_a_job_of_a_rejected_request(app: Any, table: JobsTable) -> None:  # noqa: F811
    """Whose body the worker alone may read: it is judged there."""
    await merged(table, rejected(claimed_tenant="web", claimed_job_id="odd"))
    answer = await ask(app, "POST", "/tenants/web/jobs/odd/rerun", json.dumps({"changes": {"user": "x"}}), **JSON)
    assert answer.status == 202


async def test_a_route_refuses_what_admission_would(app: Any, table: JobsTable) -> None:  # noqa: F811
    """With each reason; of another tenant's job one learns as much as of none."""
    await merged(table, kept())
    wrong = await ask(app, "POST", ROUTE, json.dumps({"changes": {"stages.0.image": "nope"}}), **JSON)
    assert (wrong.status, wrong.json()["problems"][0]["field"]) == (422, "stages.0.image")
    theirs, nobodys = [await ask(app, "POST", f"/tenants/other/jobs/{name}/rerun") for name in (JOB, "nobody")]
    assert (theirs.status, theirs.body) == (404, nobodys.body)
