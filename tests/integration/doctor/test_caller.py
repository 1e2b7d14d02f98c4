"""Who asks: the account, the credentials and the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from service.operator.doctor import caller
from service.operator.doctor.deployment import Deployment
from tests.support import whole_deployment as given
from tests.support.examining import Said, assert_said
from tests.support.names import ACCOUNT, REGION


def test_a_caller_of_another_account_or_region_is_named() -> None:
    """Both, each with its remedy."""
    elsewhere = given.deployment({"sts.GetCallerIdentity": {"Account": "999999999999"}}, region="us-east-1")
    assert_said(
        caller.credentials(elsewhere),
        [
            (f"they are of account 999999999999, and the deployment is in {ACCOUNT}", "Use those of its account."),
            (f"the region is us-east-1, and the deployment is in {REGION}", f"Set AWS_REGION={REGION}."),
        ],
    )


def expiring(now: datetime, seconds: float) -> Deployment:
    """A deployment that is looked at with credentials that end so soon."""
    deployment = given.deployment()
    deployment.session.get_credentials()._expiry_time = now + timedelta(seconds=seconds)  # type: ignore[union-attr]
    return deployment


@pytest.mark.parametrize(
    ("seconds", "said"), [(300, [("they end in 5 minutes", "Log in again")]), (900, []), (901, [])]
)
def test_credentials_that_end_within_a_quarter_of_an_hour_are_named(seconds: float, said: Said) -> None:
    """With the minutes that are left."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert_said(caller._expiry(expiring(now, seconds), now), said)


def test_the_caller_is_asked_when_the_credentials_end() -> None:
    """Together with account and region."""
    assert_said(caller.credentials(expiring(datetime.now(UTC), 300)), [("they end in", "Log in again")])


def _aws_says(at: str) -> Deployment:
    return given.deployment({"sts.GetCallerIdentity": {"ResponseMetadata": {"HTTPHeaders": {"date": at}}}})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1030, []),
        (1031, [("this machine's clock is 31 seconds ahead of AWS's", "from 300 seconds on AWS refuses")]),
        (970, []),
        (960, [("this machine's clock is 40 seconds behind AWS's", "169.254.169.123")]),
    ],
)
def test_a_clock_is_judged_by_thirty_seconds(seconds: float, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty are borne; how many it is, and in which direction, is said."""
    monkeypatch.setattr("service.operator.doctor.caller.time.time", lambda: seconds)
    assert_said(caller.clock(_aws_says("Thu, 01 Jan 1970 00:16:40 GMT")), said)
