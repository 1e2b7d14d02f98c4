"""The composition root: the region, and what kind of links its S3 client signs."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.runtime import open_runtime
from service.settings import Settings, SettingsError

BUCKET = "jobferry-logs"
CATALOG = Path(__file__).parents[2] / "deploy" / "catalog.yaml"


@pytest.fixture
def settings() -> Settings:
    """Settings that work, of resources that nobody will ask for."""
    return Settings(
        request_queue_url="https://sqs/requests",
        event_queue_url="https://sqs/events",
        state_machine_arn="arn:aws:states:eu-central-1:123456789012:stateMachine:jobferry",
        topic_arn="arn:aws:sns:eu-central-1:123456789012:jobferry",
        log_bucket=BUCKET,
        jobs_table="jobs",
        catalog=str(CATALOG),
    )


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, and nothing else of AWS's."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


async def link(settings: Settings) -> str:
    """The URL of a link, up to its query."""
    async with open_runtime(settings) as runtime:
        parts = urlsplit((await runtime.objects.link(BUCKET, "jobs/a.log", 60)).url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_a_link_names_the_buckets_region(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The global endpoint redirects to a young bucket elsewhere, and the redirect breaks the signature."""
    monkeypatch.setenv(variable, "eu-central-1")
    assert await link(settings) == "https://jobferry-logs.s3.eu-central-1.amazonaws.com/jobs/a.log"


async def test_a_link_to_another_endpoint_names_the_bucket_in_its_path(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody resolves names of buckets below localhost."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    assert await link(settings) == "http://localhost:4566/jobferry-logs/jobs/a.log"


async def test_aws_region_is_the_first_to_be_heard(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with every SDK but botocore."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert ".eu-central-1." in await link(settings)


async def test_without_a_region_nothing_starts(settings: Settings) -> None:
    """In one sentence."""
    with pytest.raises(SettingsError, match="AWS_REGION is missing"):
        await link(settings)
