"""The HTTP API over the records, lists and logs of moto: what each route says, and to whom."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fastapi import FastAPI

from deploy.local.stack import PROJECT
from schemas.tracking import JobPage, LogLines, StepsPage, TrackedJob, Validated, Why
from service.api.app import Serving, build_app
from service.aws.jobs_table import JobsTable
from service.core.casefile.collecting import Wanted
from service.core.casefile.files import read_case
from service.core.casefile.replay import replay
from service.core.log_layout import history_key
from service.core.record.facts import Fact
from service.tracking.wiring import Place, Tracking, wire_tracking
from tests.support.asking import ask, listening
from tests.support.builders import (
    JOB,
    MACHINE,
    MESSAGE,
    NOW,
    announced,
    attempt,
    container,
    execution,
    receipt,
    rejected,
    requested,
    running,
    task,
    task_arn,
)
from tests.support.connecting import CREDENTIALS, REGION, Client, Connect, answering
from tests.support.lent import Lent
from workers import track_jobs

OURS, THEIRS = f"/tenants/web/jobs/{JOB}", f"/tenants/other/jobs/{JOB}"
LOG = "/logs/1/1/main"
ROUTES = ["", "/steps", "/why", "/events", "/case", LOG, f"{LOG}?follow=true", f"{LOG}?download=true"]
ECHO = {"stages": [{"image": "image_1", "command": ["echo", "hello"]}]}


@pytest.fixture
async def place(connect: Connect, name: str, table: JobsTable) -> Place:
    """A deployment on moto; its catalogue is the one that is shipped."""
    await (await connect("s3")).create_bucket(Bucket=name)
    queue = await (await connect("sqs")).create_queue(QueueName=name)
    return Place(
        request_queue_url=queue["QueueUrl"],
        control_queue_url=queue["QueueUrl"],
        state_machine_arn=MACHINE,
        log_bucket=name,
        jobs_table=table.name,
        catalog=str(PROJECT / "deploy" / "catalog.yaml"),
    )


@pytest.fixture
async def tracking(connect: Connect, place: Place) -> Tracking:
    """What reads and submits there; it is a minute after the jobs' end."""
    return wire_tracking(place, connect, None, lambda: NOW + 120)


@pytest.fixture(scope="module")
def shared() -> tuple[FastAPI, dict[str, Lent]]:
    """An app, and what stands behind its routes."""
    parts = {name: Lent() for name in ("tracker", "submission", "steering", "cases")}
    behind: Any = parts
    return build_app(Serving(**behind)), parts


@pytest.fixture
def app(shared: tuple[FastAPI, dict[str, Lent]], tracking: Tracking) -> FastAPI:
    """The API over it."""
    app, parts = shared
    for name, part in parts.items():
        part.to(getattr(tracking, name))
    return app


async def merged(table: JobsTable, *facts: Fact) -> None:
    """A record of these facts."""
    for fact in facts:
        await table.merge(fact)


ENDED = (requested(), execution(attempts=(attempt(),)), task(), receipt(), announced())


async def test_a_job_that_runs_says_where_it_is(app: Any, table: JobsTable) -> None:
    """Stage by stage, each attempt with what ECS tells of it."""
    await merged(table, requested(stages=2, labels={"a": "b"}), execution("RUNNING"), running())
    answer = await ask(app, "GET", OURS)
    job = TrackedJob.model_validate_json(answer.body)
    assert (answer.status, job.status, job.settled, job.labels) == (200, "RUNNING", False, {"a": "b"})
    assert [stage.status for stage in job.stages] == ["RUNNING", "NOT_RUN"]
    assert [item.task_status for item in job.stages[0].attempts] == ["RUNNING"]


async def test_a_rejected_request_is_found_by_its_message_and_by_what_it_claimed(app: Any, table: JobsTable) -> None:
    """With every reason, and as long as no job has the id."""
    await merged(table, rejected(claimed_job_id="odd", claimed_tenant="web"))
    by_message, by_claim = [await ask(app, "GET", f"/tenants/web/jobs/{name}") for name in (MESSAGE, "odd")]
    assert by_message.body == by_claim.body
    job = TrackedJob.model_validate_json(by_claim.body)
    assert (job.status, job.job_id, job.message_id) == ("REJECTED", "odd", MESSAGE)
    assert job.rejection is not None and job.rejection.problems[0].message == "it is odd"


async def test_a_tenant_sees_its_own_rejection_and_not_the_job_that_has_the_id(app: Any, table: JobsTable) -> None:
    """Which is another's."""
    refused = rejected(claimed_job_id=JOB, job_id_is_taken=True, claimed_tenant="other")
    await merged(table, *ENDED, refused)
    job = TrackedJob.model_validate_json((await ask(app, "GET", THEIRS)).body)
    assert (job.status, job.job_id, job.tenant) == ("REJECTED", None, "other")


@pytest.mark.parametrize("name", [MESSAGE, "odd"])
async def test_another_tenants_rejected_request_is_as_one_that_is_not_there(
    app: Any, table: JobsTable, name: str
) -> None:
    """By its message, and by what it claimed."""
    await merged(table, rejected(claimed_job_id="odd", claimed_tenant="web"))
    theirs = await ask(app, "GET", f"/tenants/other/jobs/{name}")
    nobodys = await ask(app, "GET", "/tenants/other/jobs/nobody-has-this")
    assert (theirs.status, theirs.body) == (404, nobodys.body)


@pytest.mark.parametrize("route", ROUTES)
async def test_another_tenants_job_is_as_one_that_is_not_there(app: Any, table: JobsTable, route: str) -> None:
    """Through every route: the same status, the same body, after the same reads."""
    await merged(table, *ENDED)
    with counted(table.client) as of_theirs:
        theirs = await ask(app, "GET", THEIRS + route)
    with counted(table.client) as of_nobodys:
        nobodys = await ask(app, "GET", f"/tenants/other/jobs/nobody-has-this{route}")
    assert (theirs.status, theirs.body) == (nobodys.status, nobodys.body)
    assert theirs.status == 404
    assert theirs.headers == nobodys.headers
    assert of_theirs == of_nobodys


async def test_a_list_holds_no_other_tenants_jobs(app: Any, table: JobsTable) -> None:
    """Nor one of their rejected requests."""
    await merged(table, *ENDED, rejected(claimed_tenant="web"))
    theirs = JobPage.model_validate_json((await ask(app, "GET", "/tenants/other/jobs")).body)
    ours = JobPage.model_validate_json((await ask(app, "GET", "/tenants/web/jobs?status=SUCCEEDED")).body)
    assert theirs.jobs == ()
    assert [job.id for job in ours.jobs] == [JOB]


@contextmanager
def counted(client: Client) -> Iterator[list[str]]:
    """The calls of this client, by their operations."""
    calls: list[str] = []

    def note(model: Any, **_: object) -> None:
        calls.append(model.name)

    client.meta.events.register("before-call.*", note)
    try:
        yield calls
    finally:
        client.meta.events.unregister("before-call.*", note)


async def test_twenty_viewers_cost_what_one_costs(tracking: Tracking, table: JobsTable) -> None:
    """A read a second, however many look, and by whatever routes that need no more than the record."""
    await merged(table, *ENDED)
    patient = replace(tracking.tracker, record_seconds=3600.0)  # However busy this machine is.
    app = build_app(Serving(patient, tracking.submission, tracking.steering, tracking.cases))
    client = await opened(tracking)
    with counted(client) as calls:
        answers = await asyncio.gather(*(ask(app, "GET", OURS) for _ in range(20)))
        await asyncio.gather(*(ask(app, "GET", f"{OURS}/events") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert calls == ["Query"]


async def opened(tracking: Tracking) -> Client:
    """The client that the tracker asks, opened by a first call."""
    await tracking.tracker.job_list.rejected_as("web", "nobody")
    client: Any = tracking.tracker.job_list.client
    return client._client


HISTORY = [
    {"id": 1, "type": "ExecutionStarted", "timestamp": NOW, "executionStartedEventDetails": {"input": "{}"}},
    {
        "id": 2,
        "type": "TaskStateEntered",
        "timestamp": NOW + 1,
        "stateEnteredEventDetails": {
            "name": "run_stage",
            "input": json.dumps(
                {
                    "lambda_result": {
                        "next_stage": {
                            "stage": 1,
                            "attempt": 1,
                            "environment": [{"Name": "DB_PASSWORD", "Value": "hunter2"}],
                        }
                    }
                }
            ),
        },
    },
    {"id": 3, "type": "TaskScheduled", "timestamp": NOW + 1, "taskScheduledEventDetails": {"resourceType": "ecs"}},
    {
        "id": 4,
        "type": "TaskSubmitted",
        "timestamp": NOW + 2,
        "taskSubmittedEventDetails": {"output": json.dumps({"Tasks": [{"TaskArn": task_arn()}]})},
    },
    {
        "id": 5,
        "type": "TaskStateExited",
        "timestamp": NOW + 50,
        "stateExitedEventDetails": {"name": "run_stage", "output": "{}"},
    },
    {"id": 6, "type": "ExecutionSucceeded", "timestamp": NOW + 60, "executionSucceededEventDetails": {}},
]


def page_of_history(events: list[dict[str, Any]]) -> dict[str, Any]:
    """GetExecutionHistory's answer, its times as the SDK reads them."""
    return {"events": [{**item, "timestamp": datetime.fromtimestamp(item["timestamp"], UTC)} for item in events]}


async def test_the_history_of_an_execution_that_ended_is_asked_for_once(
    connect: Connect, place: Place, table: JobsTable
) -> None:
    """It is kept beside the job's other objects, and the next process reads it there; no secret is shown of it."""
    await merged(table, requested(bucket=place.log_bucket), *ENDED[1:])
    states = await connect("stepfunctions")
    steps = []
    with answering(states, "GetExecutionHistory", page_of_history(HISTORY), AssertionError("asked again")) as asked:
        for _ in range(2):
            tracking = wire_tracking(place, sharing(connect, states), None, lambda: NOW)
            app = build_app(Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases))
            answer = await ask(app, "GET", f"{OURS}/steps")
            steps.append(StepsPage.model_validate_json(answer.body).steps)
            assert "hunter2" not in answer.text and "DB_PASSWORD" in answer.text
    assert len(asked) == 1
    assert steps[0] == steps[1]
    [step] = steps[0]
    assert (step.name, step.status, step.seconds, step.stage, step.attempt) == ("run_stage", "SUCCEEDED", 49.0, 1, 1)
    assert step.task_arn == task_arn() and step.links.logs == (f"{OURS}{LOG}?redrive=0",)
    kept = await (await connect("s3")).get_object(Bucket=place.log_bucket, Key=history_key(JOB, 0, "SUCCEEDED"))
    assert kept["ContentLength"] > 0


def sharing(connect: Connect, states: Client) -> Connect:
    """Opens clients, with one that is there already among them."""

    async def client(service: str) -> Client:
        return states if service == "stepfunctions" else await connect(service)

    return client


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
async def test_an_unfinished_history_is_not_kept(connect: Connect, place: Place, table: JobsTable, status: str) -> None:
    """What is added to it would never be seen; the end may be heard of before the history tells it."""
    await merged(table, requested(bucket=place.log_bucket), execution(status))
    states = await connect("stepfunctions")
    tracking = wire_tracking(place, sharing(connect, states), None, lambda: NOW)
    with answering(states, "GetExecutionHistory", page_of_history(HISTORY[:4])):
        page = await tracking.tracker.steps("web", JOB)
    assert [step.status for step in page.steps] == ["RUNNING"]
    objects = await (await connect("s3")).list_objects_v2(Bucket=place.log_bucket)
    assert objects["KeyCount"] == 0


async def test_the_lines_of_an_archived_log_come_from_s3(
    app: Any, connect: Connect, place: Place, table: JobsTable
) -> None:
    """Any range of them; a link is made anew for each who asks."""
    s3, key = await connect("s3"), f"jobs/{JOB}/logs/1-1/main.log"
    text = "".join(f"line {number}\n" for number in range(1, 100_001))
    await s3.put_object(Bucket=place.log_bucket, Key=key, Body=text.encode())
    await merged(table, *ENDED[:3], receipt(s3_bucket=place.log_bucket, s3_key=key))
    lines = LogLines.model_validate_json((await ask(app, "GET", f"{OURS}{LOG}?first=70001&count=2")).body)
    assert (lines.first_line, lines.lines, lines.more) == (70_001, ("line 70001", "line 70002"), True)
    last = LogLines.model_validate_json((await ask(app, "GET", f"{OURS}{LOG}?first=100000")).body)
    assert (last.lines, last.more, last.complete) == (("line 100000",), False, True)
    link = await ask(app, "GET", f"{OURS}{LOG}?download=true")
    assert link.status == 307 and key in link.headers["location"]


async def test_the_log_of_a_task_that_runs_comes_from_cloudwatch(
    app: Any, connect: Connect, place: Place, table: JobsTable, name: str
) -> None:
    """And not by the quota that the archive lives on; what nobody wrote yet is said to be so."""
    logs = await connect("logs")
    ecs = await connect("ecs")
    made = await ecs.register_task_definition(
        family=name,
        containerDefinitions=[
            {
                "name": "main",
                "image": "x",
                "memory": 128,
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": name, "awslogs-stream-prefix": "job", "awslogs-region": "us-east-1"},
                },
            }
        ],
    )
    arn = made["taskDefinition"]["taskDefinitionArn"]
    await merged(table, requested(), execution("RUNNING"), running(task_definition_arn=arn))
    nothing = LogLines.model_validate_json((await ask(app, "GET", OURS + LOG)).body)
    assert (nothing.lines, nothing.status, nothing.why) == ((), "running", "nothing was written yet")
    await logs.create_log_group(logGroupName=name)
    await logs.create_log_stream(logGroupName=name, logStreamName="job/main/t1")
    now = int(datetime.now(UTC).timestamp() * 1000)
    events = [{"timestamp": now + n, "message": f"line {n}"} for n in range(3)]
    await logs.put_log_events(logGroupName=name, logStreamName="job/main/t1", logEvents=events)
    async with listening(app, f"{OURS}{LOG}?follow=true&first=2") as messages:
        message = await anext(messages)
    assert json.loads(message["data"])["lines"] == ["line 1", "line 2"]
    assert message["id"] == "3"


async def test_a_stream_of_events_goes_on_where_it_was_left(app: Any, table: JobsTable) -> None:
    """Each event once; after the last there is nothing to ask for."""
    await merged(table, requested(), execution("RUNNING"))
    async with listening(app, f"{OURS}/events") as messages:
        first = await anext(messages)
    assert names(first) == ["REQUESTED", "0:STARTED"]
    await merged(table, *ENDED[1:])
    async with listening(app, f"{OURS}/events", last_event_id=first["id"]) as messages:
        told = [message async for message in messages]
    assert [message["event"] for message in told][-1] == "settled"
    seen = [name for message in told[:-1] for name in names(message)]
    assert seen[:3] == ["TASK_CREATED:t1", "TASK_STARTED:t1", "TASK_STOPPED:t1"]
    assert "0:ANNOUNCED" in seen and "REQUESTED" not in seen
    assert json.loads(told[-2]["data"])["job"]["status"] == "SUCCEEDED"
    again = await ask(app, "GET", f"{OURS}/events", last_event_id=told[-2]["id"])
    assert again.status == 204


def names(message: dict[str, str]) -> list[str]:
    """What a message tells of."""
    return [event["name"] for event in json.loads(message["data"])["events"]]


async def test_a_case_is_handed_on_as_a_file(app: Any, table: JobsTable) -> None:
    """Of a job, and of a rejected request; a browser saves it under its name."""
    await merged(table, *ENDED, rejected(claimed_job_id="odd", claimed_tenant="web"))
    for name, kind in ((JOB, "job"), (MESSAGE, "rejection"), ("odd", "rejection")):
        answer = await ask(app, "GET", f"/tenants/web/jobs/{name}/case?logs=none")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
        assert answer.headers["content-disposition"] == f'attachment; filename="case-{name}.zip"'
        case = read_case(io.BytesIO(answer.body))
        assert (case.manifest.kind, case.manifest.values) == (kind, "masked")
        assert not replay(case, "now").differs


async def test_a_case_says_what_aws_does_not_tell(connect: Connect, place: Place, table: JobsTable) -> None:
    """It is made all the same, of what there is."""
    await merged(table, *ENDED)
    states = await connect("stepfunctions")
    tracking = wire_tracking(place, sharing(connect, states), None, lambda: NOW + 120)
    refused = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetExecutionHistory")
    with answering(states, "GetExecutionHistory", refused):
        case = await tracking.cases.of("web", JOB, Wanted())
    told = read_case(io.BytesIO(b"".join([chunk async for chunk in case.chunks()]))).manifest
    assert "AWS could not be asked (AccessDeniedException)" in {item.why for item in told.not_known}


async def test_a_stream_ends_by_itself_where_it_must(tracking: Tracking, table: JobsTable) -> None:
    """Behind a gateway that hands an answer on only when it is whole."""
    await merged(table, requested(), execution("RUNNING"))
    app = build_app(
        Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases, stream_seconds=0.0)
    )
    answer = await ask(app, "GET", f"{OURS}/events")
    assert answer.status == 200 and "event: job" in answer.text and "event: settled" not in answer.text


async def test_all_tenants_jobs_are_listed_only_where_everybody_may_see_them(
    app: Any, table: JobsTable, tracking: Tracking
) -> None:
    """Each with its tenant; behind API Gateway, where a policy is about one tenant's path, there is no such route."""
    await merged(table, *ENDED, rejected(claimed_tenant="other"))
    everybody = JobPage.model_validate_json((await ask(app, "GET", "/jobs?limit=5")).body)
    assert {(job.tenant, job.status) for job in everybody.jobs} == {("web", "SUCCEEDED"), ("other", "REJECTED")}
    assert (await ask(app, "GET", "/jobs?cursor=e30")).status == 400
    behind = Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases, all_tenants=False)
    assert (await ask(build_app(behind), "GET", "/jobs")).status == 404


async def test_a_request_is_sent_as_its_tenants(app: Any, connect: Connect, place: Place) -> None:
    """202, and where to ask for the job; without an id the message's is the job's."""
    named = await ask(app, "POST", "/tenants/web/jobs", json.dumps({"job_id": "j-1", **ECHO}))
    unnamed = await ask(app, "POST", "/tenants/web/jobs", json.dumps(ECHO))
    assert (named.status, named.headers["location"]) == (202, "/tenants/web/jobs/j-1")
    messages = await received(connect, place)
    assert json.loads(messages[0]["Body"]) == {"job_id": "j-1", "tenant": "web", **ECHO}
    assert unnamed.json()["job_id"] == messages[1]["MessageId"]


async def received(connect: Connect, place: Place) -> list[dict[str, Any]]:
    """What lies in the request queue."""
    answer = await (await connect("sqs")).receive_message(QueueUrl=place.request_queue_url, MaxNumberOfMessages=10)
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


async def test_a_key_makes_a_repeat_the_same_job(app: Any, connect: Connect, place: Place) -> None:
    """Of one tenant: the same key of another's is another job."""
    ids = {
        (await ask(app, "POST", f"/tenants/{tenant}/jobs", json.dumps(ECHO), idempotency_key=key)).json()["job_id"]
        for tenant, key in (("web", "k1"), ("web", "k1"), ("web", "k2"), ("other", "k1"))
    }
    assert len(ids) == 3
    assert {json.loads(item["Body"])["job_id"] for item in await received(connect, place)} == ids


async def test_a_key_counts_also_where_the_body_says_that_it_has_no_id(app: Any) -> None:
    """Or a repeat would be another job."""
    body = json.dumps({"job_id": None, **ECHO})
    ids = {(await ask(app, "POST", "/tenants/web/jobs", body, idempotency_key="k")).json()["job_id"] for _ in range(2)}
    assert len(ids) == 1


async def test_times_beyond_the_calendar_are_its_ends(app: Any) -> None:
    """No question of a list is an error of ours."""
    for asked in ("since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-14:00"):
        assert (await ask(app, "GET", f"/tenants/web/jobs?{asked}")).status == 200


async def test_an_id_that_another_request_of_the_tenant_has_is_refused_at_once(
    app: Any, connect: Connect, place: Place, table: JobsTable
) -> None:
    """Another tenant's is not spoken of: the request is sent, and rejected as any second one is."""
    await merged(table, requested(digest="another"))
    ours, theirs = [
        await ask(app, "POST", f"/tenants/{tenant}/jobs", json.dumps({"job_id": JOB, **ECHO}))
        for tenant in ("web", "other")
    ]
    assert (ours.status, ours.json()["problems"][0]["field"]) == (409, "job_id")
    assert theirs.status == 202
    assert len(await received(connect, place)) == 1


REFUSED: dict[str, tuple[str, int, str]] = {
    "no JSON": ("{", 422, ""),
    "no UTF-8": ("\udcff", 422, ""),
    "another tenant": (json.dumps({"tenant": "other", **ECHO}), 422, "tenant"),
    "an image that is not there": ('{"stages": [{"image": "nope"}]}', 422, "stages.0.image"),
    "too large": ("x" * 1_048_577, 413, ""),
}


@pytest.mark.parametrize(("body", "status", "field"), REFUSED.values(), ids=REFUSED)
async def test_a_request_that_would_be_rejected_is_refused_at_once(
    app: Any, connect: Connect, place: Place, body: str, status: int, field: str
) -> None:
    """As a problem with the path of each field; nothing is sent."""
    answer = await ask(app, "POST", "/tenants/web/jobs", body.encode(errors="surrogateescape"))
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert [item["field"] for item in answer.json()["problems"][:1]] in ([field], [])
    assert await received(connect, place) == []


async def test_a_request_can_be_judged_without_being_sent(app: Any, connect: Connect, place: Place) -> None:
    """What would run is told."""
    good = await ask(app, "POST", "/tenants/web/jobs?validate_only=true", json.dumps(ECHO))
    bad = await ask(app, "POST", "/tenants/web/jobs?validate_only=true", "{}")
    assert good.status == 200
    assert [stage.image for stage in Validated.model_validate_json(good.body).stages] == ["image_1"]
    assert bad.status == 422
    assert await received(connect, place) == []


async def test_why_compares_with_the_last_jobs_of_the_type(app: Any, table: JobsTable) -> None:
    """Those of the tenant's that finished."""
    spent = {"image": "echo", "stage": 1, "passed": True, "running": 10.0}
    for number in range(6):
        of: dict[str, Any] = {"job_id": f"before-{number}", "job_type": "greet"}
        ended = announced(of=requested(**of).record_key).model_copy(update={"ended_at": NOW})
        await merged(table, requested(**of), ended.model_validate({**ended.model_dump(), "spent": [spent]}))
    await merged(table, requested(job_type="greet"), execution("RUNNING"), running())
    why = Why.model_validate_json((await ask(app, "GET", f"{OURS}/why")).body)
    assert (why.waits_for, why.stage, why.stage_name) == ("container", 1, "stage-1")
    assert why.usual is not None and (why.usual.jobs, why.usual.p50_seconds) == (6, 10.0)


async def test_the_function_answers_as_the_console_does(
    app: Any, table: JobsTable, place: Place, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same routes, over clients of its own; what is asked by a page of another site is IAM's business there."""
    await merged(table, *ENDED)
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **{key.upper(): value for key, value in CREDENTIALS.items()},
        "JOBFERRY_REQUEST_QUEUE_URL": place.request_queue_url,
        "JOBFERRY_CONTROL_QUEUE_URL": place.control_queue_url,
        "JOBFERRY_STATE_MACHINE_ARN": place.state_machine_arn,
        "JOBFERRY_LOG_BUCKET": place.log_bucket,
        "JOBFERRY_JOBS_TABLE": place.jobs_table,
        "JOBFERRY_CATALOG": "a file of an image of one's own",
        "JOBFERRY_TASK_FAMILY_PREFIX": "jobferry",
    }
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    track_jobs._made.cache_clear()

    def called(method: str, path: str, **fields: Any) -> dict[str, Any]:
        context = {"path": f"/v1{path}"}
        return track_jobs.handler({"httpMethod": method, "path": path, "requestContext": context, **fields}, None)

    told = await asyncio.to_thread(called, "GET", OURS)
    assert told["statusCode"] == 200
    assert told["body"] == (await ask(app, "GET", OURS)).text
    sent = await asyncio.to_thread(called, "POST", "/tenants/web/jobs", body=json.dumps({"job_id": "j-2", **ECHO}))
    assert sent["multiValueHeaders"]["location"] == ["/v1/tenants/web/jobs/j-2"]
    query = {"validate_only": ["true"]}
    unjudged = await asyncio.to_thread(
        called, "POST", "/tenants/web/jobs", body=json.dumps(ECHO), multiValueQueryStringParameters=query
    )
    assert unjudged["statusCode"] == 501


async def test_aws_in_trouble_is_a_problem_and_no_traceback(app: Any, tracking: Tracking) -> None:
    """Its own words name accounts and roles, and stay here."""
    client = await opened(tracking)
    with answering(client, "Query", RuntimeError("arn:aws:iam::123456789012:role/secret")):
        answer = await ask(app, "GET", OURS)
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert "123456789012" not in answer.text


async def test_an_absent_log_says_why(app: Any, table: JobsTable) -> None:
    """And there is nothing to download."""
    await merged(table, *ENDED[:3], receipt(status="absent", why="it wrote nothing", s3_bucket=None, s3_key=None))
    lines = LogLines.model_validate_json((await ask(app, "GET", OURS + LOG)).body)
    assert (lines.status, lines.why, lines.lines, lines.complete) == ("absent", "it wrote nothing", (), True)
    answer = await ask(app, "GET", f"{OURS}{LOG}?download=true")
    assert (answer.status, answer.json()["detail"]) == (
        404,
        "The log cannot be downloaded: there is none: it wrote nothing.",
    )


async def test_a_log_that_was_deleted_since_is_said_to_be_gone(app: Any, place: Place, table: JobsTable) -> None:
    """By the bucket's lifecycle; the record outlives it."""
    await merged(table, *ENDED[:3], receipt(s3_bucket=place.log_bucket, s3_key="gone"))
    answer = await ask(app, "GET", OURS + LOG)
    assert answer.status == 404 and "is gone" in answer.json()["detail"]


async def test_a_log_that_may_not_be_read_is_said_to_be_gone_too(
    app: Any, place: Place, table: JobsTable, connect: Connect
) -> None:
    """S3 says AccessDenied of what is not there to a caller who may not list."""
    await merged(table, *ENDED[:3], receipt(s3_bucket=place.log_bucket, s3_key="gone"))
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
    with answering(await connect("s3"), "GetObject", denied):
        answer = await ask(app, "GET", OURS + LOG)
    assert answer.status == 404 and "this role may not read it" in answer.json()["detail"]


async def test_a_container_that_is_not_there_is_named_beside_those_that_are(app: Any, table: JobsTable) -> None:
    """So that a slip is seen."""
    await merged(table, *ENDED[:2], task(containers=(container(), container("proxy"))))
    answer = await ask(app, "GET", f"{OURS}/logs/1/1/mian")
    assert "there is main, proxy." in answer.json()["detail"]
