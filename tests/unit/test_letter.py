"""The body of an e-mail: only what is known is told."""

from __future__ import annotations

import pytest

from schemas.failures import FAILURES
from schemas.notification import Link
from service.core.record.facts import Fact
from service.core.redaction import Redaction
from service.core.telling.compose import Links, compose
from service.core.telling.letter import fingerprint, subject_line
from tests.support.builders import (
    JOB,
    MESSAGE,
    NOW,
    attempt,
    container,
    execution,
    receipt,
    record,
    rejected,
    requested,
    task,
)


def letter(*facts: Fact) -> str:
    """The letter about a job."""
    return compose(record(*facts), Links({}), {}, Redaction.of()).text


def test_only_a_stage_that_passed_has_an_output() -> None:
    """What a failed stage left in S3 is nobody's result, and one that never ran left nothing."""
    passed = letter(requested(), execution(attempts=(attempt(),)), task(), receipt())
    assert "Output: s3://jobferry-logs/jobs/thumbs-42/stages/1/" in passed
    failed = task(containers=(container(exit_code=1),))
    text = letter(requested(stages=2), execution("FAILED", attempts=(attempt(passed=False),)), failed, receipt())
    assert "Output:" not in text
    assert "None" not in text


SUBJECTS = {
    " ~": " ~",
    "\x1f\x7f\n": "???",
    "grüße 🚢": "gr??e ?",
    "x" * 99: "x" * 99,
    "x" * 100: "x" * 99,
}


@pytest.mark.parametrize(("line", "taken"), SUBJECTS.items())
def test_a_subject_is_printable_and_short(line: str, taken: str) -> None:
    """Less than 100 characters of ASCII, from the space to the tilde [SNS Publish]."""
    assert subject_line(line) == taken


DURATIONS = {
    0.04: "0.0 s",
    59.9: "59.9 s",
    60.0: "1 min 0 s",
    3599.0: "59 min 59 s",
    3600.0: "1 h 0 min",
    90061.0: "25 h 1 min",
}


@pytest.mark.parametrize(("seconds", "said"), DURATIONS.items())
def test_how_long_it_took_is_told_as_people_tell_it(seconds: float, said: str) -> None:
    """In the two units that matter."""
    text = letter(requested(), execution(attempts=(attempt(),), stopped_at=NOW + seconds), task(), receipt())
    assert text.startswith(f'Your job "{JOB}" succeeded after {said}.')


def test_what_would_break_a_line_is_a_space() -> None:
    """One for each character, so that the rest stays readable."""
    failed = task(containers=(container(exit_code=1),))
    text = letter(
        requested(),
        execution("FAILED", attempts=(attempt(passed=False),)),
        failed,
        receipt(tail=("a\tb\x1b[31mc\u2028d",)),
    )
    assert "    | a b [31mc d\n" in text


def test_what_is_not_known_of_a_failure_is_not_told() -> None:
    """Neither a stage that none of its tasks ran for, nor an exit code."""
    text = letter(requested(), execution("FAILED", error="States.Runtime", cause="x"))
    assert f"Why: {FAILURES['state_machine_bug']}. This is " in text
    failed = task(containers=(container(exit_code=None),), stop_code="SpotInterruption")
    text = letter(requested(), execution("FAILED"), failed, receipt())
    assert f"Why: {FAILURES['spot_interruption']}, in stage 1 (stage-1). This is " in text


ENDED = (requested(), execution(attempts=(attempt(),)), task(), receipt())


@pytest.mark.parametrize("facts", [ENDED, (rejected(),)], ids=["a job", "a rejection"])
def test_a_letter_is_known_again_whatever_its_links(facts: tuple[Fact, ...]) -> None:
    """They are signed anew for every copy; any other word makes another letter."""
    told = record(*facts)
    bucket, keys = "jobferry-logs", (f"jobs/{JOB}/logs/1-1/main-t1.log", f"rejected/{MESSAGE}.json")
    texts = [
        compose(told, Links({(bucket, key): Link(url=url, expires_at=at) for key in keys}), {}, Redaction.of()).text
        for url, at in (("https://a/?x=1", "2026-01-01T10:00:00Z"), ("https://b/?y=2", "2027-02-03T11:12:00Z"))
    ]
    texts.append(letter(*facts) if facts is ENDED else compose(told, Links({}), {}, Redaction.of()).text)
    assert len(set(texts)) == 3 and len({fingerprint(text) for text in texts}) == 1
    assert fingerprint(texts[0]) != fingerprint(texts[0].replace("Notification", "Message"))
