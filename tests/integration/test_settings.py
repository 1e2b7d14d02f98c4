"""The settings, read from the environment: what is missing or impossible is one sentence each."""

from __future__ import annotations

import os

import pytest

from service.settings import Settings, SettingsError, read_settings
from tests.support.deployment import properties, template

WORKING = {
    "JOBFERRY_REQUEST_QUEUE_URL": "https://sqs/requests",
    "JOBFERRY_EVENT_QUEUE_URL": "https://sqs/events",
    "JOBFERRY_CONTROL_QUEUE_URL": "https://sqs/control",
    "JOBFERRY_STATE_MACHINE_ARN": "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:jobferry",
    "JOBFERRY_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:jobferry",
    "JOBFERRY_LOG_BUCKET": "logs",
    "JOBFERRY_JOBS_TABLE": "jobs",
    "JOBFERRY_CATALOG": "/app/deploy/catalog.yaml",
}
WRONG = {
    "a queue that is no URL": ({"REQUEST_QUEUE_URL": "jobs"}, "JOBFERRY_REQUEST_QUEUE_URL cannot be used"),
    "another service's ARN": ({"TOPIC_ARN": "arn:aws:sqs:r:a:q"}, "JOBFERRY_TOPIC_ARN cannot be used"),
    "a number that is none": ({"EVENT_SLOTS": "many"}, "JOBFERRY_EVENT_SLOTS cannot be used"),
    "no slots": ({"REQUEST_SLOTS": "0"}, "JOBFERRY_REQUEST_SLOTS cannot be used"),
    "a number that is not finite": ({"SILENCE_SECONDS": "inf"}, "JOBFERRY_SILENCE_SECONDS cannot be used"),
    "links longer than SigV4 allows": ({"LINK_SECONDS": "604801"}, "JOBFERRY_LINK_SECONDS cannot be used"),
    "a stop longer than Fargate's": ({"STOP_TIMEOUT_SECONDS": "121"}, "JOBFERRY_STOP_TIMEOUT_SECONDS cannot be used"),
    "a drain longer than the stop": ({"DRAIN_SECONDS": "30"}, "JOBFERRY_DRAIN_SECONDS (30) must be less than"),
    "a poll longer than the drain": ({"DRAIN_SECONDS": "20"}, "JOBFERRY_POLL_SECONDS (20) must be less than"),
    "a quiet longer than the deadline": ({"LOG_DEADLINE_SECONDS": "5"}, "JOBFERRY_LOG_QUIET_SECONDS (10) must be less"),
}


@pytest.fixture(autouse=True)
def _working(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that works, with nothing else of Jobferry's in it."""
    for name in [name for name in os.environ if name.startswith("JOBFERRY_")]:
        monkeypatch.delenv(name)
    for name, value in WORKING.items():
        monkeypatch.setenv(name, value)


def test_what_works_is_read_and_frozen() -> None:
    """Any AWS partition will do."""
    settings = read_settings()
    assert settings.state_machine_arn == WORKING["JOBFERRY_STATE_MACHINE_ARN"]
    with pytest.raises(ValueError, match="frozen"):
        settings.log_bucket = "others"  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
def test_an_impossible_setting_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], sentence: str
) -> None:
    """It names the variable as it was set."""
    for name, value in change.items():
        monkeypatch.setenv(f"JOBFERRY_{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    [line] = str(caught.value).splitlines()
    assert line.startswith(sentence)


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence for each."""
    monkeypatch.delenv("JOBFERRY_CATALOG")
    monkeypatch.setenv("JOBFERRY_POLL_SECONDS", "21")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["JOBFERRY_CATALOG", "JOBFERRY_POLL_SECONDS"]


def test_every_setting_says_what_it_is() -> None:
    """The sentence of a missing or wrong one ends with it."""
    assert all(field.description for field in Settings.model_fields.values())


def test_a_parameter_of_the_template_that_nobody_sets_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default is the worker's own."""
    alone, parameters = read_settings(), template()["Parameters"]
    [container] = properties("WorkerTask")["ContainerDefinitions"]
    referring = {pair["Name"]: pair["Value"]["Ref"] for pair in container["Environment"] if "Ref" in pair["Value"]}
    defaults = {name: parameters[ref]["Default"] for name, ref in referring.items() if ref in parameters}
    assert len(defaults) >= 5
    for name, default in defaults.items():
        monkeypatch.setenv(name, str(default))
    assert read_settings().model_dump() == alone.model_dump()
