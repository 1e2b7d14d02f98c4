"""A deployment by its stack's name, as an operator's commands find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from service.operator.deployed_stack import deployed_stack
from service.settings import SettingsError

BARE = {"StackName": "jobferry", "StackId": "arn:of:jobferry", "StackStatus": "CREATE_COMPLETE"}
STACK = {
    **BARE,
    "Parameters": [{"ParameterKey": "LogBucketName", "ParameterValue": "logs"}],
    "Outputs": [{"OutputKey": "JobsTable", "OutputValue": "jobferry-jobs"}],
}


@dataclass
class CloudFormation:
    """Answers with one stack, or fails."""

    answer: dict[str, Any] | Exception

    def client(self, service: str) -> CloudFormation:
        assert service == "cloudformation"
        return self

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # AWS's name
        assert StackName == "jobferry"
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Stacks": [self.answer]}


def session(answer: dict[str, Any] | Exception) -> boto3.Session:
    """A session with CloudFormation alone."""
    return cast("boto3.Session", CloudFormation(answer))


def test_a_stack_is_what_it_was_given_and_what_it_gives() -> None:
    """By name; and one without either is a stack all the same."""
    stack = deployed_stack(session(STACK), "jobferry")
    assert (stack.name, stack.parameters, stack.outputs) == (
        "jobferry",
        {"LogBucketName": "logs"},
        {"JobsTable": "jobferry-jobs"},
    )
    bare = deployed_stack(session(BARE), "jobferry")
    assert (bare.parameters, bare.outputs) == ({}, {})
    assert (bare.stack_id, bare.status) == ("arn:of:jobferry", "CREATE_COMPLETE")


def test_an_output_is_found_by_its_name() -> None:
    """Where there is none of it, the stack is named, and what may be wrong with it."""
    stack = deployed_stack(session(STACK), "jobferry")
    assert stack.output("JobsTable") == "jobferry-jobs"
    with pytest.raises(SettingsError, match="stack jobferry has no output 'RequestQueueUrl'"):
        stack.output("RequestQueueUrl")


def test_a_stack_that_is_not_there_is_named() -> None:
    """CloudFormation has no error of its own for it."""
    missing = ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks")
    with pytest.raises(SettingsError, match=r"^The stack jobferry does not exist, in this account and region\.$"):
        deployed_stack(session(missing), "jobferry")


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ValidationError", "Message": "not this way"}}, "DescribeStacks"),
        NoCredentialsError(),
    ],
)
def test_a_stack_that_cannot_be_read_is_named_with_the_reason(error: Exception) -> None:
    """An operator mistypes something, or has no credentials."""
    with pytest.raises(SettingsError) as refusal:
        deployed_stack(session(error), "jobferry")
    assert str(refusal.value) == f"The stack jobferry cannot be read: {error}"
