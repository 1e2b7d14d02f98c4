"""What is measured: each function is some rows of the table, from worker processes that are watched from outside.

What a worker is told is production's (place.py), quiet times first of all: a shorter one would hide calls.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from service.settings import Settings
from tests.bench.bill import Bill, bill, transitions
from tests.bench.lived import Lived
from tests.bench.place import Place, Process, TookTooLongError
from tests.bench.report import Row
from tests.bench.silent_jobs import ask_after
from tests.bench.small_logs import carry
from tests.support.deployment import properties

_WITHIN_SECONDS = 300.0
_TAKEN_AND_DELETED = frozenset({"ReceiveMessage", "DeleteMessageBatch"})
_READS_OF_LOGS = ("GetLogEvents", "FilterLogEvents")
_OF_THE_SWEEPER = frozenset({"Query", "ListExecutions"})
_QUARTER = 0.25
_NOTED_SECONDS = 1.0
_LOGS, _PAGES = 40, 12
_SILENT = 100_000


@dataclass(frozen=True)
class Size:
    """A job of so many stages, how many of them are run, and what one may come to."""

    stages: int
    jobs: int
    most_transitions: str
    most_units: str = ""
    most_dollars: str = ""


_BILLED = (
    Size(1, 20, "7", "16", "200"),
    Size(5, 5, "23"),
    Size(20, 3, "83", "150"),
    Size(100, 1, "403", "900"),
)
_LARGEST_BILLED = 20


@dataclass
class Side:
    """One of the two that are compared: what a job costs it, round by round."""

    process: Process
    milliseconds: list[float] = field(default_factory=list)
    instructions: list[int] = field(default_factory=list)


def intake(place: Place, rounds: int, jobs: int = 300) -> Iterator[Row]:
    """From a request in the queue to an execution that is started, beside the plain loop that does no more."""
    with place.worker() as worker, place.plain_loop() as loop:
        place.fake.tell("plot", ends=False)
        ours, plain = Side(worker), Side(loop)
        for number in range(rounds + 1):
            _round(place, plain, jobs, "plain")
            _round(place, ours, jobs, "requests")
            if number == 0:
                _forget(plain, ours)
    yield Row("plain loop, a job", tuple(plain.milliseconds), "ms")
    yield Row("intake, a job, in plain loops", _ratios(ours.milliseconds, plain.milliseconds), "", "0.35")
    if ours.instructions and plain.instructions:
        ratios = _ratios(ours.instructions, plain.instructions)
        yield Row("intake, a job, in plain loops, by instructions", ratios, "", "0.35")


def _round(place: Place, side: Side, jobs: int, queue: str) -> None:
    place.fake.tell("begin")
    deleted = "plain_deleted" if queue == "plain" else "deleted"
    with side.process.instructions(side.instructions):
        before = side.process.cpu()
        place.fake.tell("send", count=jobs, queue=queue)
        place.fake.wait_for(lambda state: state[deleted] == jobs, _WITHIN_SECONDS)
        side.milliseconds.append(1000 * (side.process.cpu() - before) / jobs)


def _forget(*warmed_up: Side) -> None:
    for side in warmed_up:
        side.milliseconds.clear()
        side.instructions.clear()


def _ratios(ours: list[Any], plain: list[Any]) -> tuple[float, ...]:
    return tuple(one / other for one, other in zip(ours, plain, strict=True))


def live(
    place: Place, worker: Process, jobs: int, stages: int = 1, per_second: float | None = None, **plot: float
) -> Lived:
    """Whole lives, all at once or so many a second, from the requests to the last message's deletion."""
    place.fake.tell("plot", **plot)
    place.fake.tell("begin")
    before, began, written = worker.cpu(), time.monotonic(), worker.written()
    if per_second:
        place.fake.tell("offer", per_second=per_second, seconds=jobs / per_second)
    else:
        place.fake.tell("send", count=jobs, stages=stages)
    place.fake.wait_for(lambda state: state["published"] == jobs and not state["left"], _WITHIN_SECONDS)
    seconds = time.monotonic() - began
    time.sleep(_NOTED_SECONDS)  # What was told is noted afterwards.
    state, spent = place.fake.tell("state"), worker.cpu() - before
    calls = {name: count / jobs for name, count in state["calls"].items()}
    units = {kind: count / jobs for kind, count in state["units"].items()}
    told = (worker.written() - written) / jobs
    return Lived(1000 * spent / jobs, calls, units, seconds, state["sent"] / jobs, told)


def calls_of(life: Lived) -> float:
    """The calls of a life, but for taking and deleting messages, and for what the sweeper does anyway."""
    return sum(count for name, count in life.calls.items() if name not in _TAKEN_AND_DELETED | _OF_THE_SWEEPER)


def lives(place: Place, rounds: int, jobs: int = 60) -> Iterator[Row | Lived]:
    """Whole lives of one-task jobs with ten lines each, beside the plain loop; ten a second, so that none waits."""
    with place.worker() as worker, place.plain_loop() as loop:
        plain, lived = Side(loop), []
        live(place, worker, 20)
        _round(place, plain, 300, "plain")
        _forget(plain)
        for _ in range(rounds):
            _round(place, plain, 300, "plain")
            lived.append(live(place, worker, jobs, per_second=10))
    ratios = _ratios([life.milliseconds for life in lived], plain.milliseconds)
    yield Row("whole life of a one-task job, 10 lines, in plain loops", ratios, "", "2.5, then 1")
    yield Row("AWS calls of that life (receive and delete apart)", tuple(map(calls_of, lived)), "", "11")
    reads = tuple(sum(life.calls.get(name, 0) for name in _READS_OF_LOGS) for life in lived)
    yield Row("reads of logs, a life", reads)
    yield lived[-1]


def sizes(place: Place, of: tuple[int, ...] = (1, 10, 100)) -> Iterator[Row | Lived]:
    """What a task costs in jobs of so many, the first of them the measure; stages are quick, quiet times are not."""
    with place.worker() as worker:
        live(place, worker, 20)
        lived = {stages: live(place, worker, max(1, 100 // stages), stages, task_seconds=0.05) for stages in of}
    first = lived[of[0]].milliseconds / of[0]
    for stages, life in lived.items():
        if stages != of[0]:
            must = "1.0" if stages == of[-1] else ""
            what = f"CPU a task of a {stages}-task job, against a {of[0]}-task job"
            yield Row(what, (life.milliseconds / stages / first,), "", must, f"{life.milliseconds / 1000:.2f} s a job")


def bills(place: Place) -> Iterator[Row | Bill]:
    """What jobs of some stages cost in each service, first of all DynamoDB's write units, indexes included."""
    memory = properties("PlanNextStep")["MemorySize"]
    with place.worker() as worker:
        for size in _BILLED:
            told = bill(size.stages, live(place, worker, size.jobs, size.stages, task_seconds=0.05), memory)
            of = f"of {size.stages} stage{'s' * (size.stages > 1)}"
            yield Row(f"DynamoDB write units of a job {of}", (told.write_units,), "", size.most_units)
            yield Row(f"transitions of a job {of}", (transitions(size.stages),), "", size.most_transitions)
            yield Row(f"a million jobs {of}", (told.dollars,), "USD", size.most_dollars)
            if size.stages <= _LARGEST_BILLED:
                yield told


def quarter(place: Place, intakes: int = 1200, jobs: int = 150) -> Iterator[Row]:
    """What a quarter of a core carries. Of whole lives, the seconds in which nothing can be done are left out."""
    with place.worker(_QUARTER) as worker:
        place.fake.tell("plot", ends=False)
        place.fake.tell("begin")
        place.fake.tell("send", count=intakes)
        place.fake.wait_for(lambda state: state["deleted"] >= intakes / 2, _WITHIN_SECONDS)
        began = time.monotonic()
        place.fake.wait_for(lambda state: state["deleted"] == intakes, _WITHIN_SECONDS)
        rate = intakes / 2 / (time.monotonic() - began)
        yield Row("0.25 vCPU: intakes a second", (rate,), "/s", "400")
        life = live(place, worker, jobs)
        least = Settings.model_fields["log_quiet_seconds"].default + 1.0
        yield Row("0.25 vCPU: whole lives a second", (jobs / (life.seconds - least),), "/s", "60")


def open_loop(place: Place, per_second: float = 300.0, warm_up: float = 15.0, seconds: float = 8.0) -> Iterator[Row]:
    """So many requests a second, each at its moment, whatever the worker does: how long each waits for its start."""
    with place.worker() as worker:
        place.fake.tell("plot", ends=False)
        place.fake.tell("offer", per_second=per_second, seconds=warm_up + seconds + 1)
        time.sleep(warm_up)
        place.fake.tell("begin")
        before, began = worker.cpu(), time.monotonic()
        time.sleep(seconds)
        share = (worker.cpu() - before) / (time.monotonic() - began)
        waits = [1000 * wait for wait in place.fake.tell("state")["latencies"]]
    ranked = quantiles(waits, n=100)
    name = f"open loop, {per_second:.0f} jobs a second"
    yield Row(f"{name}: CPU", (100 * share,), "%", "25 %", f"{len(waits) / seconds:.0f} a second were started")
    yield Row(f"{name}: p50", (median(waits),), "ms", "10 ms")
    yield Row(f"{name}: p99", (ranked[98],), "ms", "40 ms")


def starting(place: Place, rounds: int) -> Iterator[Row]:
    """How long a worker takes until it asks for its first message, and what it weighs then and after a burst."""
    waits, spent, idle, after, planner = [], [], [], [], []
    for number in range(rounds):
        began = time.time()
        with place.worker() as worker:
            spent.append(worker.cpu())
            waits.append(_first_poll(place) - began)
            time.sleep(1.5)
            idle.append(worker.mebibytes())
            if number == rounds - 1:
                live(place, worker, 400)
                after.append(worker.mebibytes())
        planner.append(_import_seconds("workers.plan_next_step"))
    yield Row("exec to first receive", tuple(waits), "s", "0.45 s")
    yield Row("exec to half a second after it, CPU", tuple(spent), "s")
    yield Row("memory, idle", tuple(idle), "MiB", "70 MB")
    yield Row("memory after a burst of 400 whole lives", tuple(after), "MiB", "130 MB")
    yield Row("planner: import, CPU", tuple(planner), "s", "0.15 s")


def _first_poll(place: Place) -> float:
    return float(place.fake.tell("state")["first_poll_at"])


def _import_seconds(module: str) -> float:
    """What importing it adds to an interpreter that starts, of CPU."""
    timed = f"import time; began = time.process_time(); import {module}; print(time.process_time() - began)"
    return float(subprocess.run([sys.executable, "-c", timed], check=True, capture_output=True, text=True).stdout)


def large_logs(place: Place) -> Iterator[Row]:
    """Many large logs at once: the most memory that the worker ever had."""
    with place.worker() as worker:
        live(place, worker, _LOGS, pages=_PAGES)
        yield Row(f"{_LOGS} logs of {_PAGES} MB at once, peak", (worker.mebibytes("VmHWM"),), "MiB", "160 MB")


def small_logs() -> Iterator[Row]:
    """What the two quotas of a small region carry, on virtual time; sixty stop a second."""
    for groups in (1, 50):
        carried = carry(groups)
        what = f"small logs archived a second at 10 + 3 reads/s, of {groups} group{'s' * (groups > 1)}"
        yield Row(what, (carried.per_second,), "", "40", f"longest wait {carried.longest_wait:.1f} s")


def silent_jobs() -> Iterator[Row]:
    """How long two workers take to ask after very many within an account's quotas, on virtual time."""
    asked = ask_after(_SILENT)
    least = min(asked.writes_by.values()) / sum(asked.writes_by.values())
    questions, lists = asked.calls["states.DescribeExecution"], asked.calls["states.ListExecutions"]
    asking = f"{questions:,} DescribeExecution, {lists} ListExecutions, {asked.refused} calls refused"
    note = f"{asking}; one worker made {100 * least:.0f} % of the writes"
    yield Row(f"{_SILENT:,} silent jobs asked after", (asked.seconds / 60,), "min", "20 min", note)


def or_why_not(rows: Iterator[Any], what: str) -> Iterator[Any]:
    """The rows; a line in their place where this machine cannot measure them."""
    try:
        yield from rows
    except (OSError, TookTooLongError) as error:
        yield f"  {what}: not measured here ({type(error).__name__}: {str(error)[:100]})"
