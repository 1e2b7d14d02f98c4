"""What archiving large logs costs: time, and the memory of the process. `python -m tests.bench.logs`.

The logs come in pages as large as GetLogEvents gives them, now and then with nothing yet, as late lines come; S3 is
a digest, which takes a while and holds a copy meanwhile, as a socket does. So what is measured is Jobferry's own:
joining, counting, hashing, cutting into parts. Forty logs of 12 MiB at once: `--logs 40 --mebibytes 12`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from service.aws.objects import Objects
from service.aws.tasks import LogConfiguration, Tasks
from service.clock import wall_clock
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.redaction import Redaction
from service.logs.archive import LogArchive
from service.memory import Memory
from tests.support.log_lanes import one_lane
from tests.support.room import room
from tests.support.scripted_logs import KeptObjects

_MEBIBYTE = 1 << 20
_LINES_A_PAGE = 5_000
_LINE_CHARACTERS = 199  # with its line's end 200 bytes, a million bytes a page [GetLogEvents: 1 MB, 10,000 events]
_LATE_EVERY = 50  # pages, before which the stream seems to have ended
_SENDING_SECONDS = 0.1
_ARN = "arn:aws:ecs:eu-central-1:123456789012:"


@dataclass
class Torrent:
    """A CloudWatch Logs stream of so many bytes, made as it is read."""

    size: int
    exceptions: Any = field(default_factory=lambda: type("Exceptions", (), {"ResourceNotFoundException": OSError}))
    digest: Any = field(default_factory=hashlib.sha256)
    given: int = 0
    calls: int = 0
    late: int = 0

    async def get_log_events(self, *, nextToken: str = "f/0", **_: Any) -> Any:
        """A page; before every fiftieth the stream seems to have ended, once."""
        self.calls += 1
        await asyncio.sleep(0)
        pages = self.given // (_LINES_A_PAGE * (_LINE_CHARACTERS + 1))
        if self.given >= self.size:
            return {"events": [], "nextForwardToken": nextToken}
        if pages % _LATE_EVERY == _LATE_EVERY - 1 and self.late <= pages // _LATE_EVERY:
            self.late += 1
            return {"events": [], "nextForwardToken": nextToken}
        now = int(1000 * wall_clock())
        events = [{"timestamp": now, "message": text} for text in self._lines(pages)]
        for event in events:
            self.digest.update((str(event["message"]) + "\n").encode())
        self.given += sum(len(str(event["message"])) + 1 for event in events)
        return {"events": events, "nextForwardToken": f"f/{self.given}"}

    def _lines(self, page: int) -> Iterator[str]:
        for number in range(_LINES_A_PAGE):
            yield f"{page} {number} ".ljust(_LINE_CHARACTERS, "abcdefgh"[number % 8])


class _SlowObjects(KeptObjects):
    """S3 behind a socket, which holds what it has not sent yet."""

    async def put_object(self, *, Key: str, Body: bytes, **more: object) -> dict[str, str]:
        sending = bytearray(Body)
        await asyncio.sleep(_SENDING_SECONDS)
        return await super().put_object(Key=Key, Body=bytes(sending), **more)

    async def upload_part(self, *, Key: str, Body: bytes, **more: object) -> dict[str, str]:
        sending = bytearray(Body)
        await asyncio.sleep(_SENDING_SECONDS)
        del sending
        return await super().upload_part(Key=Key, Body=Body, **more)


def main(arguments: Sequence[str] | None = None) -> int:
    """Archive logs, and print what it took; 1 where an archive is not the log."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.logs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--mebibytes", type=int, default=1024, help="a log's size (default: %(default)s)")
    parser.add_argument("--logs", type=int, default=1, help="how many at once (default: %(default)s)")
    told = parser.parse_args(arguments)
    before = _peak_mebibytes()
    torrents = [Torrent(told.mebibytes * _MEBIBYTE) for _ in range(told.logs)]
    started, processed = time.monotonic(), time.process_time()
    receipts = asyncio.run(_archived(torrents))
    equal = all(
        receipt.status == "complete" and receipt.sha256 == torrent.digest.hexdigest()
        for receipt, torrent in zip(receipts, torrents, strict=True)
    )
    size, lines = sum(receipt.bytes for receipt in receipts), sum(receipt.lines for receipt in receipts)
    calls, late = sum(torrent.calls for torrent in torrents), sum(torrent.late for torrent in torrents)
    print(f"archived        {told.logs} x {size / told.logs / _MEBIBYTE:,.0f} MiB, {lines:,} lines, {calls:,} calls")
    print(f"late            {late} times the stream seemed to have ended")
    print(f"sha256          {'is the emitted log' if equal else 'IS NOT THE EMITTED LOG'}")
    cpu = time.process_time() - processed
    print(f"time            {time.monotonic() - started:.1f} s, CPU {cpu:.1f} s, the making of the log included")
    print(f"peak memory     {_peak_mebibytes():.0f} MiB, {before:.0f} MiB of them before")
    return 0 if equal else 1


async def _archived(torrents: Sequence[Torrent]) -> Sequence[LogArchived]:
    memory = room()
    return await asyncio.gather(*(_archive(torrent, memory) for torrent in torrents))


async def _archive(torrent: Torrent, memory: Memory) -> LogArchived:
    definition = f"{_ARN}task-definition/torrent:1"
    blocking = LogConfiguration("awslogs", "/jobs", "jobs", "eu-central-1", "blocking")
    archive = LogArchive(
        tasks=Tasks(cast(Any, None), {definition: {"main": blocking}}),
        lanes=one_lane(torrent, 0.5),
        objects=Objects(cast(Any, _SlowObjects(whole=False)), None),
        bucket="logs",
        region="eu-central-1",
        memory=memory,
        now=wall_clock,
        redaction=Redaction.of(),
    )
    container = ContainerState(name="main", exit_code=0)
    task = TaskChanged(
        job_id="torrent",
        arn=f"{_ARN}task/jobs/0123",
        version=5,
        last_status="STOPPED",
        stage=1,
        attempt=1,
        task_definition_arn=definition,
        started_at=wall_clock() - 60,
        stopped_at=wall_clock(),
        containers=(container,),
    )
    return await archive.archive(task, container, "work")


def _peak_mebibytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MEBIBYTE if sys.platform == "darwin" else peak / 1024


if __name__ == "__main__":
    sys.exit(main())
