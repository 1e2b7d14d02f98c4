"""What a case says of what could not be had for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.casefile import CaseSettings, NotKnown
from schemas.catalog import Catalog
from schemas.errors import SettingsError
from service.aws.errors import AwsError
from service.aws.objects import ObjectTooLargeError
from service.core.record.record import Record
from service.tracking.case import CaseFiles, _too_large, _why
from service.tracking.errors import UnknownLogError
from tests.support.builders import catalog, execution, record, rejected, requested

HISTORY = "the planner's decisions, and the history"
RUNS = record(requested(), execution("RUNNING"))


def files(history: Any = (), kept: Any = b"[]", known: Any = None) -> CaseFiles:
    """Makes cases where AWS answers so; what is an exception is raised."""

    async def of(_record: Record) -> Any:
        return _or_raised(history)

    async def get(bucket: str, key: str, at_most: int) -> Any:
        assert (bucket, at_most) == ("jobferry-logs", 2 * 1024 * 1024)
        return _or_raised(kept)

    async def today() -> Catalog | None:
        return cast("Catalog | None", _or_raised(known))

    tracker, objects = SimpleNamespace(histories=SimpleNamespace(of=of)), SimpleNamespace(get=get)
    return CaseFiles(cast(Any, tracker), cast(Any, objects), today, CaseSettings())


def _or_raised(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.mark.parametrize(
    ("answer", "job", "lost"),
    [
        (AwsError("no", "Throttling"), RUNS, [NotKnown(what=HISTORY, why="AWS could not be asked (Throttling)")]),
        (AwsError("no answer"), RUNS, [NotKnown(what=HISTORY, why="AWS could not be asked")]),
        ((), RUNS, [NotKnown(what=HISTORY, why="Step Functions knows none: it keeps them for 90 days")]),
        ((), record(requested()), []),
        ((), record(requested(), execution("FAILED", arn="")), []),
        (AwsError("it is not asked"), record(rejected()), []),
    ],
)
async def test_a_history_that_is_not_there_is_said_to_be(answer: Any, job: Record, lost: list[NotKnown]) -> None:
    """Of what never ran there is none, and nothing is missing."""
    found: list[NotKnown] = []
    assert await files(history=answer)._history(job, found) == ()
    assert found == lost


async def test_todays_catalogue_may_be_out_of_reach() -> None:
    """Why is told on one line, and no longer than three hundred characters."""
    found: list[NotKnown] = []
    assert await files(known=catalog())._catalog(found) == catalog()
    assert (await files()._catalog(found), found) == (None, [])
    assert await files(known=SettingsError("it\n  cannot" + " x" * 300))._catalog(found) is None
    assert found == [NotKnown(what="today's catalogue", why=("it cannot" + " x" * 300)[:300])]


@pytest.mark.parametrize("error", [AwsError("no", "NoSuchKey", 404), ObjectTooLargeError("of 9 bytes")])
async def test_what_is_kept_beside_a_record_may_be_gone(error: Exception) -> None:
    """A request, a body or frozen stages; that they are missing is said where it is known what they are."""
    job = record(requested(asked="", asked_s3_key="jobs/a/request.json"))
    assert await files(kept=b'{"user": "gr\xff"}')._asked(job) == '{"user": "gr\ufffd"}'
    assert await files(kept=error)._asked(job) == ""
    assert await files(kept=error)._asked(record(requested(asked="{}"))) == "{}"
    body = record(rejected(body_s3_uri="s3://jobferry-logs/rejected/m"))
    assert await files(kept=b"text")._body(body) == "text"
    assert await files(kept=error)._body(body) is None
    assert await files(kept=error)._body(RUNS) is None


def test_why_a_log_is_not_in_it_is_a_sentence() -> None:
    """By AWS's code, or in our own words; by its size, alone or together with later ones."""
    assert _why(UnknownLogError("There is none.")) == "There is none."
    assert _why(AwsError("x", "AccessDenied")) == "AWS could not be asked (AccessDenied)"
    assert _too_large(32 * 1024 * 1024) == "it is larger than 33,554,432 bytes"
    assert _too_large(5) == "with the logs of later containers it is larger than 67,108,864 bytes"
