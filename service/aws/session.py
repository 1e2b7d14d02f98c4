"""The session of a command that asks AWS and ends: `jobferry doctor`, `jobferry dlq`, `make deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import botocore.session

from schemas.errors import SettingsError
from service.aws.configuration import in_one_sentence

if TYPE_CHECKING:
    import boto3


_NO_REGION = "AWS_REGION is missing. It is: the AWS region to work in, such as eu-central-1."


def bare_session_of(environment: Mapping[str, str]) -> tuple[botocore.session.Session, str]:
    """botocore's own, and its region: half of what boto3 imports is for uploads. Raises SettingsError as below."""
    with in_one_sentence("AWS_PROFILE cannot be used", "Name a profile of the AWS configuration file, or leave it out"):
        session = botocore.session.get_session()
        region = environment.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise SettingsError(_NO_REGION)
    return session, str(region)


def session_of(environment: Mapping[str, str]) -> boto3.Session:
    """The caller's credentials, in the region that is named. Raises SettingsError where none is, or no such profile.

    AWS_REGION comes first, as in ECS, CodeBuild and the other SDKs; boto3 by itself reads only AWS_DEFAULT_REGION.
    """
    import boto3  # Who asks by botocore alone does without.

    with in_one_sentence("AWS_PROFILE cannot be used", "Name a profile of the AWS configuration file, or leave it out"):
        session = boto3.Session(region_name=environment.get("AWS_REGION") or None)
        region = session.region_name
    if not region:
        raise SettingsError(_NO_REGION)
    return session
