"""A large log in the archive: written with an index, read by ranges, searched, and just as well without the index."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest

from schemas.tracking import LogLines
from service.api.app import Serving
from service.aws.jobs_table import JobsTable
from service.console.app import build_console
from service.core.log_index import INDEXED_BYTES, LogIndex, Marks, index_key
from service.tracking.logs import LogPlace, LogReader
from service.tracking.wiring import Place, Tracking
from tests.integration.test_log_archive import KEY, archive_of, stopped_task
from tests.integration.test_tracking_api import ENDED, LOG, OURS, merged, place, tracking  # noqa: F401  # fixtures
from tests.support.asking import ask
from tests.support.builders import JOB, NOW, execution, receipt, record, requested, task
from tests.support.connecting import Client, Connect, refusal
from tests.support.scripted_logs import KeptObjects, ScriptedLogs, lines

LINES = 100_000
PAGE = f"/jobs/web/{JOB}"
LOG_KEY = f"jobs/{JOB}/logs/1-1/main-t1.work.log"


def text_of(number: int) -> str:
    """A line of a hundred bytes, of which one is red."""
    words = "\x1b[31mNeedle\x1b[0m" if number == 90_001 else "hay"
    return f"line {number:6} {words} ".ljust(99, ".")


@pytest.fixture
def app(tracking: Tracking) -> Any:  # noqa: F811
    """The page and the API over it."""
    return build_console(Serving(tracking.tracker, tracking.submission, tracking.steering, tracking.cases))


@pytest.fixture
async def bucket(connect: Connect, place: Place, table: JobsTable) -> Client:  # noqa: F811
    """S3, with the log of a job that is over, and its index."""
    s3, marks, text = await connect("s3"), Marks(), b""
    body = [f"{text_of(number)}\n".encode() for number in range(1, LINES + 1)]
    for number in range(1, LINES + 1):
        marks.note(number, (number - 1) * 100, NOW + number / 1000)
    text = b"".join(body)
    await s3.put_object(Bucket=place.log_bucket, Key=LOG_KEY, Body=text)
    index = marks.packed(LINES, len(text))
    await s3.put_object(Bucket=place.log_bucket, Key=index_key(LOG_KEY), Body=index)
    where = {"s3_bucket": place.log_bucket, "s3_key": LOG_KEY}
    await merged(table, *ENDED[:3], receipt(lines=LINES, bytes=len(text), **where))
    return s3


@contextmanager
def reads(tracking: Tracking) -> Iterator[list[tuple[str, str | None]]]:  # noqa: F811
    """What is got of S3 meanwhile: the end of the key, and the range."""
    made: list[tuple[str, str | None]] = []
    client: Any = tracking.tracker.logs.objects.client

    def note(params: dict[str, Any], **_: object) -> None:
        made.append((params["Key"].rpartition(".")[2], params.get("Range")))

    client._client.meta.events.register("provide-client-params.s3.GetObject", note)
    yield made
    client._client.meta.events.unregister("provide-client-params.s3.GetObject", note)


async def some(app: Any, first: int, count: int = 3) -> LogLines:
    """Some lines of it."""
    return LogLines.model_validate_json((await ask(app, "GET", f"{OURS}{LOG}?first={first}&count={count}")).body)


@pytest.mark.usefixtures("bucket")
async def test_any_line_is_one_ranged_read(app: Any, tracking: Tracking) -> None:  # noqa: F811
    """Of some 64 KiB, whichever line it is; the index itself is read once for all of them."""
    first = await some(app, 1)
    assert first.lines == tuple(map(text_of, (1, 2, 3))) and first.more
    with reads(tracking) as made:
        for number in (656, 657, 50_000, LINES - 2):
            found = await some(app, number)
            assert found.lines == tuple(map(text_of, range(number, number + 3)))
            assert found.more == (number < LINES - 2)
        assert (await some(app, LINES + 1)).lines == ()
    assert [kind for kind, _ in made] == ["log"] * 4
    for _, read in made:
        begin, _, end = str(read).removeprefix("bytes=").partition("-")
        assert not end or int(end) - int(begin) < 140_000


@pytest.mark.usefixtures("bucket")
async def test_lines_that_are_marked_say_when_they_were_written(app: Any) -> None:
    """The others are between them."""
    times = (await some(app, 1, 1000)).times
    assert len(times) == 1000 and times[0] == "2023-11-14T22:13:20.001Z"
    assert 1 <= sum(at is not None for at in times) < 10


@pytest.mark.parametrize("lost", ["is gone", "cannot be read"])
async def test_without_its_index_a_log_is_read_all_the_same(
    app: Any,
    bucket: Client,
    place: Place,  # noqa: F811
    lost: str,
) -> None:
    """From its beginning."""
    await bucket.put_object(Bucket=place.log_bucket, Key=index_key(LOG_KEY), Body=b"odd")
    if lost == "is gone":
        await bucket.delete_object(Bucket=place.log_bucket, Key=index_key(LOG_KEY))
    assert (await some(app, 50_000)).lines == tuple(map(text_of, (50_000, 50_001, 50_002)))


@pytest.mark.usefixtures("bucket")
async def test_a_search_finds_what_is_shown_in_one_pass(app: Any, tracking: Tracking) -> None:  # noqa: F811
    """However it is written, and between its colours; a link leads to its place in the log."""
    await some(app, 1)
    with reads(tracking) as made:
        page = await ask(app, "GET", f"{PAGE}?stage=1&attempt=1&find=90001+needle")
    ranges = [str(read).removeprefix("bytes=").split("-") for kind, read in made if kind == "log"]
    assert ranges == [["0", str(1024**2 - 1)], [str(1024**2), ""]]
    assert "1 line holds it." in page.text and 'id="L90001"' in page.text
    assert "first=89901#L90001" in page.text.replace("&amp;", "&")
    with reads(tracking) as made:
        many = await ask(app, "GET", f"{PAGE}?stage=1&attempt=1&find=HAY")
    assert [read for kind, read in made if kind == "log"] == [f"bytes=0-{1024**2 - 1}"]
    assert 'id="L100"' in many.text and "Search on from line 101" in many.text
    on = await ask(app, "GET", f"{PAGE}?stage=1&attempt=1&find=HAY&first=99998")
    assert "3 lines hold it, from line 99,998." in on.text


async def kept_of(size: int) -> tuple[KeptObjects, Any]:
    """What lies in S3 after a log of so many bytes was archived, and its receipt."""
    objects, task = KeptObjects(), stopped_task()
    page = [lines(*["x" * 999] * 1000, at=NOW + number) for number in range(-(-size // 1_000_000))]
    page[-1] = page[-1][: (size % 1_000_000 or 1_000_000) // 1000]
    made = await archive_of(ScriptedLogs(*page), objects).archive(task, task.containers[0], "work")
    return objects, made


async def test_a_large_log_is_archived_with_its_index() -> None:
    """One object more; it knows each page's first line, where it begins and when it was written."""
    objects, made = await kept_of(INDEXED_BYTES + 2000)
    body = objects.bodies[index_key(KEY)]
    index = LogIndex.unpacked(body)
    assert index is not None and set(objects.bodies) == {KEY, index_key(KEY)}
    mark = index.before(5000)
    assert objects.bodies[KEY][: mark.offset].count(b"\n") == mark.line - 1
    assert (made.status, made.bytes) == ("complete", len(objects.bodies[KEY]))


@dataclass
class ByRanges:
    """S3 with what the archive wrote."""

    bodies: dict[str, bytes]

    async def get(self, _bucket: str, key: str, _at_most: int) -> bytes:
        """All of a small object."""
        return self.bodies[key]

    async def chunks(self, _bucket: str, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """A range of an object."""
        yield self.bodies[key][start:end]


async def test_every_line_of_events_of_several_is_read_page_by_page() -> None:
    """By the numbers that newlines make, each once and up to the last, also where the receipt has counted events."""
    objects, stopped = KeptObjects(), stopped_task()
    rest = "".join(f"\n  at {number} ".ljust(200, ".") for number in range(9))
    events = lines(*(f"event {number}{rest}" for number in range(5000)))
    made = await archive_of(ScriptedLogs(events), objects).archive(stopped, stopped.containers[0], "work")
    wanted = objects.bodies[KEY].decode().split("\n")[:-1]
    assert (made.lines, len(wanted)) == (50_000, 50_000)
    reader = LogReader(cast(Any, None), cast(Any, None), cast(Any, ByRanges(objects.bodies)))
    told = receipt(lines=5000, bytes=made.bytes, s3_bucket="logs", s3_key=KEY)
    job = record(requested(), execution("RUNNING"), task(), told)
    found: list[str] = []
    while (page := await reader.lines(job, LogPlace(1, 1, "main"), len(found) + 1, 3000)).lines:
        found.extend(page.lines)
    assert found == wanted


async def test_a_log_that_went_by_one_request_has_none() -> None:
    """A request more for each would double what they cost."""
    objects, _ = await kept_of(INDEXED_BYTES // 1000 * 1000)
    assert set(objects.bodies) == {KEY}


async def test_a_log_whose_index_could_not_be_written_is_whole() -> None:
    """It is not archived anew for it."""

    class Refusing(KeptObjects):
        async def put_object(self, **_: Any) -> dict[str, str]:
            raise refusal("SlowDown")

    objects, task = Refusing(), stopped_task()
    pages = [lines(*["x" * 999] * 1000) for _ in range(9)]
    made = await archive_of(ScriptedLogs(*pages), objects).archive(task, task.containers[0], "work")
    assert (made.status, made.bytes) == ("complete", len(objects.bodies[KEY]))
