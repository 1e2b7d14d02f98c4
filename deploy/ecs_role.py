"""The role that ECS itself works by, which an account has once for all its clusters."""

from __future__ import annotations

import time

import boto3
from botocore.exceptions import ClientError

SERVICE = "ecs.amazonaws.com"


def ensure_ecs_role(session: boto3.Session, settles_seconds: float) -> str:
    """Make sure of the role, and say what became of it.

    In an account that has never used ECS, CreateCluster with capacity providers makes the role and assumes it at once,
    which fails [cloudformation-coverage-roadmap #818].
    """
    iam = session.client("iam")
    try:
        if iam.list_roles(PathPrefix=f"/aws-service-role/{SERVICE}/")["Roles"]:
            return "ECS has its service-linked role."
        made = iam.create_service_linked_role(AWSServiceName=SERVICE)["Role"]["RoleName"]
        iam.get_waiter("role_exists").wait(RoleName=made)
    except ClientError as error:
        # Who deploys may have no rights in IAM here; the role is there in all accounts but new ones.
        return (
            f"Whether ECS has its service-linked role cannot be told: {error}. Where the cluster cannot be made for "
            f"want of it: aws iam create-service-linked-role --aws-service-name {SERVICE}"
        )
    # IAM is eventually consistent, and whether ECS can assume the role by now cannot be asked.
    time.sleep(settles_seconds)
    return f"Made {made}, the role that ECS works by in this account."
