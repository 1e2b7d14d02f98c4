"""What a case is made of: a job in the middle of its life, one of before, and what is not known of either."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.casefile import CaseSettings, NotKnown, Replay
from service.core.casefile import files
from service.core.casefile.collecting import Gathered, Wanted, closing, described, manifest_of, members_of, not_known
from service.core.casefile.files import CaseWriter, read_case
from service.core.casefile.replay import replay
from service.core.record.facts import Fact
from service.core.record.wishes import CancelAsked
from service.core.redaction import Redaction
from service.core.telling.compose import Links, compose
from service.core.telling.letter import fingerprint
from tests.support.builders import (
    JOB,
    NOW,
    announced,
    attempt,
    execution,
    receipt,
    record,
    rejected,
    requested,
    running,
    task,
)

ENDED = (requested(), execution(attempts=(attempt(),)), task(), receipt(archived_at=NOW + 55))
KNOWN = CaseSettings(task_grace_seconds=30, log_deadline_seconds=900)


def gathered(*facts: Fact, settings: CaseSettings = KNOWN) -> Gathered:
    """What there is of a job of these facts."""
    return Gathered(record(*facts), NOW + 100, "1.0", Wanted(), settings=settings)


def replayed(case: Gathered) -> Replay:
    """The case written, read, and decided again."""
    writer = CaseWriter(case.made_at)
    members = members_of(case)
    manifest = manifest_of(case, [described(member) for member in members], not_known(case))
    parts = [writer.add(member.name, member.text) for member in (*members, *closing(manifest))]
    return replay(read_case(io.BytesIO(b"".join((*parts, writer.end())))), "1.1")


def left_out(case: Gathered) -> dict[str, str]:
    """What is not known, and why."""
    return {item.what: item.why for item in not_known(case)}


def test_a_job_that_runs_has_a_case() -> None:
    """Its end is not decided yet, and nothing is told of it."""
    found = replayed(gathered(requested(), execution("RUNNING"), running()))
    assert (found.made_by, found.replayed_by, found.status, found.differs) == ("1.0", "1.1", "RUNNING", False)
    parts = {part.part: part for part in found.parts}
    assert parts["policy"].decisions == 1
    assert parts["policy"].not_replayed == ("the end: it was not told of yet, so more was to be done",)
    assert parts["telling"].not_replayed == ("no outcome was told of yet",)


def test_a_job_that_waits_for_its_start_has_a_case() -> None:
    """Nothing was done for it but to remember it."""
    found = replayed(gathered(requested()))
    assert not found.differs and sum(part.decisions for part in found.parts) == 0


def test_what_was_done_was_owed_whenever_it_was() -> None:
    """Also of a job that was never started, of one that another was told of, and where patience is not known."""
    cancelled = (
        requested(),
        CancelAsked(job_id=JOB, tenant="web", asked_at=NOW + 1),
        execution("ABORTED", arn="", error="Jobferry.Cancelled", started_at=None),
        announced().model_copy(update={"status": "ABORTED", "at": NOW + 95}),
    )
    refused = (
        requested(),
        execution("FAILED", arn="", error="Jobferry.StartRefused", started_at=None),
        announced().model_copy(update={"status": "FAILED"}),
    )
    for facts in (cancelled, refused, (*ENDED, announced()), (rejected(), announced(of=record(rejected()).key))):
        for settings in (KNOWN, CaseSettings()):
            found = replayed(gathered(*facts, settings=settings))
            assert not found.differs, found
            assert {part.part: part.decisions for part in found.parts}["policy"] >= 2


def test_no_member_tells_a_value_that_a_cause_quotes() -> None:
    """Neither the record nor the letter that is made of it; and it is replayed to the same letter."""
    stages = ({"image": "echo", "environment": {"WAY": "hello-private-value"}},)
    ended = execution("FAILED", error="States.Runtime", cause="No $.x in the input of hello-private-value.")
    base = gathered(requested(), ended, announced().model_copy(update={"status": "FAILED"}))
    case = replace(base, stages=stages)
    assert "hello-private-value" in str(case.notification) and "$.x in the input" in str(case.shown_notification)
    assert not [member.name for member in members_of(case) if "hello-private-value" in member.text]
    assert not [part for part in replayed(case).parts if part.differences and part.part != "policy"]


def test_a_record_that_a_pattern_makes_unreadable_still_has_a_case() -> None:
    """To be looked at, if not to be replayed."""
    case = replace(gathered(*ENDED, announced()), redaction=Redaction.of(["complete"]))
    text = {member.name: member.text for member in members_of(case)}[files.NOTIFICATION]
    assert json.loads(text)["status"] == "SUCCEEDED" and "[redacted]" in text


def test_decisions_that_are_too_large_to_be_read_are_left_out_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the case can be read whatever a job went through; how many is said."""
    monkeypatch.setattr(files, "LARGEST_DECISIONS_BYTES", 1_000)
    monkeypatch.setitem(files._LARGEST_BYTES, files.DECISIONS, 1_000)
    history = [event for number in range(9) for event in asked_and_answered(number)]
    case = replace(gathered(requested(), execution("RUNNING")), history=history)
    kept = json.loads({member.name: member.text for member in members_of(case)}[files.DECISIONS])["decisions"]
    assert 1 < len(kept) < 9 and [item["request"]["now"] for item in kept] == list(range(9))[-len(kept) :]
    assert f"the first {9 - len(kept)} of the planner's decisions" in left_out(case)
    replayed(case)


def asked_and_answered(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """One question to the planner, and an answer, as a history tells them."""
    question, answer = {"Payload": {"step": "plan_next_step", "now": number}}, {"Payload": {"decision": "run"}}
    scheduled = {"resourceType": "lambda", "parameters": json.dumps(question)}
    succeeded = {"resourceType": "lambda", "output": json.dumps(answer)}
    return (
        {"type": "TaskScheduled", "taskScheduledEventDetails": scheduled},
        {"type": "TaskSucceeded", "taskSucceededEventDetails": succeeded},
    )


def test_a_letter_that_is_not_as_it_was_sent_is_said_to_be_composed_again() -> None:
    """By its fingerprint, which older announcements have not."""
    sent = fingerprint(compose(record(*ENDED), Links()).text)
    for letter, why in (
        (sent, None),
        (None, "it was sent by a version"),
        ("0" * 12, "another letter comes of the record"),
    ):
        told = announced().model_copy(update={"letter": letter})
        found = left_out(gathered(*ENDED, told)).get("the notification as it was sent")
        assert (found is None) == (why is None) and (found or "").startswith(why or "")


def test_a_rerun_that_was_rejected_is_not_judged_again() -> None:
    """What is kept of it is the wish, and not the request that came of it."""
    told = rejected(retry_of=JOB)
    found = replayed(Gathered(record(told, announced(of=record(told).key)), NOW + 100, "1.0", Wanted(), body="{}"))
    assert not found.differs
    assert found.parts[0].not_replayed == ("it was to be a rerun, made of another request than this one",)


def test_what_was_lost_on_the_way_is_told_with_the_rest() -> None:
    """In the manifest, and in words for whoever opens the zip."""
    lost = NotKnown(what="the history", why="AWS could not be asked")
    base = gathered(requested(), settings=CaseSettings())
    case = Gathered(base.record, NOW, "1.0", Wanted(values="shown"), settings=base.settings, not_known=(lost,))
    told = not_known(case)
    assert told[0] == lost and "how the worker" not in told[0].what
    assert any(item.what.startswith("how long the worker waits") for item in told)
    readme = closing(manifest_of(case, [], told))[0].text
    assert "the history: AWS could not be asked" in readme and "values of environment variables are shown" in readme
