"""For how long the archive waits for what, and how often it looks: on virtual time, to the second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.aws.objects import Objects
from service.aws.tasks import LogConfiguration, Tasks
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.redaction import Redaction
from service.logs.archive import LogArchive
from tests.support.connecting import refusal
from tests.support.log_lanes import one_lane
from tests.support.loop import VirtualLoop
from tests.support.room import room
from tests.support.scripted_logs import KeptObjects

DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/image:3"
BLOCKING = LogConfiguration("awslogs", "/jobs", "jobs", "us-east-1", "blocking")
STOPPED = 1000.0
QUIET = 10.0


@dataclass
class TimedLogs:
    """A stream that appears at a moment, and whose lines arrive at theirs; it notes when it was asked."""

    loop: VirtualLoop
    appears: float | None = 0.0
    arrive: tuple[float, ...] = ()
    asked: list[float] = field(default_factory=list)
    says_when: bool = True

    async def get_log_events(self, *, nextToken: str = "0", **_: Any) -> Any:
        now = self.loop.time()
        self.asked.append(now)
        if self.appears is None or now < self.appears:
            raise refusal("ResourceNotFoundException")
        there = [at for at in self.arrive if at <= now]
        events = [self._event(at) for at in there[int(nextToken) :]]
        return {"events": events, "nextForwardToken": str(len(there))}

    def _event(self, at: float) -> dict[str, Any]:
        came = {"ingestionTime": int(1000 * max(at, self.appears or 0))} if self.says_when else {}
        return {"timestamp": int(at * 1000), "message": f"{at:g}", **came}


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """A loop on virtual time, at which the task has just stopped."""
    loop = VirtualLoop()
    loop.run_until_complete(_until(loop, STOPPED))
    yield loop
    loop.bury()


async def _until(loop: VirtualLoop, moment: float) -> None:
    await loop.pause(moment - loop.time())


def archived(loop: VirtualLoop, logs: TimedLogs, **changed: Any) -> LogArchived:
    """The receipt of a container that ended well, unless it is changed."""
    archive = LogArchive(
        tasks=Tasks(cast(Any, None), {DEFINITION: {"main": BLOCKING}}),
        lanes=one_lane(logs, QUIET, loop.time),
        objects=Objects(cast(Any, KeptObjects()), None),
        bucket="logs",
        region="us-east-1",
        memory=room(),
        now=loop.time,
        redaction=Redaction.of(),
    )
    task = TaskChanged(
        job_id="job",
        arn="arn:aws:ecs:us-east-1:123456789012:task/jobferry/0123",
        version=5,
        last_status="STOPPED",
        task_definition_arn=DEFINITION,
        started_at=STOPPED - 10,
        stopped_at=STOPPED,
        containers=(ContainerState(name="main", exit_code=0, runtime_id="r"),),
    ).model_copy(update=changed)
    return loop.run_until_complete(archive.archive(task, task.containers[0], "work"))


KILLED = (ContainerState(name="main", exit_code=None, runtime_id="r"),)
WAITS: dict[str, tuple[float | None, tuple[float, ...], dict[str, Any], float, str | None]] = {
    # When its stream appears, when its lines arrive, what else the task is; for how long it is waited for, and why not.
    "a silent container": (0.0, (), {}, QUIET, "the container wrote nothing"),
    "lines before the stop": (0.0, (990.0, 999.0), {}, QUIET, None),
    "a last line after the stop": (0.0, (999.0, 1004.0), {}, 4 + QUIET, None),
    "lines that go on": (0.0, (1004.0, 1012.0, 1020.0), {}, 20 + QUIET, None),
    "a stream that is late": (1025.0, (999.0,), {}, 25 + QUIET, None),
    "a stream that never appears": (None, (), {}, 4 * QUIET, "its log stream never appeared: look whether"),
    "a task that stopped long ago": (0.0, (900.0,), {"stopped_at": 900.0}, 0.0, None),
    "a stop that was not told": (0.0, (), {"stopped_at": None}, QUIET, "the container wrote nothing"),
    "a container that was killed": (0.0, (), {"containers": KILLED}, QUIET, "the container wrote nothing"),
    "a start that was not told": (0.0, (), {"started_at": None}, QUIET, "the container wrote nothing"),
    "what never started": (
        None,
        (),
        {"containers": KILLED, "started_at": None, "stopped_reason": "no room"},
        0.0,
        "the container never started: no room",
    ),
    "what never started, for no reason": (
        None,
        (),
        {"containers": KILLED, "started_at": None},
        0.0,
        "the container never started: ECS gave no reason",
    ),
}


@pytest.mark.parametrize(("appears", "arrive", "changed", "waited", "why"), WAITS.values(), ids=WAITS)
def test_a_log_is_waited_for_as_long_as_lines_may_come(
    loop: VirtualLoop,
    appears: float | None,
    arrive: tuple[float, ...],
    changed: dict[str, Any],
    waited: float,
    why: str | None,
) -> None:
    """A quiet time from the last that came, four of them for a stream, and nothing where nothing can come."""
    logs = TimedLogs(loop, appears, arrive)
    receipt = archived(loop, logs, **changed)
    assert logs.asked[-1] - STOPPED == pytest.approx(waited, abs=0.1)
    assert receipt.lines == len(arrive)
    assert receipt.status == ("complete" if arrive else "absent")
    assert (receipt.why or "").startswith(why or "") and bool(receipt.why) == bool(why)


def test_nothing_is_asked_for_before_the_quiet_time_is_over(loop: VirtualLoop) -> None:
    """GetLogEvents has a quota that all jobs share: a log of one page is two reads, the second its end."""
    logs = TimedLogs(loop, arrive=(990.0, 999.0))
    archived(loop, logs)
    assert [round(at - STOPPED) for at in logs.asked] == [10, 10]
    late = TimedLogs(loop, arrive=(990.0, loop.time() + 4))
    started = loop.time()
    archived(loop, late, stopped_at=started)
    assert [round(at - started) for at in late.asked] == [10, 10, 14]


def test_a_stream_that_is_not_there_is_asked_for_now_and_then(loop: VirtualLoop) -> None:
    """Until four quiet times are over."""
    missing = TimedLogs(loop, None)
    archived(loop, missing)
    assert [round(at - STOPPED) for at in missing.asked] == [*range(10, 40, 4), 40]


def test_where_nothing_says_when_a_line_came_one_that_was_not_there_before_came_just_now(loop: VirtualLoop) -> None:
    """`ingestionTime` need not be in an answer [botocore, OutputLogEvent]."""
    logs = TimedLogs(loop, appears=1025.0, arrive=(999.0,), says_when=False)
    archived(loop, logs)
    assert [round(at - STOPPED) for at in logs.asked] == [10, 14, 18, 22, 26, 26, 36]


def test_a_receipt_names_its_task_and_where_the_log_was(loop: VirtualLoop) -> None:
    """Also where there is none: a person looks there next."""
    for arrive in ((999.0,), ()):
        receipt = archived(loop, TimedLogs(loop, 0.0, arrive))
        named = (receipt.job_id, receipt.task_id, receipt.container, receipt.region)
        assert named == ("job", "0123", "main", "us-east-1")
        assert (receipt.log_group, receipt.log_stream) == ("/jobs", "jobs/main/0123")
        assert receipt.archived_at == (loop.time() if arrive else None)
