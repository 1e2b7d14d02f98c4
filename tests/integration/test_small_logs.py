"""Small logs read many at a time, on virtual time: whole, in their order, within the quota, and never in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.aws.log_batches import LogBatches
from service.core.log_lanes import LogEvent, StoppedLog, is_checked
from service.logs.lanes import LogLanes
from service.logs.small import SmallLogs
from service.memory import Memory, Share
from service.metrics import LOGS_BATCHED, LOGS_DIFFERENT, Metrics
from tests.bench import small_logs
from tests.support.aws.errors import refusal
from tests.support.aws.quotas import Quota
from tests.support.log_lanes import two_lanes
from tests.support.log_streams import Line, LogStreams
from tests.support.loop import VirtualLoop
from tests.support.room import MIB, MOST_OF_ONE, room

QUIET = 10.0
STOPPED = 1000.0
GROUP = "/jobs"


@dataclass
class Place:
    """An account with its streams, and the lanes that read them."""

    loop: VirtualLoop
    metrics: Metrics = field(default_factory=Metrics)
    memory: Memory = field(default_factory=room)

    def __post_init__(self) -> None:
        self.aws = LogStreams(self.loop)
        self.lanes: LogLanes = two_lanes(self.aws, QUIET, self.loop.time, self.memory, metrics=self.metrics)

    async def text(self, stream: str, group: str = GROUP, ended_at: float | None = STOPPED) -> str:
        """All of a log."""
        with self.memory.share() as held:
            lines = []
            async for chunk in self.lanes.chunks(StoppedLog(group, stream, ended_at), _line, held):
                assert held.held >= len(chunk)
                lines.append(chunk)
            return b"".join(lines).decode()

    def write(self, stream: str, *texts: str, after: float = -5.0, group: str = GROUP) -> str:
        """Lines of a stream, written and taken in so long after the stop; answers with what its log is."""
        self.aws.write(group, stream, *(line(number, text, after) for number, text in enumerate(texts)))
        return "".join(f"{text}\n" for text in texts)

    def run(self, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """From the moment of the stop on; nothing is held at its end."""

        async def told() -> None:
            await self.loop.pause(STOPPED - self.loop.time())
            await story()

        self.loop.run_until_complete(told())
        assert self.memory.held == 0


def line(number: int, text: str, after: float = -5.0) -> Line:
    """A line, in the order of its number."""
    return STOPPED + after + number / 1000, STOPPED + after + number / 1000, text


def _line(event: LogEvent) -> bytes:
    return event.message.encode() + b"\n"


@pytest.fixture
def place() -> Iterator[Place]:
    """One on a loop of its own."""
    loop = VirtualLoop()
    yield Place(loop)
    loop.bury()


def test_logs_of_one_group_are_read_by_one_call(place: Place) -> None:
    """Each has its own lines; nothing is asked for before the quiet time is over, nor by the other way."""
    wanted = {f"s{number}": place.write(f"s{number}", f"begin {number}", "ünd", "end") for number in range(30)}

    async def story() -> None:
        texts = await asyncio.gather(*map(place.text, wanted))
        assert texts == list(wanted.values())

    place.run(story)
    assert place.aws.calls == {"FilterLogEvents": 1}
    [(at, group, streams)] = place.aws.asked
    assert (group, set(streams)) == (GROUP, set(wanted))
    assert STOPPED + QUIET <= at < STOPPED + QUIET + 0.5
    assert place.metrics.drain(0)[LOGS_BATCHED] == 30


def test_groups_take_turns_by_who_is_due_for_longest(place: Place) -> None:
    """A token each, within the pace of five a second; more than a hundred of a group are two calls."""
    for number in range(120):
        place.write(f"s{number}", "line")
    place.write("other", "line", group="/other")

    async def story() -> None:
        many = [place.text(f"s{number}") for number in range(120)]
        await asyncio.gather(*many, place.text("other", "/other", STOPPED - 1))

    place.run(story)
    assert [(group, len(streams)) for _, group, streams in place.aws.asked] == [
        ("/other", 1),
        (GROUP, 100),
        (GROUP, 20),
    ]
    times = [at for at, _, _ in place.aws.asked]
    assert all(later - earlier >= 0.199 for earlier, later in pairwise(times))


def test_a_log_that_was_not_quiet_is_asked_for_again_when_it_is(place: Place) -> None:
    """All of it, so that what came late and bears an early time has its place."""
    place.aws.write(GROUP, "late", (STOPPED - 5, STOPPED - 5, "one"), (STOPPED - 3, STOPPED - 2, "three"))
    place.aws.write(GROUP, "late", (STOPPED - 4, STOPPED + 8, "two"))

    async def story() -> None:
        assert await place.text("late") == "one\ntwo\nthree\n"

    place.run(story)
    assert [round(at - STOPPED) for at, _, _ in place.aws.asked] == [10, 18]


def test_a_log_without_lines_is_read_by_itself(place: Place) -> None:
    """Which knows how long to wait for some."""
    place.write("silent")
    place.aws.write(GROUP, "late", line(0, "at last", after=14.0))

    async def story() -> None:
        reading = [asyncio.create_task(place.text(stream)) for stream in ("silent", "late")]
        assert [await each for each in reading] == ["", ""]

    place.run(story)
    assert place.aws.calls["FilterLogEvents"] == 1
    assert place.aws.calls["GetLogEvents"] >= 2


def test_a_stream_that_is_missing_is_found_out_by_halves(place: Place) -> None:
    """The others are read all the same; the few that are left with it go the other way."""
    wanted = {f"s{number}": place.write(f"s{number}", f"line {number}") for number in range(32)}

    async def story() -> None:
        texts = await asyncio.gather(*map(place.text, wanted), place.text("missing"))
        assert texts == [*wanted.values(), ""]

    place.run(story)
    assert place.aws.calls["FilterLogEvents"] == 1 + 2 * 4
    assert max(len(streams) for _, _, streams in place.aws.asked) == 33
    assert place.metrics.drain(0)[LOGS_BATCHED] == 30


def test_a_group_that_is_missing_is_not_asked_for_again(place: Place) -> None:
    """One call says it of all; each is waited for by itself, as ever."""
    place.write("elsewhere", "line", group="/other")

    async def story() -> None:
        assert await asyncio.gather(*(place.text(f"s{number}") for number in range(20))) == [""] * 20

    place.run(story)
    assert place.aws.calls["FilterLogEvents"] == 1


def test_a_large_log_goes_the_other_way_and_the_others_do_not_wait_for_its_pages(place: Place) -> None:
    """They are asked for again without it."""
    place.aws.page_events = 100
    large = place.write("large", *(f"{number} ".ljust(5000, "x") for number in range(600)))
    small = [place.write(f"s{number}", "line") for number in range(3)]

    async def story() -> None:
        texts = await asyncio.gather(place.text("large"), *(place.text(f"s{number}") for number in range(3)))
        assert texts == [large, *small]

    place.run(story)
    assert place.aws.calls["FilterLogEvents"] == 2
    assert [len(streams) for _, _, streams in place.aws.asked] == [4, 3]


def test_pages_are_read_to_their_end_and_what_comes_twice_is_one(place: Place) -> None:
    """The last line of a page begins the next one again."""
    place.aws.page_events, place.aws.doubled = 7, True
    wanted = {f"s{number}": place.write(f"s{number}", *map(str, range(5))) for number in range(10)}

    async def story() -> None:
        assert await asyncio.gather(*map(place.text, wanted)) == list(wanted.values())

    place.run(story)
    assert place.aws.calls == {"FilterLogEvents": 8}


ODD_TOKENS = {
    "a token that repeats": (["5", "5"], 2),
    "a token that comes back": (["5", "6", "5"], 3),
    "no end": ([str(number) for number in range(100, 200)], 10),
}


@pytest.mark.parametrize(("tokens", "calls"), ODD_TOKENS.values(), ids=ODD_TOKENS)
def test_pages_that_do_not_end_leave_a_doubt(place: Place, tokens: list[str], calls: int) -> None:
    """All of the call's logs are read by themselves."""
    wanted = [place.write(f"s{number}", f"line {number}") for number in range(6)]
    place.aws.tokens.extend(tokens)

    async def story() -> None:
        assert await asyncio.gather(*(place.text(f"s{number}") for number in range(6))) == wanted

    place.run(story)
    assert place.aws.calls["FilterLogEvents"] == calls
    assert place.metrics.drain(0)[LOGS_BATCHED] == 0


def test_empty_pages_are_no_end(place: Place) -> None:
    """Only a page without a token is."""
    text = place.write("s", "one", "two")
    place.aws.tokens.extend(["0"])

    async def story() -> None:
        assert await place.text("s") == text

    place.run(story)
    assert place.aws.calls == {"FilterLogEvents": 2}


@pytest.mark.parametrize(("code", "is_closed"), [("ThrottlingException", False), ("AccessDeniedException", True)])
def test_a_call_that_is_refused_costs_no_log(place: Place, code: str, is_closed: bool) -> None:
    """They are read by themselves; for good where the role may not do better."""
    wanted = place.write("s", "line")
    place.aws.failing.append(refusal(code))

    async def story() -> None:
        with capture_logs() as logs:
            assert await place.text("s") == wanted
        assert [(entry["event"], entry["why"].partition(":")[0]) for entry in logs] == [("logs_read_singly", code)]

    place.run(story)
    assert place.lanes.small is not None and place.lanes.small.is_closed is is_closed


def test_a_bug_reaches_who_waits(place: Place) -> None:
    """Nobody waits for an answer that cannot come."""
    place.write("s", "line")
    place.aws.failing.append(ZeroDivisionError())

    async def story() -> None:
        with pytest.raises(ZeroDivisionError):
            await place.text("s")

    place.run(story)


def test_who_comes_while_the_last_server_ends_is_served(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the simulator: its log was cancelled, and nobody archived it before its claim had expired."""
    place.write("first", "one")
    place.write("second", "two")
    taken = asyncio.Event()
    turn_in_truth = LogBatches.turn

    async def turn(batches: LogBatches) -> None:
        await turn_in_truth(batches)
        taken.set()

    async def second() -> str:
        await taken.wait()
        return await place.text("second")

    async def story() -> None:
        assert await asyncio.gather(place.text("first"), second()) == ["one\n", "two\n"]

    monkeypatch.setattr(LogBatches, "turn", turn)
    place.run(story)
    assert place.aws.calls == {"FilterLogEvents": 2}


def test_who_goes_leaves_the_others_alone(place: Place) -> None:
    """Before the call, and during it: nothing is held for who has gone."""
    wanted = {f"s{number}": place.write(f"s{number}", f"line {number}") for number in range(4)}

    async def story() -> None:
        reading = {stream: asyncio.create_task(place.text(stream)) for stream in wanted}
        await place.loop.pause(1)
        reading["s0"].cancel()
        await place.loop.pause(QUIET - 1 + 0.01)
        reading["s1"].cancel()
        assert (await reading["s2"], await reading["s3"]) == (wanted["s2"], wanted["s3"])
        assert [reading[stream].cancelled() for stream in wanted] == [True, True, False, False]

    place.run(story)
    assert place.aws.calls == {"FilterLogEvents": 1}


def test_who_comes_at_the_very_end_of_the_service_is_served(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever served those before has nobody left, and has ended; what it leaves behind is not who came since."""
    wanted = {stream: place.write(stream, "line") for stream in ("first", "second")}
    ends = asyncio.Event()
    call = SmallLogs._call

    def last_call(reader: SmallLogs, room: Share) -> None:
        call(reader, room)
        ends.set()

    monkeypatch.setattr(SmallLogs, "_call", last_call)

    async def comes_then() -> str:
        await ends.wait()
        return await place.text("second")

    async def story() -> None:
        both = await asyncio.gather(place.text("first"), comes_then())
        assert both == list(wanted.values())

    place.run(story)


def test_what_never_ran_is_not_asked_for_with_others(place: Place) -> None:
    """Its stream is mostly missing, and would fail them all."""

    async def story() -> None:
        assert await place.text("never", ended_at=None) == ""

    place.run(story)
    assert place.aws.calls == {"GetLogEvents": 1}


CHECKED = next(f"s{number}" for number in range(1000) if is_checked(f"s{number}"))


def test_an_accepted_log_that_lacks_a_line_is_told_of_and_is_the_last(place: Place) -> None:
    """FilterLogEvents sees the last line too late. What was archived stays; from then on each log is read by itself."""
    place.aws.unseen_seconds = 8.0
    place.write(CHECKED, "one", after=-9.0)
    place.aws.write(GROUP, CHECKED, line(1, "two", after=4.0))

    async def story() -> None:
        assert await place.text(CHECKED) == "one\n"
        await place.loop.pause(59)
        await place.lanes.check()
        assert place.metrics.drain(0)[LOGS_DIFFERENT] == 0
        await place.loop.pause(1)
        with capture_logs() as logs:
            await place.lanes.check()
        [told] = logs
        assert (told["event"], told["stream"], told["what"]) == ("log_differs", CHECKED, "it has 1 lines of 2")
        assert place.metrics.drain(0)[LOGS_DIFFERENT] == 1
        assert await place.text(CHECKED) == "one\ntwo\n"

    place.run(story)
    assert place.aws.calls["FilterLogEvents"] == 1


def test_a_log_is_checked_once_and_what_came_later_is_no_difference(place: Place) -> None:
    """No way could have had it. What cannot be read again is not checked."""
    place.write(CHECKED, "one")
    place.aws.write(GROUP, CHECKED, line(1, "much later", after=30.0))

    async def story() -> None:
        assert await place.text(CHECKED) == "one\n"
        await place.loop.pause(61)
        before = place.aws.calls["GetLogEvents"]
        await place.lanes.check()
        assert place.aws.calls["GetLogEvents"] > before
        before = place.aws.calls["GetLogEvents"]
        await place.lanes.check()
        assert place.aws.calls["GetLogEvents"] == before

    place.run(story)
    assert place.metrics.drain(0)[LOGS_DIFFERENT] == 0


@dataclass
class Watched(Memory):
    """It notes the most that one has held, and all together."""

    most_of_any: int = 0
    most: int = 0

    async def take(self, share: Share, size: int) -> None:
        """As ever."""
        await super().take(share, size)
        self.most_of_any, self.most = max(self.most_of_any, share.held), max(self.most, self.held)


@pytest.mark.parametrize("batches_per_second", [5, 50])
@pytest.mark.parametrize("mebibytes", [24, 64])
def test_many_batches_that_are_too_much_together_all_come_to_an_end(mebibytes: int, batches_per_second: float) -> None:
    """Each is read in parts, several at once; none ever holds more than is kept for one, nor all more than there is."""
    loop = VirtualLoop()
    memory = Watched(mebibytes * MIB, MOST_OF_ONE)
    aws = LogStreams(loop, page_events=100, latency=1.0)
    lanes = two_lanes(aws, QUIET, loop.time, memory, batches_per_second=batches_per_second)
    place = Place(loop, memory=memory)
    for number in range(300):
        aws.write(GROUP, f"s{number}", *(line(each, "x" * 10_000) for each in range(20)))

    async def archived(stream: str) -> int:
        size = 0
        with memory.share() as held:
            async for chunk in lanes.chunks(StoppedLog(GROUP, stream, STOPPED), _line, held):
                size += len(chunk)
                await held.take(len(chunk))
                await loop.pause(2)
                held.give_back(2 * len(chunk))
        return size

    async def story() -> None:
        assert await asyncio.gather(*(archived(f"s{number}") for number in range(300))) == [20 * 10_001] * 300

    place.run(story)
    loop.bury()
    assert memory.most_of_any <= MOST_OF_ONE
    assert memory.most <= mebibytes * MIB
    assert aws.calls["FilterLogEvents"] > 60


def test_the_logs_of_one_part_do_not_wait_for_those_of_another(place: Place) -> None:
    """They are answered as soon as they are read."""
    place.aws.page_events, place.aws.latency = 100, 5.0
    for number in range(100):
        place.write(f"s{number}", *("x" * 10_000 for _ in range(20)))
    ended = list[float]()

    async def one(stream: str) -> None:
        await place.text(stream)
        ended.append(place.loop.time())

    async def story() -> None:
        await asyncio.gather(*(one(f"s{number}") for number in range(100)))

    place.run(story)
    assert max(ended) - min(ended) >= 5 * place.aws.latency


@pytest.mark.parametrize("groups", [1, 50])
def test_forty_small_logs_a_second_are_carried_by_two_quotas(place: Place, groups: int) -> None:
    """For two minutes, by ten reads and five batches a second; none is throttled, and memory is bounded."""
    seconds, a_second = 120, 40
    place.aws.reads, place.aws.batches = Quota(10, 10), Quota(5, 5)
    waits: list[float] = []
    most = 0

    async def one(number: int) -> None:
        nonlocal most
        group, stream, stopped = f"/g{number % groups}", f"s{number}", STOPPED + number / a_second
        place.aws.write(group, stream, *((stopped - 1, stopped + 1, f"line {each} of {number}") for each in range(10)))
        await place.loop.pause(max(0.0, stopped + QUIET - place.loop.time()))
        text = await place.text(stream, group, stopped)
        assert text.splitlines() == [f"line {each} of {number}" for each in range(10)]
        waits.append(place.loop.time() - stopped - QUIET)
        most = max(most, place.memory.held)

    async def story() -> None:
        await asyncio.gather(*(one(number) for number in range(seconds * a_second)))

    place.run(story)
    assert (place.aws.reads.refused, place.aws.batches.refused) == (0, 0)
    assert sorted(waits)[len(waits) // 2] < (3 if groups == 1 else 15)
    assert max(waits) < (5 if groups == 1 else 30)
    assert most < 64 * MIB


def test_the_bench_of_small_logs_carries_what_it_says() -> None:
    """More than forty a second within the two quotas of a small region; the minute is measured by hand."""
    carried = small_logs.carry(groups=1, per_second=50, seconds=4)
    assert carried.per_second > 40
    assert carried.calls.keys() == {"FilterLogEvents"}
