"""The session of a command that asks AWS and ends: `jobferry doctor`, `jobferry dlq`, `make deploy`."""

from __future__ import annotations

from collections.abc import Mapping

import boto3

from schemas.errors import SettingsError
from service.aws.configuration import in_one_sentence


def session_of(environment: Mapping[str, str]) -> boto3.Session:
    """The caller's credentials, in the region that is named. Raises SettingsError where none is, or no such profile.

    AWS_REGION comes first, as in ECS, CodeBuild and the other SDKs; boto3 by itself reads only AWS_DEFAULT_REGION.
    """
    with in_one_sentence("AWS_PROFILE cannot be used", "Name a profile of the AWS configuration file, or leave it out"):
        session = boto3.Session(region_name=environment.get("AWS_REGION") or None)
        region = session.region_name
    if not region:
        raise SettingsError("AWS_REGION is missing. It is: the AWS region to work in, such as eu-central-1.")
    return session
