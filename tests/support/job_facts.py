"""Facts about one job, and a table of jobs as the template makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.aws.jobs_table import JobsTable
from service.aws.open_jobs import shard_of
from service.aws.record_items import item_key
from service.core.record.facts import (
    Announced,
    Claimed,
    ContainerState,
    ExecutionChanged,
    Fact,
    ProgressTold,
    Requested,
    TaskChanged,
)
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.core.record.register_names import announcing, claim_register
from tests.support.connecting import Client
from tests.support.template import properties

GRACE, SILENCE, RETENTION_DAYS = 30, 300, 90
KEY = RecordKey.of_job("job")
ARN = "arn:aws:states:us-east-1:123456789012:execution:jobferry:job"
TASK = "arn:aws:ecs:us-east-1:123456789012:task/jobferry/0123456789abcdef"


@dataclass
class Time:
    """A clock that stands until it is moved."""

    seconds: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


def requested(job_id: str = "job", digest: str = "d1") -> Requested:
    """A request."""
    return Requested(
        job_id=job_id,
        digest=digest,
        message_id="m1",
        submitted_at=1.0,
        tenant="web",
        bucket="logs",
        execution_input="{}",
        stages=(),
    )


def execution(status: str, redrive: int = 0, via: str = "event") -> ExecutionChanged:
    """A status of the execution."""
    return ExecutionChanged.model_validate(
        {"job_id": "job", "arn": ARN, "status": status, "redrive_count": redrive, "observed_via": via}
    )


def task(version: int, status: str = "RUNNING") -> TaskChanged:
    """A version of the task."""
    state = ContainerState(name="main", exit_code=0 if status == "STOPPED" else None)
    return TaskChanged(job_id="job", arn=TASK, version=version, last_status=status, containers=(state,))


def announced(redrive: int = 0) -> Announced:
    """An announcement."""
    return Announced(record_key=KEY, redrive_count=redrive, status="SUCCEEDED", notification_id="n", at=2.0)


def progress_told(step: str = "0:STARTED") -> ProgressTold:
    """That a step was told of."""
    return ProgressTold(job_id="job", step=step, at=2.0)


def claimed(owner: str, at: float, seconds: float = 60) -> Claimed:
    """A claim on announcing."""
    return Claimed(record_key=KEY, what="announce#0", owner=owner, at=at, seconds=seconds)


async def create_table(client: Client, name: str) -> None:
    """Create the template's table under this name."""
    wanted = properties("JobsTable")
    parts = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    await client.create_table(TableName=name, **{part: wanted[part] for part in parts})
    await client.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted["TimeToLiveSpecification"])


async def item(table: JobsTable, job_id: str = "job") -> dict[str, str]:
    """The plain attributes of a job's item, as text, without those of the lists."""
    key = item_key(RecordKey.read(job_id))
    answer = await table.client.get_item(TableName=table.name, Key=key, ConsistentRead=True)
    plain = {name: value for name, value in answer.get("Item", {}).items() if not name.startswith(("r#", "list_"))}
    return {name: str(next(iter(value.values()))) for name, value in plain.items()}


async def open_jobs(table: JobsTable, at: float) -> set[str]:
    """All that the sweeper would find."""
    shards = {shard_of(RecordKey.of_job(job_id)) for job_id in ("job", "other")}
    return {str(key) for shard in shards for key in await table.due(shard, at, 100)}


def heard(job: Record, fact: Fact) -> Record:
    """A record after a fact, as a table keeps it: with an announcement its claim has done its work."""
    after = merge(job, fact)
    if after is job or not isinstance(fact, Announced):
        return after
    done = claim_register(announcing(fact.redrive_count))
    return replace(after, registers={name: held for name, held in after.registers.items() if name != done})
