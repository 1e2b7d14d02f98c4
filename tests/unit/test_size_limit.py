"""A notification fits into an SNS message, and says what it left out."""

from __future__ import annotations

import json

import pytest

from schemas.notification import JobNotification, Link, LogReceipt, Problem
from service.core.record.facts import Fact, LogArchived
from service.core.record.record import Record
from service.core.telling import size_limit
from service.core.telling.compose import Links, compose
from service.core.telling.letter import as_text
from service.core.telling.size_limit import LONGEST_MESSAGE_BYTES, fitted, message_bytes
from tests.support.builders import (
    NOW,
    attempt,
    container,
    execution,
    receipt,
    record,
    rejected,
    requested,
    succeeded,
    task,
)


def job(stages: int, *, attempts: int = 1, sidecars: int = 0, failing: int | None = None) -> Record:
    """A job of so many stages, each with so many attempts, whose last one passed but for the failing stage."""
    names = ["main", *(f"sidecar-{number}" for number in range(sidecars))]
    facts: list[Fact] = []
    told = []
    for stage in range(1, (failing or stages) + 1):
        for number in range(1, attempts + 1):
            passed = number == attempts and stage != failing
            one = attempt(stage, number, passed=passed)
            told.append(one)
            task_id = str(one.task_arn).rsplit("/", 1)[-1]
            containers = tuple(container(name, one.exit_code, reason="r" * 400) for name in names)
            facts.append(task(task_id, stage=stage, attempt=number, containers=containers))
            facts.extend(receipt(task_id, name, s3_key=f"k/{task_id}/{name}", tail=("x" * 200,) * 10) for name in names)
    outcome = execution("FAILED" if failing else "SUCCEEDED", attempts=tuple(told))
    return record(requested(stages=stages), outcome, *facts)


def notification(of: Record) -> JobNotification:
    """The notification with a link of a kilobyte and a half to every log, as temporary credentials make them."""
    signed = {
        (str(fact.s3_bucket), str(fact.s3_key)): Link(
            url="https://s3/?" + "s" * 1500, expires_at="2030-01-01T00:00:00Z"
        )
        for fact in of.registers.values()
        if isinstance(fact, LogArchived)
    }
    return compose(of, Links(signed))


def test_what_fits_is_left_alone() -> None:
    """A usual notification is sent as it is."""
    usual = notification(succeeded())
    assert fitted(usual) is usual


LARGE = {
    "many stages": (job(100), ()),
    "many stages with sidecars": (job(100, sidecars=3), ()),
    "many stages, the last one fails": (job(100, failing=100), (100,)),
    "many attempts of many stages": (job(60, attempts=5, failing=60), (60,)),
    "a few stages with very many attempts": (job(3, attempts=25, sidecars=4, failing=3), (3,)),
}


@pytest.mark.parametrize(("of", "kept"), LARGE.values(), ids=LARGE)
def test_what_does_not_fit_is_shortened_until_it_does(of: Record, kept: tuple[int, ...]) -> None:
    """It fits, says what was left out, and its letter is of what is left; a failed stage is the last to go."""
    whole = notification(of)
    assert message_bytes(whole) > LONGEST_MESSAGE_BYTES
    short = fitted(whole)
    assert message_bytes(short) <= LONGEST_MESSAGE_BYTES
    assert short.left_out
    assert short.text == as_text(short)
    assert set(kept) <= {stage.stage for stage in short.stages}
    assert (short.id, short.status, short.failure) == (whole.id, whole.status, whole.failure)


def test_links_of_what_passed_go_first() -> None:
    """The link to the failed stage's log stays as long as it can."""
    short = fitted(notification(job(100, failing=100)))
    assert short.left_out[0] == "links to the logs of stages that passed"
    last = short.stages[-1].attempts[-1].containers[0].log
    assert last is not None
    assert last.link is not None


def test_the_last_attempt_of_a_failed_stage_stays_with_its_links() -> None:
    """Of one stage with many attempts and sidecars; and only what was there is said to have been left out."""
    short = fitted(notification(job(1, attempts=6, sidecars=9, failing=1)))
    assert message_bytes(short) <= LONGEST_MESSAGE_BYTES
    assert short.left_out == ("console links", "attempts before the last")
    [last] = short.stages[0].attempts
    assert last.attempt == 6
    assert all(item.log is not None and item.log.link is not None for item in last.containers)


def test_the_worst_rejection_fits() -> None:
    """Every reason as long as reasons may be, in characters of four bytes."""
    problem = {"field": "🚢" * 200, "message": "🚢" * 300, "remedy": '"' * 500}
    whole = compose(record(rejected(problems=[problem] * 51)), Links())
    assert message_bytes(whole) > LONGEST_MESSAGE_BYTES
    short = fitted(whole)
    assert message_bytes(short) <= LONGEST_MESSAGE_BYTES
    assert short.rejection is not None
    assert len(short.rejection.problems) == 10
    assert "reasons after the first 10" in short.left_out


def test_the_worst_of_labels_and_last_words_fit() -> None:
    """What no step leaves out is small enough by its own limits."""
    labels = {"n" * 60 + str(number): '"\\' * 128 for number in range(32)}
    whole = compose(
        record(
            requested(labels=labels, input_file="🚢" * 1024, user="🚢" * 128, stages=100),
            execution("FAILED", attempts=(attempt(passed=False),), stopped_at=NOW, cause="\x01" * 4096),
            task(containers=(container(exit_code=1),)),
            receipt(tail=("\x1b" * 200,) * 10),
        ),
        Links(),
    )
    assert message_bytes(fitted(whole)) <= LONGEST_MESSAGE_BYTES


def step_by_step(whole: JobNotification, monkeypatch: pytest.MonkeyPatch) -> list[JobNotification]:
    """The notification after each step that it can be shortened by, as if SNS took a byte less each time."""
    shorter = [whole]
    while len(shorter) == 1 or shorter[-1] != shorter[-2]:
        monkeypatch.setattr(size_limit, "LONGEST_MESSAGE_BYTES", message_bytes(shorter[-1]) - 1)
        shorter.append(fitted(shorter[-1]))
    return shorter[1:-1]


def test_each_step_leaves_out_what_it_says_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be found again by its key goes first; of the stage that failed, the most is kept for longest."""
    whole = notification(job(3, attempts=2, sidecars=1, failing=2))
    unlinked, unconsoled, bare, failed_alone, last_alone, nothing = step_by_step(whole, monkeypatch)
    assert nothing.left_out == (
        "links to the logs of stages that passed",
        "console links",
        "containers of stages that passed",
        "stages that passed or did not run",
        "attempts before the last",
        "all stages",
    )

    def logs(item: JobNotification, status: str) -> list[LogReceipt]:
        return [
            container.log
            for stage in item.stages
            if stage.status == status
            for told in stage.attempts
            for container in told.containers
            if container.log
        ]

    assert all(log.link for log in (*logs(whole, "PASSED"), *logs(whole, "FAILED")))
    assert not any(log.link for log in logs(unlinked, "PASSED"))
    assert all(log.link and log.console_url for log in logs(unlinked, "FAILED"))
    assert all(log.console_url for log in logs(unlinked, "PASSED"))
    assert not any(log.console_url for status in ("PASSED", "FAILED") for log in logs(unconsoled, status))
    assert (len(logs(bare, "PASSED")), len(logs(bare, "FAILED"))) == (0, 4)
    assert [len(stage.attempts) for stage in bare.stages] == [len(stage.attempts) for stage in whole.stages]
    assert [stage.status for stage in failed_alone.stages] == ["FAILED"]
    assert [told.attempt for stage in failed_alone.stages for told in stage.attempts] == [1, 2]
    assert [told.attempt for stage in last_alone.stages for told in stage.attempts] == [2]
    assert nothing.stages == ()
    assert "all stages" in nothing.text


def test_of_a_rejection_the_first_reasons_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are all that it has to tell."""
    problems = tuple(Problem(field=f"f{number}", message="m", remedy="r") for number in range(11))
    [shorter] = step_by_step(notification(record(rejected(problems=problems))), monkeypatch)
    assert shorter.left_out == ("reasons after the first 10",)
    assert shorter.rejection is not None
    assert [problem.field for problem in shorter.rejection.problems] == [f"f{number}" for number in range(10)]


def test_a_message_is_measured_as_it_is_sent() -> None:
    """JSON within JSON, whose quotes are escaped, in UTF-8, whose letters are not; the text goes beside it."""
    note = compose(record(requested(user="größe"), execution("ABORTED")), Links({}))
    inner, text = note.model_dump_json(), note.text
    sent = json.dumps({"default": inner, "email": text}, ensure_ascii=False).encode()
    assert message_bytes(note) == len(sent)
    assert len(sent) == len(inner.encode()) + len(text.encode()) + inner.count('"') + inner.count("\\") + sum(
        map(text.count, '"\\\n')
    ) + len('{"default": "", "email": ""}')
