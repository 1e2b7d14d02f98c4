"""Figures that AWS's quotas, the runbook or a promise give: each is said here as a number, and seen in what it does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from typing import Any, cast

import pytest

from schemas.notification import Problem
from schemas.trace import Trace
from service.aws.failures import Failures
from service.aws.queue import Message
from service.aws.replays import FirstSent, replay_item
from service.aws.turns import Turn
from service.core.admission.admission import _path, _shown
from service.core.admission.claim_check import Pointer, read_pointer
from service.core.admission.rerun import new_id
from service.core.log_layout import safe_segment
from service.core.pace import Bucket
from service.core.planning.launch import longest_pause_seconds, pause_seconds
from service.core.planning.waiting import drawn, wait_seconds
from service.core.policy.actions import AskExecution, AskTask, Claim, GiveUpLog, TellProgress
from service.core.policy.log_work import LogWork, retry_after
from service.core.policy.owed import Moment, owed
from service.core.record.hearing import never_started
from service.core.redaction import Redaction
from service.core.telling.letter import fingerprint, subject_line
from service.core.tracing import ReadTrace, read_trace
from service.core.window import Window, hold_seconds
from service.metrics import Metrics
from service.operator import cli
from service.perform import Performer
from tests.support.builders import JOB, NOW, claim, execution, record, requested, running, task, task_arn
from tests.support.loop import VirtualLoop
from workers import protection
from workers.consumer import Consumer
from workers.liveness import Liveness
from workers.redrives import Redrives

from .test_performed import Aws, done

DAY = 86_400


@pytest.mark.parametrize(("letters", "told"), [(0, 0), (1, 1)])
def test_the_words_of_a_problem_are_cut(letters: int, told: int) -> None:
    """A field at 200 characters, what is wrong at 300, the remedy at 500; what is cut ends in three dots."""
    long = Problem(field="f" * (200 + letters), message="m" * (300 + letters), remedy="r" * (500 + letters))
    [shown] = _shown([long])
    dots = "..." * told
    assert shown == Problem(field="f" * 200 + dots, message="m" * 300 + dots, remedy="r" * 500 + dots)


def test_a_name_in_a_path_is_cut_at_sixty_four_characters() -> None:
    """As long as a name may be."""
    assert _path(("parameters", "p" * 64, 3)) == f"parameters.{'p' * 64}.3"
    assert _path(("p" * 65,)) == f"{'p' * 64}..."


@pytest.mark.parametrize(("attempt", "seconds"), [(2, 5), (3, 10), (4, 20), (7, 160), (8, 300), (12, 300), (99, 300)])
def test_a_pause_doubles_from_five_seconds_to_five_minutes(attempt: int, seconds: int) -> None:
    """Half of it is drawn; what wants more memory waits for nothing."""
    assert longest_pause_seconds("again", attempt) == longest_pause_seconds("application", attempt) == seconds
    assert longest_pause_seconds("bigger", attempt) == 0
    pauses = {pause_seconds("again", attempt, f"arn:{number}") for number in range(300)}
    assert seconds / 2 <= min(pauses) <= max(pauses) <= seconds
    assert max(pauses) - min(pauses) >= seconds / 2 * 0.8


def longest_wait(tries: int, refusals: int = 0, left: float = 1000, *, account_wide: bool = True) -> int:
    """The longest wait that anybody draws."""
    waits = (
        wait_seconds(tries, refusals, left, f"arn:{number}", account_wide=account_wide) or 0 for number in range(400)
    )
    return max(waits)


@pytest.mark.parametrize(
    ("tries", "account_wide", "limit"),
    [(1, True, 4), (2, True, 5.2), (6, True, 14.9), (1, False, 30), (2, False, 39), (30, True, 120), (30, False, 120)],
)
def test_a_wait_for_capacity_grows_by_three_tenths_to_two_minutes(tries: int, account_wide: bool, limit: float) -> None:
    """From four seconds where the account is throttled, from thirty where an image finds no host."""
    assert 0.97 * limit <= longest_wait(tries, account_wide=account_wide) <= limit + 1


def test_where_few_turns_are_left_a_wait_doubles_and_is_longer() -> None:
    """From the last hundred of 380 on; what time is left is made to last for them."""
    assert 0.97 * 16 <= longest_wait(3, refusals=280) <= 17
    assert longest_wait(3, refusals=279) <= 4 * 1.3**2 + 1
    assert 0.97 * 250 <= longest_wait(30, refusals=370) <= 251
    assert wait_seconds(1, 379, 1000, "arn", account_wide=True) is not None
    assert wait_seconds(1, 380, 1000, "arn", account_wide=True) is None
    assert wait_seconds(1, 0, 0.99, "arn", account_wide=True) is None
    assert wait_seconds(30, 0, 1, "arn", account_wide=True) == 1


def test_what_is_drawn_is_spread_and_always_the_same() -> None:
    """By the first eight bytes of a digest."""
    digest = hashlib.sha256(b"arn:7").digest()
    assert drawn("arn", 7) == int.from_bytes(digest[:8]) / 2**64
    assert 0.45 < sum(drawn("arn", number) for number in range(1000)) / 1000 < 0.55


def test_a_window_begins_with_a_hundred_and_is_never_less_than_twenty() -> None:
    """A refusal of the third try takes a fifth, once in ten seconds; one or two are a short queue."""
    assert (Window().has_room(99), Window().has_room(100)) == (True, False)
    assert Window().refused(2, 0) == Window(100, steady=True)
    cut = Window().refused(3, 5.0)
    assert cut == Window(80, steady=True, cut_at=5.0)
    assert cut.refused(3, 14.9) == cut
    assert cut.refused(3, 15.0) == Window(64, steady=True, cut_at=15.0)
    assert Window(22).refused(3, 0.0).size == 20


def test_a_window_that_is_used_grows() -> None:
    """By two for each start until somebody is refused, then by four for a whole window; half used is used."""
    assert Window().taken(3, 50) == Window(106)
    assert Window().taken(3, 49) == Window()
    assert Window(steady=True).taken(25, 50) == Window(101, steady=True)


@pytest.mark.parametrize(("receives", "seconds"), [(1, 15), (2, 30), (6, 480), (7, 600), (50, 600)])
def test_a_request_is_held_back_from_a_quarter_of_a_minute_to_ten(receives: int, seconds: int) -> None:
    """Half of it by chance."""
    assert hold_seconds(receives, 0.0) == seconds
    assert hold_seconds(receives, 0.999) == seconds - int(seconds / 2 * 0.999)


def test_a_throttle_halves_a_pace_once_in_half_a_second() -> None:
    """It is whole again after five minutes from nothing, and never less than a sixty-fourth."""
    cut = Bucket.full(10, 64).throttled(0.0)
    assert (cut.rate, cut.tokens) == (32, 0)
    assert cut.throttled(0.49).rate == pytest.approx(32 + 64 * 0.49 / 300)
    assert cut.throttled(0.5).rate == pytest.approx((32 + 64 * 0.5 / 300) / 2)
    assert (cut.refilled(149).rate < 64, cut.refilled(150).rate) == (True, 64)
    least = cut
    for moment in range(1, 20):
        least = least.throttled(0.5 * moment)
    assert 1 <= least.rate < 1.2


def test_a_log_that_failed_is_tried_again_after_as_long_as_it_was_tried() -> None:
    """Two seconds at the least, five minutes at the most."""

    def after(seconds: float) -> float:
        job = record(requested()).holding(claim("archive#t1", "me", NOW))
        return retry_after(LogWork(job, "me", "t1", NOW, ()), NOW + seconds)

    assert [after(seconds) for seconds in (0, 1.9, 2, 17, 300, 4000)] == [2, 2, 2, 17, 300, 300]


@pytest.mark.parametrize(("seconds", "is_gone"), [(3599, False), (3600, True)])
async def test_an_execution_that_nobody_knows_is_gone_after_an_hour(seconds: float, is_gone: bool) -> None:
    """DescribeExecution may be late, and is never that late."""
    it = await done(AskExecution(JOB), requested(), execution("RUNNING"), now=NOW + seconds, describe=None)
    assert [fact.model_dump()["status"] for fact in it.facts] == ["ABORTED"] * is_gone


@pytest.mark.parametrize(("seconds", "is_forgotten"), [(19.9, False), (20, True)])
async def test_a_task_that_ecs_does_not_know_is_forgotten_after_twenty_seconds(
    seconds: float, is_forgotten: bool
) -> None:
    """Until then it may be too new."""
    began = running(created_at=NOW + 5)
    it = await done(AskTask(JOB, task_arn()), requested(), execution(), began, now=NOW + 5 + seconds, describe=None)
    assert len(it.facts) == is_forgotten


def test_what_step_functions_refused_is_told_in_so_many_characters() -> None:
    """A record has room for 4,096 of a cause."""
    [short, long] = [never_started(JOB, "x " * size, NOW) for size in (2048, 2500)]
    assert short.cause == ("x " * 2048).strip() or short.cause == "x " * 2048
    assert len(long.cause or "") <= 4096 and (long.cause or "").startswith("x x")


def test_a_letter_is_known_again_by_twelve_digits() -> None:
    """Its links apart, which are signed anew for every copy."""
    text = "a\nhttps://signed/1\nb, to be opened until 2023-11-14 22:13 UTC"
    assert fingerprint(text) == hashlib.sha256(b"a\nb").hexdigest()[:12]


def test_the_id_of_a_rerun_is_no_longer_than_an_id() -> None:
    """Fifty-one characters of the old one, and eleven that name the wish."""
    made = new_id("j" * 64, "web", "wish")
    digest = hashlib.sha256(f"web/{'j' * 64}/wish".encode()).hexdigest()
    assert made == f"{'j' * 51}-r{digest[:11]}"
    assert len(made) == 64


def test_a_piece_of_a_key_has_255_characters_at_the_most() -> None:
    """As a name in most file systems."""
    assert (len(safe_segment("a" * 255)), len(safe_segment("a" * 256))) == (255, 255)


@pytest.mark.parametrize(("size", "is_read"), [(16_384, True), (16_385, False)])
def test_a_pointer_is_no_longer_than_sixteen_kibibytes(size: int, is_read: bool) -> None:
    """A longer body is a request, and not looked at as anything else."""
    pointer = '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"bucket","s3Key":"k"}]'
    assert (read_pointer(pointer + " " * (size - len(pointer))) is not None) is is_read


async def test_why_a_message_failed_is_kept_for_fourteen_days_and_a_replay_for_thirty() -> None:
    """As long as the message itself may lie there; a copy may lie in two queues. Of a reason 2,000 characters."""
    put: list[dict[str, Any]] = []

    class Dynamo:
        async def put_item(self, **call: Any) -> None:
            put.append(call)

    failures = Failures(cast(Any, Dynamo()), "jobs", lambda: 1000.5)
    await failures.note("m", "requests", ValueError("x" * 2001))
    await failures.note("m", "requests", ValueError())
    first, second = (call["Item"] for call in put)
    assert (first["expires_at"], first["reason"]) == ({"N": str(1000 + 14 * DAY)}, {"S": "x" * 2000})
    assert (second["reason"], second["error"], second["at"]) == (
        {"S": "no message"},
        {"S": "ValueError"},
        {"N": "1000.5"},
    )
    assert replay_item("t", FirstSent("m"), 1000.5)["expires_at"] == {"N": str(1000 + 30 * DAY)}


@pytest.mark.parametrize(("last", "since"), [(None, 2_000_000 - 14 * DAY - 600), (1_999_700.0, 1_999_700 - 600)])
async def test_redrives_are_listed_from_ten_minutes_before_the_last_look_on(last: float | None, since: float) -> None:
    """The list may be late; who looks for the first time looks back for as long as a job may be redriven."""
    asked: list[Any] = []

    class Aws:
        state_machine_arn = "arn"

        async def take(self, what: str, every: float) -> Turn:
            asked.append((what, every))
            return cast(Turn, type("Taken", (), {"last_began_at": last, "began_at": 2_000_000.0})())

        async def done(self, _turn: Turn) -> None:
            asked.append("done")

        async def redriven(self, since: float) -> Any:
            asked.append(since)
            nothing: tuple[Any, ...] = ()
            for detail in nothing:
                yield detail

    aws = cast(Any, Aws())
    assert await Redrives(aws, aws, aws, 311, asyncio.Event(), Metrics()).look() == 0
    assert asked == [("redrives", 311), since, "done"]


@pytest.mark.parametrize(
    ("key", "is_read"), [("k" * 1024, True), ("k" * 1025, False), ("ü" * 512, True), ("ü" * 513, False)]
)
def test_a_key_has_1024_bytes_at_the_most(key: str, is_read: bool) -> None:
    """S3's own limit; what no key can be called is no pointer."""
    pointer = json.dumps(
        ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "bucket", "s3Key": key}]
    )
    assert (read_pointer(pointer) == Pointer("bucket", key)) is is_read


@pytest.mark.parametrize(("size", "is_read"), [(512, True), (513, False)])
def test_a_trace_header_has_512_characters_at_the_most(size: int, is_read: bool) -> None:
    """What a load balancer adds goes; what is longer than anything that X-Ray writes is not looked at."""
    known = f"Root=1-{'a' * 8}-{'b' * 24};Sampled=1"
    read = read_trace(None, f"{known};Self=".ljust(size, "1"))
    assert read == (ReadTrace(Trace(aws_trace_header=known)) if is_read else ReadTrace(None, ("AWSTraceHeader",)))


def test_a_subject_has_ninety_nine_letters() -> None:
    """SNS takes fewer than a hundred, and printable ASCII alone."""
    assert subject_line("ü" + "x" * 120) == "?" + "x" * 98


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 141)])
def test_a_command_that_was_ended_has_the_status_of_its_signal(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int
) -> None:
    """As a shell says it; of nobody who reads Python is not to speak once more."""
    done_with: list[tuple[int, int]] = []

    def run(_: object) -> int:
        raise error

    class Out:
        def fileno(self) -> int:
            return 1

    monkeypatch.setattr(cli, "_run", run)
    monkeypatch.setattr(sys, "stdout", Out())
    monkeypatch.setattr(os, "open", lambda path, flags: 77 if (path, flags) == (os.devnull, os.O_WRONLY) else 0)
    monkeypatch.setattr(os, "dup2", lambda *given: done_with.append(given))
    assert cli.main([]) == status
    assert done_with == ([(77, 1)] if status == 141 else [])


def test_a_queue_is_silent_after_three_minutes() -> None:
    """With the seconds since; each by itself."""
    moment = [1000.0]
    liveness = Liveness(lambda: moment[0])
    liveness.expects("requests")
    moment[0] = 1180.0
    liveness.expects("events")
    assert liveness.silent_queues() == {}
    moment[0] = 1180.5
    assert liveness.silent_queues() == {"requests": 180.5}
    liveness.polled("requests")
    assert liveness.silent_queues() == {}


def test_a_task_is_protected_for_half_an_hour_and_then_left_alone_for_five_minutes() -> None:
    """While it has work in hand that takes longer than a minute."""
    assert (protection.LONG_SECONDS, protection.LONGEST_MINUTES, protection.PAUSE_SECONDS) == (60, 30, 300)
    assert protection._AGENT_TIMEOUT.total == 5


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (2, 4), (9, 512), (10, 900), (50, 900)])
async def test_a_message_that_failed_comes_again_later_each_time(receives: int, seconds: int) -> None:
    """Twice as late, and a quarter of an hour at the most."""
    asked: list[tuple[str, int]] = []

    class Queue:
        async def set_visibility(self, message: Message, seconds: int) -> None:
            asked.append((message.message_id, seconds))

    nothing = cast(Any, None)
    consumer = Consumer("q", cast(Any, Queue()), *[nothing] * 8)
    await consumer._retry_later(Message("m", "", "r", receives))
    assert asked == [("m", seconds)]


def test_progress_is_told_for_ten_seconds_and_no_longer() -> None:
    """Logs and the outcome do not wait for it; the next pass tries again."""
    loop = VirtualLoop()

    class Never(Aws):
        async def publish(self, **_: Any) -> None:
            await asyncio.Event().wait()

    async def told() -> tuple[float, tuple[Any, ...]]:
        everything = cast(Any, Never({}))
        performer = Performer(
            everything,
            everything,
            everything,
            everything,
            everything,
            60,
            {},
            Redaction.of(),
            45,
            lambda: NOW,
            Metrics(),
        )
        job = record(requested(progress=True), execution("RUNNING"))
        facts = await performer.perform(TellProgress(JOB, ("0:STARTED",)), job, "me")
        return asyncio.get_running_loop().time(), facts

    began = loop.time()
    try:
        ended, facts = loop.run_until_complete(told())
    finally:
        loop.bury()
    assert (ended - began, facts) == (10.0, ())


def test_a_log_that_nobody_holds_a_claim_on_is_tried_again_soon() -> None:
    """As where it was archived by who has none."""
    assert retry_after(LogWork(record(requested()), "me", "t1", NOW, ()), NOW + 99) == 2


@pytest.mark.parametrize(("late", "is_given_up"), [(0, False), (0.5, True)])
def test_a_log_is_given_up_after_a_try_that_began_later_than_its_deadline(late: float, is_given_up: bool) -> None:
    """A quarter of an hour after the first; one that began just then is no such try, and the next one is made."""
    last = claim("archive#t1", "them", NOW + 900 + late).model_copy(update={"since": NOW})
    job = record(requested(), execution("RUNNING"), task(), last)
    actions = owed(job, Moment(NOW + 961, "me"))
    given_up, claimed = GiveUpLog(JOB, "t1", "main"), Claim(job.key, "archive#t1")
    assert (given_up in actions, claimed in actions) == (is_given_up, not is_given_up)
