"""The clients of who reads and submits, as they are opened on an operator's machine."""

from __future__ import annotations

import pytest

from service.runtime import open_tracking
from service.tracking.wiring import Place

PLACE = Place(
    request_queue_url="https://queue",
    control_queue_url="https://control",
    state_machine_arn="arn:aws:states:eu-central-1:123456789012:stateMachine:jobferry",
    log_bucket="logs",
    jobs_table="jobs",
)
ENDPOINTS: dict[str, tuple[dict[str, str], str]] = {
    "AWS": ({}, "https://logs.s3.eu-central-1.amazonaws.com/a.log?"),
    "one for everything": ({"AWS_ENDPOINT_URL": "http://aws.internal:4566"}, "http://aws.internal:4566/logs/a.log?"),
    "one for S3": ({"AWS_ENDPOINT_URL_S3": "http://s3.internal:9000"}, "http://s3.internal:9000/logs/a.log?"),
}


@pytest.mark.parametrize(("variables", "begins"), ENDPOINTS.values(), ids=ENDPOINTS)
async def test_a_link_names_the_bucket_as_its_endpoint_understands(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], begins: str
) -> None:
    """By the host on AWS, in the machine's own region; by the path at an endpoint of one's own."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    given = {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
        **variables,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    async with open_tracking(PLACE) as tracking:
        link = await tracking.tracker.logs.objects.link("logs", "a.log", 60)
    assert link.url.startswith(begins)
