"""The log archive on scripted logs: the archived lines are the emitted lines, and the receipt tells the truth."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from typing import Any, cast

import pytest

from service.aws.errors import AwsError
from service.aws.objects import Objects
from service.aws.tasks import LogConfiguration, Tasks
from service.clock import wall_clock
from service.core.record.facts import ContainerState, LogArchived, TaskChanged
from service.core.redaction import Redaction
from service.logs import paged as module
from service.logs.archive import LogArchive
from tests.support.job_facts import Time
from tests.support.log_lanes import one_lane
from tests.support.room import room
from tests.support.scripted_logs import KeptObjects, ScriptedLogs, arriving, lines

DEFINITION = "arn:aws:ecs:us-east-1:123456789012:task-definition/jobferry-image-1:3"
BLOCKING = LogConfiguration("awslogs", "/jobs", "jobs", "us-east-1", "blocking")
KEY = "jobs/job/logs/1-1/main-0123.work.log"
QUIET_SECONDS = 0.5


@pytest.fixture(autouse=True)
def _polls_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several looks for a stream fit into the time that it is waited for."""
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.05)


def stopped_task(*, ago: float = 0.0, started: bool = True, exit_code: int | None = 0, reason: str = "") -> TaskChanged:
    """A task that stopped so many seconds ago."""
    now = wall_clock()
    main = ContainerState(name="main", exit_code=exit_code, reason=reason or None, runtime_id="docker-id")
    return TaskChanged(
        job_id="job",
        arn="arn:aws:ecs:us-east-1:123456789012:task/jobferry/0123",
        version=5,
        last_status="STOPPED",
        stage=1,
        attempt=1,
        task_definition_arn=DEFINITION,
        started_at=now - ago - 10 if started else None,
        stopped_at=now - ago,
        containers=(main,),
    )


def archive_of(
    logs: ScriptedLogs, objects: KeptObjects, configuration: LogConfiguration | None = BLOCKING
) -> LogArchive:
    """An archive that reads these logs, of a container that logs so."""
    known = {"main": configuration} if configuration else {}
    return LogArchive(
        tasks=Tasks(cast(Any, None), {DEFINITION: known}),
        lanes=one_lane(logs, QUIET_SECONDS),
        objects=Objects(cast(Any, objects), None),
        bucket="logs",
        region="us-east-1",
        memory=room(),
        now=wall_clock,
        redaction=Redaction.of(),
    )


async def archived(logs: ScriptedLogs, task: TaskChanged | None = None) -> tuple[LogArchived, str]:
    """The receipt of a task's only container, and what is in S3 then."""
    objects = KeptObjects()
    task = task or stopped_task()
    receipt = await archive_of(logs, objects).archive(task, task.containers[0], "work")
    return receipt, objects.bodies.get(KEY, b"").decode()


PAGES = {
    "one page": (lines("one", "two"),),
    "two pages": (lines("one"), lines("two")),
    "an empty page first": ([], lines("one"), lines("two")),
    "empty pages between": (lines("one"), [], [], lines("two")),
    "a stream that is late": (ScriptedLogs.missing, ScriptedLogs.missing, lines("one", "two")),
    "a repeated token first": (ScriptedLogs.same, lines("one", "two")),
    "lines after a repeated token": (arriving("one"), ScriptedLogs.same, lines("two")),
}


@pytest.mark.parametrize("script", PAGES.values(), ids=PAGES)
async def test_the_archived_lines_are_the_emitted_lines(script: tuple[Any, ...]) -> None:
    """However CloudWatch hands them out, and however late it has them: none is missing, none is doubled."""
    receipt, text = await archived(ScriptedLogs(*script))
    assert text == "one\ntwo\n"
    assert (receipt.status, receipt.why, receipt.lines, receipt.bytes) == ("complete", None, 2, 8)
    assert receipt.sha256 == hashlib.sha256(b"one\ntwo\n").hexdigest()
    assert (receipt.s3_bucket, receipt.s3_key) == ("logs", KEY)


async def test_lines_that_come_late_put_the_end_off() -> None:
    """While lines still come, there has been no quiet: the archive waits for as long again."""
    end = ScriptedLogs.same
    script = ScriptedLogs(arriving("1"), end, arriving("2"), end, arriving("3"), end, lines("4"))
    _, text = await archived(script)
    assert text == "1\n2\n3\n4\n"


async def test_a_stream_that_appears_long_after_the_stop_is_waited_for() -> None:
    """For several quiet times: a container that ran has one, and so late it is not taken for a silent one's."""
    late = ScriptedLogs.missing
    receipt, text = await archived(ScriptedLogs(late, late, late, late, late, lines("one")))
    assert (receipt.status, text) == ("complete", "one\n")


async def test_a_stream_that_never_appears_is_no_silence() -> None:
    """Nobody can say that the container wrote nothing."""
    receipt, _ = await archived(ScriptedLogs(*[ScriptedLogs.missing] * 1000))
    assert receipt.status == "absent"
    assert str(receipt.why).startswith("its log stream never appeared")


async def test_an_answer_that_took_long_does_not_say_that_it_was_quiet() -> None:
    """It is as old as its question; what came since is read."""
    time = Time()

    class Stalling(ScriptedLogs):
        async def get_log_events(self, **request: Any) -> dict[str, Any]:
            answer = await super().get_log_events(**request)
            time.seconds += 60 * (len(self.asked) % 2 == 0)
            return answer

    logs, objects = Stalling(lines("one"), Stalling.same, lines("two")), KeptObjects()
    task = stopped_task().model_copy(update={"stopped_at": time()})
    archive = replace(archive_of(logs, objects), now=time, lanes=one_lane(logs, QUIET_SECONDS, time))
    await archive.archive(task, task.containers[0], "work")
    assert objects.bodies[KEY] == b"one\ntwo\n"


async def test_the_stream_is_read_from_its_head_and_each_token_is_sent_on() -> None:
    """Left out, startFromHead reads from the tail."""
    logs = ScriptedLogs(lines("one"), lines("two"))
    await archived(logs)
    assert {(each["logGroupName"], each["logStreamName"]) for each in logs.asked} == {("/jobs", "jobs/main/0123")}
    assert all(each["startFromHead"] for each in logs.asked)
    assert [each.get("nextToken") for each in logs.asked][:3] == [None, "f/1", "f/2"]


async def test_a_log_whose_task_stopped_long_ago_is_read_without_waiting() -> None:
    """Its events were late, not its lines."""
    logs = ScriptedLogs(lines("one"))
    _, text = await archived(logs, stopped_task(ago=3600))
    assert text == "one\n"
    assert len(logs.asked) == 2


async def test_empty_pages_are_not_the_end() -> None:
    """Only a repeated token is, also where nothing is waited for."""
    _, text = await archived(ScriptedLogs([], lines("one"), [], [], lines("two")), stopped_task(ago=3600))
    assert text == "one\ntwo\n"


async def test_first_and_last_line_tell_the_times() -> None:
    """In epoch seconds."""
    receipt, _ = await archived(ScriptedLogs(lines("a", at=1_700_000_000), lines("b", at=1_700_000_060)))
    assert (receipt.first_at, receipt.last_at) == (1_700_000_000, 1_700_000_060)


async def test_lines_that_come_out_of_order_do_not_turn_the_times_round() -> None:
    """A late line may bear an early time: the first is the earliest, the last the latest."""
    logs = ScriptedLogs(arriving("b", at=1_700_000_060), ScriptedLogs.same, lines("a", at=1_700_000_000))
    receipt, text = await archived(logs)
    assert text == "b\na\n"
    assert (receipt.first_at, receipt.last_at) == (1_700_000_000, 1_700_000_060)


async def test_lines_are_kept_as_they_are() -> None:
    """Any Unicode, a message of several lines, one that ends in a line end of its own, half a surrogate pair."""
    messages = ("grüße 日本語", "two\nlines", "ends\n", "tab\tand \x1b[31mred", "half \ud800")
    objects = KeptObjects()
    task = stopped_task()
    receipt = await archive_of(ScriptedLogs(lines(*messages)), objects).archive(task, task.containers[0], "work")
    assert objects.bodies[KEY].decode() == "grüße 日本語\ntwo\nlines\nends\ntab\tand \x1b[31mred\nhalf ?\n"
    assert receipt.sha256 == objects.sha256(KEY)


async def test_a_container_that_never_started_has_no_log_and_is_not_waited_for() -> None:
    """The receipt says why it never started."""
    task = stopped_task(started=False, exit_code=None, reason="CannotPullContainerError: no such image")
    logs = ScriptedLogs(ScriptedLogs.missing)
    receipt, _ = await archived(logs, task)
    assert receipt.status == "absent"
    assert receipt.why == "the container never started: CannotPullContainerError: no such image"
    assert len(logs.asked) == 1


async def test_a_silent_container_has_a_receipt_that_says_so() -> None:
    """Nothing is put in S3 for it."""
    receipt, text = await archived(ScriptedLogs([]))
    assert (receipt.status, receipt.why, receipt.s3_key, text) == ("absent", "the container wrote nothing", None, "")


UNREADABLE = {
    "no driver": (LogConfiguration(), "no log driver"),
    "another driver": (LogConfiguration("splunk"), "the log driver is splunk"),
    "unknown container": (None, "no log driver"),
    "no group": (replace(BLOCKING, group=None), "name no log group"),
    "another region": (replace(BLOCKING, region="eu-west-1"), "another region: eu-west-1, group /jobs"),
}


@pytest.mark.parametrize(("configuration", "why"), UNREADABLE.values(), ids=UNREADABLE)
async def test_a_log_that_is_elsewhere_is_not_looked_for(configuration: LogConfiguration | None, why: str) -> None:
    """The receipt says where it went, at once."""
    logs, task = ScriptedLogs(), stopped_task()
    receipt = await archive_of(logs, KeptObjects(), configuration).archive(task, task.containers[0], "work")
    assert receipt.status == "absent"
    assert why in str(receipt.why)
    assert logs.asked == []


async def test_a_task_whose_definition_is_not_known_says_so() -> None:
    """Nobody can say then where its containers logged to, least of all that they did not."""
    task = stopped_task().model_copy(update={"task_definition_arn": None})
    receipt = await archive_of(ScriptedLogs(), KeptObjects()).archive(task, task.containers[0], "work")
    assert (receipt.status, receipt.why) == ("absent", "its task definition is gone, and with it where it logged to")


async def test_what_never_started_sent_nothing_to_any_driver() -> None:
    """To look at its driver's would be to look for nothing."""
    task = stopped_task(started=False, exit_code=None, reason="CannotPullContainerError: no such image")
    for elsewhere in (LogConfiguration("splunk"), LogConfiguration("awsfirelens"), None):
        receipt = await archive_of(ScriptedLogs(), KeptObjects(), elsewhere).archive(task, task.containers[0], "work")
        assert (receipt.status, receipt.why) == (
            "absent",
            "the container never started: CannotPullContainerError: no such image",
        )


DATADOG = LogConfiguration("awsfirelens", sent_to="datadog, http-intake.logs.datadoghq.com")
ROUTERS = {
    "it flushed": (0, "absent", "look where it sends its output, datadog, http-intake.logs.datadoghq.com"),
    "it was killed": (137, "possibly_lossy", "its router log_router ended with exit code 137, perhaps before"),
    "nobody knows": (None, "possibly_lossy", "its router log_router has no exit code"),
}


@pytest.mark.parametrize(("code", "status", "why"), ROUTERS.values(), ids=ROUTERS)
async def test_a_router_that_was_killed_may_have_held_lines(code: int | None, status: str, why: str) -> None:
    """FireLens' receipt says where the log went, and whether the router ended well."""
    router = ContainerState(name="log_router", exit_code=code)
    task = stopped_task()
    task = task.model_copy(update={"containers": (router, *task.containers)})
    archive = archive_of(ScriptedLogs(), KeptObjects(), DATADOG)
    (await archive.tasks.log_configurations(DEFINITION) or {})["log_router"] = replace(BLOCKING, is_router=True)
    receipt = await archive.archive(task, task.containers[1], "work")
    assert receipt.status == status
    assert why in str(receipt.why)


async def test_without_a_prefix_the_stream_is_the_docker_id() -> None:
    """On EC2 only [using_awslogs]."""
    logs, task = ScriptedLogs(lines("one")), stopped_task()
    archive = archive_of(logs, KeptObjects(), replace(BLOCKING, stream_prefix=None))
    receipt = await archive.archive(task, task.containers[0], "work")
    assert (receipt.status, receipt.log_stream) == ("complete", "docker-id")
    nameless = task.containers[0].model_copy(update={"runtime_id": None})
    assert "no prefix" in str((await archive.archive(task, nameless, "work")).why)


LOSSY = {
    "set so": (replace(BLOCKING, mode="non-blocking", buffer="4m"), "mode is non-blocking", "buffer of 4m"),
    "by default": (replace(BLOCKING, mode=None), "unset, so non-blocking", "buffer of 10m"),
}


@pytest.mark.parametrize(("configuration", "mode", "buffer"), LOSSY.values(), ids=LOSSY)
async def test_a_log_that_may_have_dropped_lines_is_not_called_complete(
    configuration: LogConfiguration, mode: str, buffer: str
) -> None:
    """Non-blocking is the default since 2025-06-25 [botocore, LogConfiguration]."""
    task = stopped_task()
    receipt = await archive_of(ScriptedLogs(lines("x")), KeptObjects(), configuration).archive(
        task, task.containers[0], "work"
    )
    assert receipt.status == "possibly_lossy"
    assert mode in str(receipt.why) and buffer in str(receipt.why)
    assert receipt.lines == 1


@pytest.mark.parametrize(("exit_code", "told"), [(0, 0), (1, 10), (None, 10)])
async def test_the_tail_is_told_of_what_failed_only(exit_code: int | None, told: int) -> None:
    """Ten lines of at most 200 characters: the record of a job is one small item."""
    messages = [f"{number} " + "so many words " * 50 for number in range(30)]
    receipt, _ = await archived(ScriptedLogs(lines(*messages)), stopped_task(exit_code=exit_code))
    assert [line[:2] for line in receipt.tail] == [f"{number}" for number in range(20, 30)][:told]
    assert all(190 < len(line) <= 200 for line in receipt.tail)


async def test_the_tail_holds_no_secrets_and_the_archive_is_untouched() -> None:
    """Not even half a one at the end of a long line, nor half a surrogate pair, which no record can hold."""
    token = "tok_" + "0a" * 16
    said = ("password=hunter2", f"{'words ' * 32}{token}", "half \ud800")
    objects, task = KeptObjects(), stopped_task(exit_code=1)
    archive = replace(archive_of(ScriptedLogs(lines(*said)), objects), redaction=Redaction.of([r"tok_[0-9a-f]{32}"]))
    receipt = await archive.archive(task, task.containers[0], "work")
    assert objects.bodies[KEY].decode() == f"password=hunter2\n{said[1]}\nhalf ?\n"
    assert receipt.tail[0] == "password=[redacted]"
    assert "tok_0a" not in receipt.tail[1]
    assert receipt.tail[2] == "half \N{REPLACEMENT CHARACTER}"
    assert receipt.model_dump_json()


async def test_what_comes_late_overwrites_no_log_that_has_a_receipt() -> None:
    """A worker that stood still past its claim stores what it had read; the receipts of both stay true."""
    objects, task = KeptObjects(), stopped_task(ago=60)
    newer = await archive_of(ScriptedLogs(lines("one", "two")), objects).archive(task, task.containers[0], "newer")
    older = await archive_of(ScriptedLogs(lines("one")), objects).archive(task, task.containers[0], "older")
    for receipt in (newer, older):
        assert receipt.sha256 == objects.sha256(str(receipt.s3_key))
    assert newer.sha256 != older.sha256


async def test_a_broken_upload_is_no_receipt() -> None:
    """The message is tried again instead."""

    class Refusing(KeptObjects):
        async def put_object(self, **_: object) -> dict[str, str]:
            raise OSError("connection reset")

    task = stopped_task(ago=60)
    with pytest.raises(AwsError, match="connection reset"):
        await archive_of(ScriptedLogs(lines("x")), Refusing()).archive(task, task.containers[0], "work")


async def test_the_memory_does_not_grow_with_the_log() -> None:
    """200 MB of lines pass through a page and an upload's part."""
    page_count, page_lines, line = 200, 512, "x" * 2047
    pages = [lambda: lines(*(line for _ in range(page_lines)))] * page_count
    objects, task = KeptObjects(whole=False), stopped_task(ago=60)
    archive = archive_of(ScriptedLogs(*pages), objects)
    tracemalloc.start()
    receipt = await archive.archive(task, task.containers[0], "work")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (receipt.lines, receipt.bytes) == (page_count * page_lines, page_count * page_lines * 2048)
    assert objects.sizes[KEY] == receipt.bytes > 200_000_000
    assert receipt.sha256 == objects.sha256(KEY)
    assert peak < 48 * 1024 * 1024
