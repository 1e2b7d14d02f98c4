"""A FIFO topic: the second copy of an announcement, which a crash can make, does not arrive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.local.local_run import local_run
from deploy.local.subscriber import Subscriber
from service.aws.open_jobs import shard_of
from service.aws.record_items import item_key
from service.core.record.keys import RecordKey
from tests.support.job_requests import shell
from tests.support.system import System

from .conftest import QUICKER

ANNOUNCED = "r#announced#0"


@pytest.fixture(scope="module", params=["fifo", "standard"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of its own with a worker, once with each kind of topic."""
    log = (tmp_path_factory.mktemp("topic") / "worker.log").open("wb")
    with log, local_run(parameters={"NotificationTopicType": request.param}) as run:
        quick = replace(run, environment={**run.environment, **QUICKER})
        system = System(quick, Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="all"), log)
        with system.worker():
            yield system


def test_a_crash_between_publishing_and_noting_makes_no_second_copy_on_a_fifo_topic(system: System) -> None:
    """SNS took the announcement and the note of it is lost, so it is published again, under the same id."""
    fifo = system.outputs["TopicArn"].endswith(".fifo")
    system.send({"job_id": "twice", "stages": [shell("echo once")]})
    assert system.told("twice").status == "SUCCEEDED"
    system.wait_for(lambda: announced(system, "twice"), "the note of the announcement", "twice")

    forget_announcement(system, "twice")
    system.wait_for(lambda: announced(system, "twice"), "the second note", "twice")
    assert system.copies("twice") == (1 if fifo else 2)
    assert len({each.notification.id for each in system.found["twice"]}) == 1


def announced(system: System, job_id: str) -> bool:
    """Whether the record says that the outcome was announced."""
    table, key = system.outputs["JobsTableName"], item_key(RecordKey.of_job(job_id))
    return ANNOUNCED in system.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]


def forget_announcement(system: System, job_id: str) -> None:
    """Leave the record as a worker leaves it that dies after SNS's answer: not announced, so still open."""
    system.client("dynamodb").update_item(
        TableName=system.outputs["JobsTableName"],
        Key=item_key(RecordKey.of_job(job_id)),
        UpdateExpression="SET open_shard = :shard, due_at = :now REMOVE #announced",
        ExpressionAttributeNames={"#announced": ANNOUNCED},
        ExpressionAttributeValues={
            ":shard": {"S": str(shard_of(RecordKey.of_job(job_id)))},
            ":now": {"N": str(int(time.time()))},
        },
    )
