"""Who looks, and when: credentials, account, region and clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from schemas.arn import account_of, region_of
from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Problem

# AWS refuses a request that is signed five minutes off [Signature Version 4].
REFUSED_SECONDS = 300
TOLERATED_SECONDS = 30
SHORTLY_SECONDS = 900


def credentials(deployment: Deployment) -> Iterator[Problem]:
    """They are accepted, of the deployment's account and region, and not about to end."""
    account = deployment.client("sts").get_caller_identity()["Account"]
    region, expected = region_of(deployment.state_machine_arn), account_of(deployment.state_machine_arn)
    if account != expected:
        yield Problem(
            f"they are of account {account}, and the deployment is in {expected}", "Use those of its account."
        )
    if deployment.session.region_name != region:
        yield Problem(
            f"the region is {deployment.session.region_name}, and the deployment is in {region}",
            f"Set AWS_REGION={region}.",
        )
    yield from _expiry(deployment, datetime.now(UTC))


def _expiry(deployment: Deployment, now: datetime) -> Iterator[Problem]:
    """Static keys have no expiry; a role's have one, in an attribute that botocore keeps to itself."""
    end = getattr(deployment.session.get_credentials(), "_expiry_time", None)
    if end is not None and (left := (end - now).total_seconds()) < SHORTLY_SECONDS:
        yield Problem(f"they end in {left / 60:.0f} minutes", "Log in again, or links signed with them end with them.")


def clock(deployment: Deployment) -> Iterator[Problem]:
    """The clock of this machine agrees with AWS's."""
    skew = time.time() - _date(_answer(deployment)).timestamp()
    if abs(skew) > TOLERATED_SECONDS:
        yield Problem(
            f"this machine's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} AWS's",
            f"Synchronise it, on EC2 with 169.254.169.123: from {REFUSED_SECONDS} seconds on AWS refuses every call.",
        )


def _answer(deployment: Deployment) -> Mapping[str, Any]:
    """Any answer will do, a refusal too: it is refused because the clock is wrong, perhaps."""
    try:
        return dict(deployment.client("sts").get_caller_identity())
    except ClientError as error:
        return dict(error.response)


def _date(answer: Mapping[str, Any]) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
