"""The worker's container at work: on the local AWS, with a quarter of a processor as by default on Fargate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from tempfile import TemporaryFile
from typing import Any

import pytest

from deploy.local.local_run import LocalRun
from deploy.local.subscriber import Subscriber
from tests.image.store import Container, Store
from tests.support.deployment import properties
from tests.support.ports import free_port
from tests.support.system import System, log_text, receipts
from tests.support.waiting import wait_for

SMALLEST = ("--cpus=0.25", "--memory=512m")
ECHO = {"stages": [{"image": "image_1", "command": ["echo", "hello", "world"]}]}
CROWD = 300
# How long a health check may take, in the container. Before it was a probe of its own it took five seconds and eleven.
IDLE_SECONDS, BUSY_SECONDS = 0.5, 2.0
_PROBES = 7


@pytest.fixture(scope="module")
def system(run: LocalRun) -> Iterator[System]:
    """The local AWS and a subscriber."""
    with TemporaryFile() as log:
        yield System(run, Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="image-check"), log)


@pytest.fixture
def worker(store: Store, worker_image: str, settings: Mapping[str, str]) -> Iterator[Container]:
    """A worker's container that is ready."""
    health = {"JOBFERRY_HEALTH_PORT": str(free_port())}
    with store.container(worker_image, {**settings, **health}, SMALLEST) as container:
        wait_for(lambda: probe(container)[0] == 0, within=180, what="the worker's readiness")
        yield container


def health_check() -> dict[str, Any]:
    """The health check of the task definition."""
    [definition] = properties("WorkerTask")["ContainerDefinitions"]
    return dict(definition["HealthCheck"])


def probe(worker: Container) -> tuple[int, float]:
    """Its exit code, and the seconds that it took in the container. What podman takes to get in is not counted."""
    kind, *command = health_check()["Command"]
    assert kind == "CMD"
    ended = worker.execute("bash", "-c", 'TIMEFORMAT=%R; time "$@"', "bash", *command)
    return ended.returncode, float(ended.stderr.split()[-1])


def probes(worker: Container, when: str) -> list[float]:
    """How long some took, the quickest first. Each has to find the worker ready, before ECS would lose its patience."""
    answers = [probe(worker) for _ in range(_PROBES)]
    took = sorted(seconds for _, seconds in answers)
    print(f"A health check {when}, at 0.25 vCPU: {took[0]:.2f} to {took[-1]:.2f} s, median {median(took):.2f} s")
    assert {status for status, _ in answers} == {0}
    assert took[-1] < health_check()["Timeout"]
    return took


def test_a_job_runs_through_the_container(system: System, worker: Container) -> None:
    """In by SQS, out by SNS, its log in S3."""
    message_id = system.send(ECHO)
    notification = system.told(message_id)
    [receipt] = receipts(notification)
    assert (notification.status, receipt.status) == ("SUCCEEDED", "complete")
    assert "hello world" in log_text(notification)


def test_the_images_own_health_check_is_that_of_the_task_definition(worker: Container) -> None:
    """Whoever runs the image elsewhere has it from HEALTHCHECK."""
    ended = worker.check_health()
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_busy_worker_passes_its_health_check_and_leaves_when_told(system: System, worker: Container) -> None:
    """With 300 jobs waiting it answers in time; SIGTERM, as the first process, drains it, and no job is lost.

    The quickest of some probes is judged: what else runs on this machine can only make one slower.
    """
    assert probes(worker, "of an idle worker")[0] < IDLE_SECONDS
    with ThreadPoolExecutor(8) as pool:
        jobs = set(pool.map(lambda _: system.send(ECHO), range(CROWD)))
    assert probes(worker, f"with {CROWD} jobs waiting")[0] < BUSY_SECONDS
    assert announced(system) < CROWD  # so it was at work all the while
    assert worker.terminate() == 0
    assert "worker_stopped" in worker.log
    assert jobs == known(system, jobs) | left(system)


def announced(system: System) -> int:
    """How many outcomes the subscriber could read."""
    return int(_queue(system, system.subscriber.queue_url)["ApproximateNumberOfMessages"])


def _queue(system: System, url: str) -> dict[str, Any]:
    return dict(system.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])


def known(system: System, jobs: set[str]) -> set[str]:
    """Those of the jobs that have a record."""
    pages = system.client("dynamodb").get_paginator("scan").paginate(TableName=system.outputs["JobsTableName"])
    text = str([item for page in pages for item in page["Items"]])
    return {job for job in jobs if job in text}


def left(system: System) -> set[str]:
    """Those that are in the queue still, or again, once nobody holds one."""
    url = system.outputs["RequestQueueUrl"]
    wait_for(lambda: _queue(system, url)["ApproximateNumberOfMessagesNotVisible"] == "0", what="the requests' return")
    found: set[str] = set()
    while int(_queue(system, url)["ApproximateNumberOfMessages"]):
        answer = system.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
        found.update(message["MessageId"] for message in answer.get("Messages", []))
    return found
