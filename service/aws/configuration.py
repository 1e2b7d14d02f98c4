"""AWS's own variables, looked at once at start: a slip in one is a sentence that names it, not a traceback for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from schemas import arn
from schemas.errors import SettingsError
from service.aws.errors import AwsError, aws_errors

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

_ENDPOINT = "AWS_ENDPOINT_URL"
_GIVE_CREDENTIALS = (
    "Give the ECS task a task role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with a profile "
    "that can log in"
)


def check_endpoints(environment: Mapping[str, str]) -> None:
    """Raises SettingsError where AWS_ENDPOINT_URL, or that of one service, is no URL that could be asked."""
    wrong = [name for name, url in environment.items() if name.startswith(_ENDPOINT) and url and not _is_url(url)]
    if wrong:
        raise SettingsError(
            f"{wrong[0]} cannot be used: it is no URL such as http://localhost:4566. "
            "It is: where to ask instead of AWS; leave it out for AWS itself."
        )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def region_of(session: AioSession, environment: Mapping[str, str], state_machine_arn: str) -> str:
    """The region to work in, which is the state machine's. Raises SettingsError where it is missing or another."""
    # botocore reads AWS_DEFAULT_REGION; ECS and the other SDKs have AWS_REGION.
    with in_one_sentence("AWS_PROFILE cannot be used", "Name a profile of the AWS configuration file, or leave it out"):
        region = environment.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise SettingsError("AWS_REGION is missing. It is: the AWS region that the queues are in.")
    expected = arn.region_of(state_machine_arn)
    if region != expected:
        raise SettingsError(
            f"AWS_REGION ({region}) is not the region of JOBFERRY_STATE_MACHINE_ARN ({expected}): set both to one."
        )
    return str(region)


async def credentials_of(session: AioSession) -> Any:
    """The credentials that calls will be signed with. Raises SettingsError where there are none now.

    Later on they are renewed as need be, and a time without them is survived like any other outage.
    """
    with in_one_sentence("AWS credentials cannot be had", _GIVE_CREDENTIALS):
        found: Any = await session.get_credentials()
        if found is not None:
            await found.get_frozen_credentials()
    if found is None:
        raise SettingsError(f"No AWS credentials were found. {_GIVE_CREDENTIALS}.")
    return found


@contextmanager
def in_one_sentence(what: str, remedy: str) -> Iterator[None]:
    """Whatever the SDK has against its surroundings, as one sentence with its remedy."""
    try:
        with aws_errors():
            yield
    except AwsError as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise SettingsError(f"{what}: {why}. {remedy}.") from None
