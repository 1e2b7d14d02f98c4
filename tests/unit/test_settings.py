"""A missing or impossible setting stops the start with one clear sentence."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.core.overrides import environment
from service.settings import CONTAINER_VARIABLES, ENVIRONMENT_PREFIX, Settings, SettingsError, read_settings
from tests.support.builders import admitted, body

NEEDED = {
    "REQUEST_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/requests",
    "EVENT_QUEUE_URL": "http://127.0.0.1:4566/000000000000/events",
    "STATE_MACHINE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:jobferry",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:jobferry",
    "LOG_BUCKET": "jobferry-logs",
    "JOBS_TABLE": "jobferry-jobs",
    "CATALOG": "catalog.yaml",
}


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with all that is needed, and no other setting of ours."""
    for name in Settings.model_fields:
        monkeypatch.delenv(ENVIRONMENT_PREFIX + name.upper(), raising=False)
    for name, value in NEEDED.items():
        monkeypatch.setenv(ENVIRONMENT_PREFIX + name, value)
    return monkeypatch


def complaint() -> str:
    """What stops the start; the test fails where nothing does."""
    with pytest.raises(SettingsError) as refusal:
        read_settings()
    return str(refusal.value)


def test_what_is_needed_is_enough(surroundings: pytest.MonkeyPatch) -> None:
    """Everything else has a default, and the defaults work together."""
    settings = read_settings()
    assert settings.request_queue_url == NEEDED["REQUEST_QUEUE_URL"]
    assert settings.poll_seconds < settings.drain_seconds < settings.stop_timeout_seconds


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_setting_is_named(surroundings: pytest.MonkeyPatch, name: str) -> None:
    """With what it is, so that nobody has to look it up."""
    surroundings.delenv(ENVIRONMENT_PREFIX + name)
    (sentence,) = complaint().splitlines()
    assert sentence.startswith(f"JOBFERRY_{name} is missing. It is: ")
    assert sentence.endswith(".")


def test_everything_that_is_missing_is_named_at_once(surroundings: pytest.MonkeyPatch) -> None:
    """One sentence a setting."""
    for name in NEEDED:
        surroundings.delenv(ENVIRONMENT_PREFIX + name)
    assert [line.split()[0] for line in complaint().splitlines()] == [f"JOBFERRY_{name}" for name in NEEDED]


WRONG = {
    "no URL": ("REQUEST_QUEUE_URL", "requests"),
    "another service's ARN": ("STATE_MACHINE_ARN", "arn:aws:sns:eu-central-1:123456789012:jobferry"),
    "no ARN": ("TOPIC_ARN", "jobferry"),
    "an empty bucket": ("LOG_BUCKET", ""),
    "a word for a number": ("VISIBILITY_SECONDS", "long"),
    "nothing for a number": ("DRAIN_SECONDS", ""),
    "a fraction of a slot": ("EVENT_SLOTS", "1.5"),
    "no slots": ("REQUEST_SLOTS", "0"),
    "a poll longer than SQS's": ("POLL_SECONDS", "21"),
    "a visibility of half a day and a second": ("VISIBILITY_SECONDS", "43201"),
    "a stop timeout longer than Fargate's": ("STOP_TIMEOUT_SECONDS", "121"),
    "links that live too long": ("LINK_SECONDS", "604801"),
    "records that end before the last redrive": ("RETENTION_DAYS", "13"),
    "a sweep without a pause": ("SWEEP_SECONDS", "0"),
    "a sweep that never comes": ("SWEEP_SECONDS", "inf"),
    "a pace that is no number": ("SWEEP_PER_SECOND", "nan"),
    "an endless pace": ("SWEEP_PER_SECOND", "inf"),
    "a pattern that is no regular expression": ("SECRET_PATTERNS", '["fine", "("]'),
    "a pattern that may take for ever": ("SECRET_PATTERNS", '["(a+)+b"]'),
    "a list that is a word": ("SECRET_PATTERNS", '"tok_"'),
}


@pytest.mark.parametrize(("name", "value"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_named(surroundings: pytest.MonkeyPatch, name: str, value: str) -> None:
    """With what is wrong and what it is."""
    surroundings.setenv(ENVIRONMENT_PREFIX + name, value)
    (sentence,) = complaint().splitlines()
    assert sentence.startswith(f"JOBFERRY_{name} cannot be used: ")
    assert " It is: " in sentence


def test_nobody_has_to_read_a_regular_expression(surroundings: pytest.MonkeyPatch) -> None:
    """What it should look like is shown by an example."""
    for name in ("REQUEST_QUEUE_URL", "EVENT_QUEUE_URL", "STATE_MACHINE_ARN", "TOPIC_ARN"):
        surroundings.setenv(f"JOBFERRY_{name}", "x")
    sentences = complaint().splitlines()
    assert len(sentences) == 4
    assert all("cannot be used: it does not look like " in sentence for sentence in sentences)
    assert not any("pattern" in sentence or "^" in sentence for sentence in sentences)


def test_every_example_is_one(surroundings: pytest.MonkeyPatch) -> None:
    """It would be taken."""
    shown = {name: field.examples[0] for name, field in Settings.model_fields.items() if field.examples}
    for name, example in shown.items():
        surroundings.setenv(ENVIRONMENT_PREFIX + name.upper(), str(example))
    settings = read_settings()
    assert {name: getattr(settings, name) for name in shown} == shown
    assert len(shown) == 5


IMPOSSIBLE = {
    "a drain that ECS cuts short": ({"DRAIN_SECONDS": "30"}, "JOBFERRY_DRAIN_SECONDS (30) must be less than"),
    "a poll that outlasts the drain": (
        {"DRAIN_SECONDS": "10", "POLL_SECONDS": "10"},
        "JOBFERRY_POLL_SECONDS (10) must be less than",
    ),
    "a log that is never quiet in time": (
        {"LOG_QUIET_SECONDS": "900"},
        "JOBFERRY_LOG_QUIET_SECONDS (900) must be less than",
    ),
}


@pytest.mark.parametrize(("given", "why"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_an_impossible_combination_is_named(surroundings: pytest.MonkeyPatch, given: dict[str, str], why: str) -> None:
    """Both settings, and what would come of it."""
    for name, value in given.items():
        surroundings.setenv(ENVIRONMENT_PREFIX + name, value)
    (sentence,) = complaint().splitlines()
    assert sentence.startswith(why)
    assert sentence.endswith(".")


def test_what_was_given_is_not_repeated(surroundings: pytest.MonkeyPatch) -> None:
    """A secret that was pasted into the wrong variable does not reach a log."""
    surroundings.setenv("JOBFERRY_TOPIC_ARN", "hunter2")
    surroundings.setenv("JOBFERRY_DRAIN_SECONDS", "hunter2")
    assert "hunter2" not in complaint()


def test_patterns_of_secrets_are_a_JSON_list(surroundings: pytest.MonkeyPatch) -> None:
    """Backslashes and all; what is no JSON is refused with the setting's name."""
    surroundings.setenv("JOBFERRY_SECRET_PATTERNS", r'["tok_\\w{32}", "acct (?P<secret>[0-9]{9})"]')
    assert read_settings().secret_patterns == (r"tok_\w{32}", "acct (?P<secret>[0-9]{9})")
    surroundings.setenv("JOBFERRY_SECRET_PATTERNS", "tok_.*")
    assert "secret_patterns" in complaint() and "JSON" in complaint()


def test_settings_do_not_change(surroundings: pytest.MonkeyPatch) -> None:
    """They are read once."""
    settings = read_settings()
    with pytest.raises(ValidationError):
        settings.poll_seconds = 1  # type: ignore[misc]  # that it must not be done is the point


def test_other_variables_are_none_of_ours(surroundings: pytest.MonkeyPatch) -> None:
    """AWS's own are AWS's business, and what a container of a job is told is no setting."""
    for name in CONTAINER_VARIABLES:
        surroundings.setenv(ENVIRONMENT_PREFIX + name, "1")
    surroundings.setenv("AWS_REGION", "eu-central-1")
    assert read_settings().jobs_table == "jobferry-jobs"


def test_a_slip_in_a_name_is_told_beside_what_is_missing_for_it(surroundings: pytest.MonkeyPatch) -> None:
    """With what was meant, if that can be guessed; the value is not repeated."""
    surroundings.delenv("JOBFERRY_TOPIC_ARN")
    for name in ("JOBFERRY_TOPC_ARN", "JOBFERRY_SWEEPSECONDS", "JOBFERRY_NOTHING_LIKE_IT"):
        surroundings.setenv(name, "hunter2")
    assert complaint().splitlines() == [
        "JOBFERRY_NOTHING_LIKE_IT is no setting of the worker's. Remove it.",
        "JOBFERRY_SWEEPSECONDS is no setting of the worker's. Did you mean JOBFERRY_SWEEP_SECONDS?",
        "JOBFERRY_TOPC_ARN is no setting of the worker's. Did you mean JOBFERRY_TOPIC_ARN?",
        "JOBFERRY_TOPIC_ARN is missing. It is: SNS topic of notifications.",
    ]


def test_the_variables_of_containers_are_those_that_they_are_told() -> None:
    """The list here and the writer there."""
    stage = admitted(body()).stages[0]
    told = environment(stage, 1, 1, "job", "arn", "bucket", "in", "ifgeek", None)
    ours = {pair["Name"] for pair in told if pair["Name"].startswith(ENVIRONMENT_PREFIX)}
    assert ours == {ENVIRONMENT_PREFIX + name for name in CONTAINER_VARIABLES}
