"""One running system for most end-to-end tests: what takes its time is waited for together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from deploy.examples.pictures.drawing import ferry
from deploy.local.local_run import CATALOG, LocalRun, local_run
from deploy.local.subscriber import Subscriber

from .jobs import POINTER_CLASSES, REPEATS, REQUESTS, body
from .system import SharedWorker, System

# Quicker still than `jobferry local`, so that what a crash delays is not waited for.
QUICKER = {
    "JOBFERRY_VISIBILITY_SECONDS": "3",
    "JOBFERRY_CLAIM_SECONDS": "6",
    "JOBFERRY_TASK_GRACE_SECONDS": "1",
    "JOBFERRY_SILENCE_SECONDS": "5",
    "JOBFERRY_SWEEP_SECONDS": "1",
}
# Beside the project's own images: one that does not exist, one that is to report back and never does, and one that is
# tried again when its program fails.
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
}
OUTCOMES = {"status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "REJECTED"]}
FILTERS = {
    "failed": {"status": ["FAILED"]},
    "acme": {"tenant": ["acme"]},
    "thumbnails": {"job_type": ["thumbnails"]},
    "exits": {"failure_class": ["application_exit"]},
    "curious": {"tenant": ["curious"]},
    "curious-outcomes": {"tenant": ["curious"], **OUTCOMES},
}


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """The embedded AWS with the stack on it, and the tests' catalogue."""
    catalog = tmp_path_factory.mktemp("catalog") / "catalog.json"
    own = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    catalog.write_text(json.dumps({**own, "images": {**own["images"], **IMAGES}}))
    with local_run() as bare:
        _define_nowhere(bare)
        bucket = bare.stack.outputs["LogBucketName"]
        picture = ferry()
        bare.session.client("s3").put_object(Bucket=bucket, Key="input/uploads/example.jpg", Body=picture)
        environment = {**bare.environment, **QUICKER, "JOBFERRY_CATALOG": str(catalog)}
        yield replace(bare, environment=environment)


def _define_nowhere(run: LocalRun) -> None:
    options = {"awslogs-group": run.stack.outputs["TaskLogGroupName"], "awslogs-region": run.environment["AWS_REGION"]}
    logs = {"logDriver": "awslogs", "options": {**options, "awslogs-stream-prefix": "jobs", "mode": "blocking"}}
    run.session.client("ecs").register_task_definition(
        family="jobferry-nowhere",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "main", "image": "no.such.registry/nothing:1", "logConfiguration": logs}],
    )


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
    bucket, key = system.outputs["LogBucketName"], f"payloads/{name}"
    system.client("s3").put_object(Bucket=bucket, Key=key, Body=body(name).encode())
    return [POINTER_CLASSES[name], {"s3BucketName": bucket, "s3Key": key}]


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
