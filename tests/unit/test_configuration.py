"""AWS's own variables: which region, and what is said of a wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from service.aws.configuration import check_endpoints, credentials_of, region_of
from service.settings import SettingsError
from tests.support.builders import MACHINE


@dataclass
class Session:
    """What botocore found in the configuration file and in AWS_DEFAULT_REGION."""

    region: str | None

    def get_config_variable(self, name: str) -> str | None:
        assert name == "region"
        return self.region


def region(environment: dict[str, str], configured: str | None = None) -> str:
    """The region to work in."""
    return region_of(cast(Any, Session(configured)), environment, MACHINE)


def test_the_region_is_the_variables_or_else_the_configurations() -> None:
    """ECS and the other SDKs give AWS_REGION, which botocore does not read."""
    assert region({"AWS_REGION": "eu-central-1"}, "mars-1") == "eu-central-1"
    assert region({}, "eu-central-1") == "eu-central-1"
    assert region({"AWS_REGION": ""}, "eu-central-1") == "eu-central-1"


@pytest.mark.parametrize(
    ("environment", "configured", "sentence"),
    [
        ({}, None, "AWS_REGION is missing"),
        ({}, "us-east-1", r"AWS_REGION \(us-east-1\) is not the region of .* \(eu-central-1\)"),
        ({"AWS_REGION": "us-east-1"}, "eu-central-1", r"AWS_REGION \(us-east-1\) is not"),
    ],
)
def test_a_region_that_is_missing_or_another_is_told(
    environment: dict[str, str], configured: str | None, sentence: str
) -> None:
    """A worker in another region than its state machine would poll for ever."""
    with pytest.raises(SettingsError, match=sentence):
        region(environment, configured)


@pytest.mark.parametrize("url", ["", "http://localhost:4566", "https://sqs.example"])
def test_endpoints_that_could_be_asked(url: str) -> None:
    """None at all is AWS itself; other variables are looked at by nobody."""
    check_endpoints({"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_SQS": url, "AWS_PROFILE": "nonsense"})


@pytest.mark.parametrize("url", ["localhost:4566", "ftp://a", "http://", "http://a:0", "http://a:99999", "http://[a"])
def test_an_endpoint_that_could_not_be_asked_is_named(url: str) -> None:
    """Also where it is of one service alone."""
    with pytest.raises(SettingsError, match=r"^AWS_ENDPOINT_URL_SQS cannot be used: it is no URL"):
        check_endpoints({"AWS_ENDPOINT_URL": "http://localhost:4566", "AWS_ENDPOINT_URL_SQS": url})


@dataclass
class Credentials:
    """Credentials that are renewed when they are asked for."""

    trouble: Exception | None = None
    asked: int = 0

    async def get_credentials(self) -> Credentials:
        return self

    async def get_frozen_credentials(self) -> None:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble


async def test_credentials_are_had_before_anything_begins() -> None:
    """Else every poll would fail, without end."""
    there = Credentials()
    assert await credentials_of(cast(Any, there)) is there
    assert there.asked == 1


async def test_credentials_that_cannot_be_had_are_a_sentence_with_a_remedy() -> None:
    """On one line, whatever the SDK wrote."""
    with pytest.raises(SettingsError) as told:
        await credentials_of(cast(Any, Credentials(OSError("no\n route to host."))))
    assert str(told.value).startswith("AWS credentials cannot be had: no route to host. Give the ECS task a task role")
    assert str(told.value).endswith("that can log in.")


async def test_no_credentials_at_all_are_a_sentence_too() -> None:
    """With the same remedy."""

    class Nobody:
        async def get_credentials(self) -> None:
            return None

    with pytest.raises(SettingsError, match=r"^No AWS credentials were found\. Give the ECS task a task role"):
        await credentials_of(cast(Any, Nobody()))
