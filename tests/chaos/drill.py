"""One drill: jobs are sent, faults injected and workers killed, until nothing more can come; then AWS is asked."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.local_run import LocalRun, local_run
from deploy.local.subscriber import Subscriber
from tests.chaos.bus import Bus
from tests.chaos.faults import Faults, TokenBucket
from tests.chaos.fleet import Fleet
from tests.chaos.killer import Killer, strikes
from tests.chaos.links import broken_links
from tests.chaos.operator import Operator
from tests.chaos.plan import CLAIM_SECONDS, Plan, catalog
from tests.chaos.proxy import Proxy
from tests.chaos.truth import Asking
from tests.chaos.verdict import Sent, Told, Verdict, judge
from tests.chaos.witness import Witness
from tests.chaos.workload import Errand, Hearing, errands

_LOOK_SECONDS = 0.5
_RECEIVE_SECONDS = 0.2  # A call each round would be a sixth of what a drill computes.
_SETTLED_SECONDS = 1.5
_ROUND_SECONDS = 0.05

Progress = Callable[[str], None]
Enough = Callable[[Sequence[Told]], bool]
"""Whether what was told so far is all that a drill was to show."""


@dataclass(frozen=True)
class Report:
    """What came of a drill."""

    plan: Plan
    verdict: Verdict
    deaths: Mapping[str, int]
    faults: Mapping[str, int]
    calls: int
    seconds: float
    logs: Path  # the workers' logs, kept only if it did not pass
    seen: str  # how everything stood at the end
    redrives: int
    wishes: Mapping[str, int]

    @property
    def passed(self) -> bool:
        """Whether every promise was kept, and every worker that was told to leave left in good order."""
        return self.verdict.holds and not self.deaths.get("late") and not self.deaths.get("crashed")


@dataclass
class _Drill:
    """What there is while it goes on."""

    plan: Plan
    asking: Asking
    proxy: Proxy
    bus: Bus
    fleet: Fleet
    subscriber: Subscriber
    operator: Operator
    requests: deque[tuple[float, Errand]]
    enough: Enough
    started: float = field(default_factory=time.monotonic)
    sent: list[Sent] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    look_at: float = 0.0
    receive_at: float = 0.0
    quiet_since: float | None = None
    settled: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def is_over(self) -> bool:
        return self.settled or self.seconds > self.plan.seconds or self.enough(self.told)

    def round(self) -> None:
        """Do all that is due by now."""
        self.send()
        self.strike()
        self.fleet.keep_up()
        if self.seconds >= self.receive_at:
            self.receive_at = self.seconds + _RECEIVE_SECONDS
            self.receive()
        if self.seconds >= self.look_at:
            self.look_at = self.seconds + _LOOK_SECONDS
            for errand in self.operator.let_go():
                self.send_one(errand)
            self.operator.act(self.seconds, self.told)
            self.look()

    def send(self) -> None:
        while self.requests and self.requests[0][0] <= self.seconds:
            _, errand = self.requests.popleft()
            if not self.operator.holds_back(errand):
                self.send_one(errand)

    def send_one(self, errand: Errand) -> None:
        answer = self.subscriber.client.send_message(
            QueueUrl=self.asking.run.stack.outputs["RequestQueueUrl"], MessageBody=errand.body
        )
        self.sent.append(Sent(answer["MessageId"], errand, self.seconds))
        self.operator.take(errand, self.seconds)

    def strike(self) -> None:
        for strike in list(self.proxy.killer.due(self.seconds)):
            name = self.fleet.strike_any(strike.signal)
            if name:
                self.proxy.witness.saw_die(name)
            else:
                self.proxy.killer.put_off(strike)
        # On a busy machine the call that a death waits for may come late.
        waits = not self.proxy.killer.is_done and self.seconds < self.plan.seconds / 2
        if self.seconds > self.plan.storm_seconds and not waits:
            self.calm()

    def calm(self) -> None:
        """The storm is over: what is still open has the rest of the time to end."""
        self.proxy.faults.raging = self.bus.raging = False
        self.proxy.killer.rest()

    def receive(self) -> None:
        for received in self.subscriber.receive(wait_seconds=0):
            at = self.seconds
            self.told.append(Told(received.notification, at, tuple(broken_links(received.notification))))

    def look(self) -> None:
        """See whether it has been quiet for so long that nothing more will come."""
        if not self.is_quiet():
            self.quiet_since = None
            return
        self.quiet_since = self.quiet_since or self.seconds
        quiet = self.seconds - self.quiet_since
        if quiet > self.plan.longest_silence / 2:
            # Or whoever takes up the last open job would meet every death that is left.
            self.calm()
        is_open = self.asking.open_records() or self.operator.untold(self.told)
        self.settled = quiet >= (self.plan.longest_silence if is_open else _SETTLED_SECONDS)

    def seen(self) -> str:
        """How everything stands: what is still to come, and what the workers said last."""
        asking = self.asking
        return (
            f"{len(self.requests)} to send, {self.bus.holding} events on their way, {asking.queued()} messages in the "
            f"queues; running {sorted(asking.running())}, open {sorted(asking.open_records())}, "
            f"redriven and untold {sorted(self.operator.untold(self.told))}\n"
            f"{self.fleet.last_words()}"
        )

    def is_quiet(self) -> bool:
        """Whether no message is anywhere, and nothing runs."""
        messages = (
            self.requests
            or self.operator.is_busy
            or self.bus.holding
            or self.asking.queued()
            or self.asking.depth(self.bus.url)
        )
        return not messages and not self.asking.running()


def drill(plan: Plan, progress: Progress = lambda _: None, enough: Enough = lambda _: False) -> Report:
    """Run one drill, until nothing more can come, or until that is enough which came."""
    logs = Path(tempfile.mkdtemp(prefix="jobferry-chaos-"))
    with local_run() as run, _opened(plan, run, logs, enough) as going:
        while not going.is_over:
            going.round()
            progress(_progress(going))
            time.sleep(_ROUND_SECONDS)
        going.calm()
        seconds = going.seconds
        seen = going.seen()
        going.fleet.stop()
        going.receive()
        witness, sent = going.proxy.witness, [*going.sent, *going.operator.sent]
        verdict = judge(
            sent, going.told, going.asking.truth(), witness.excused, plan.outlived_seconds, witness.late_stops
        )
        faults = Counter({str(kind): number for kind, number in going.proxy.met.items()}) + going.bus.met
        calls, redrives = going.proxy.calls.total(), going.operator.redrives
        wishes = going.operator.wishes
        report = Report(plan, verdict, going.fleet.deaths, faults, calls, seconds, logs, seen, redrives, wishes)
    if report.passed:
        shutil.rmtree(logs)
    return report


@contextmanager
def _opened(plan: Plan, run: LocalRun, logs: Path, enough: Enough) -> Iterator[_Drill]:
    """Everything that a drill needs, in the order in which it depends on each other."""
    subscriber = Subscriber.to(run.session, run.stack.outputs["TopicArn"], name="chaos-subscriber")
    witness = Witness(CLAIM_SECONDS)
    deaths = strikes(plan.seed, plan.kills_per_minute, plan.storm_seconds) if plan.deaths is None else plan.deaths
    proxy = Proxy(
        upstream=run.endpoint_url,
        faults=Faults(plan.seed, plan.fault_rates),
        starts=TokenBucket(plan.start_bucket, plan.start_refill, time.monotonic),
        killer=Killer(deque(deaths)),
        witness=witness,
    )
    where = logs / "catalog.json"
    where.write_text(catalog(), encoding="utf-8")
    fleet = Fleet(
        environment={**run.environment, "JOBFERRY_CATALOG": str(where), **plan.settings},
        door_for=proxy.door_for,
        calls=proxy.calls,
        module=plan.worker_module,
        size=plan.workers,
        logs=logs,
        dice=random.Random(f"{plan.seed}:fleet"),
    )
    proxy.strike = fleet.strike
    planned = errands(plan)
    requests = sorted(((at, item) for item in planned for at in item.at), key=lambda due: due[0])
    asking = Asking(run)
    operator = Operator(asking)
    with proxy, Bus(run, plan.bus, plan.seed, _hearing(planned, operator)) as bus:
        fleet.start()
        yield _Drill(plan, asking, proxy, bus, fleet, subscriber, operator, deque(requests), enough)


def _hearing(planned: Sequence[Errand], operator: Operator) -> Callable[[str, str], Hearing]:
    """What becomes of the events of a source about a job: from its first redrive on, what its errand says."""
    errand_of = {errand.job_id: errand for errand in planned}

    def hearing(source: str, job_id: str) -> Hearing:
        errand = errand_of.get(job_id)
        if errand is None or not operator.is_redriven(job_id):
            return Hearing.USUAL
        return errand.tasks if source == "aws.ecs" else errand.states

    return hearing


def _progress(going: _Drill) -> str:
    deaths = sum(going.fleet.deaths.values())
    faults = going.proxy.met.total() + going.bus.met.total()
    return f"{going.seconds:5.1f} s  {len(going.sent)} sent  {len(going.told)} told  {faults} faults  {deaths} deaths"
