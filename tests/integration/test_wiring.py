"""Every setting reaches what it is for: each has a value of its own here, so that none can stand in for another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from schemas.price import Price
from service.aws.errors import AwsError
from service.aws.failures import Failures
from service.aws.opened_when_needed import OpenedWhenNeeded
from service.aws.queue import Message
from service.aws.starts import Starts
from service.core.pace import Bucket
from service.core.record.record import Record
from service.core.redaction import REDACTED
from service.metrics import Metrics
from service.perform import Performer
from service.runtime import Runtime, open_runtime
from service.settle import Settling
from tests.support.builders import record, requested
from tests.support.every_setting import OF_A_WORKER
from tests.support.room import MIB, MOST_OF_ONE
from workers.bulks import Bulks
from workers.consumer import Consumer
from workers.events import Events
from workers.liveness import Liveness
from workers.protection import Protection
from workers.redrives import Redrives
from workers.requests import Requests
from workers.sweeper import Sweeper
from workers.worker import Worker

PRICES = {"FARGATE": Price(vcpu_hour=0.05, gb_hour=0.005)}
SETTINGS = OF_A_WORKER.model_copy(
    update={
        "catalog": str(Path(__file__).parents[2] / "deploy" / "catalog.yaml"),
        "get_log_events_per_second": 11,
        "filter_log_events_per_second": 6,
        "metrics": "emf",
    }
)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and a region, and nothing else of AWS's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


async def test_every_setting_of_the_runtime_reaches_what_it_is_for() -> None:
    """And the parts share what must be one: the clock, the pace of starts, the table, the meter, the redaction."""
    async with open_runtime(SETTINGS) as runtime:
        queues = [(queue.url, queue.visibility_seconds) for queue in (runtime.requests, runtime.events)]
        assert queues == [("https://sqs/requests", 61), ("https://sqs/events", 61)]
        table, settling = runtime.table, runtime.settling
        assert (table.name, table.silence_seconds, table.grace_seconds, table.retention_days) == (
            "the-jobs",
            307,
            31,
            91,
        )
        assert (settling.patience.task_grace, settling.patience.log_deadline) == (31, 907)
        assert (runtime.starts.pace.bucket.capacity, runtime.starts.pace.bucket.configured_rate) == (803, 151)
        assert (runtime.failures.table, runtime.failures.client) == ("the-jobs", table.client)
        performer = cast(Performer, settling.performer)
        assert (performer.link_seconds, performer.prices, performer.claim_seconds) == (3607, PRICES, 67)
        assert performer.topic.arn == SETTINGS.topic_arn
        assert performer.executions.state_machine_arn == SETTINGS.state_machine_arn
        archive = performer.archive
        assert (archive.bucket, archive.region) == ("the-logs", "eu-central-1")
        paged, small = archive.lanes.paged, archive.lanes.small
        assert small is not None
        assert (paged.quiet_seconds, small.quiet_seconds, settling.patience.log_quiet) == (13, 13, 13)
        assert (archive.memory.total, archive.memory.most_of_one) == (65 * MIB, MOST_OF_ONE)
        assert paged.logs.reads.bucket == Bucket.full(1, 11, keeps=0.85)
        assert small.batches.reads.bucket == Bucket.full(1, 6, keeps=0.85)
        assert small.memory is archive.memory
        assert performer.redaction.text("tok_1234") == archive.redaction.text("tok_1234") == REDACTED

        assert settling.jobs is table
        assert runtime.starts is performer.executions.starts
        assert runtime.objects is performer.objects is archive.objects
        assert performer.tasks is archive.tasks
        assert isinstance(runtime.metrics, Metrics) and runtime.metrics is performer.metrics
        clocks = {id(part.now) for part in (table, runtime.failures, settling, performer, archive)}
        assert len(clocks) == 1
        names = {client.meta.service_model.service_name for client in await clients(runtime)}
        assert names == {"sqs", "dynamodb", "s3", "ecs", "stepfunctions", "logs", "sns"}


async def test_each_client_is_taught_what_its_service_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer that is garbled passes, throttles are counted; one clock goes by the table's, traces by the topic's."""
    taught: dict[str, list[str]] = {}

    def note(what: str) -> Any:
        return lambda *given: taught.setdefault(what, []).append(
            next(item.meta.service_model.service_name for item in given if hasattr(item, "meta"))
        )

    for name in ("refuse_garbled", "let_traces_through"):
        monkeypatch.setattr(f"service.runtime.{name}", note(name))
    monkeypatch.setattr("service.runtime.on_throttle", note("on_throttle"))
    monkeypatch.setattr("service.aws.common_clock.CommonClock.heed", note("heed"))
    async with open_runtime(SETTINGS) as runtime:
        await clients(runtime)
        services = ["dynamodb", "ecs", "logs", "s3", "sns", "sqs", "stepfunctions"]
        assert sorted(taught["refuse_garbled"]) == services
        of_its_own = [*3 * ["stepfunctions"], "logs", "logs"]
        assert sorted(taught["on_throttle"]) == sorted([*services, *of_its_own]), (
            "starts, questions, lists and two kinds of reads give way"
        )
        assert (taught["heed"], taught["let_traces_through"]) == (["dynamodb"], ["sns"])


@pytest.mark.parametrize(
    "throttled", [".cloudwatch-logs.GetLogEvents", ".cloudwatch-logs.FilterLogEvents", ".sfn.StartExecution"]
)
async def test_what_is_throttled_gives_way_alone(throttled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a quota of its own, which all workers of the account share."""
    heard: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr(
        "service.runtime.on_throttle", lambda client, called, operation="": heard.update({operation: called})
    )
    async with open_runtime(SETTINGS) as runtime:
        await clients(runtime)
        lanes = runtime.log_lanes
        assert lanes.small is not None
        paces = {
            ".cloudwatch-logs.GetLogEvents": lanes.paged.logs.reads,
            ".cloudwatch-logs.FilterLogEvents": lanes.small.batches.reads,
            ".sfn.StartExecution": runtime.starts.pace,
        }
        heard[throttled]()
        gave_way = [name for name, pace in paces.items() if pace.bucket.rate < pace.bucket.configured_rate]
        assert gave_way == [throttled]


async def test_a_claim_outlasts_the_quiet_time_of_a_log() -> None:
    """An archive waits for a few quiet times, and no other worker should begin it meanwhile."""
    async with open_runtime(SETTINGS.model_copy(update={"log_quiet_seconds": 50})) as runtime:
        assert cast(Performer, runtime.settling.performer).claim_seconds == 150


async def test_how_calls_are_made() -> None:
    """Repeated by botocore in its standard mode; a long poll has its time, and every slot a connection."""
    async with open_runtime(SETTINGS) as runtime:
        for client in await clients(runtime):
            config = client.meta.config
            assert config.retries == {"mode": "standard", "total_max_attempts": 9}
            assert config.read_timeout > SETTINGS.poll_seconds + 10
            assert config.connect_timeout == 5
            assert config.max_pool_connections >= SETTINGS.event_slots
            assert config.tcp_keepalive
            assert config.user_agent.startswith("jobferry")


@pytest.mark.parametrize(("transport", "quick"), [("quick", True), ("botocore", False)])
async def test_frequent_calls_are_quick_unless_it_is_said_otherwise(transport: str, quick: bool) -> None:
    """One setting gives every call back to botocore."""
    async with open_runtime(SETTINGS.model_copy(update={"transport": transport})) as runtime:
        calls = (runtime.requests.client, runtime.table.client, runtime.executions.client)
        assert [type(client).__name__ == "_QuickClient" for client in calls] == [quick] * 3


async def test_few_slots_have_connections_enough_all_the_same() -> None:
    """What is around them asks AWS too: leases, deletes, the sweeper."""
    async with open_runtime(SETTINGS.model_copy(update={"event_slots": 5})) as runtime:
        assert [client.meta.config.max_pool_connections for client in await clients(runtime)] == [50] * 8


async def clients(runtime: Runtime) -> list[Any]:
    """Every client that the runtime works with, those included that its work would open."""
    performer = cast(Performer, runtime.settling.performer)
    queues = [runtime.requests.client, runtime.events.client]
    at_once = [runtime.table.client, performer.executions.client, performer.topic.client]
    later = [runtime.objects.client, performer.tasks.client, performer.archive.lanes.paged.logs.client]
    return [*queues, *at_once, *[await cast(OpenedWhenNeeded, client).opened() for client in later]]


async def test_a_client_is_opened_by_its_first_call_and_once() -> None:
    """However many need it at the same time; a worker that only starts jobs opens no client of S3, ECS or Logs."""
    opened: list[Any] = []

    class Client:
        async def put_object(self, **given: str) -> dict[str, str]:
            await asyncio.sleep(0)
            return given

    async def open_client() -> Client:
        await asyncio.sleep(0)
        opened.append(Client())
        return cast(Client, opened[-1])

    client: Any = OpenedWhenNeeded(open_client)
    assert opened == []
    answers = await asyncio.gather(*(client.put_object(Key=str(number)) for number in range(3)))
    assert [answer["Key"] for answer in answers] == ["0", "1", "2"]
    assert len(opened) == 1


async def test_the_loops_of_a_worker_are_given_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """All share one stop, and those that have work in hand one liveness."""
    monkeypatch.setenv("ECS_AGENT_URI", "http://agent")
    async with open_runtime(SETTINGS) as runtime:
        worker = Worker(runtime, Liveness(runtime.settling.now), asyncio.Event())
        loops = worker.loops()
        parts = [cast(Any, loop).cr_frame.f_locals["self"] for loop in loops]
        for loop in loops:
            loop.close()
        requests, events, control, sweeper, roll_call, bulks, redrives, checks, protection = parts
        assert isinstance(bulks, Bulks) and sweeper.take_bulk == bulks.take_up
        assert (bulks.stopping, bulks.jobs, cast(Any, bulks.settling.performer).settling) == (
            worker.stopping,
            runtime.table,
            runtime.settling,
        )
        assert all(isinstance(part, Consumer) for part in (requests, events, control))
        # A request is to start at once; an event's job waits for its log anyway.
        assert (requests.gather_seconds, events.gather_seconds) == (0.01, 0.1)
        assert [(part.name, part.queue, part.slots, part.poll_seconds) for part in (requests, events, control)] == [
            ("requests", runtime.requests, 51, 7),
            ("events", runtime.events, 201, 7),
            ("control", runtime.control, 21, 7),
        ]
        assert requests.gate == worker._starts_left
        assert isinstance(sweeper, Sweeper) and isinstance(protection, Protection)
        assert (sweeper.table, sweeper.settling) == (runtime.table, runtime.settling)
        assert (sweeper.every_seconds, sweeper.claim_seconds) == (37, 37)
        assert sweeper.pace is runtime.questions and sweeper.pace.per_second == 6
        assert sweeper.call_the_roll == roll_call.wanted.set
        assert (roll_call.table, roll_call.turns, roll_call.every_seconds) == (runtime.table, runtime.turns, 37)
        assert (roll_call.tasks, roll_call.executions) == (runtime.tasks, runtime.executions)
        assert isinstance(redrives, Redrives)
        assert (redrives.table, redrives.turns, redrives.every_seconds) == (runtime.table, runtime.turns, 311)
        assert protection.agent_uri == "http://agent"
        assert checks.lanes is runtime.log_lanes is cast(Performer, runtime.settling.performer).archive.lanes
        assert (worker.archiver.due, worker.archiver.settling) == (runtime.due_logs, runtime.settling)
        assert {id(part.stopping) for part in parts} == {id(worker.stopping)}
        with_work = [part for part in parts if part not in (roll_call, redrives, bulks, checks)]
        assert {id(part.liveness) for part in with_work} == {id(worker.liveness)}
        assert {id(part.metrics) for part in (requests, events, control, sweeper, redrives)} == {id(runtime.metrics)}


async def test_what_an_event_tells_is_heard_of_by_the_pace_of_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its job is settled; what a request tells is no news of a start."""
    job, happened = record(requested()), list[object]()

    async def hear(_self: object, _message: Message, *_me: str) -> Record:
        return job

    async def settle(_self: object, settled: Record, _me: str) -> None:
        happened.append(("settled", settled))

    monkeypatch.setattr(Events, "hear", hear)
    monkeypatch.setattr(Requests, "hear", hear)
    monkeypatch.setattr(Settling, "settle", settle)
    monkeypatch.setattr(Starts, "heard_of", lambda _self, heard, _now: happened.append(("heard of", heard)))
    async with open_runtime(SETTINGS) as runtime:
        loops = Worker(runtime, Liveness(runtime.settling.now), asyncio.Event()).loops()
        requests, events = (cast(Any, loop).cr_frame.f_locals["self"] for loop in loops[:2])
        for loop in loops:
            loop.close()
        await events.handle(Message("m", "", "r"))
        assert happened == [("heard of", job), ("settled", job)]
        happened.clear()
        await requests.handle(Message("m", "", "r"))
        assert happened == [("settled", job)]


async def test_a_failure_that_cannot_be_noted_is_no_failure_of_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the log, and its message comes again; what can be noted is, under the queue that it came from."""
    noted: list[tuple[str, str]] = []

    async def note(_self: object, message_id: str, queue: str, _error: Exception) -> None:
        noted.append((message_id, queue))
        raise AwsError("no room", "Throttled")

    monkeypatch.setattr(Failures, "note", note)
    async with open_runtime(SETTINGS) as runtime:
        worker = Worker(runtime, Liveness(runtime.settling.now), asyncio.Event())
        await worker._note_failure("events")(Message("m", "", "r"), ValueError("a bug"))
    assert noted == [("m", "events")]


async def test_no_request_is_taken_while_none_can_be_started_and_events_are() -> None:
    """The gate opens with the next token, and a stop opens it at once."""
    async with open_runtime(SETTINGS) as runtime:
        worker = Worker(runtime, Liveness(runtime.settling.now), asyncio.Event())
        await asyncio.wait_for(worker._starts_left(), 5)
        runtime.starts.pace.bucket = Bucket(1, 0.001, -5, 0.001, asyncio.get_running_loop().time())
        waiting = asyncio.create_task(worker._starts_left())
        await asyncio.sleep(0)
        assert not waiting.done()
        worker.stopping.set()
        await asyncio.wait_for(waiting, 5)
