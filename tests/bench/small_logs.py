"""How many small logs two quotas carry, on virtual time: `python -m tests.bench.small_logs`.

So many containers stop each second for a minute, each with ten lines that CloudWatch takes in a second later. An
account of a small region lets them be read ten times a second by GetLogEvents, and five times by FilterLogEvents, of
which two workers by default take three, here as one, and leave two to those who look at logs. The archive is the
worker's own, with its receipts; S3 takes no time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from service.aws.objects import Objects
from service.aws.tasks import LogConfiguration, Tasks
from service.core.record.facts import ContainerState, TaskChanged
from service.core.redaction import Redaction
from service.logs.archive import LogArchive
from tests.support.aws.quotas import Quota
from tests.support.log_lanes import one_lane, two_lanes
from tests.support.log_streams import LogStreams
from tests.support.loop import VirtualLoop
from tests.support.room import room
from tests.support.scripted_logs import KeptObjects

QUIET_SECONDS = 10.0
READS_PER_SECOND, BATCHES_PER_SECOND = 10, 3.0
_LINES = 10
_BEGINS = 1000.0


@dataclass(frozen=True)
class Carried:
    """What became of the logs. Times in virtual seconds."""

    logs: int
    seconds: float
    longest_wait: float
    calls: dict[str, int]
    most_bytes: int

    @property
    def per_second(self) -> float:
        """How many were archived a second, from when the first was due until the last was archived."""
        return self.logs / self.seconds


def carry(
    groups: int,
    per_second: float = 60.0,
    seconds: float = 60.0,
    batches_per_second: float = BATCHES_PER_SECOND,
    *,
    together: bool = True,
) -> Carried:
    """Archive them all; each lane is within its quota, or it is throttled, which would be an error here."""
    loop, logs = VirtualLoop(), int(per_second * seconds)
    try:
        return loop.run_until_complete(_carried(loop, groups, per_second, logs, batches_per_second * together))
    finally:
        loop.bury()


async def _carried(loop: VirtualLoop, groups: int, per_second: float, logs: int, batched: float) -> Carried:
    reads, batches = (Quota(rate, rate) for rate in (READS_PER_SECOND, batched))
    aws, memory, most = LogStreams(loop, reads=reads, batches=batches), room(), 0
    lanes = one_lane(aws, QUIET_SECONDS, loop.time, READS_PER_SECOND)
    if batched:
        lanes = two_lanes(aws, QUIET_SECONDS, loop.time, memory, batches_per_second=batched)
    known = {
        f"{group}": {"main": LogConfiguration("awslogs", f"/jobs/{group}", "jobs", "eu-central-1", "blocking")}
        for group in range(groups)
    }
    archive = LogArchive(
        tasks=Tasks(cast(Any, None), known),
        lanes=lanes,
        objects=Objects(cast(Any, KeptObjects(whole=False)), None),
        bucket="logs",
        region="eu-central-1",
        memory=memory,
        now=loop.time,
        redaction=Redaction.of(),
    )

    async def one(number: int) -> float:
        nonlocal most
        stopped, task_id = _BEGINS + number / per_second, f"{number:032x}"
        lines = ((stopped - 1, stopped + 1, f"line {each} of {number}") for each in range(_LINES))
        aws.write(f"/jobs/{number % groups}", f"jobs/main/{task_id}", *lines)
        await loop.pause(stopped + QUIET_SECONDS + 1 - loop.time())
        receipt = await archive.archive(_task(task_id, str(number % groups), stopped), _MAIN, "work")
        assert (receipt.status, receipt.lines) == ("complete", _LINES)
        most = max(most, memory.held)
        return loop.time() - stopped - QUIET_SECONDS - 1

    waits = await asyncio.gather(*(one(number) for number in range(logs)))
    taken = loop.time() - _BEGINS - QUIET_SECONDS - 1
    assert reads.refused + batches.refused == 0
    return Carried(logs, taken, max(waits), dict(aws.calls), most)


_MAIN = ContainerState(name="main", exit_code=0)


def _task(task_id: str, definition: str, stopped_at: float) -> TaskChanged:
    return TaskChanged(
        job_id=f"job-{task_id}",
        arn=f"arn:aws:ecs:eu-central-1:123456789012:task/jobs/{task_id}",
        version=5,
        last_status="STOPPED",
        stage=1,
        attempt=1,
        task_definition_arn=definition,
        started_at=stopped_at - 60,
        stopped_at=stopped_at,
        containers=(_MAIN,),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Let it happen, and print what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.small_logs", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--per-second", type=float, default=60.0, help="logs offered a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for so long (default: %(default)s)")
    parser.add_argument(
        "--batches",
        type=float,
        default=BATCHES_PER_SECOND,
        help="FilterLogEvents calls a second for the archive (default: %(default)s)",
    )
    told = parser.parse_args(arguments)
    for groups, together in ((1, True), (50, True), (1, False)):
        carried = carry(groups, told.per_second, told.seconds, told.batches, together=together)
        print(
            f"{groups:>3} groups, {'two lanes' if together else 'one lane '}: {carried.per_second:5.1f} logs a second, "
            f"longest wait {carried.longest_wait:.1f} s, at most {carried.most_bytes / 1024:,.0f} KiB, "
            f"calls {carried.calls}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
