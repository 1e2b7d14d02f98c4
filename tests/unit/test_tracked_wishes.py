"""What people asked for of a job, as whoever looks at it is told: in events, in `show` and in `why`."""

from __future__ import annotations

import pytest

from service.core.record.facts import Fact
from service.core.record.record import Record
from service.core.record.wishes import CancelAsked, RedriveAsked, Redriven, Rerun, RerunOf
from service.core.telling.compose import Links, compose
from service.core.tracking.events import events_of
from service.core.tracking.job import track
from service.core.tracking.why import why
from service.operator.show import lines_of
from tests.support.builders import JOB, KEY, NOW, announced, execution, record, rejected, requested, running

CANCEL = CancelAsked(
    job_id=JOB, tenant="web", asked_at=NOW + 30, asked_by="ann", sent_by="AIDA1", reason="wrong\ninput"
)
REDRIVE = RedriveAsked(job_id=JOB, tenant="web", asked_at=NOW + 90, asked_by="bob")
RERUN = Rerun(record_key=KEY, new_job_id="new", asked_at=NOW + 95, reason="again")
SENTENCES = {
    "cancel": "A cancel was asked for by ann: wrong input.",
    "redrive": "A redrive was asked for by bob.",
    "rerun": "A rerun, as new, was asked for by somebody: again.",
}


def job(*facts: Fact) -> Record:
    """A job of the tenant web that runs, with these facts."""
    return record(requested(tenant="web"), execution("RUNNING"), running(), *facts)


@pytest.mark.parametrize(("verb", "wish"), [("cancel", CANCEL), ("redrive", REDRIVE), ("rerun", RERUN)])
def test_a_wish_is_told_with_who_and_why(verb: str, wish: Fact) -> None:
    """Whatever comes of it: as an event, in why, and in the lines of a person."""
    of = job(wish)
    [event] = [event for event in events_of(of) if event.kind == f"{verb.upper()}_ASKED"]
    assert event.text == SENTENCES[verb]
    assert SENTENCES[verb] in why(of, NOW + 100, ()).text
    view = track(of)
    assert view is not None
    [asked] = view.asked_for
    assert f"  {verb} asked for by {asked.by or 'somebody'} at {asked.asked_at}" in "\n".join(lines_of(view))


def test_events_stand_in_the_order_of_their_moments_and_have_names_of_their_own() -> None:
    """So that a reader who resumes is told each once."""
    events = events_of(job(RERUN, REDRIVE, CANCEL))
    kinds = [event.kind for event in events if event.kind.endswith("_ASKED")]
    assert kinds == ["CANCEL_ASKED", "REDRIVE_ASKED", "RERUN_ASKED"]
    assert len({event.name for event in events}) == len(events)


def test_a_wish_that_was_fulfilled_is_told_once() -> None:
    """Of a redrive that was made, the wish and the making are one; one that was asked for before is another."""
    made = [
        Redriven(job_id=JOB, tenant="web", asked_at=at, redrive_count=n) for n, at in ((1, NOW + 70), (2, NOW + 90))
    ]
    asked = [event.at for event in events_of(job(REDRIVE, *made)) if event.kind == "REDRIVE_ASKED"]
    assert len(asked) == 2


def test_another_tenants_cancel_is_told_nobody() -> None:
    """It is kept in the record, since it may have come before the job, and is nobody's business."""
    theirs = CANCEL.model_copy(update={"tenant": "shop"})
    view = track(job(theirs))
    assert view is not None and view.asked_for == ()
    assert [event for event in events_of(job(theirs)) if event.kind == "CANCEL_ASKED"] == []


def test_secrets_in_reasons_go_nowhere() -> None:
    """As in any words of others."""
    secret = CANCEL.model_copy(update={"reason": "password=hunter2"})
    assert "hunter2" not in str(events_of(job(secret)))
    assert "hunter2" not in str(why(job(secret), NOW + 100, ()).text)


def test_a_new_job_begins_with_whose_rerun_it_is() -> None:
    """In its first event, its fields and its notification."""
    of = RerunOf(job_id="old", asked_at=NOW - 5, asked_by="ann", sent_by="AIDA1", reason="again")
    made = record(requested(tenant="web", rerun_of=of), execution("SUCCEEDED"), announced())
    assert events_of(made)[0].text == "The job was requested as a rerun of old, by ann: again."
    view, letter = track(made), compose(made, Links())
    assert view is not None and view.retry_of == letter.retry_of == "old"
    assert [(item.verb, item.by, item.sent_by) for item in letter.steered] == [("rerun", "ann", "AIDA1")]
    assert '\nA rerun of "old".\n' in letter.text and "Rerun by ann, asked at " in letter.text


def test_a_rejected_request_says_what_was_made_of_it() -> None:
    """When it was mended."""
    refused = record(rejected(claimed_tenant="web", retry_of="older"))
    made = refused.holding(RERUN.model_copy(update={"record_key": refused.key}))
    view = track(made)
    assert view is not None and (view.rerun_as, view.retry_of) == ("new", "older")
    assert compose(made, Links()).retry_of == "older"
    assert SENTENCES["rerun"] in why(made, NOW + 100, ()).text
