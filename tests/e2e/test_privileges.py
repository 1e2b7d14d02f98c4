"""Least privilege, proven: what each role was seen to do is what its policies allow, no more and no less.

These tests come last of the end-to-end tests, and judge every call that all of them made.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.stack import STACK
from schemas.bulk import BulkFilter, BulkWish
from schemas.control import Changes
from schemas.notification import JobNotification
from schemas.tracking import LogLines, RerunWish
from service.core.casefile.collecting import Wanted
from service.core.tracking.listing import JobFilter
from service.tracking.errors import NotNowError, UnknownBulkError, UnknownJobError, UnknownLogError
from service.tracking.logs import LogPlace
from service.tracking.steering import Steering
from service.tracking.wiring import Tracking
from tests.support.deployment import role_statements
from tests.support.excuses import EXCUSES, NOT_DEPLOYED
from tests.support.job_requests import REQUESTS
from tests.support.privileges import Call, Permission, calls_in, permissions
from tests.support.readers import tracking_as
from tests.support.system import SharedWorker, System, opened, receipts
from tests.support.waiting import WITHIN_SECONDS

from .conftest import Burst
from .test_lost_events import deaf_to

EVENT_BRIDGE = "events.amazonaws.com"


@pytest.fixture(scope="module")
def roles(asked: System) -> Mapping[str, str]:
    """The names of the roles in the template, by their names on AWS."""
    found = asked.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
    return {
        item["PhysicalResourceId"]: item["LogicalResourceId"]
        for item in found
        if item["ResourceType"] == "AWS::IAM::Role"
    }


@pytest.fixture(scope="module")
def granted(asked: System, roles: Mapping[str, str]) -> frozenset[Permission]:
    """Every permission of every role, as it was deployed."""
    iam = asked.client("iam")
    return frozenset(
        permission
        for name, role in roles.items()
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        for permission in permissions(role, iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
    )


@pytest.fixture(scope="module")
def calls(
    asked: System, shared_worker: SharedWorker, roles: Mapping[str, str], call_log: Path, burst: Burst
) -> frozenset[Call]:
    """What was done by all tests that ran, and by the jobs here, so that these tests also stand alone.

    The burst ran in an account of its own. All that its state machine calls has the same names there.
    """
    shared_worker.ensure()
    told = [asked.told(name) for name in REQUESTS]
    told.append(asked.told(given_back(asked, shared_worker)))
    told.append(asked.told(asked.send("no job at all")))
    with deaf_to(asked, "tasks"):
        # Nobody tells of its task, neither an event nor, since it reports back by itself, the execution's output.
        told.append(asked.told(asked.send({"stages": [{"image": "reporter", "command": ["report"]}]})))
    for notification in told:
        for url in links(notification):
            opened(url)
    asyncio.run(submitted_and_read(asked))
    asyncio.run(steered(asked))
    asyncio.run(made_again(asked))
    partition, _, region, account = asked.outputs["StateMachineArn"].split(":")[1:5]
    place = f"{partition}:{region}:{account}"
    of_the_burst = {call for call in calls_in(burst.call_log, place, roles) if call.by == "StateMachineRole"}
    return calls_in(call_log, place, roles) | of_the_burst


async def submitted_and_read(asked: System) -> None:
    """A job that one role submits and the other looks at, by all that can be asked, while it runs and afterwards."""
    submitter, reader = (tracking_as(asked, asked.outputs[f"Job{name}RoleArn"]) for name in ("Submitter", "Reader"))
    request = {
        "job_id": "looked-at",
        "stages": [{"image": "image_1", "command": ["sh", "-c", "echo hello; sleep 3600"]}],
    }
    await submitter.submission.submit("default", json.dumps(request))
    place = LogPlace(1, 1, "image_1-container")
    task = asked.running_task("looked-at")
    assert (await log_of(reader, place)).status == "running"
    asked.client("ecs").stop_task(cluster=asked.outputs["ClusterName"], task=task["taskArn"])
    asked.told("looked-at")
    assert (await log_of(reader, place)).lines == ("hello",)
    for tracking in (reader, tracking_as(asked, asked.outputs["JobReaderRoleArn"])):  # The second reads what is kept.
        assert (await tracking.tracker.steps("default", "looked-at")).steps
    assert await status_at_last(reader) == "FAILED"
    listed = (await reader.tracker.jobs("default", JobFilter(text="looked-at"), 1)).jobs
    assert await reader.tracker.glances(listed)
    with pytest.raises(UnknownJobError):
        await reader.tracker.find("default", "nobody-has-this")
    rejected = asked.send({"stages": []})
    asked.told(rejected)
    assert (await reader.cases.of("default", rejected, Wanted())).gathered.body


async def steered(asked: System) -> None:
    """A job that one role cancels and redrives; of what is not there it learns no more than anybody."""
    steering = tracking_as(asked, asked.outputs["JobSteererRoleArn"]).steering
    asked.send({"job_id": "steered-by-role", "stages": [{"image": "image_1", "command": ["sh", "-c", "sleep 3600"]}]})
    with pytest.raises(UnknownJobError):
        await steering.ask("redrive", "default", "nobody-has-this")
    asked.running_task("steered-by-role")
    await steering.ask("cancel", "default", "steered-by-role")
    asked.told("steered-by-role")
    await steering.ask("redrive", "default", "steered-by-role")
    await cancelled_once_it_runs_again(steering)
    asked.wait_for(lambda: asked.outcomes("steered-by-role") == 2, "its second outcome", "steered-by-role")


async def made_again(asked: System) -> None:
    """A large job and a rejected request that a role has made again, and a bulk of jobs that are counted first."""
    tracking = tracking_as(asked, asked.outputs["JobSteererRoleArn"])
    many = [{"image": "image_1", "command": ["echo", "x" * 1000]}] * 20
    asked.send({"job_id": "large-by-role", "timeout_seconds": 1, "stages": many})
    asked.told("large-by-role")
    asked.told(asked.send({"job_id": "odd-by-role", "stages": [{"image": "nope"}]}))
    for old in ("large-by-role", "odd-by-role"):
        changed: Changes = {"timeout_seconds": None, "stages": [{"image": "image_1", "command": ["echo", "a"]}]}
        wish = RerunWish(new_job_id=f"{old}-again", changes=changed)
        await tracking.steering.rerun("default", old, wish)
        assert asked.told(f"{old}-again").status == "SUCCEEDED"
    jobs = BulkFilter(id="large-by-role-again")
    assert await tracking.tracker.matching("default", "rerun", jobs) == 1
    sent = await tracking.steering.many("default", BulkWish(verb="rerun", jobs=jobs))
    while True:
        if await is_over(tracking, sent.bulk_id):
            return
        await asyncio.sleep(0.1)


async def is_over(tracking: Tracking, bulk_id: str) -> bool:
    """Whether a bulk is at its end."""
    try:
        return (await tracking.tracker.bulk("default", bulk_id)).status == "FINISHED"
    except UnknownBulkError:
        return False


async def status_at_last(reader: Tracking) -> str:
    """How the job ended; what was read a moment ago is not asked again."""
    while True:
        why = await reader.tracker.why("default", "looked-at")
        if why.status != "RUNNING":
            return why.status
        await asyncio.sleep(0.1)


async def cancelled_once_it_runs_again(steering: Steering) -> None:
    """As soon as the record knows of the redrive: before that, the job is over."""
    while True:
        try:
            await steering.ask("cancel", "default", "steered-by-role")
        except NotNowError:
            await asyncio.sleep(0.1)
        else:
            return


async def log_of(reader: Tracking, place: LogPlace) -> LogLines:
    """The log of that job, once its task and its first line are heard of."""
    while True:
        try:
            found = await reader.tracker.log("default", "looked-at", place, 1, 10)
            if found.lines:
                return found
        except (UnknownJobError, UnknownLogError):
            pass
        await asyncio.sleep(0.1)


def given_back(asked: System, shared_worker: SharedWorker) -> str:
    """A request that came with the last poll of a worker that leaves, for the next one."""
    leaving = shared_worker.ensure()
    leaving.send_signal(signal.SIGTERM)
    request = asked.send({"stages": [{"image": "image_1", "command": ["echo", "later"]}]})
    leaving.wait(WITHIN_SECONDS)
    shared_worker.ensure()
    return request


def links(told: JobNotification) -> list[str]:
    """Every link of a notification."""
    logs = [receipt.link.url for receipt in receipts(told) if receipt.link]
    body = told.rejection.body_link if told.rejection else None
    return logs + ([body.url] if body else [])


def test_no_role_did_what_no_statement_allows(calls: frozenset[Call], granted: frozenset[Permission]) -> None:
    """On AWS each of these calls would have been refused."""
    of_roles = {call for call in calls if call.by != EVENT_BRIDGE}
    assert {call.by for call in of_roles} == {permission.role for permission in granted}, "every role was at work"
    assert [call for call in of_roles if not any(each.covers(call) for each in granted)] == []


def test_no_role_may_do_what_it_never_did(calls: frozenset[Call], granted: frozenset[Permission]) -> None:
    """Action by action and resource by resource; what cannot be seen here has its excuse."""
    unused = {each for each in granted if not any(each.covers(call) for call in calls)}
    assert [each for each in unused if not any(excuse.covers(each) for excuse in EXCUSES)] == []


def test_no_excuse_outlives_its_permission(granted: frozenset[Permission]) -> None:
    """Each one excuses something that is granted, action by action, and gives a reason."""
    for excuse in EXCUSES:
        assert excuse.actions == {each.action for each in granted if excuse.covers(each)}, excuse
        assert excuse.reason


def test_what_is_not_deployed_here_is_listed(granted: frozenset[Permission]) -> None:
    """Every statement of the template was judged, or has a reason why it was not."""
    deployed = {(each.role, each.sid) for each in granted}
    missing = {(role, item["Sid"]) for role, item in role_statements()} - deployed
    wholly = {role for role, sid in NOT_DEPLOYED if sid == "*"}
    assert {(role, "*" if role in wholly else sid) for role, sid in missing} == set(NOT_DEPLOYED)


def test_eventbridge_is_let_in_by_the_queues_own_policy(asked: System, calls: frozenset[Call]) -> None:
    """Each of the two rules delivered, under the statement that names it; for no other rule the queue is open."""
    url = asked.outputs["EventQueueUrl"]
    answer = asked.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    document = json.loads(answer["Attributes"]["Policy"])
    [allowing] = [item for item in document["Statement"] if item["Effect"] == "Allow"]
    assert allowing["Principal"] == {"Service": EVENT_BRIDGE}
    [door] = permissions("EventQueuePolicy", document)
    knocked = [call for call in calls if call.by == EVENT_BRIDGE]
    assert all(door.covers(call) for call in knocked)
    assert {call.context["aws:SourceArn"] for call in knocked} == set(
        allowing["Condition"]["ArnEquals"]["aws:SourceArn"]
    )
    stranger = {"aws:SourceArn": knocked[0].context["aws:SourceArn"] + "-2"}
    assert not door.covers(replace(knocked[0], context=stranger))
