"""The composition root: the region, and what kind of links its S3 client signs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from service.metrics import THROTTLES, UNMETERED
from service.perform import Performer
from service.runtime import open_runtime
from service.settings import Settings, SettingsError
from tests.support.builders import TRACE_HEADER
from tests.support.connecting import answering

BUCKET = "jobferry-logs"
CATALOG = Path(__file__).parents[2] / "deploy" / "catalog.yaml"


@pytest.fixture
def settings() -> Settings:
    """Settings that work, of resources that nobody will ask for."""
    return Settings(
        request_queue_url="https://sqs/requests",
        event_queue_url="https://sqs/events",
        control_queue_url="https://sqs/control",
        state_machine_arn="arn:aws:states:eu-central-1:123456789012:stateMachine:jobferry",
        topic_arn="arn:aws:sns:eu-central-1:123456789012:jobferry",
        log_bucket=BUCKET,
        jobs_table="jobs",
        catalog=str(CATALOG),
    )


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, and nothing else of AWS's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


async def test_the_topic_of_a_worker_takes_traces(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client is taught the header that Publish has no parameter for; one that is not would refuse to announce."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    async with open_runtime(settings) as runtime:
        topic = cast(Performer, runtime.settling.performer).topic
        with answering(topic.client, "Publish", {"MessageId": "m"}) as asked:
            await topic.publish(
                notification_id="i",
                group="g",
                subject="s",
                body="{}",
                text="t",
                attributes={},
                trace_header=TRACE_HEADER,
            )
    assert len(asked) == 1


@pytest.fixture
async def throttling() -> AsyncIterator[str]:
    """An endpoint that throttles, fails, and answers."""
    answers = iter(
        [(400, {"__type": "com.amazonaws.sqs#RequestThrottled"}), (500, {"__type": "InternalError"}), (200, {})]
    )

    async def answer(_: web.Request) -> web.Response:
        status, body = next(answers)
        return web.json_response(body, status=status, content_type="application/x-amz-json-1.0")

    app = web.Application()
    app.add_routes([web.post("/", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_every_throttle_is_counted_also_one_that_a_retry_mends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, throttling: str
) -> None:
    """One of three tries of a call that succeeds in the end."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", throttling)
    async with open_runtime(settings.model_copy(update={"metrics": "emf"})) as runtime:
        assert await runtime.requests.receive(1, 0) == ()
        assert runtime.metrics.drain(0)[THROTTLES] == 1


async def test_metrics_are_off_unless_they_are_asked_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has no use for them."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    async with open_runtime(settings) as runtime:
        assert runtime.metrics is UNMETERED


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


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "an endpoint that is a word": ({"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL cannot be used: it is no URL"),
    "an endpoint that is cut": ({"AWS_ENDPOINT_URL": "http://[bad"}, "AWS_ENDPOINT_URL cannot be used: it is no URL"),
    "an endpoint without a host": ({"AWS_ENDPOINT_URL": "http://:80"}, "AWS_ENDPOINT_URL cannot be used"),
    "an endpoint with an odd port": ({"AWS_ENDPOINT_URL": "http://a:99999"}, "AWS_ENDPOINT_URL cannot be used"),
    "one service's endpoint": ({"AWS_ENDPOINT_URL_SQS": "ftp://a"}, "AWS_ENDPOINT_URL_SQS cannot be used"),
    "a region that is none": (
        {"AWS_REGION": "mars!"},
        "AWS_REGION (mars!) is not the region of JOBFERRY_",
    ),
    "a region with a slip": ({"AWS_REGION": "eu-centrl-1"}, "AWS_REGION (eu-centrl-1) is not the region of"),
    "no credentials": ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "No AWS credentials were found. Give"),
    "half a pair of keys": (
        {"AWS_SECRET_ACCESS_KEY": ""},
        "AWS credentials cannot be had: Partial credentials",
    ),
    "an unknown profile": ({"AWS_PROFILE": "nobody"}, "AWS credentials cannot be had: The config profile (nobody)"),
    "a task role that is not to be had": (
        {
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/none",
        },
        "AWS credentials cannot be had: Error when retrieving credentials from container-role",
    ),
    "a mode that is none": ({"AWS_DEFAULTS_MODE": "x"}, "AWS cannot be reached like this: "),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG.values(), ids=WRONG)
async def test_a_slip_in_aws_s_own_variables_is_one_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], sentence: str
) -> None:
    """Which names the variable and the remedy, and stops the start: nobody polls for ever in vain."""
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    for name, value in {"AWS_REGION": "eu-central-1", **change}.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    with pytest.raises(SettingsError) as caught:
        await link(settings)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "AWS_" in str(caught.value)
