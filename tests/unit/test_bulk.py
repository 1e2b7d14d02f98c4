"""Many jobs at once: which list is meant, what is owed, and how far it has come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.bulk import BulkFilter
from schemas.control import Verb
from service.core.policy.actions import Action, Claim, SteerPage
from service.core.policy.owed import BULK, Moment, owed
from service.core.record.bulk_facts import BulkAsked, BulkProgressed, BulkStopAsked
from service.core.record.facts import Claimed, Fact
from service.core.record.keys import RecordKey
from service.core.record.record import Record, merge
from service.core.tracking.bulk import meant_by, tracked_bulk
from service.core.tracking.listing import JobFilter
from tests.support.builders import NOW, record, requested
from workers.bulks import Left, Steered, _counted

KEY = RecordKey.of_bulk("web", "b")
ASKED = BulkAsked(
    record_key=KEY, bulk_id="b", tenant="web", verb="cancel", jobs=BulkFilter(status="OPEN"), asked_at=NOW
)


def progressed(page: int = 0, **fields: Any) -> BulkProgressed:
    """So many pages were gone through."""
    return BulkProgressed.model_validate({"record_key": KEY, "page": page, "at": NOW + page, **fields})


def bulk(*facts: Fact) -> Record:
    """The record of a bulk with these facts."""
    found = Record(KEY)
    for fact in (ASKED, *facts):
        found = merge(found, fact)
    return found


def claimed(owner: str, at: float = NOW) -> Claimed:
    """Somebody works through it."""
    return Claimed(record_key=KEY, what=BULK, owner=owner, at=at, seconds=60)


CLAIM = Claim(KEY, BULK)
OWED: dict[str, tuple[tuple[Fact, ...], tuple[Action, ...]]] = {
    "asked for": ((), (CLAIM,)),
    "mine": ((claimed("me"),), (SteerPage(KEY, 0),)),
    "mine, and begun": ((claimed("me"), progressed(4)), (SteerPage(KEY, 5),)),
    "another's": ((claimed("another", NOW + 90),), ()),
    "a dead worker's": ((claimed("another"),), (CLAIM,)),
    "over": ((claimed("me"), progressed(finished_at=NOW)), ()),
    "to be stopped": ((claimed("me"), BulkStopAsked(record_key=KEY, asked_at=NOW)), (SteerPage(KEY, 0),)),
}


@pytest.mark.parametrize(("facts", "expected"), OWED.values(), ids=OWED)
def test_what_a_bulk_is_owed(facts: tuple[Fact, ...], expected: tuple[Action, ...]) -> None:
    """By its record alone."""
    assert owed(bulk(*facts), Moment(NOW + 100, "me")) == expected


def test_a_job_is_owed_nothing_of_a_bulk() -> None:
    """Nor a bulk what a job is."""
    assert not any(isinstance(action, SteerPage) for action in owed(record(requested()), Moment(NOW, "me")))


EARLIER = datetime.fromtimestamp(NOW - 100, UTC)
LISTS: dict[str, tuple[Verb, BulkFilter, JobFilter]] = {
    "open jobs alone can be cancelled": (
        "cancel",
        BulkFilter(type="t"),
        JobFilter(status="OPEN", job_type="t", until=NOW),
    ),
    "a status is taken as it is": (
        "cancel",
        BulkFilter(status="FAILED"),
        JobFilter(status="FAILED", until=NOW),
    ),
    "several statuses can be redriven": ("redrive", BulkFilter(user="u"), JobFilter(user="u", until=NOW)),
    "a label with its value": (
        "rerun",
        BulkFilter(label="a=b=c", id="x"),
        JobFilter(label="a", label_value="b=c", text="x", until=NOW),
    ),
    "a label alone": ("rerun", BulkFilter(label="a"), JobFilter(label="a", until=NOW)),
    "a span of time": (
        "rerun",
        BulkFilter(since=EARLIER, until=EARLIER, failure_class="capacity"),
        JobFilter(since=NOW - 100, until=NOW - 100, failure_class="capacity"),
    ),
    "no job of after the asking": (
        "rerun",
        BulkFilter(until=datetime.fromtimestamp(NOW + 100, UTC)),
        JobFilter(until=NOW),
    ),
}


@pytest.mark.parametrize(("verb", "jobs", "expected"), LISTS.values(), ids=LISTS)
def test_which_list_is_meant(verb: Verb, jobs: BulkFilter, expected: JobFilter) -> None:
    """The list's own filter, up to the moment of the asking."""
    assert meant_by(verb, jobs, NOW) == expected


def test_a_page_is_counted_with_its_reasons() -> None:
    """Those beyond the first ten are counted together; a bulk of before any page is told of too."""
    refused = [Steered(f"reason {number}") for number in range(12)]
    became = {f"job-{number}": steered for number, steered in enumerate((Steered(), *refused))}
    counted = _counted(progressed(refusals={"reason 0": 5}, refused=5, done=1), became, NOW + 9)
    assert (counted.page, counted.done, counted.refused, counted.at) == (1, 2, 17, NOW + 9)
    assert counted.refusals["reason 0"] == 6 and counted.refusals["for other reasons"] == 2
    assert sum(counted.refusals.values()) == 17
    told, new = tracked_bulk(bulk(counted)), tracked_bulk(bulk())
    assert told is not None and told.refusals[0].jobs == 6 and told.status == "RUNNING"
    assert new is not None and (new.status, new.matched, new.progressed_at) == ("RUNNING", 0, None)


def test_what_is_left_of_a_page_is_gone_through_again() -> None:
    """What waits for capacity for as long as it takes; what AWS fails to do ten times is counted with the reason."""
    counted = progressed(2, in_hand=("done", "waits", "fails"))
    became: dict[str, Steered | Left] = {
        "done": Steered(),
        "waits": Left(),
        "fails": Left("AWS failed to do it: Throttled"),
    }
    for number in range(1, 10):
        counted = _counted(counted, became, NOW + number)
        became.pop("done", None)
        assert (counted.page, counted.passes, counted.in_hand) == (2, number, ("waits", "fails"))
        assert (counted.done, counted.refused, counted.failed) == (1, 0, {"fails": number})
    counted = _counted(counted, became, NOW + 10)
    assert (counted.in_hand, counted.failed, counted.refused) == (("waits",), {}, 1)
    assert counted.refusals == {"AWS failed to do it: Throttled": 1}
    over = _counted(counted, {"waits": Steered()}, NOW + 11)
    assert (over.page, over.passes, over.in_hand, over.done) == (3, 0, (), 2)


def test_progress_never_goes_back() -> None:
    """Of two workers that went through the same page, the one that is further knows more."""
    further = progressed(3, passes=1)
    for order in ([further, progressed(2)], [progressed(2), further], [further, progressed(3)]):
        told = bulk(*order).registers["bulk_progress"]
        assert told == further
    assert bulk(further, progressed(4)).registers["bulk_progress"] == progressed(4)


def test_two_tenants_have_bulks_of_the_same_id() -> None:
    """And each key is read as it was written."""
    ours, theirs = RecordKey.of_bulk("web", "b"), RecordKey.of_bulk("shop", "b")
    assert ours != theirs and RecordKey.read(str(ours)) == ours
    assert ours.log_fields == {"bulk": "web:b"}
    assert tracked_bulk(record(requested())) is None


def test_a_bulk_is_tracked_with_all_that_is_known_of_it() -> None:
    """Who asked, who sent it, who stopped it; the most frequent reason first."""
    asked = ASKED.model_copy(update={"asked_by": "ann", "sent_by": "AIDA1", "reason": "all wrong"})
    stop = BulkStopAsked(record_key=KEY, asked_at=NOW + 7, asked_by="bob")
    over = progressed(
        4,
        matched=9,
        done=3,
        refused=6,
        refusals={"seldom": 1, "often": 5},
        searched_back_to="2023-11-01T00:00:00.000Z",
        finished_at=NOW + 8,
        stopped=True,
    )
    found = Record(KEY)
    for fact in (asked, stop, over):
        found = merge(found, fact)
    tracked = tracked_bulk(found)
    assert tracked is not None
    assert tracked.model_dump(exclude={"jobs", "schema_version"}) == {
        "bulk_id": "b",
        "tenant": "web",
        "verb": "cancel",
        "status": "STOPPED",
        "requested_by": "ann",
        "sent_by": "AIDA1",
        "reason": "all wrong",
        "asked_at": "2023-11-14T22:13:20.000Z",
        "matched": 9,
        "done": 3,
        "refused": 6,
        "refusals": ({"why": "often", "jobs": 5}, {"why": "seldom", "jobs": 1}),
        "searched_back_to": "2023-11-01T00:00:00.000Z",
        "progressed_at": "2023-11-14T22:13:24.000Z",
        "finished_at": "2023-11-14T22:13:28.000Z",
        "stopped_by": "bob",
    }
    assert tracked.jobs == ASKED.jobs
    running = tracked_bulk(bulk(progressed(finished_at=None)))
    assert running is not None and (running.status, running.finished_at, running.stopped_by) == ("RUNNING", None, None)
    done = tracked_bulk(bulk(progressed(finished_at=NOW + 9)))
    assert done is not None and done.status == "FINISHED"
