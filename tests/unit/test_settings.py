"""A missing or impossible setting stops the start with one clear sentence."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from service.core.overrides import REDRIVE_VARIABLE, environment
from service.settings import CONTAINER_VARIABLES, ENVIRONMENT_PREFIX, Settings, SettingsError, read_settings
from tests.support.builders import admitted, body

NEEDED = {
    "REQUEST_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/requests",
    "EVENT_QUEUE_URL": "http://127.0.0.1:4566/000000000000/events",
    "CONTROL_QUEUE_URL": "http://127.0.0.1:4566/000000000000/control",
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
    for name in ("REQUEST_QUEUE_URL", "EVENT_QUEUE_URL", "CONTROL_QUEUE_URL", "STATE_MACHINE_ARN", "TOPIC_ARN"):
        surroundings.setenv(f"JOBFERRY_{name}", "x")
    sentences = complaint().splitlines()
    assert len(sentences) == 5
    assert all("cannot be used: it does not look like " in sentence for sentence in sentences)
    assert not any("pattern" in sentence or "^" in sentence for sentence in sentences)


def test_every_example_is_one(surroundings: pytest.MonkeyPatch) -> None:
    """It would be taken."""
    shown = {name: field.examples[0] for name, field in Settings.model_fields.items() if field.examples}
    for name, example in shown.items():
        surroundings.setenv(ENVIRONMENT_PREFIX + name.upper(), str(example))
    settings = read_settings()
    assert {name: getattr(settings, name) for name in shown} == shown
    assert len(shown) == 6


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
    variables = environment(stage, 1, 1, "job", "arn", "bucket", "in", "ifgeek", None)
    ours = {pair["Name"] for pair in variables if pair["Name"].startswith(ENVIRONMENT_PREFIX)}
    ours.add(REDRIVE_VARIABLE)  # The state machine's own.
    assert ours == {ENVIRONMENT_PREFIX + name for name in CONTAINER_VARIABLES}


def test_what_is_left_out_is_this(surroundings: pytest.MonkeyPatch) -> None:
    """What the README and the runbook count on; a default that changes is a change of behaviour."""
    left_out = read_settings().model_dump(exclude={name.lower() for name in NEEDED})
    assert left_out == {
        "task_family_prefix": "jobferry",
        "visibility_seconds": 60,
        "max_receives": 50,
        "poll_seconds": 20,
        "request_slots": 50,
        "control_slots": 20,
        "event_slots": 200,
        "drain_seconds": 25,
        "stop_timeout_seconds": 30,
        "start_execution_bucket": 800.0,
        "start_execution_refill": 150.0,
        "get_log_events_per_second": 5.0,
        "log_batches": "on",
        "filter_log_events_per_second": 1.5,
        "log_quiet_seconds": 10.0,
        "log_deadline_seconds": 900.0,
        "log_memory_mebibytes": 64,
        "task_grace_seconds": 30.0,
        "silence_seconds": 300.0,
        "claim_seconds": 60.0,
        "sweep_seconds": 30.0,
        "sweep_per_second": 10.0,
        "redrives_seconds": 300.0,
        "link_seconds": 604_800,
        "prices": {},
        "secret_patterns": (),
        "health_port": 0,
        "metrics": "off",
        "transport": "quick",
        "stack": "jobferry",
        "retention_days": 90,
    }


# The last value that may be given, and the first that may not, at either end.
LIMITS: dict[str, tuple[list[str], list[str]]] = {
    "LOG_BUCKET": (["abc", "a" * 63], ["ab", "a" * 64]),
    "JOBS_TABLE": (["abc", "a" * 255], ["ab", "a" * 256]),
    "CATALOG": (["c"], [""]),
    "TASK_FAMILY_PREFIX": (["a", "a" * 128], ["", "a" * 129, "a.b"]),
    "VISIBILITY_SECONDS": (["2", "43200"], ["1", "43201"]),
    "POLL_SECONDS": (["0", "20"], ["-1", "21"]),
    "REQUEST_SLOTS": (["1", "1000"], ["0", "1001"]),
    "EVENT_SLOTS": (["1", "5000"], ["0", "5001"]),
    "START_EXECUTION_BUCKET": (["1"], ["0.9"]),
    "START_EXECUTION_REFILL": (["0.1"], ["0"]),
    "GET_LOG_EVENTS_PER_SECOND": (["0.1"], ["0"]),
    "LOG_QUIET_SECONDS": (["0"], ["-0.1"]),
    "LOG_MEMORY_MEBIBYTES": (["24"], ["23"]),
    "TASK_GRACE_SECONDS": (["0"], ["-0.1"]),
    "SILENCE_SECONDS": (["1"], ["0.9"]),
    "CLAIM_SECONDS": (["0.1"], ["0"]),
    "SWEEP_SECONDS": (["0.1"], ["0"]),
    "SWEEP_PER_SECOND": (["0.1"], ["0"]),
    "LINK_SECONDS": (["60", "604800"], ["59", "604801"]),
    "HEALTH_PORT": (["0", "65535"], ["-1", "65536"]),
    "METRICS": (["off", "emf"], ["on"]),
    "STACK": (["s", "s" * 128], ["", "s" * 129]),
    "RETENTION_DAYS": (["14"], ["13"]),
}


@pytest.mark.parametrize(("name", "limits"), LIMITS.items(), ids=LIMITS)
def test_a_limit_is_where_it_is(
    surroundings: pytest.MonkeyPatch, name: str, limits: tuple[list[str], list[str]]
) -> None:
    """Up to it a value works, beyond it the setting is named."""
    taken, refused = limits
    for value in taken:
        surroundings.setenv(ENVIRONMENT_PREFIX + name, value)
        assert str(getattr(read_settings(), name.lower())).removesuffix(".0") == value
    for value in refused:
        surroundings.setenv(ENVIRONMENT_PREFIX + name, value)
        assert complaint().startswith(f"JOBFERRY_{name} cannot be used: ")


TOGETHER: dict[str, tuple[dict[str, str], str | None]] = {
    "the shortest drain": ({"DRAIN_SECONDS": "1", "POLL_SECONDS": "0"}, None),
    "no drain": ({"DRAIN_SECONDS": "0", "POLL_SECONDS": "0"}, "JOBFERRY_DRAIN_SECONDS cannot be used"),
    "a drain just before the stop": ({"DRAIN_SECONDS": "29"}, None),
    "a drain at the stop": ({"DRAIN_SECONDS": "30"}, "JOBFERRY_DRAIN_SECONDS (30) must be less"),
    "a poll just before the drain": ({"DRAIN_SECONDS": "21"}, None),
    "a poll at the drain": ({"DRAIN_SECONDS": "20"}, "JOBFERRY_POLL_SECONDS (20) must be less"),
    "the longest stop": ({"STOP_TIMEOUT_SECONDS": "120", "DRAIN_SECONDS": "119"}, None),
    "a stop of one second": (
        {"STOP_TIMEOUT_SECONDS": "1", "DRAIN_SECONDS": "1", "POLL_SECONDS": "0"},
        "JOBFERRY_DRAIN_SECONDS (1) must be less",
    ),
    "no stop": ({"STOP_TIMEOUT_SECONDS": "0"}, "JOBFERRY_STOP_TIMEOUT_SECONDS cannot be used"),
    "the shortest deadline": ({"LOG_DEADLINE_SECONDS": "1", "LOG_QUIET_SECONDS": "0.5"}, None),
    "no deadline": ({"LOG_DEADLINE_SECONDS": "0.9"}, "JOBFERRY_LOG_DEADLINE_SECONDS cannot be used"),
    "a quiet just before the deadline": ({"LOG_QUIET_SECONDS": "899.9"}, None),
    "a quiet at the deadline": ({"LOG_QUIET_SECONDS": "900"}, "JOBFERRY_LOG_QUIET_SECONDS (900) must be less"),
}


@pytest.mark.parametrize(("given", "why"), TOGETHER.values(), ids=TOGETHER)
def test_settings_that_depend_on_each_other(
    surroundings: pytest.MonkeyPatch, given: dict[str, str], why: str | None
) -> None:
    """To the last second."""
    for name, value in given.items():
        surroundings.setenv(ENVIRONMENT_PREFIX + name, value)
    if why is None:
        read_settings()
    else:
        assert complaint().startswith(why)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REQUEST_QUEUE_URL", "ftp://sqs/requests"),
        ("EVENT_QUEUE_URL", "sqs/https://events"),
        ("STATE_MACHINE_ARN", "arn:aws:states:eu-central-1"),
        ("TOPIC_ARN", "arn:aws:sqs:eu-central-1:123456789012:jobferry"),
    ],
)
def test_a_setting_of_another_shape_is_shown_what_it_should_look_like(
    surroundings: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """By its own example, and what it is after it."""
    surroundings.setenv(ENVIRONMENT_PREFIX + name, value)
    field = Settings.model_fields[name.lower()]
    [example] = field.examples or []
    assert complaint() == (
        f"JOBFERRY_{name} cannot be used: it does not look like {example}. It is: {field.description}"
    )


def test_a_prefix_of_families_is_shown_its_example(surroundings: pytest.MonkeyPatch) -> None:
    """The one that is the default."""
    surroundings.setenv("JOBFERRY_TASK_FAMILY_PREFIX", "a b")
    assert complaint().startswith("JOBFERRY_TASK_FAMILY_PREFIX cannot be used: it does not look like jobferry. It is: ")


@pytest.mark.parametrize(
    ("prices", "named"),
    [
        ('{"FARGATE": {"vcpu_hour": -0.01, "gb_hour": 0}}', "JOBFERRY_PRICES_FARGATE_VCPU_HOUR"),
        ('{"FARGATE": {"vcpu_hour": 0, "gb_hour": -0.01}}', "JOBFERRY_PRICES_FARGATE_GB_HOUR"),
    ],
)
def test_a_price_is_not_negative(surroundings: pytest.MonkeyPatch, prices: str, named: str) -> None:
    """Nothing may cost nothing."""
    surroundings.setenv("JOBFERRY_PRICES", '{"FARGATE": {"vcpu_hour": 0, "gb_hour": 0}}')
    assert read_settings().prices["FARGATE"].vcpu_hour == 0
    surroundings.setenv("JOBFERRY_PRICES", prices)
    assert complaint().startswith(f"{named} cannot be used: ")
