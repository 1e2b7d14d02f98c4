"""The session of a command: where its region comes from."""

from __future__ import annotations

import pytest

from service.aws.session import session_of
from service.operator import cli
from service.settings import SettingsError


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No region and no profile, in the environment or in files."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


def test_aws_region_alone_is_enough() -> None:
    """As for the worker, though boto3 does not read it."""
    session = session_of({"AWS_REGION": "af-south-1"})
    assert session.region_name == session.client("sqs").meta.region_name == "af-south-1"


def test_aws_region_comes_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default counts where it stands alone."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert session_of({"AWS_REGION": "af-south-1"}).region_name == "af-south-1"
    assert session_of({"AWS_REGION": ""}).region_name == "us-west-2"


def test_a_profile_that_does_not_exist_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsError, match=r"AWS_PROFILE cannot be used.*nobody.*leave it out"):
        session_of({"AWS_REGION": "af-south-1"})


@pytest.mark.parametrize("command", [["doctor"], ["dlq", "list"], ["catalog", "check"]], ids=" ".join)
def test_without_a_region_a_command_says_what_is_missing(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, and a sentence; no bucket of the name `...-None` is looked for."""
    assert cli.main([*command, "--stack", "jobferry"]) == 2
    assert "AWS_REGION is missing" in capsys.readouterr().err
