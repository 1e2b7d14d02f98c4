"""Hundreds of logs that end together, read within the account's quota, on a clock of their own: it takes no time."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import pytest

from service.aws.objects import Objects
from service.aws.tasks import LogConfiguration, Tasks
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.redaction import Redaction
from service.logs.archive import LogArchive
from tests.bench import logs as bench
from tests.support.aws.errors import refusal
from tests.support.log_lanes import one_lane
from tests.support.loop import VirtualLoop
from tests.support.room import MIB, room
from tests.support.scripted_logs import KeptObjects

JOBS = 500
PER_SECOND = 10
SLOTS = 200  # As the worker's own setting has it.
QUIET_SECONDS = 10.0
PAGES = 12
DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/jobferry-image-1:3"
BLOCKING = {"main": LogConfiguration("awslogs", "/jobs", "jobs", "us-east-1", "blocking")}


class QuotaLogs:
    """CloudWatch Logs that refuses what goes beyond its quota in any second, and delivers lines late."""

    def __init__(self, loop: VirtualLoop, stops: dict[str, float]) -> None:
        self.calls: deque[float] = deque()
        self.throttled = 0
        self._loop = loop
        self._stops = stops

    async def get_log_events(self, *, logStreamName: str, nextToken: str | None = None, **_: Any) -> Any:
        """Three lines of a stream, the last of them delivered seconds after its container stopped."""
        now = self._loop.time()
        while self.calls and self.calls[0] <= now - 1 + 1e-6:
            self.calls.popleft()
        if len(self.calls) >= PER_SECOND:
            self.throttled += 1
            raise refusal("ThrottlingException", "Rate exceeded")
        self.calls.append(now)
        task = logStreamName.rpartition("/")[2]
        at = int(nextToken or 0)
        arrived = [(late, text) for late, text in lines_of(task) if self._stops[task] + late <= now]
        events = [{"timestamp": int(1000 * self._stops[task]), "message": text} for _, text in arrived[at:]]
        return {"events": events, "nextForwardToken": str(len(arrived))}


def lines_of(task: str) -> list[tuple[float, str]]:
    """What a container wrote, each line with how long after the stop it arrives."""
    return [(-2.0, f"{task}: begins"), (1.0, f"{task}: works"), (1.0 + int(task) % 8, f"{task}: ends")]


def stopped_task(name: str, at: float) -> TaskChanged:
    """A task that stopped then."""
    return TaskChanged(
        job_id=f"job-{name}",
        arn=f"arn:aws:ecs:us-east-1:123456789012:task/jobferry/{name}",
        version=5,
        last_status="STOPPED",
        stage=1,
        attempt=1,
        task_definition_arn=DEFINITION,
        started_at=at - 10,
        stopped_at=at,
        containers=(ContainerState(name="main", exit_code=0),),
    )


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop on virtual time."""
    loop = VirtualLoop()
    yield loop
    loop.bury()


def test_the_bench_of_one_large_log_holds_on_a_small_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Late lines and all; the full gigabyte is measured by hand."""
    assert bench.main(["--mebibytes", "64"]) == 0
    assert "late            1 times" in capsys.readouterr().out


def test_500_logs_that_end_in_one_minute_are_archived_within_the_quota(loop: VirtualLoop) -> None:
    """Every line of every one, however late it came; no call is refused, and none of it takes for ever."""
    stops = {str(number): 60.0 * number / JOBS for number in range(JOBS)}
    logs, objects = QuotaLogs(loop, stops), KeptObjects()
    archive = LogArchive(
        tasks=Tasks(cast(Any, None), {DEFINITION: BLOCKING}),
        lanes=one_lane(logs, QUIET_SECONDS, loop.time, PER_SECOND),
        objects=Objects(cast(Any, objects), None),
        bucket="logs",
        region="us-east-1",
        memory=room(),
        now=loop.time,
        redaction=Redaction.of(),
    )

    async def one(name: str, at: float, slots: asyncio.Semaphore) -> LogArchived:
        await asyncio.sleep(at)
        async with slots:
            task = stopped_task(name, at)
            return await archive.archive(task, task.containers[0], "work")

    async def all_of_them() -> list[LogArchived]:
        slots = asyncio.Semaphore(SLOTS)
        return await asyncio.gather(*(one(name, at, slots) for name, at in stops.items()))

    receipts = loop.run_until_complete(all_of_them())
    assert logs.throttled == 0
    assert [receipt.status for receipt in receipts] == ["complete"] * JOBS
    for receipt in receipts:
        emitted = "".join(f"{text}\n" for _, text in lines_of(receipt.task_id))
        assert objects.bodies[str(receipt.s3_key)].decode() == emitted
        assert receipt.sha256 == hashlib.sha256(emitted.encode()).hexdigest()
    # Two calls a log are needed, and at most as many again are lost to looking early.
    assert loop.time() < 2 * 2 * JOBS / PER_SECOND


class Megabytes:
    """Logs of twelve pages of a megabyte, and an S3 that takes its time; it counts what is between the two."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.between = 0
        self.most = 0
        self.stored: dict[str, int] = {}
        self._loop = loop

    async def get_log_events(self, *, nextToken: str = "0", **_: Any) -> Any:
        """The next megabyte, after a while."""
        await self._loop.pause(0.2)
        page = int(nextToken)
        if page == PAGES:
            return {"events": [], "nextForwardToken": nextToken}
        self.between += MIB
        self.most = max(self.most, self.between)
        return {"events": [{"timestamp": 0, "message": "x" * (MIB - 1)}], "nextForwardToken": str(page + 1)}

    async def put_object(self, **_: object) -> dict[str, str]:
        """The index of a log, which is small."""
        return {"ETag": "e"}

    async def create_multipart_upload(self, **_: object) -> dict[str, str]:
        """A log is begun."""
        return {"UploadId": "u"}

    async def upload_part(self, *, Key: str, Body: bytes, **_: object) -> dict[str, str]:
        """A part, which is gone from here when it is there."""
        await self._loop.pause(1.0)
        self.between -= len(Body)
        self.stored[Key] = self.stored.get(Key, 0) + len(Body)
        return {"ETag": "e"}

    async def complete_multipart_upload(self, **_: object) -> dict[str, str]:
        """It is whole."""
        return {}


@pytest.mark.parametrize("mebibytes", [24, 64])
def test_what_all_archives_hold_is_bounded_whatever_their_number(loop: VirtualLoop, mebibytes: int) -> None:
    """Forty logs of 12 MB end together: each waits for room, holding some, and all are archived."""
    aws = Megabytes(loop)
    archive = LogArchive(
        tasks=Tasks(cast(Any, None), {DEFINITION: BLOCKING}),
        lanes=one_lane(aws, QUIET_SECONDS, loop.time, 1000),
        objects=Objects(cast(Any, aws), None),
        bucket="logs",
        region="us-east-1",
        memory=room(mebibytes),
        now=loop.time,
        redaction=Redaction.of(),
    )

    async def all_of_them() -> list[LogArchived]:
        tasks = [stopped_task(str(number), loop.time()) for number in range(40)]
        return await asyncio.gather(*(archive.archive(task, task.containers[0], "work") for task in tasks))

    receipts = loop.run_until_complete(all_of_them())
    assert {receipt.status for receipt in receipts} == {"complete"}
    assert [aws.stored[str(receipt.s3_key)] for receipt in receipts] == [PAGES * MIB] * 40
    assert 8 * MIB < aws.most < mebibytes * MIB
    assert (aws.between, archive.memory.held) == (0, 0)
