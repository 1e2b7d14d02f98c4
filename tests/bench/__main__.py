"""What a job costs the worker: AWS calls, and its own thinking beside them.

The worker runs in this process against the embedded AWS, which is another process: so the CPU time of this one is the
worker's alone, and the emulator's speed is not in it. A bare aiobotocore call, measured in the same run, is the unit.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import structlog

from deploy.local.local_run import LocalRun, local_run
from deploy.local.subscriber import Subscriber
from service.clock import wall_clock
from service.perform import Performer
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from workers.liveness import Liveness
from workers.worker import Worker

JOBS = 100
BARE_CALLS = 500
_WITHIN_SECONDS = 180


@dataclass(frozen=True)
class Measured:
    """The cost of all jobs together; CPU in seconds."""

    cpu: float
    calls: Mapping[str, int]


def main() -> None:
    """Measure, and print one table."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with local_run() as run, _environment(run):
        measured, bare_cpu = asyncio.run(_measure(run))
    calls = sum(measured.calls.values())
    for name, count in sorted(measured.calls.items(), key=lambda item: -item[1]):
        print(f"  {name:<45} {count / JOBS:6.2f} a job")
    print(f"AWS calls a job                                 {calls / JOBS:6.2f}")
    print(f"CPU of a bare call                              {1000 * bare_cpu:6.2f} ms")
    print(f"CPU of a job, in bare calls                     {measured.cpu / JOBS / bare_cpu:6.2f}")
    print(f"CPU of a job over that of its calls, made bare  {measured.cpu / (calls * bare_cpu):6.2f}")


async def _measure(run: LocalRun) -> tuple[Measured, float]:
    async with open_runtime(Settings()) as runtime:
        calls: Counter[str] = Counter()
        for client in _clients(runtime):
            client.meta.events.register("request-created.*", _counter(calls))
        bare = await _bare_call(runtime)
        calls.clear()
        started = time.process_time()
        await _run_jobs(run, runtime)
        return Measured(time.process_time() - started, dict(calls)), bare


async def _bare_call(runtime: Runtime) -> float:
    """CPU seconds of one call that carries next to nothing."""
    client, url = runtime.requests.client, runtime.requests.url
    started = time.process_time()
    for _ in range(BARE_CALLS):
        await client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return (time.process_time() - started) / BARE_CALLS


async def _run_jobs(run: LocalRun, runtime: Runtime) -> None:
    """Send the jobs, work until every one is announced, and stop. Client and subscriber run in threads, idle mostly."""
    stopping = asyncio.Event()
    subscriber = Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="bench")
    sender = await asyncio.create_subprocess_exec(*_sender(run))
    await sender.wait()
    async with asyncio.TaskGroup() as loops:
        for loop in Worker(runtime, Liveness(wall_clock), stopping).loops():
            loops.create_task(loop)
        announced = await asyncio.to_thread(subscriber.wait_for, JOBS, _WITHIN_SECONDS)
        stopping.set()
    assert len(announced) == JOBS, f"only {len(announced)} of {JOBS} jobs were announced in time"


def _sender(run: LocalRun) -> list[str]:
    """A process that sends the jobs, so that their sending is not in the measure."""
    body = json.dumps({"stages": [{"image": "image_1", "command": ["echo", "hello"]}]})
    code = (
        "import boto3, sys\nsqs = boto3.client('sqs')\n"
        "for _ in range(int(sys.argv[3])): sqs.send_message(QueueUrl=sys.argv[1], MessageBody=sys.argv[2])"
    )
    return [sys.executable, "-c", code, run.stack.outputs["RequestQueueUrl"], body, str(JOBS)]


def _counter(calls: Counter[str]) -> object:
    def count(operation_name: str, **_: object) -> None:
        calls[operation_name] += 1

    return count


def _clients(runtime: Runtime) -> Iterator[Any]:
    performer = cast("Performer", runtime.settling.performer)
    yield runtime.requests.client
    yield runtime.table.client
    yield runtime.objects.client
    for part in ("executions", "tasks", "topic"):
        yield getattr(performer, part).client
    yield performer.archive.logs.client


@contextmanager
def _environment(run: LocalRun) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(run.environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    main()
