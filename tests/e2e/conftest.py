"""One running system for most end-to-end tests: what takes its time is waited for together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.examples.pictures.drawing import ferry
from deploy.local.fills.quotas import Quotas, Rate
from deploy.local.local_run import CATALOG, LocalRun, local_run
from deploy.local.subscriber import Received, Subscriber
from schemas.notification import JobNotification
from schemas.progress import JobProgress
from service.aws.record_items import record_of
from service.core.record.facts import WaitsForCapacity
from service.core.record.keys import RecordKey
from tests.support.job_requests import POINTER_CLASSES, REPEATS, REQUESTS, body
from tests.support.system import SharedWorker, System
from tests.support.waiting import last_lines, wait_for

HERE = Path(__file__).parent
# Where producers put what their pointers point to; the worker's role is let in by a parameter.
PAYLOADS = "producers-payloads"
# Quicker still than `jobferry local`, so that what a crash delays is not waited for; but a claim is held for longer
# than a worker on a busy machine needs for what it claimed.
QUICKER = {
    "JOBFERRY_VISIBILITY_SECONDS": "3",
    "JOBFERRY_CLAIM_SECONDS": "15",
    "JOBFERRY_TASK_GRACE_SECONDS": "1",
    "JOBFERRY_SILENCE_SECONDS": "5",
    "JOBFERRY_SWEEP_SECONDS": "1",
}
# Beside the project's own images: one that does not exist, one that is to report back and never does, one that is tried
# again when its program fails, and one that is held to its memory.
IMAGES = {
    "nowhere": {"task_definition": "jobferry-nowhere", "container": "main", "retries": {"transient": 0}},
    "silent": {
        "task_definition": "jobferry-image-1",
        "container": "image_1-container",
        "integration": "callback",
        "commands": [["sh", "-c", "*"]],
        "heartbeat_seconds": 2,
        "timeout_seconds": 120,
    },
    "stubborn": {
        "task_definition": "jobferry-image-1",
        "container": "image_1-container",
        "commands": [["sh", "-c", "*"]],
        "retries": {"application": 1},
    },
    "hungry": {
        "task_definition": "jobferry-hungry",
        "container": "main",
        "commands": [["sh", "-c", "*"]],
        "launch_type": "EC2",  # whose tasks may be as small
        "memory": 64,
        "max_memory": 256,
    },
}
# RunTask's bucket holds one, so most of these meet its throttle, also where a busy machine starts but a few a second.
BURST_JOBS = 15
BURST_QUOTAS = Quotas(run_task=Rate(per_second=1, bucket=1))
OUTCOMES = {"status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "REJECTED"]}
FILTERS = {
    "failed": {"status": ["FAILED"]},
    "acme": {"tenant": ["acme"]},
    "thumbnails": {"job_type": ["thumbnails"]},
    "exits": {"failure_class": ["application_exit"]},
    "curious": {"tenant": ["curious"]},
    "curious-outcomes": {"tenant": ["curious"], **OUTCOMES},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back at all that was done comes last of the tests here."""
    places = [place for place, item in enumerate(items) if item.path.parent == HERE]
    ours = sorted((items[place] for place in places), key=lambda item: item.path.name == "test_privileges.py")
    for place, item in zip(places, ours, strict=True):
        items[place] = item


@pytest.fixture(scope="package")
def call_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the embedded AWS writes down who called what."""
    return tmp_path_factory.mktemp("calls") / "calls.jsonl"


@pytest.fixture(scope="package")
def run(call_log: Path) -> Iterator[LocalRun]:
    """The embedded AWS with the stack on it, and the tests' catalogue."""
    own = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    catalog = json.dumps({**own, "images": {**own["images"], **IMAGES}})
    with local_run(parameters={"PayloadArns": f"arn:aws:s3:::{PAYLOADS}/*"}, calls=call_log) as bare:
        _define(bare, "jobferry-nowhere", "no.such.registry/nothing:1")
        _define(bare, "jobferry-hungry", "jobferry/limited:latest")
        s3, bucket = bare.session.client("s3"), bare.stack.outputs["LogBucketName"]
        region: Any = bare.session.region_name
        s3.create_bucket(Bucket=PAYLOADS, CreateBucketConfiguration={"LocationConstraint": region})
        s3.put_object(Bucket=bucket, Key="input/uploads/example.jpg", Body=ferry())
        s3.put_object(Bucket=bucket, Key="catalog/tests.json", Body=catalog.encode())
        environment = {**bare.environment, **QUICKER, "JOBFERRY_CATALOG": f"s3://{bucket}/catalog/tests.json"}
        yield replace(bare, environment=environment)


def _define(run: LocalRun, family: str, image: str) -> None:
    options = {"awslogs-group": run.stack.outputs["TaskLogGroupName"], "awslogs-region": run.environment["AWS_REGION"]}
    logs = {"logDriver": "awslogs", "options": {**options, "awslogs-stream-prefix": "jobs", "mode": "blocking"}}
    run.session.client("ecs").register_task_definition(
        family=family,
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "main", "image": image, "logConfiguration": logs}],
    )


@dataclass
class Burst:
    """What became of many jobs at once where few are taken on: what was told of them, and what is on record."""

    call_log: Path
    outcomes: dict[str, JobNotification] = field(default_factory=dict)
    waits: dict[str, JobProgress] = field(default_factory=dict)
    recorded: dict[str, WaitsForCapacity] = field(default_factory=dict)


@pytest.fixture(scope="package")
def burst(tmp_path_factory: pytest.TempPathFactory) -> Burst:
    """It has an account of its own, whose quotas are as small as its bucket."""
    folder = tmp_path_factory.mktemp("burst")
    found = Burst(folder / "calls.jsonl")
    with (
        (folder / "worker.log").open("wb") as log,
        local_run(calls=found.call_log, quotas=BURST_QUOTAS) as run,
        run.worker(log=log.fileno()),
    ):
        subscriber = Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="burst")
        _send_burst(run)

        def all_told() -> bool:
            for received in subscriber.receive():
                _note(found, received)
            return len(found.outcomes) == BURST_JOBS

        wait_for(all_told, "every outcome", seen=lambda: f"{len(found.outcomes)} came\n{last_lines(Path(log.name))}")
        found.recorded.update(_waits_on_record(run))
    return found


def _send_burst(run: LocalRun) -> None:
    sqs, url = run.session.client("sqs"), run.stack.outputs["RequestQueueUrl"]
    for number in range(BURST_JOBS):
        stages = [{"image": "image_1", "command": ["echo", "hello"]}]
        request = {"job_id": f"burst-{number}", "stages": stages, "progress": True}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(request))


def _note(found: Burst, received: Received) -> None:
    status = received.attributes["status"]
    if status in OUTCOMES["status"]:
        found.outcomes[received.notification.job_id or ""] = received.notification
    elif status == "WAITING":
        found.waits[received.progress.id] = received.progress


def _waits_on_record(run: LocalRun) -> Iterator[tuple[str, WaitsForCapacity]]:
    pages = run.session.client("dynamodb").get_paginator("scan").paginate(TableName=run.stack.outputs["JobsTableName"])
    for item in (item for page in pages for item in page["Items"] if "r#waiting" in item):
        fact = record_of(RecordKey.read(item["record_key"]["S"]), item).last_wait
        assert isinstance(fact, WaitsForCapacity)
        yield fact.job_id, fact


@pytest.fixture(scope="package")
def filtered(run: LocalRun) -> dict[str, Subscriber]:
    """Subscribers that asked for a part only."""
    topic = run.stack.outputs["TopicArn"]
    return {
        name: Subscriber.to(run.session, topic, name=f"filtered-{name}", filter_policy=policy)
        for name, policy in FILTERS.items()
    }


@pytest.fixture(scope="package")
def asked(run: LocalRun, filtered: dict[str, Subscriber], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system, with every request of the table on its way."""
    log = Path(tmp_path_factory.mktemp("worker") / "worker.log")
    with log.open("wb") as file:
        subscriber = Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="all", filter_policy=OUTCOMES)
        system = System(run, subscriber, file)
        for name in REQUESTS:
            for _ in range(REPEATS.get(name, 1)):
                system.send(_pointer(system, name) if name in POINTER_CLASSES else body(name))
        yield system


def _pointer(system: System, name: str) -> list[object]:
    """The body lies in S3, and the message says where, as the extended client does it."""
    system.client("s3").put_object(Bucket=PAYLOADS, Key=name, Body=body(name).encode())
    return [POINTER_CLASSES[name], {"s3BucketName": PAYLOADS, "s3Key": name}]


@pytest.fixture(scope="package")
def shared_worker(asked: System) -> Iterator[SharedWorker]:
    """The worker that most tests share."""
    worker = SharedWorker(asked)
    yield worker
    worker.stop()


@pytest.fixture
def system(asked: System, shared_worker: SharedWorker) -> System:
    """The system at work."""
    shared_worker.ensure()
    return asked
