"""A CloudFormation stack: propose a change set, execute or withdraw it, delete the stack."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import WaiterError

from schemas.errors import JobferryError
from service.operator.deployed_stack import find_stack

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_UNMADE = ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS")
_WITHIN_SECONDS = 3600


class DeployError(JobferryError):
    """The stack could not be made, changed or deleted; the message says why."""


@dataclass(frozen=True)
class ChangeSet:
    """What would change, a line a resource."""

    arn: str
    stack_id: str
    creates: bool
    lines: tuple[str, ...]


def parameters_of(pairs: Iterable[str]) -> dict[str, str]:
    """`Name=value` words as a mapping. Raises DeployError for a word that is none."""
    split = [pair.partition("=") for pair in pairs]
    if wrong := [name for name, equals, _ in split if not equals]:
        raise DeployError(f"{wrong[0]}: parameters are given as Name=value")
    return {name: value for name, _, value in split}


@dataclass(frozen=True)
class NamedStack:
    """A stack that is there or is to be; `every_seconds` is how often CloudFormation is asked for progress."""

    session: boto3.Session
    name: str
    every_seconds: float = 5.0

    @cached_property
    def client(self) -> CloudFormationClient:
        """CloudFormation."""
        client: CloudFormationClient = self.session.client("cloudformation")
        return client

    def propose(
        self, template_url: str, parameters: Mapping[str, str], tags: Mapping[str, str] | None = None
    ) -> ChangeSet:
        """A change set, looked at and not executed. Without `tags` the stack keeps those that it has."""
        stack = find_stack(self.client, self.name)
        if stack and stack.status == "ROLLBACK_COMPLETE":
            raise DeployError(f"The stack {self.name} was never made whole: `make destroy STACK={self.name}` first.")
        creates = stack is None or stack.status in _UNMADE
        kept = [] if stack is None or creates else stack.parameters.keys()
        more: Any = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}
        answer = self.client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{time.time_ns()}",
            ChangeSetType="CREATE" if creates else "UPDATE",
            TemplateURL=template_url,
            Parameters=self._parameters(template_url, parameters, kept),
            Capabilities=["CAPABILITY_IAM"],
            **more,
        )
        return ChangeSet(answer["Id"], answer["StackId"], creates, self._lines(answer["Id"]))

    def execute(self, changes: ChangeSet) -> None:
        """Carry a change set out, to its end. Raises DeployError with the reasons where it fails."""
        self.client.execute_change_set(ChangeSetName=changes.arn)
        self._await("stack_create_complete" if changes.creates else "stack_update_complete", changes.stack_id)

    def withdraw(self, changes: ChangeSet) -> None:
        """Leave no trace of a change set, nor of the empty stack that a first one makes."""
        if changes.creates:
            self.client.delete_stack(StackName=changes.stack_id)
        else:
            self.client.delete_change_set(ChangeSetName=changes.arn)

    def outputs(self) -> dict[str, str]:
        """The outputs of the stack."""
        stack = find_stack(self.client, self.name)
        return dict(stack.outputs) if stack else {}

    def resources(self) -> dict[str, str]:
        """The stack's resources, by their names in the template."""
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {
            item["LogicalResourceId"]: item.get("PhysicalResourceId", "")
            for page in pages
            for item in page["StackResourceSummaries"]
        }

    def delete(self) -> None:
        """Delete the stack, to its end."""
        stack = find_stack(self.client, self.name)
        if stack is None:
            raise DeployError(f"There is no stack {self.name}.")
        self.client.delete_stack(StackName=stack.stack_id)
        self._await("stack_delete_complete", stack.stack_id)

    def _parameters(self, template_url: str, given: Mapping[str, str], kept: Iterable[str]) -> list[Any]:
        """What is given, and for the others what the stack has; those that the template has no more are let go."""
        known = {
            item["ParameterKey"] for item in self.client.get_template_summary(TemplateURL=template_url)["Parameters"]
        }
        if unknown := sorted(given.keys() - known):
            raise DeployError(f"The template has no parameter {', '.join(unknown)}, only {', '.join(sorted(known))}.")
        previous = (known & set(kept)) - given.keys()
        values: list[Any] = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
        return values + [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(previous)]

    def _lines(self, arn: str) -> tuple[str, ...]:
        """The changes, once CloudFormation has worked them out; none at all is an error to it, and none to us."""
        try:
            self._wait("change_set_create_complete", ChangeSetName=arn)
        except WaiterError:
            answer = self.client.describe_change_set(ChangeSetName=arn)
            why = answer.get("StatusReason", f"The change set is {answer['Status']}.")
            if any(words in why for words in _NO_CHANGES):
                return ()
            raise DeployError(why) from None
        pages = self.client.get_paginator("describe_change_set").paginate(ChangeSetName=arn)
        return tuple(_line(change["ResourceChange"]) for page in pages for change in page["Changes"])

    def _await(self, end: str, stack_id: str) -> None:
        try:
            self._wait(end, StackName=stack_id)
        except WaiterError:
            stack = find_stack(self.client, stack_id)
            status = stack.status if stack else "gone"
            if status.endswith("IN_PROGRESS"):
                raise DeployError(f"The stack {self.name} is still {status} after an hour.") from None
            reasons = "\n".join(self._reasons(stack_id))
            raise DeployError(f"The stack {self.name} is {status}:\n{reasons}") from None

    def _wait(self, end: str, **what: str) -> None:
        waiter: Any = self.client.get_waiter(end)  # type: ignore[call-overload]  # one of several, by its name
        pace = {"Delay": self.every_seconds, "MaxAttempts": int(_WITHIN_SECONDS / self.every_seconds)}
        waiter.wait(**what, WaiterConfig=pace)

    def _reasons(self, stack_id: str) -> list[str]:
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        failed = [item for page in pages for item in page["StackEvents"] if item["ResourceStatus"].endswith("FAILED")]
        return [f"  {item['LogicalResourceId']}: {item.get('ResourceStatusReason', 'no reason')}" for item in failed]


def _line(change: Any) -> str:
    """One resource, and whether it is replaced, which is what to look out for."""
    replaced = {"True": " (replaced)", "Conditional": " (perhaps replaced)"}.get(change.get("Replacement", ""), "")
    return f"{change['Action']:<7} {change['LogicalResourceId']} {change['ResourceType']}{replaced}"
