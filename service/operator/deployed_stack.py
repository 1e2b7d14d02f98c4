"""A deployment by the name of its CloudFormation stack, for commands that are not the worker's, and for `deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from schemas.arn import family_of
from schemas.errors import SettingsError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient


@dataclass(frozen=True)
class DeployedStack:
    """What a stack was given and what it gives."""

    name: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    stack_id: str
    status: str

    def output(self, name: str) -> str:
        """One output. Raises SettingsError where the stack has none of this name."""
        if name not in self.outputs:
            raise SettingsError(f"The stack {self.name} has no output '{name}': is it a stack of Jobferry's?")
        return self.outputs[name]


def registered_task_definitions(session: boto3.Session, name: str) -> dict[str, str]:
    """The revisions of task definitions that are this stack's own, by their families."""
    pages = session.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    found = [
        item["PhysicalResourceId"]
        for page in pages
        for item in page["StackResourceSummaries"]
        if item["ResourceType"] == "AWS::ECS::TaskDefinition" and "PhysicalResourceId" in item
    ]
    return {family_of(arn): arn for arn in found}


def deployed_stack(session: boto3.Session, name: str) -> DeployedStack:
    """The stack of this name. Raises SettingsError where there is none, or where it may not be read."""
    try:
        stack = find_stack(session.client("cloudformation"), name)
    except (ClientError, BotoCoreError) as error:
        raise SettingsError(f"The stack {name} cannot be read: {error}") from None
    if stack is None:
        raise SettingsError(f"The stack {name} does not exist, in this account and region.")
    return stack


def find_stack(client: CloudFormationClient, name: str) -> DeployedStack | None:
    """The stack of this name or ARN, or None. A deleted stack is found by its ARN only."""
    try:
        [stack] = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no error of its own for a stack that does not exist.
        if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return DeployedStack(
        name=stack["StackName"],
        parameters={item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", ())},
        outputs={item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", ())},
        stack_id=stack["StackId"],
        status=stack["StackStatus"],
    )
