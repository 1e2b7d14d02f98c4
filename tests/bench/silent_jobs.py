"""How soon 100,000 silent jobs are asked after, on virtual time: `python -m tests.bench.silent_jobs`.

All are due at one moment, each with a task that runs, as after hours without events. Two workers with default settings
ask an account of a small region: DescribeExecution 250 times at once and then 10 a second, ListExecutions 100 times and
then 2 [SFN guide 2023, limits-overview], and each list leaves a hundredth of them out. The sweepers, what they wait for
and what they write are the workers' own; the table answers conditions truly, and a call takes 50 ms at the most.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from schemas.arn import execution_name
from service.aws.open_jobs import shard_of
from service.aws.record_items import item_key, registers_of
from service.core.record.facts import ExecutionChanged, Requested, TaskChanged
from service.core.record.keys import RecordKey
from service.metrics import UNMETERED
from service.runtime import wire
from tests.support.aws.dynamodb import DynamoDbClient, Item, SimTable
from tests.support.aws.quotas import Quota, throttled
from tests.support.builders import catalog
from tests.support.loop import VirtualLoop
from tests.support.names import EPOCH, EXECUTION_ARN, REGION, STATE_MACHINE_ARN, moment
from tests.support.settings import default_settings
from tests.support.virtual_worker import Sdk, on_virtual_time
from workers.liveness import Liveness
from workers.worker import Worker

_WORKERS = 2
_LEFT_OUT = 0.01
_TASK = f"arn:aws:ecs:{REGION}:123456789012:task/jobs/"
_DUE_AT = int(EPOCH) - 1
_WITHIN_SECONDS = 20_000.0


@dataclass(frozen=True)
class Asked:
    """What it took. Times in virtual seconds; shares of the writes by worker."""

    jobs: int
    seconds: float
    calls: Counter[str]
    refused: int
    writes_by: dict[str, int]


def ask_after(jobs: int) -> Asked:
    """Let two workers look, until each job was put off."""
    told: list[Asked] = []

    async def story(loop: VirtualLoop) -> None:
        told.append(await _Account(loop, jobs).asked())

    on_virtual_time(story)
    return told[0]


class _Account:
    """The table with its jobs, and Step Functions and ECS as far as they are asked here."""

    def __init__(self, loop: VirtualLoop, jobs: int) -> None:
        self.loop, self.chance = loop, Random("lists")
        self.names = [f"job-{number:06}" for number in range(jobs)]
        self.describe, self.lists = Quota(250, 10), Quota(100, 2)
        self.calls: Counter[str] = Counter()
        self.writes_by: Counter[str] = Counter()
        self.due: dict[str, dict[str, int]] = defaultdict(dict)
        self.left = set(self.names)
        self.table = SimTable(loop.time)
        for name in self.names:
            head = _head(name)
            self.table.items[name] = {"head": head}
            self._note(name, "head", {}, head)
        self.left.update(self.names)
        self.table.on_write = self._note

    def _note(self, key: str, part: str, _before: Item, item: Item) -> None:
        if part == "head" and "due_at" in item:
            due_at = int(item["due_at"]["N"])
            self.due[item["open_shard"]["S"]][key] = due_at
            if due_at > EPOCH + self.loop.time() + 100:  # And not by a claim alone.
                self.left.discard(key)

    async def asked(self) -> Asked:
        loops = [asyncio.create_task(loop) for n in range(_WORKERS) for loop in await self._worker(f"worker{n}")]
        while self.left and self.loop.time() < _WITHIN_SECONDS:
            await self.loop.pause(1.0)
            for loop in loops:
                if loop.done():
                    loop.result()
        seconds = self.loop.time()
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        assert not self.left
        return Asked(
            len(self.names), seconds, self.calls, self.describe.refused + self.lists.refused, dict(self.writes_by)
        )

    async def _worker(self, name: str) -> tuple[Any, Any]:
        sdk = _Sdk(self, name)
        clients: dict[str, Any] = {
            "dynamodb": _Table(sdk, self),
            "stepfunctions": _StepFunctions(sdk, self),
            "ecs": _Ecs(sdk),
        }

        async def client(service: str) -> Any:
            return clients.get(service, object())

        def now() -> float:
            return EPOCH + self.loop.time()

        numbers = iter(range(10**9))
        runtime = await wire(
            default_settings(), client, cast(Any, None), catalog(), REGION, now, UNMETERED,
            lambda: f"{name}-{next(numbers)}",
        )  # fmt: skip
        worker = Worker(runtime, Liveness(now), asyncio.Event())
        roll_call = worker._roll_call()
        bulks = cast(Any, SimpleNamespace(take_up=None))
        return worker._sweeper(bulks, roll_call).run(), roll_call.run()


class _Sdk(Sdk):
    """The way to AWS of one worker; what it calls is counted."""

    def __init__(self, account: _Account, name: str) -> None:
        super().__init__(account.loop, Random(name))
        self._account = account
        self._name = name

    async def call(self, operation: str, effect: Callable[[], Any], about: object = "") -> Any:
        self._account.calls[operation] += 1
        if operation == "dynamodb.UpdateItem":
            self._account.writes_by[self._name] += 1
        return await super().call(operation, effect, about)


class _Table(DynamoDbClient):
    """The table, whose index finds what is due by shard, as it does on AWS."""

    def __init__(self, sdk: _Sdk, account: _Account) -> None:
        super().__init__(sdk, account.table)
        self._sdk = sdk
        self._account = account

    async def query(self, *, ExpressionAttributeValues: Any, Limit: int | None = None, **_: Any) -> Any:
        shard, at = ExpressionAttributeValues[":shard"]["S"], int(ExpressionAttributeValues[":at"]["N"])

        def effect() -> Any:
            of_shard = self._account.due[shard].items()
            due = nsmallest(Limit or 1, ((due_at, key) for key, due_at in of_shard if due_at < at))
            return {"Items": [{"record_key": {"S": key}, "due_at": {"N": str(due_at)}} for due_at, key in due]}

        return await self._sdk.call("dynamodb.Query", effect)


class _StepFunctions:
    """Executions that run, within the quotas of questions."""

    def __init__(self, sdk: _Sdk, account: _Account) -> None:
        self._sdk = sdk
        self._account = account
        self._heard_by: dict[str, Callable[..., object]] = {}
        self.meta = SimpleNamespace(events=SimpleNamespace(register=self._register))

    def _register(self, event: str, handler: Callable[..., object]) -> None:
        self._heard_by[event.rpartition(".")[2]] = handler

    async def describe_execution(self, *, executionArn: str) -> Any:
        name = execution_name(executionArn)
        return await self._call("DescribeExecution", self._account.describe, lambda: _running(name))

    async def list_executions(self, *, maxResults: int, nextToken: str = "0", **_: Any) -> Any:
        account, at = self._account, int(nextToken)

        def effect() -> Any:
            page = account.names[at : at + maxResults]
            more = {"nextToken": str(at + maxResults)} if at + maxResults < len(account.names) else {}
            return {"executions": [_running(name) for name in page if account.chance.random() >= _LEFT_OUT], **more}

        return await self._call("ListExecutions", account.lists, effect)

    async def _call(self, operation: str, quota: Quota, effect: Callable[[], Any]) -> Any:
        def tried() -> Any:
            try:
                throttled(quota, self._account.loop.time())
            except Exception as error:
                self._heard_by[operation](response=(None, cast(Any, error).response))
                raise
            return effect()

        return await self._sdk.call(f"states.{operation}", tried)


class _Ecs:
    """Tasks that run."""

    def __init__(self, sdk: _Sdk) -> None:
        self._sdk = sdk

    async def describe_tasks(self, *, tasks: list[str], **_: Any) -> Any:
        assert len(tasks) <= 100
        return await self._sdk.call("ecs.DescribeTasks", lambda: {"tasks": [_task_that_runs(arn) for arn in tasks]})


def _running(name: str) -> dict[str, Any]:
    return {
        "executionArn": EXECUTION_ARN + name,
        "stateMachineArn": STATE_MACHINE_ARN,
        "name": name,
        "status": "RUNNING",
        "startDate": moment(-1000.0),
        "redriveCount": 0,
    }


def _task_that_runs(arn: str) -> dict[str, Any]:
    name = arn.rpartition("/")[2]
    return {
        "taskArn": arn,
        "clusterArn": f"arn:aws:ecs:{REGION}:123456789012:cluster/jobs",
        "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING",
        "version": 3,
        "group": f"job:{name}",
        "containers": [],
    }


def _head(name: str) -> Item:
    facts = (
        Requested(job_id=name, tenant="web", stage_count=1, is_brief=True),
        ExecutionChanged(
            job_id=name, arn=EXECUTION_ARN + name, status="STARTED", observed_via="request", started_at=EPOCH - 1000
        ),
        TaskChanged(job_id=name, arn=_TASK + name, version=3, last_status="RUNNING"),
    )
    key = RecordKey.of_job(name)
    due = {"open_shard": {"S": str(shard_of(key))}, "due_at": {"N": str(_DUE_AT)}}
    return {**item_key(key), **registers_of(*facts), **due}


def main(arguments: Sequence[str] | None = None) -> int:
    """Let it happen, and print what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.silent_jobs", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--jobs", type=int, default=100_000, help="that are silent (default: %(default)s)")
    asked = ask_after(parser.parse_args(arguments).jobs)
    print(
        f"{asked.jobs:,} silent jobs: {asked.seconds / 60:.1f} min, {asked.refused} calls refused, "
        f"writes by worker {asked.writes_by}, calls {dict(asked.calls)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
