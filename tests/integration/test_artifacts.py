"""What an account and a region must give before a stack can be made, by moto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from deploy.artifacts import upload
from deploy.ecs_role import ensure_ecs_role
from deploy.package import API_ZIP, LAMBDA_ZIP

ROOT = Path(__file__).parents[2]


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Iterator[boto3.Session]:
    """A new account, in the region that the test names."""
    with mock_aws():
        yield boto3.Session("key", "secret", region_name=getattr(request, "param", "eu-central-1"))


@pytest.mark.parametrize("session", ["af-south-1", "eu-central-1", "us-east-1"], indirect=True)
def test_cloudformation_reads_the_template_in_its_own_region(session: boto3.Session) -> None:
    """The global endpoint knows no bucket of an opt-in region."""
    region = session.region_name
    host = f"https://jobferry-artifacts-123456789012-{region}.s3.{region}.amazonaws.com/template/"
    assert upload(session, None, ROOT, {LAMBDA_ZIP: b"zip", API_ZIP: b"zip"}).startswith(host)


def test_a_new_account_gets_ecss_role_before_its_first_cluster(session: boto3.Session) -> None:
    """Once; afterwards it is there."""
    iam = session.client("iam")
    said = ensure_ecs_role(session, settles_seconds=0)
    [role] = iam.list_roles()["Roles"]
    assert role["RoleName"] in said
    assert "ecs.amazonaws.com" in str(role["AssumeRolePolicyDocument"])
    assert ensure_ecs_role(session, settles_seconds=0) == "ECS has its service-linked role."


def test_who_may_not_look_is_told_what_to_do() -> None:
    """The role is there in most accounts, so the deployment goes on."""
    refused = ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "ListRoles")

    def list_roles(**_: str) -> None:
        raise refused

    session = cast(Any, SimpleNamespace(client=lambda _: SimpleNamespace(list_roles=list_roles)))
    said = ensure_ecs_role(session, settles_seconds=0)
    assert "not you" in said
    assert "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com" in said
