"""Lines of a container's log, wherever it lies: which container is meant, which lines, and what is said beside them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import pytest

from schemas.tracking import LogLines
from service.aws.errors import AwsError
from service.aws.log_looks import FoundLine, FoundLines
from service.aws.objects import SignedLink
from service.aws.tasks import LogConfiguration
from service.core.record.facts import Fact
from service.tracking import logs
from service.tracking.errors import UnknownLogError
from service.tracking.logs import MOST_BYTES, MOST_LINES, LogPlace, LogReader, Wanted
from tests.support.builders import JOB, container, execution, receipt, record, requested, running, task

HERE = LogPlace(1, 1, "main")
KEPT = f"jobs/{JOB}/logs/1-1/main-t1.log"
AWSLOGS = {"main": LogConfiguration(driver="awslogs", group="g", stream_prefix="p")}


@dataclass
class Aws:
    """S3 with one object, ECS with one definition, CloudWatch by a script of answers; what is asked is noted."""

    chunks_: list[bytes] = field(default_factory=list)
    fails: Exception | None = None
    configurations: dict[str, LogConfiguration] | None = field(default_factory=lambda: dict(AWSLOGS))
    answers: list[FoundLines | None] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def chunks(self, bucket: str, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        self.asked.append(("chunks", bucket, key, start, end))
        if self.fails is not None:
            raise self.fails
        for chunk in self.chunks_:
            yield chunk

    async def link(self, bucket: str, key: str, seconds: int) -> SignedLink:
        self.asked.append(("link", bucket, key, seconds))
        return SignedLink("https://signed", 1.0)

    async def log_configurations(self, arn: str) -> dict[str, LogConfiguration] | None:
        self.asked.append(("definition", arn))
        return self.configurations

    async def since(self, group: str, stream: str, at: float, token: str | None) -> FoundLines | None:
        self.asked.append(("look", group, stream, at, token))
        return self.answers.pop(0)


def reader(aws: Aws) -> LogReader:
    """Reads from all of them."""
    it = cast("Any", aws)
    return LogReader(it, it, it, look_seconds=0.0)


async def read(aws: Aws, *facts: Fact, first: int = 1, count: int = 10, place: LogPlace = HERE) -> LogLines:
    """Some lines of a job of these facts."""
    return await reader(aws).lines(record(requested(), execution("RUNNING"), *facts), place, first, count)


def told(*lines: str, first: int = 1, **fields: Any) -> LogLines:
    """An answer about the first stage's first attempt."""
    place = {"job_id": JOB, "stage": 1, "attempt": 1, "redrive": 0, "container": "main"}
    usual = {"first_line": first, "lines": lines, "more": False, "complete": True, "status": "complete"}
    where = {"s3_uri": f"s3://jobferry-logs/{KEPT}"}
    return LogLines.model_validate({**place, **usual, **where, **fields})


CHUNKS = [b"one\ntw", b"o\n", b"three\nfour\nfive\n", b"six"]
RANGES: dict[str, tuple[int, int, list[str], bool]] = {
    "all": (1, 6, ["one", "two", "three", "four", "five", "six"], False),
    "the first": (1, 1, ["one"], True),
    "one that two chunks hold": (2, 1, ["two"], True),
    "the first of a chunk": (3, 2, ["three", "four"], True),
    "in the middle of a chunk": (4, 2, ["four", "five"], True),
    "to the end": (5, 9, ["five", "six"], False),
    "the last, which has no end": (6, 1, ["six"], False),
    "after the last": (7, 1, [], False),
    "far after it": (70, 1, [], False),
}


@pytest.mark.parametrize(("first", "count", "lines", "more"), RANGES.values(), ids=RANGES)
async def test_a_range_of_an_archived_log(first: int, count: int, lines: list[str], more: bool) -> None:
    """However the object comes in, and whether there is more."""
    aws = Aws(CHUNKS)
    found = await read(aws, task(), receipt(), first=first, count=count)
    assert found == told(*lines, first=first, more=more, complete=not more)
    assert aws.asked == [("chunks", "jobferry-logs", KEPT, 0, None)]


async def test_an_answer_has_so_many_bytes_and_one_line_at_least() -> None:
    """A line that is longer is told all the same; one that would be too much is the next answer's."""
    half = b"x" * (MOST_BYTES // 2)
    exact = await read(Aws([half + b"\n" + half + b"\nz\n"]), task(), receipt())
    assert ([len(line) for line in exact.lines], exact.more) == ([MOST_BYTES // 2] * 2, True)
    long = await read(Aws([b"x" * (MOST_BYTES + 1) + b"\ny"]), task(), receipt())
    assert ([len(line) for line in long.lines], long.more) == ([MOST_BYTES + 1], True)
    assert (MOST_LINES, MOST_BYTES) == (5000, 1024 * 1024)


async def test_what_is_no_utf_8_is_shown_as_such() -> None:
    """And the rest of its line with it."""
    assert (await read(Aws([b"a\xffb\n"]), task(), receipt())).lines == ("a\ufffdb",)


ESC = "\x1b"
TEXTS: dict[str, tuple[str, str, bool]] = {
    "plainly": ("needle", "hay needle hay", True),
    "in other letters": ("Needle", "NEEDLE", True),
    "not": ("needle", "hay", False),
    "in a colour": ("needle", f"{ESC}[31mneedle{ESC}[0m", True),
    "in two colours": ("needle", f"nee{ESC}[31mdle{ESC}[0m", True),
    "between other sequences": ("needle", f"nee{ESC}[K{ESC}[?25ldle", True),
    "not, in colours": ("needle", f"{ESC}[31mhay{ESC}[0m", False),
    "perhaps: what is unknown is looked at line by line": ("needle", f"nee{ESC}]0;title\x07dle", True),
    "in letters of its own": ("grösse", "GRÖSSE", True),
    "as two letters that are one": ("grösse", "größe", True),
    "as one letter that is two": ("ß", "STRASSE", True),
    "as a letter that is another's": ("kelvin", "\u212aelvin", True),
    "not, though both have letters of their own": ("grün", "größe", False),
}


@pytest.mark.parametrize(("text", "line", "held"), TEXTS.values(), ids=TEXTS)
def test_whether_a_text_may_be_in_a_block(text: str, line: str, held: bool) -> None:
    """Whatever the line holds as it is shown is not missed by the look at its bytes."""
    block = f"{'hay' * 9}\n{line}\nhay\n".encode()
    assert Wanted(text, str).may_be_in(block) is held
    assert not Wanted(text, str).is_in(line) or held


async def test_a_search_reads_ahead_and_gives_up_what_it_does_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small range first, then some at once; in their order, and none twice."""
    monkeypatch.setattr(logs, "_FIRST_RANGE", 10)
    monkeypatch.setattr(logs, "_RANGE", 20)
    body = b"".join(b"line %02d\n" % number for number in range(20))
    aws = Ranged(body)
    job = record(requested(), execution("RUNNING"), task(), receipt(bytes=len(body)))
    found = await reader(aws).search(job, HERE, Wanted("LINE 1", str), 1, 50)
    assert [number for number, _ in found.lines] == list(range(11, 21)) and found.following is None
    starts = [0, 10, 30, 50, 70, 90, 110, 130, 150]
    assert [asked[3:] for asked in aws.asked] == [*pairwise(starts), (150, None)]
    few = Ranged(body)
    found = await reader(few).search(job, HERE, Wanted("line", str), 1, 1)
    assert (found.following, [asked[3:] for asked in few.asked]) == (2, [(0, 10), (10, 30), (30, 50), (50, 70)])


async def test_what_has_to_be_decoded_weighs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """So much is looked through for one answer, and it goes on from there."""
    monkeypatch.setattr(logs, "MOST_SEARCHED_BYTES", 80)
    for word, following in (("hay", None), ("heu\u00e4", 3)):
        aws = Aws([f"{word}\n{word}\n".encode().ljust(30, b".") + b"\n", b"hay\n"])
        job = record(requested(), execution("RUNNING"), task(), receipt(bytes=40))
        found = await reader(aws).search(job, HERE, Wanted("needle", str), 1, 9)
        assert found.following == (following and following + 1), word


@dataclass
class Ranged(Aws):
    """S3 with one object that is read by ranges."""

    body: bytes = b""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body

    async def chunks(self, bucket: str, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        self.asked.append(("chunks", bucket, key, start, end))
        yield self.body[start:end]


async def test_a_receipt_says_how_its_log_became() -> None:
    """Beside the lines, or instead of them."""
    lossy = receipt(status="possibly_lossy", why="its mode is non-blocking")
    assert await read(Aws([b"a\n"]), task(), lossy) == told(
        "a", status="possibly_lossy", why="its mode is non-blocking"
    )
    gones: tuple[dict[str, Any], ...] = ({"s3_bucket": None}, {"s3_key": None})
    for gone in gones:
        absent = receipt(status="absent", why="it wrote nothing", **gone)
        aws = Aws()
        assert await read(aws, task(), absent) == told(status="absent", why="it wrote nothing", s3_uri=None)
        assert aws.asked == []


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
async def test_a_log_that_is_gone_from_s3_is_said_to_be(code: str) -> None:
    """S3 says either, by what else the role may."""
    with pytest.raises(UnknownLogError, match="was archived and is gone"):
        await read(Aws(fails=AwsError("no", code)), task(), receipt())


async def test_trouble_of_s3_is_not_taken_for_an_end() -> None:
    """It passes."""
    with pytest.raises(AwsError):
        await read(Aws(fails=AwsError("no", "SlowDown")), task(), receipt())


async def test_a_link_is_signed_for_as_long_as_is_said() -> None:
    """To the archived log."""
    aws = Aws()
    link = await reader(aws).link(record(requested(), execution(), task(), receipt()), HERE, 60)
    assert (link, aws.asked) == (SignedLink("https://signed", 1.0), [("link", "jobferry-logs", KEPT, 60)])


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ((), "it is not archived yet"),
        ((receipt(status="absent", why="it wrote nothing", s3_bucket=None),), "there is none: it wrote nothing"),
        ((receipt(status="absent", why="it wrote nothing", s3_key=None),), "there is none: it wrote nothing"),
    ],
)
async def test_what_is_not_archived_has_no_link(kept: tuple[Fact, ...], why: str) -> None:
    """And says why."""
    with pytest.raises(UnknownLogError) as refusal:
        await reader(Aws()).link(record(requested(), execution(), task(), *kept), HERE, 60)
    assert str(refusal.value) == f"The log cannot be downloaded: {why}."


LIVE = running(task_definition_arn="arn")
NOWHERE = "it is written elsewhere than to CloudWatch, or its stream has no name yet"
ELSEWHERE: dict[str, tuple[Fact, dict[str, LogConfiguration] | None, str]] = {
    "no definition": (running(), AWSLOGS, "running"),
    "a definition that is gone": (LIVE, None, "running"),
    "a container that it does not tell of": (LIVE, {}, "running"),
    "another driver": (LIVE, {"main": LogConfiguration(driver="splunk", group="g", stream_prefix="p")}, "running"),
    "no group": (LIVE, {"main": LogConfiguration(driver="awslogs", stream_prefix="p")}, "running"),
    "no stream": (LIVE, {"main": LogConfiguration(driver="awslogs", group="g")}, "running"),
    "one that stopped": (task(), AWSLOGS, "archiving"),
}


@pytest.mark.parametrize(("of", "known", "status"), ELSEWHERE.values(), ids=ELSEWHERE)
async def test_a_log_that_cannot_be_looked_at_says_why(
    of: Fact, known: dict[str, LogConfiguration] | None, status: str
) -> None:
    """It may be archived all the same."""
    found = await read(Aws(configurations=known), of)
    assert found == told(complete=False, status=status, why=NOWHERE, s3_uri=None)


def line(number: int, at: float = 1.0) -> FoundLine:
    """One line of a stream."""
    return FoundLine(str(number), at, f"line {number}")


async def test_a_look_goes_through_some_pages() -> None:
    """Each by the token of the one before; what follows is the next look's, which begins at the last moment."""
    pages: list[FoundLines | None] = [FoundLines((line(n, float(n)),), f"token-{n}") for n in range(1, 6)]
    aws = Aws(answers=[*pages, FoundLines((line(5, 5.0), line(6, 6.0)), None)])
    live = reader(aws)
    job = record(requested(), execution("RUNNING"), LIVE)
    first = await live.lines(job, HERE, 1, 10)
    wanted = [f"line {n}" for n in range(1, 6)]
    times = [f"1970-01-01T00:00:0{second}.000Z" for second in range(1, 7)]
    assert first == told(*wanted, more=True, complete=False, status="running", s3_uri=None, times=times[:5])
    looks = [("look", "g", "p/main/t1", 0.0, token) for token in (None, "token-1", "token-2", "token-3", "token-4")]
    assert aws.asked == [("definition", "arn"), *looks]
    second = await live.lines(job, HERE, 6, 10)
    assert second == told("line 6", first=6, complete=False, status="running", s3_uri=None, times=times[5:])
    assert aws.asked[-1] == ("look", "g", "p/main/t1", 5.0, None)


async def test_a_stream_that_is_not_there_yet_is_said_to_be_empty() -> None:
    """Until something is written; one that was there once is not said to be so."""
    aws = Aws(answers=[None, FoundLines((), None), FoundLines((line(1),), "t"), None])
    live, job = reader(aws), record(requested(), execution("RUNNING"), LIVE)
    whys = [(await live.lines(job, HERE, 1, 10)).why for _ in range(3)]
    assert whys == ["nothing was written yet", None, None]


async def test_what_is_held_of_a_live_log_is_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """By count and by bytes; of what is held no more, from the first line that is."""
    monkeypatch.setattr(logs, "MOST_BYTES", 16)
    monkeypatch.setattr(logs, "_HELD_LINES", 4)
    aws = Aws(answers=[FoundLines(tuple(line(n) for n in range(1, 7)), None), *[FoundLines((), None)] * 5])
    live, job = reader(aws), record(requested(), execution("RUNNING"), LIVE)

    async def part(first: int, count: int) -> tuple[int, tuple[str, ...], bool]:
        found = await live.lines(job, HERE, first, count)
        return found.first_line, found.lines, found.more

    assert await part(1, 10) == (3, ("line 3", "line 4"), True)
    assert await part(3, 1) == (3, ("line 3",), True)
    assert await part(5, 2) == (5, ("line 5", "line 6"), False)
    assert await part(6, 1) == (6, ("line 6",), False)
    assert await part(7, 1) == (7, (), False)


async def test_the_logs_that_were_looked_at_last_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that is let go, the next look begins anew."""
    monkeypatch.setattr(logs, "_HELD_LOGS", 2)
    aws = Aws(
        configurations=dict.fromkeys("abc", AWSLOGS["main"]),
        answers=[FoundLines((line(1, 9.0),), None) for _ in range(5)],
    )
    live = reader(aws)
    three = running(task_definition_arn="arn", containers=tuple(container(name, None) for name in "abc"))
    job = record(requested(), execution("RUNNING"), three)
    for name in "abacb":
        await live.lines(job, LogPlace(1, 1, name), 1, 10)
    looks = [(asked[2], asked[3]) for asked in aws.asked if asked[0] == "look"]
    assert looks == [("p/a/t1", 0.0), ("p/b/t1", 0.0), ("p/a/t1", 9.0), ("p/c/t1", 0.0), ("p/b/t1", 0.0)]


AGAIN = task("t9", redrive=1, containers=(container(), container("proxy")))
PLACES: dict[str, tuple[LogPlace, int, str]] = {
    "the last redrive's": (LogPlace(1, 1, "proxy"), 1, "proxy"),
    "the first run's": (LogPlace(1, 1, "main", 0), 0, "main"),
    "the redrive's": (LogPlace(1, 1, "main", 1), 1, "main"),
    "the second stage's": (LogPlace(2, 1, "main"), 0, "main"),
    "the second attempt's": (LogPlace(2, 2, "main"), 0, "main"),
}


@pytest.mark.parametrize(("place", "redrive", "name"), PLACES.values(), ids=PLACES)
async def test_which_container_is_meant(place: LogPlace, redrive: int, name: str) -> None:
    """By its stage, its attempt and its redrive."""
    tasks = (task(), AGAIN, task("t2", stage=2), task("t3", stage=2, attempt=2))
    job = record(requested(stages=2), execution("RUNNING", redrive_count=1), *tasks)
    found = await reader(Aws()).lines(job, place, 1, 1)
    assert (found.stage, found.attempt, found.redrive, found.container) == (place.stage, place.attempt, redrive, name)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (LogPlace(1, 1, "mian"), "There is no container mian in attempt 1 of stage 1; there is main, proxy."),
        (LogPlace(1, 2, "main"), "There is no container main in attempt 2 of stage 1, as far as ECS told by now."),
        (LogPlace(3, 1, "main"), "There is no container main in attempt 1 of stage 3, as far as ECS told by now."),
        (LogPlace(1, 1, "main", 2), "There is no container main in attempt 1 of stage 1, as far as ECS told by now."),
    ],
)
async def test_a_container_that_is_not_there_is_named(place: LogPlace, why: str) -> None:
    """Beside those that are."""
    with pytest.raises(UnknownLogError) as refusal:
        await read(Aws(), task(containers=(container(), container("proxy"))), place=place)
    assert str(refusal.value) == why


BLOCKS = b"error one\nfine\nerror \xff two\nfine\nerror three"


async def searched(*chunks: bytes, number: int = 1, first: int = 1, most: int = 9) -> logs.LogFound:
    """What is found of `error` in a log that comes in these pieces."""

    async def coming() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk

    return await logs._search(coming(), number, logs.Wanted("error", str), first, most)


@pytest.mark.parametrize("cut", [*range(1, len(BLOCKS), 7), len(BLOCKS)])
async def test_what_is_searched_for_is_found_however_the_log_is_cut(cut: int) -> None:
    """Each line once, under its number, from the line on that one is at."""
    chunks = (BLOCKS[:cut], BLOCKS[cut:])
    three = ((1, "error one"), (3, "error \ufffd two"), (5, "error three"))
    assert await searched(*chunks) == logs.LogFound(three, None, complete=True)
    assert await searched(*chunks, first=2) == logs.LogFound(three[1:], None, complete=True)
    assert await searched(*chunks, first=5) == logs.LogFound(three[2:], None, complete=True)
    assert await searched(*chunks, most=2) == logs.LogFound(three[:2], 5, complete=True)
    later = tuple((number + 10, line) for number, line in three)
    assert await searched(*chunks, number=11, first=11) == logs.LogFound(later, None, complete=True)


async def test_a_search_ends_after_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of a block; the answer says where to go on."""
    monkeypatch.setattr(logs, "MOST_SEARCHED_BYTES", 15)
    assert await searched(b"fine\nerror\n", b"fine", b"\nerror\nfine\n") == logs.LogFound(
        ((2, "error"), (4, "error")), 6, complete=True
    )
    assert await searched(b"fine fine fine\n", b"error\n") == logs.LogFound((), 2, complete=True)
    assert await searched(b"fine fine fin\n", b"error\n") == logs.LogFound(((2, "error"),), 3, complete=True)


@pytest.mark.parametrize(
    ("text", "block", "may_be"),
    [
        ("Error", b"an eRROR\n", True),
        ("Error", b"fine\n", False),
        ("Error", b"er\x1b[31mror\n", True),
        ("Error", b"fi\x1b[0mne\n", False),
        ("Error", b"fine\x1b", True),
        ("grösse", "GRÖSSE\n".encode(), True),
        ("grösse", "feine Blöcke\n".encode(), False),
        ("grösse", b"fine\n", False),
        ("Straße", b"STRASSE\n", True),
        ("STRASSE", "straße\n".encode(), True),
        ("strasse", "strauß\n".encode(), False),
        ("error", b"\xff error", True),
        ("error", b"\xff fine", False),
    ],
)
def test_a_block_is_looked_at_where_it_may_hold_the_text(text: str, block: bytes, may_be: bool) -> None:
    """However it is written, and whatever colours stand in its midst; where a colour is cut, one looks."""
    assert logs.Wanted(text, str).may_be_in(block) is may_be
