"""From a record to what subscribers read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.failures import FAILURES
from schemas.notification import FailureCard, JobNotification, Link
from schemas.plan import STAGE_FAILED, PlannerReport
from service.core.diagnosis.table import ROWS
from service.core.policy.outcome import status_of
from service.core.record.facts import Fact, StageBrief
from service.core.record.hearing import forgotten_task
from service.core.record.record import Record
from service.core.telling.compose import Links, compose, iso, linked_objects, notification_id
from service.core.telling.failure_words import in_words
from service.core.telling.letter import as_text, subject
from tests.support.builders import (
    JOB,
    MESSAGE,
    NOW,
    attempt,
    container,
    execution,
    merge_all,
    receipt,
    record,
    rejected,
    requested,
    running,
    succeeded,
    task,
    task_arn,
)
from tests.unit.test_record import FACTS

KEY = f"jobs/{JOB}/logs/1-1/main-t1.log"
LINK = Link(url="https://jobferry-logs.s3.amazonaws.com/x?X-Amz-Signature=1", expires_at="2023-11-21T22:13:20.000Z")
LINKS = Links({("jobferry-logs", KEY): LINK})


def told(*facts: Fact, links: Links | None = None) -> JobNotification:
    """The notification of a job of which these facts were heard."""
    return compose(record(*facts), links or Links())


def failure(*facts: Fact) -> FailureCard:
    """The failure card of a job; the test fails where there is none."""
    card = told(*facts).failure
    assert card is not None
    return card


PASSED = attempt()
CALLBACK = attempt(task_arn=None, exit_code=None)

STATUSES: dict[str, tuple[str, Record]] = {
    "every stage exited with 0": ("SUCCEEDED", succeeded()),
    "told by the planner alone": ("SUCCEEDED", record(requested(), execution(attempts=(PASSED,)))),
    "an earlier attempt failed": (
        "SUCCEEDED",
        record(
            requested(), execution(attempts=(attempt(passed=False), attempt(1, 2))), task(), task("t1-2", attempt=2)
        ),
    ),
    "a sidecar's 137 beside the job's own 0": (
        "SUCCEEDED",
        record(
            requested(),
            execution(attempts=(PASSED,)),
            task(containers=(container("sidecar", 137), container())),
        ),
    ),
    "a stage that reported back and exited with 0": (
        "SUCCEEDED",
        record(requested(integration="callback"), execution(attempts=(CALLBACK,)), task()),
    ),
    "a stage that reported back and exited with 1": (
        "FAILED",
        record(
            requested(integration="callback"),
            execution(attempts=(CALLBACK,)),
            task(containers=(container(exit_code=1),)),
        ),
    ),
    "a stage that reported back, and was stopped while it tidied up": (
        "SUCCEEDED",
        record(requested(integration="callback"), execution(attempts=(CALLBACK,)), task(stop_code="UserInitiated")),
    ),
    "a stage that reported back and exited with 0, killed for its memory": (
        "FAILED",
        record(
            requested(integration="callback"),
            execution(attempts=(CALLBACK,)),
            task(containers=(container(exit_code=0, reason="OutOfMemoryError: Container killed"),)),
        ),
    ),
    "Step Functions says well, no attempt is told, and somebody stopped the task": (
        "FAILED",
        record(requested(), execution(), task(stop_code="UserInitiated")),
    ),
    "a stage that reported back and no exit code": (
        "FAILED",
        record(requested(integration="callback"), execution(attempts=(CALLBACK,)), running()),
    ),
    "Step Functions says well, no attempt is told, and ECS says 0": (
        "SUCCEEDED",
        record(requested(), execution(), task()),
    ),
    "Step Functions says well, and nothing is known of any attempt": ("FAILED", record(requested(), execution())),
    "Step Functions says well, no attempt is told, and ECS has no exit code": (
        "FAILED",
        record(requested(), execution(), task(containers=(container(exit_code=None),))),
    ),
    "one stage of two is told": ("FAILED", record(requested(stages=2), execution(attempts=(PASSED,)), task())),
    "the planner says well, and ECS says 1": (
        "FAILED",
        record(requested(), execution(attempts=(PASSED,)), task(containers=(container(exit_code=1),))),
    ),
    "the planner says badly, and ECS says 0": (
        "FAILED",
        record(requested(), execution(attempts=(attempt(passed=False, exit_code=None),)), task()),
    ),
    "failed": ("FAILED", record(requested(), execution("FAILED"))),
    "failed, though every task exited with 0": ("FAILED", record(requested(), execution("FAILED"), task())),
    "the machine's own timeout": ("TIMED_OUT", record(requested(), execution("TIMED_OUT"))),
    "the job's timeout": ("TIMED_OUT", record(requested(), execution("FAILED", error="JobTimedOut"))),
    "stopped": ("ABORTED", record(requested(), execution("ABORTED"))),
    "refused": ("REJECTED", record(rejected())),
}


@pytest.mark.parametrize(("status", "job"), STATUSES.values(), ids=STATUSES)
def test_which_status_is_announced(status: str, job: Record) -> None:
    """Success is an explicit 0 of every stage's own container, and never only the absence of an error."""
    assert status_of(job) == status
    notification = compose(job, Links())
    assert notification.status == status
    assert (notification.failure is None) is (status in {"SUCCEEDED", "REJECTED"})
    assert (notification.rejection is not None) is (status == "REJECTED")


def test_what_passed_before_a_job_was_stopped_is_not_blamed() -> None:
    """An execution that was ended from outside has no word of the planner's; ECS says which stage was at work."""
    first, second = task("t1"), task("t2", stage=2, containers=(container(exit_code=143),))
    notification = compose(record(requested(stages=3), execution("ABORTED"), first, second), Links())
    assert [stage.status for stage in notification.stages] == ["PASSED", "FAILED", "NOT_RUN"]
    assert notification.failure is not None
    assert (notification.failure.stage, notification.failure.exit_code) == (2, 143)


def test_a_task_that_was_stopped_from_outside_is_no_success_whatever_the_planner_was_told() -> None:
    """Where AWS left the stop code out of the state's result, ECS's own event tells it."""
    passed = attempt(passed=True, exit_code=0)
    stopped = task(containers=(container(exit_code=0),), stop_code="SpotInterruption")
    assert status_of(record(requested(), execution(attempts=(passed,)), stopped)) == "FAILED"
    by_itself = task(containers=(container(exit_code=0),), stop_code="EssentialContainerExited")
    ended = record(requested(), execution(attempts=(passed,)), by_itself)
    assert status_of(ended) == "SUCCEEDED"


def test_no_negative_duration_is_told() -> None:
    """Two clocks may disagree; then it is not known how long the task ran."""
    late = attempt(passed=False, error="States.Timeout", task_arn=None)
    ended = execution("FAILED", error=STAGE_FAILED, cause=None, attempts=(late,))
    brief = {"name": "n", "image": "i", "container": "main", "integration": "callback", "timeout_seconds": 600}
    reporter = requested().model_copy(update={"stages": (StageBrief(**brief, heartbeat_seconds=60),)})

    def told(started_at: float, stopped_at: float) -> str:
        ran = task(containers=(container(exit_code=0),), started_at=started_at, stopped_at=stopped_at)
        return failure(reporter, ended, ran).evidence

    assert "after 60 s" in told(NOW, NOW + 60)
    assert "after" not in told(NOW + 60, NOW)


def test_a_failure_without_a_name_is_told_as_such() -> None:
    """As the planner read it, also where ECS tells of the container's exit code."""
    told_of = attempt(passed=False, error="", failure_class="callback_failure", task_arn=None)
    cause = PlannerReport(evidence="the container reported a failure without a name").as_json()
    ended = execution("FAILED", error=STAGE_FAILED, cause=cause, attempts=(told_of,))
    reporter = requested(integration="callback")
    card = failure(reporter, ended, task(containers=(container(exit_code=1),)))
    assert card.failure_class == "callback_failure"
    assert card.evidence == "the container reported a failure without a name"


def test_a_callback_that_exited_with_0_passed_if_another_stage_followed() -> None:
    """Without the planner's word, its own word shows only in what came after it."""
    first = task("t1")
    stopped_there = record(requested(stages=2, integration="callback"), execution("ABORTED"), first)
    stopped_later = record(
        requested(stages=2, integration="callback"), execution("ABORTED"), first, running("t2", stage=2)
    )
    assert compose(stopped_there, Links()).stages[0].status == "FAILED"
    assert compose(stopped_later, Links()).stages[0].status == "PASSED"


def test_the_id_is_the_same_for_every_copy_of_an_outcome() -> None:
    """It is made of the job, the redrive count and the status, and of nothing that another replica sees otherwise."""
    assert notification_id(succeeded()) == f"{JOB}:0:SUCCEEDED"
    redriven = record(requested(), execution("FAILED"), execution("FAILED", redrive_count=2))
    assert notification_id(redriven) == told(requested(), execution("FAILED", redrive_count=2)).id == f"{JOB}:2:FAILED"
    by_sweep = told(requested(), execution(attempts=(PASSED,), observed_via="sweep"), task(), receipt())
    assert by_sweep.id == told(requested(), execution(attempts=(PASSED,)), task(), receipt()).id


def test_a_rejections_id_is_its_messages() -> None:
    """Another request may own the job id that it claims."""
    refusal = rejected(claimed_job_id=JOB)
    assert notification_id(record(refusal)) == told(refusal).id == f"{MESSAGE}:0:REJECTED"


def test_a_job_that_succeeded() -> None:
    """Who, what, when, how long, and where the log is."""
    notification = compose(
        record(
            requested(user="ifgeek", job_type="thumbnails", input_file="in/a.jpg", labels={"team": "pictures"}),
            execution(attempts=(PASSED,)),
            task(),
            receipt(first_at=NOW + 7, last_at=NOW + 49.5, archived_at=NOW + 61.25),
        ),
        LINKS,
    )
    assert (notification.job_id, notification.tenant, notification.user) == (JOB, "web", "ifgeek")
    assert (notification.job_type, notification.input_file) == ("thumbnails", "in/a.jpg")
    assert notification.labels == {"team": "pictures"}
    assert (notification.submitted_at, notification.ended_at) == (
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:14:20.000Z",
    )
    assert (notification.duration_seconds, notification.observed_via) == (60, "event")
    stage = notification.stages[0]
    assert (stage.status, stage.output_s3_prefix) == ("PASSED", f"s3://jobferry-logs/jobs/{JOB}/stages/1/")
    assert stage.attempts[0].durations.model_dump() == {
        "queued": 2,
        "starting": 3,
        "running": 44,
        "archiving": 11.25,
    }
    log = stage.attempts[0].containers[0].log
    assert log is not None
    assert (log.status, log.lines, log.s3_uri, log.link) == ("complete", 2, f"s3://jobferry-logs/{KEY}", LINK)
    assert LINK.url in notification.text
    assert "2023-11-21 22:13 UTC" in notification.text


def test_a_stage_that_failed_and_one_that_did_not_run() -> None:
    """The card says which stage, which exit code, and its last words; later stages are told as not run."""
    facts: list[Fact] = [
        requested(stages=3),
        execution("FAILED", error="StageFailed", cause='{"evidence": "exit code 3"}',
                  attempts=(attempt(1), attempt(2, passed=False, exit_code=3, error="States.TaskFailed"))),
        task(),
        receipt(),
        task("t2", stage=2, containers=(container(exit_code=3),)),
        receipt("t2", tail=("about to break", "broken: no such picture")),
    ]  # fmt: skip
    notification = told(*facts)
    card = failure(*facts)
    assert (card.stage, card.stage_name, card.exit_code) == (2, "stage-2", 3)
    assert card.log_tail == ("about to break", "broken: no such picture")
    assert card.evidence
    assert card.next_action
    assert [stage.status for stage in notification.stages] == ["PASSED", "FAILED", "NOT_RUN"]
    assert notification.stages[1].output_s3_prefix is None
    assert "broken: no such picture" in notification.text
    assert "exit code 3" in notification.text
    assert subject(notification) == f"{JOB}: failed at stage 2 ({card.failure_class})"


def test_every_attempt_is_told_with_its_own_task() -> None:
    """The planner's attempts and ECS's tasks meet by number, or by the task's id where ECS did not say the number."""
    notification = told(
        requested(),
        execution(attempts=(attempt(1, 1, passed=False), attempt(1, 2), attempt(1, 3))),
        task(containers=(container(exit_code=137),), stop_code="SpotInterruption"),
        task("t1-2", stage=None, attempt=None),
    )
    first, second, third = notification.stages[0].attempts
    assert (first.exit_code, first.stop_code, first.passed) == (137, "SpotInterruption", False)
    assert (second.task_arn, second.stop_code, second.passed) == (task_arn("t1-2"), "EssentialContainerExited", True)
    assert (third.task_arn, third.stop_code, third.exit_code) == (task_arn("t1-3"), None, 0)


RECEIPTS: dict[str, tuple[dict[str, Any], str]] = {
    "complete": ({}, "Log of main (2 lines), to be opened until 2023-11-21 22:13 UTC:"),
    "one line": ({"lines": 1}, "Log of main (1 line), to be opened until"),
    "possibly lossy": (
        {"status": "possibly_lossy", "why": "the mode is non-blocking"},
        "(2 lines; possibly lossy: the mode is non-blocking), to be opened until",
    ),
    "absent": (
        {"status": "absent", "why": "the container never started", "s3_key": None, "s3_bucket": None},
        "Log of main: absent (the container never started)",
    ),
}


@pytest.mark.parametrize(("fields", "line"), RECEIPTS.values(), ids=RECEIPTS)
def test_what_the_letter_says_of_a_log(fields: dict[str, Any], line: str) -> None:
    """Whole, doubtful or absent, each with its reason."""
    notification = told(requested(), execution(attempts=(PASSED,)), task(), receipt(**fields), links=LINKS)
    assert line in notification.text


def test_how_long_archiving_took_is_the_last_log_of_the_task() -> None:
    """From the task's stop; unknown where no log was archived, never negative where clocks differ."""
    two = task(containers=(container(), container("side")))
    facts = (requested(), execution(attempts=(PASSED,)), two)
    both = (receipt(archived_at=NOW + 52), receipt(name="side", archived_at=NOW + 55))
    absent = (receipt(status="absent", s3_key=None, s3_bucket=None),)
    early = (receipt(archived_at=NOW + 49),)
    for receipts, seconds in ((both, 5), (absent, None), ((), None), (early, 0)):
        assert told(*facts, *receipts).stages[0].attempts[0].durations.archiving == seconds


def test_every_attempt_says_why_it_ended_and_on_what_it_ran() -> None:
    """A retry on demand, or with more memory, is seen to have been one."""
    killed = container(exit_code=137)
    notification = told(
        requested(),
        execution(
            attempts=(
                attempt(1, 1, passed=False, exit_code=137, failure_class="spot_interruption"),
                attempt(1, 2, passed=False, exit_code=137, failure_class="out_of_memory"),
                attempt(1, 3),
            )
        ),
        task(launch_type="FARGATE", capacity_provider="FARGATE_SPOT", memory="512", containers=(killed,)),
        task("t1-2", attempt=2, launch_type="FARGATE", memory="512", containers=(killed,)),
        task("t1-3", attempt=3, launch_type="FARGATE", memory="1024"),
    )
    attempts = notification.stages[0].attempts
    assert [(item.failure_class, item.ran_on, item.memory) for item in attempts] == [
        ("spot_interruption", "FARGATE_SPOT", 512),
        ("out_of_memory", "FARGATE", 512),
        (None, "FARGATE", 1024),
    ]
    assert "Attempt 1: the Spot capacity was taken back, exit code 137\n" in notification.text
    assert "on FARGATE_SPOT with 512 MiB" in notification.text
    assert "Attempt 3: passed, exit code 0\n" in notification.text


def test_no_task_is_told_where_RunTask_was_refused() -> None:
    """Rather than a missing exit code, which would have somebody look for a task."""
    refused = attempt(passed=False, exit_code=None, task_arn=None, error="ECS.AmazonECSException")
    silent = attempt(passed=False, exit_code=None, task_arn=None, error="States.Timeout")
    for one, words in ((refused, "failed, no task was started\n"), (silent, "failed, no exit code\n")):
        assert words in told(requested(), execution("FAILED", attempts=(one,))).text


def test_every_class_has_words() -> None:
    """That a person reads; the class's name is for filters."""
    assert sorted(FAILURES) == sorted({row.failure_class for row in ROWS})
    assert in_words("a_class_to_come") == "a class to come"


SPENT = [
    ({}, "It waited for 2.0 s, took 3.0 s to pull its images and start, and ran for 44.0 s"),
    ({"created_at": None}, "It took 3.0 s to pull its images and start, and ran for 44.0 s"),
    ({"pull_started_at": None, "launch_type": "FARGATE"}, "It ran for 44.0 s on FARGATE."),
    ({"stopped_at": NOW + 6 + 59.96}, "ran for 1 min 0 s"),
    ({"stopped_at": NOW + 6 + 7_322}, "ran for 2 h 2 min"),
]


@pytest.mark.parametrize(("fields", "sentence"), SPENT)
def test_how_long_it_took_is_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    """Of what is known."""
    assert sentence in told(requested(), execution(attempts=(PASSED,)), task(**fields)).text


CONFIDENCES = {"certain": "This is certain.", "likely": "This is likely.", "guess": "This is a guess."}


@pytest.mark.parametrize(("confidence", "words"), CONFIDENCES.items())
def test_the_letter_says_how_sure_we_are(confidence: str, words: str) -> None:
    """In a sentence."""
    notification = told(requested(), execution("FAILED", attempts=(attempt(passed=False),)))
    assert notification.failure is not None
    card = notification.failure.model_copy(update={"confidence": confidence})
    assert words in as_text(notification.model_copy(update={"failure": card}))


LOST_EVENTS: dict[str, tuple[Fact, ...]] = {
    "never heard of": (),
    "forgotten by ECS": (forgotten_task(JOB, task_arn(), NOW + 70, running()),),
}


@pytest.mark.parametrize("heard", LOST_EVENTS.values(), ids=LOST_EVENTS)
def test_the_planners_verdict_holds_where_ECS_tells_nothing(heard: tuple[Fact, ...]) -> None:
    """It read the task before ECS forgot it: a sidecar's fault, and no guess from the code 143 that it left behind."""
    ended = attempt(passed=False, exit_code=143, error="States.TaskFailed", failure_class="sidecar_failed")
    cause = json.dumps({"evidence": "own exit code 143; proxy: exit code 1"})
    card = failure(requested(), execution("FAILED", error="StageFailed", cause=cause, attempts=(ended,)), *heard)
    assert (card.failure_class, card.confidence) == ("sidecar_failed", "likely")
    assert card.evidence == "own exit code 143; proxy: exit code 1"
    assert card.next_action.startswith("Another container failed")


def test_the_letter_says_what_was_left_out() -> None:
    """A colleague should not look for links that nobody sent; a log without its link is told by its place."""
    notification = told(requested(), execution(attempts=(PASSED,)), task(), receipt())
    text = as_text(notification.model_copy(update={"left_out": ("console links",)}))
    assert "Left out, to keep this short enough to be sent: console links." in text
    assert f"  Log of main (2 lines):\n    s3://jobferry-logs/{KEY}\n" in text


def test_what_a_notification_links_to() -> None:
    """Archived logs, or a rejected request's body; nothing else is signed."""
    assert linked_objects(succeeded()) == (("jobferry-logs", KEY),)
    absent = receipt(status="absent", s3_key=None, s3_bucket=None)
    assert linked_objects(record(requested(), execution(), absent)) == ()
    assert linked_objects(record(rejected())) == (("jobferry-logs", f"rejected/{MESSAGE}.json"),)
    assert linked_objects(record(rejected(body_s3_uri=None))) == ()


def test_a_rejection_says_every_reason_and_where_the_body_is() -> None:
    """And is told in plain words to people."""
    body_link = Links({("jobferry-logs", f"rejected/{MESSAGE}.json"): LINK})
    refusal = rejected(
        claimed_job_id="a",
        claimed_tenant="web",
        problems=[
            {"field": "stages.0.image", "message": "no image is named 'x'", "remedy": "Use one of: y."},
            {"field": "", "message": "it says nothing to run", "remedy": "Say something."},
        ],
    )
    notification = told(refusal, links=body_link)
    assert (notification.job_id, notification.tenant, notification.observed_via) == ("a", "web", "request")
    assert notification.rejection is not None
    assert len(notification.rejection.problems) == 2
    assert notification.rejection.body_link == LINK
    assert "  - stages.0.image: no image is named 'x'. Use one of: y.\n" in notification.text
    assert "  - it says nothing to run. Say something.\n" in notification.text
    assert LINK.url in notification.text
    assert subject(notification) == "a: rejected"
    assert subject(told(rejected())) == "a request: rejected"


HOSTILE = "\x1b[2J\r\nBcc: all@example.com\u2028\u202e\x00 🚢 \ud7ff{job}%s"


def test_hostile_reasons_do_not_break_the_letter() -> None:
    """Nor do AWS's words, which quote a container's and a registry's."""
    notification = told(
        requested(),
        execution("FAILED", attempts=(attempt(passed=False, exit_code=None),)),
        task(stopped_reason=HOSTILE, containers=(container(exit_code=None, reason=HOSTILE),)),
        receipt(status="absent", why=f"the container never started: {HOSTILE}", s3_key=None, s3_bucket=None),
    )
    assert all(line.isprintable() for line in notification.text.splitlines())
    assert not any(line.startswith("Bcc") for line in notification.text.splitlines())


def test_hostile_last_words_do_not_break_the_letter() -> None:
    """A container writes what it likes: in the letter each of its lines stays a line, marked as its own."""
    notification = told(
        requested(),
        execution("FAILED", attempts=(attempt(passed=False),)),
        task(containers=(container(exit_code=1),)),
        receipt(tail=(HOSTILE, "What to do: send money")),
    )
    lines = notification.text.splitlines()
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("    | ") for line in lines if "Bcc" in line or "money" in line)


@settings(max_examples=200)
@given(st.text(max_size=150), st.text(max_size=150))
@example("j" * 64, "c" * 100)
def test_no_name_makes_a_subject_that_SNS_refuses(name: str, failure_class: str) -> None:
    """Less than 100 printable ASCII characters, no line break, whatever things are called."""
    failed = told(requested(), execution("FAILED", attempts=(attempt(passed=False),)))
    assert failed.failure is not None
    card = failed.failure.model_copy(update={"failure_class": failure_class})
    line = subject(failed.model_copy(update={"job_id": name, "failure": card}))
    assert 0 < len(line) < 100
    assert line.isascii()
    assert line.isprintable()


@settings(max_examples=300, deadline=None)
@given(st.lists(FACTS, max_size=12), st.integers(1, 3))
def test_odd_records_can_be_announced(facts: list[Fact], stages: int) -> None:
    """Whatever was heard or missed before an end, there is a notification, and it reads as what was written."""
    job = merge_all(Record.of_job(JOB), [requested(stages=stages), execution("FAILED"), *facts])
    notification = compose(job, LINKS)
    assert JobNotification.model_validate_json(notification.model_dump_json()) == notification
    assert notification.id == notification_id(job)
    assert notification.text == as_text(notification)
    assert len(notification.stages) == (0 if job.rejection else stages)


ODD_TEXT = st.none() | st.text(max_size=20)
ODD_TIME = st.none() | st.floats(0, 10**11, exclude_max=True)


@settings(max_examples=100, deadline=None)
@given(ODD_TEXT, ODD_TEXT, ODD_TIME, ODD_TIME, st.none() | st.integers(-(2**31), 2**31))
def test_odd_texts_and_times_can_be_announced(
    error: str | None, cause: str | None, start: float | None, stop: float | None, code: int | None
) -> None:
    """Nothing that AWS could say of a failure stops its announcement, and no duration is negative."""
    facts: list[Fact] = [
        requested(),
        execution("FAILED", error=error, cause=cause, started_at=start, stopped_at=stop),
        task(stopped_reason=cause, started_at=stop, stopped_at=start, containers=(container(exit_code=code),)),
    ]
    notification = told(*facts)
    assert notification.failure is not None
    assert notification.failure.evidence
    durations = [notification.duration_seconds, notification.stages[0].attempts[0].durations.running]
    assert all(seconds is None or seconds >= 0 for seconds in durations)


def test_times_are_told_in_UTC_to_the_millisecond() -> None:
    """The same form everywhere."""
    assert iso(None) is None
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(NOW + 0.6199) == "2023-11-14T22:13:20.619Z"


def test_a_notification_is_JSON_that_any_reader_reads() -> None:
    """No NaN, no surrogates: what was composed survives a strict parser."""
    text = told(requested(labels={"a": "ü🚢\u200b"}), execution(attempts=(PASSED,)), task()).model_dump_json()
    assert json.loads(text.encode().decode())["labels"] == {"a": "ü🚢\u200b"}
