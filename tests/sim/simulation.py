"""One seed, one history: the world is built, left to itself, and judged."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

import structlog

from service.aws import job_list, open_jobs, record_items
from service.core.record.facts import FACT, Fact
from service.core.redaction import Redaction
from tests.sim.again import Again
from tests.sim.circumstances import Circumstances
from tests.sim.dead_letters import DeadLetters
from tests.sim.judge import Judge, Violation
from tests.sim.ledger import Ledger
from tests.sim.many import Many
from tests.sim.network import Network
from tests.sim.replicas import Clients, Replica
from tests.sim.truth import Truth
from tests.sim.wishes import Manners, People
from tests.sim.workload import Workload
from tests.support.aws.cloudwatch_logs import SimLogs
from tests.support.aws.dynamodb import SimTable
from tests.support.aws.ecs import SimEcs
from tests.support.aws.eventbridge import SimEventBridge
from tests.support.aws.integrations import SimIntegrations
from tests.support.aws.quotas import draw_quotas
from tests.support.aws.s3 import SimBucket
from tests.support.aws.sns import SimTopic
from tests.support.aws.sqs import SimQueue
from tests.support.aws.stepfunctions import SimStepFunctions
from tests.support.faults import Faults
from tests.support.loop import PROCESS, Process, StuckError, VirtualLoop, world_call_at
from tests.support.names import CONTROL_URL, EVENTS_URL, REQUESTS_URL
from tests.support.trace import Trace
from workers import log_checks, roll_call, sweeper, worker

# The template's MaxReceives.
MAX_RECEIVES = 50
# After the faults have stopped and the last execution has ended, all must be said and done within this time.
QUIESCENCE_SECONDS = 3600.0
# More than one, so that a job can be in the wrong one; eight for a handful of jobs were a third of all calls, in vain.
_SHARDS = 2
# A bulk goes through a handful of jobs in pages of one to so many, so that it has several.
_MOST_PAGE_JOBS = 3
_LOOK_SECONDS = 10.0
# Few logs are looked at again, and each worker asks every ten seconds whether it is time for one.
_CHECK_SECONDS = 60.0
# The grace time, and what is under way by then: the event of the task that takes over is heard within seconds.
_OUTLIVED_SECONDS = 30 + 15
# Nothing may happen any more for this long, once all is said and done.
_REST_SECONDS = 70.0


@dataclass
class Result:
    """What one seed showed. Times in virtual seconds."""

    seed: int
    jobs: int
    seconds: float
    steps: int
    calls: int
    fingerprint: int
    announcements: int = 0
    second_copies: int = 0
    index_writes: int = 0
    delays_after_kills: list[float] = field(default_factory=list)
    kills: int = 0
    sigterms: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class World:
    """All that there is in one simulation."""

    # Within so many seconds nothing that a redrive took the place of runs on.
    outlived_seconds: float = _OUTLIVED_SECONDS

    def __init__(self, seed: int, jobs: int, *, trace: bool, circumstances: Circumstances | None = None) -> None:
        self._chances: list[Random] = []
        self.seed = seed
        self.jobs = jobs
        given = circumstances or Circumstances.draw(self._chance("plan"), self._chance("people"))
        rates, settings = given.rates, given.settings
        self.loop = loop = VirtualLoop(self._chance("loop") if given.shuffled else None)
        self.trace = Trace(loop.time, on=trace)
        self.faults = Faults(self._chance("faults"), given.calm_at, given.most_kills)
        self.ledger = Ledger()
        self.bucket = SimBucket()
        self.topic = SimTopic(loop.time)
        pages = self._chance("pages").choice((1, 25))
        self.table = SimTable(loop.time, index_lag=given.index_lag, page_items=pages)
        queue = partial(
            SimQueue,
            loop=loop,
            chance=self._chance("sqs"),
            max_receives=MAX_RECEIVES,
            manners=self.faults,
            doubled=rates.message_doubled,
            delete_forgotten=rates.delete_forgotten,
            polls_go_on=True,
        )
        self.requests, self.events, self.control = queue(REQUESTS_URL), queue(EVENTS_URL), queue(CONTROL_URL)
        self.bridge = SimEventBridge(loop, self._chance("bridge"), self.faults, rates, self.events)
        self.quotas = draw_quotas(self._chance("quotas"))
        logs = SimLogs(loop, self._chance("logs"), self.faults, rates, self.quotas)
        self.ecs = SimEcs(loop, self._chance("ecs"), self.faults, rates, self.bridge, logs)
        integrations = SimIntegrations(
            loop, self._chance("lambda"), self.faults, rates, self.ecs, self.bucket, self.quotas, self.events
        )
        self.states = SimStepFunctions(
            loop, self._chance("states"), self.faults, rates, self.bridge, integrations.table(), self.quotas
        )
        self.network = Network(loop, self._chance("network"), self.faults, self.trace)
        self.judge = self._judge()
        clients = Clients(
            self.network,
            (self.requests, self.events, self.control),
            self.table,
            self.states,
            self.ecs,
            logs,
            self.bucket,
            self.topic,
            loop.time,
            lambda: loop.time() >= self.faults.calm_at,
        )
        self.blackout = given.blackout
        self.replicas = [
            Replica(
                n,
                loop,
                self._chance(f"replica{n}"),
                self.faults,
                settings,
                clients,
                self.judge,
                self.trace,
                self.blackout,
            )
            for n in range(1, 1 + given.replicas)
        ]
        self.workload = Workload(
            loop, self._chance("workload"), self.faults, rates, self.ledger, self.bucket, self.trace
        )
        asked = given.people != Manners()
        chance = self._chance("letters")
        self.letters = letters = DeadLetters(loop, chance, self.table, self.control, self.trace, at_all=asked)
        told = (self.ledger, self.control, self.trace, letters)
        self.people = People(loop, self._chance("wishes"), given.people, *told)
        self.again = Again(loop, self._chance("again"), *told, at_all=asked)
        self.many = Many(loop, self._chance("many"), *told, self.judge.many, at_all=asked)
        self.network.denied = self.judge.steering.denied = given.people.denied
        self.kills = 0
        self._last_end = 0.0
        self._sqs = clients.sqs
        self._wire(clients, settings.drain_seconds)

    def _chance(self, name: str) -> Random:
        """A stream of draws of its own for each part, so that a look at one does not change the others."""
        chance = Random(f"{self.seed}:{name}")
        self._chances.append(chance)
        return chance

    def _judge(self) -> Judge:
        truth = Truth(self.ledger, self.states, self.ecs, self.bucket, self.table)
        return Judge(
            self.ledger, truth, lambda: (self.loop.steps, self.loop.time()), self.loop.stop, self.faults.calm_at
        )

    def _wire(self, clients: Clients, drain_seconds: float) -> None:
        judge = self.judge
        self.bridge.on_event = self._on_event
        self.table.on_write = judge.on_write
        self.bucket.on_put = judge.on_put
        self.topic.on_publish = self._on_publish
        self.states.on_start, self.states.on_end = judge.on_start, self._on_end
        self.network.on_fault, self.network.on_kill = self._on_fault, self._on_kill
        judge.queues = (self.requests, self.events, self.control)
        for queue in judge.queues:
            queue.on_delete = judge.on_delete
            queue.on_dead_letter = judge.on_dead_letter
            queue.on_lapse = judge.on_lapse
        judge.drain_seconds = drain_seconds
        clients.sqs.on_cancelled_poll = judge.on_cancelled_poll
        self.workload.watch(self.states, self.on_redrive)
        self.people.watch(self.states)
        self.again.watch(self.states)
        self.states.on_stop, self.states.on_redrive = judge.steering.on_stop, self._on_wished_redrive

    def _on_event(self, event: dict[str, Any]) -> None:
        detail = event["detail"]
        if self.trace.on:
            what = detail.get("status") or f"{detail['lastStatus']} v{detail['version']}"
            self.trace.say("eventbridge", "event", detail.get("name") or detail["taskArn"].rsplit("/", 1)[-1], what)

    def _on_publish(self, notice: Any) -> None:
        self.trace.say("sns", "ANNOUNCED", notice.id)
        self.judge.on_publish(notice)

    def _on_end(self, execution: Any) -> None:
        self._last_end = self.loop.time()
        self.trace.say("states", "execution ended", execution.name, execution.now.status, execution.now.error or "")
        self.judge.on_end(execution)

    def on_redrive(self, execution: Any) -> None:
        """Nothing of before may run on beside it; of that the judge is sure where nothing else goes wrong."""
        if self.loop.time() >= max(self.faults.calm_at, self.blackout.ends):
            at, count = self.loop.time() + self.outlived_seconds, execution.now.redrive_count
            world_call_at(self.loop, at, self.judge.on_redrive, execution, count)

    def _on_wished_redrive(self, execution: Any) -> None:
        self.judge.steering.on_redrive(execution)
        self.on_redrive(execution)

    def _on_fault(self, process: Process, operation: str) -> None:
        self._sqs.disturbed(process)
        process.sqs_faults += operation.startswith("sqs.")
        # A worker that stood still was out of time for what it was telling, as if the topic had not answered.
        self.judge.topic_failed |= operation.startswith("sns.") or process.stalled_until > 0
        self.judge.excuse(process)

    def _on_kill(self, process: Process) -> None:
        self.kills += 1
        self._sqs.disturbed(process)
        self.judge.on_kill(process)
        for replica in self.replicas:
            replica.killed(process)

    async def live(self) -> None:
        """Until all is said and done, or the time for that is over."""
        self._begin()
        for replica in self.replicas:
            self.loop.in_world(replica.run())
        rested = 0.0
        while rested < _REST_SECONDS:
            await self.loop.pause(_LOOK_SECONDS)
            left = self._left_to_do()
            rested = 0.0 if left else rested + _LOOK_SECONDS
            calm_since = max(self.faults.calm_at, self.blackout.ends, self._last_end)
            if left and self.loop.time() > calm_since + QUIESCENCE_SECONDS:
                self.judge.accuse(4, f"{QUIESCENCE_SECONDS:g} s after the last fault: {'; '.join(left[:5])}")
                return

    def _begin(self) -> None:
        """Let producers and operators do what they do."""
        self.workload.begin(self.jobs, self.requests, self.events)
        self.people.begin(self.jobs)
        self.many.begin()

    @property
    def _people_to_send(self) -> int:
        return self.people.to_send + self.again.to_send + self.many.to_send + self.letters.to_send

    def _left_to_do(self) -> list[str]:
        if self.loop.time() < self.faults.calm_at or self.workload.to_send or self._people_to_send:
            return ["more is to come"]
        if any(replica.stands_still for replica in self.replicas):
            return ["a worker that stands still will go on"]
        queued = [f"{len(queue.messages)} in {queue.url}" for queue in self.judge.queues if queue.messages]
        return queued or self.judge.unsettled() or [f"{key} is in the sweeper's index" for key in self.table.index()]

    def result(self) -> Result:
        """What is to be told."""
        # Streams that were drawn from differently differ in what they give next.
        draws = [chance.random() for chance in self._chances]
        return Result(
            seed=self.seed,
            jobs=len(self.ledger.asked),
            seconds=self.loop.time(),
            steps=self.loop.steps,
            calls=self.network.calls,
            fingerprint=zlib.crc32(f"{self.loop.steps} {self.loop.time()} {draws}".encode()),
            announcements=sum(notice.id not in self.judge.steps for notice in self.topic.notices),
            second_copies=self.judge.second_copies,
            index_writes=self.table.index_writes,
            delays_after_kills=self.judge.delays_after_kills,
            kills=self.kills,
            sigterms=sum(replica.sigterms for replica in self.replicas),
            faults=self.faults.counts,
            violations=self.judge.violations,
            lines=self.trace.lines,
        )


def simulate(seed: int, jobs: int = 4, *, trace: bool = False, circumstances: Circumstances | None = None) -> Result:
    """Run one seed to its end, or to its first violation; under its own circumstances, or under these."""
    with undisturbed(page_jobs=_page_jobs(seed)):
        return history(World(seed, jobs, trace=trace, circumstances=circumstances))


def simulate_all(seeds: Iterable[int], jobs: int = 4) -> list[Result]:
    """One seed after the other, in this process."""
    results = []
    with undisturbed():
        for seed in seeds:
            with _pages_of(_page_jobs(seed)):
                results.append(history(World(seed, jobs, trace=False)))
            # What is left of it is collected at once, and what stays is not looked at again.
            gc.collect()
            gc.freeze()
    return results


def _page_jobs(seed: int) -> int:
    return 1 + seed % _MOST_PAGE_JOBS


@contextmanager
def undisturbed(shards: int = _SHARDS, page_jobs: int = _MOST_PAGE_JOBS) -> Iterator[None]:
    """For as long as the context lasts nothing is collected, logged or read twice; then all is collected."""
    with (
        _nothing_collected(),
        _logs_into(None),
        patch.object(record_items, "FACT", _Remembered()),
        patch.object(open_jobs, "SHARDS", shards),
        patch.object(sweeper, "SHARDS", shards),
        patch.object(log_checks, "_LOOK_SECONDS", _CHECK_SECONDS),
        patch.object(Redaction, "text", _each_text_once(Redaction.text)),
        _pages_of(page_jobs),
        patch.object(roll_call, "SHARDS", shards),
    ):
        yield
        while gc.collect():  # Coroutines that are collected leave others behind.
            pass


@contextmanager
def _pages_of(jobs: int) -> Iterator[None]:
    """Bulks go through so many jobs at a time."""
    with patch.object(worker, "PAGE_JOBS", jobs), patch.object(job_list, "_LOOKED_AT", jobs + 1):
        yield


def history(world: World) -> Result:
    """What happens in a world until its end."""
    with _logs_into(world.trace if world.trace.on else None):
        _run(world)
    world.loop.bury()
    return world.result()


def _each_text_once(text_of: Callable[[Redaction, str], str]) -> Callable[[Redaction, str], str]:
    """Redaction of what was redacted before: it is what the same images say, again and again."""
    known: dict[str, str] = {}

    def text(redaction: Redaction, told: str) -> str:
        hidden = known.get(told)
        if hidden is None:
            hidden = known[told] = text_of(redaction, told)
        return hidden

    return text


class _Remembered:
    """Facts by their JSON: frozen, so one may stand for all that read alike; reading is half of the cost."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def validate_json(self, text: str) -> Fact:
        """The fact that a JSON text holds."""
        fact = self._facts.get(text)
        if fact is None:
            fact = self._facts[text] = FACT.validate_json(text)
        return fact


def _run(world: World) -> None:
    loop = world.loop
    asyncio.set_event_loop(loop)
    done = loop.in_world(world.live())
    done.add_done_callback(lambda _: loop.stop())
    try:
        loop.run_forever()
    except StuckError as error:
        world.judge.accuse(4, str(error))
    finally:
        asyncio.set_event_loop(None)
    if done.done() and done.exception() is not None:
        raise RuntimeError("the simulation itself failed") from done.exception()


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """No garbage is collected while a history is made, and what a coroutine then still wants to say is of no interest.

    A coroutine that is collected runs its `finally`; when that is depends on what ran before in this interpreter.
    """
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.disable()
    gc.freeze()  # What was there before need not be looked at when the history is collected.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # Of coroutines that were killed before their first step.
            yield
    finally:
        gc.unfreeze()
        gc.enable()
        sys.unraisablehook = hook


@contextmanager
def _logs_into(trace: Trace | None) -> Iterator[None]:
    """The product's log lines are part of the history where that is kept; else they are not even made."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, partial(_to_trace, trace or Trace(lambda: 0.0, on=False))],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET if trace else logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _to_trace(trace: Trace | None, _logger: Any, _method: str, event: Any) -> str:
    process = PROCESS.get()
    error = sys.exception() if event.pop("exc_info", False) else None
    event.pop("queue", None)
    told = " ".join(f"{key}={value}" for key, value in event.items() if key != "event")
    if trace is not None:
        trace.say(process.name if process else "log", f"log: {event['event']}", told, repr(error) if error else "")
    return ""
