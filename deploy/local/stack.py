"""Deploy `deploy/template.yaml` on the embedded AWS, the very file that AWS deploys, and read what it made."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from deploy.package import LAMBDA_ZIP, STATE_MACHINE, build_lambda_zip, packaged_template
from schemas.arn import name_of

PROJECT = Path(__file__).resolve().parents[2]
STACK = "jobferry"
ARTIFACTS_BUCKET = "jobferry-artifacts"
TEMPLATE = "template.yaml"
_READY_WITHIN_SECONDS = 60
# The emulator has no network to build and no images to check; what it refuses is behind conditions of the template.
LOCAL_PARAMETERS: Mapping[str, str] = {
    "SubnetIds": "subnet-0000000a,subnet-0000000b",
    "SecurityGroupIds": "sg-00000001",
    "FrontDoor": "false",
    "Alarms": "false",
}


class StackFailedError(RuntimeError):
    """The stack could not be made."""


@dataclass(frozen=True)
class Stack:
    """What the deployed stack is made of, by the names of its outputs."""

    outputs: Mapping[str, str]

    @property
    def worker_role(self) -> str:
        """The name of the worker's role, which is its access key here: by it the worker is known."""
        return name_of(self.outputs["WorkerRoleArn"])

    def settings(self, catalog: Path) -> dict[str, str]:
        """The worker's settings, for this stack."""
        return {
            "JOBFERRY_REQUEST_QUEUE_URL": self.outputs["RequestQueueUrl"],
            "JOBFERRY_EVENT_QUEUE_URL": self.outputs["EventQueueUrl"],
            "JOBFERRY_STATE_MACHINE_ARN": self.outputs["StateMachineArn"],
            "JOBFERRY_TOPIC_ARN": self.outputs["TopicArn"],
            "JOBFERRY_LOG_BUCKET": self.outputs["LogBucketName"],
            "JOBFERRY_JOBS_TABLE": self.outputs["JobsTableName"],
            "JOBFERRY_CATALOG": str(catalog),
            "JOBFERRY_TASK_FAMILY_PREFIX": self.outputs["TaskFamilyPrefix"],
        }


def deploy(session: boto3.Session, parameters: Mapping[str, str] | None = None) -> Stack:
    """Package and deploy the template, with `parameters` beside those that the emulator needs.

    Raises:
        StackFailedError: it could not be made, with CloudFormation's own reasons.
    """
    keys = {LAMBDA_ZIP: "plan_next_step.zip", STATE_MACHINE: STATE_MACHINE}
    s3 = session.client("s3")
    region: Any = session.region_name
    s3.create_bucket(Bucket=ARTIFACTS_BUCKET, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_object(Bucket=ARTIFACTS_BUCKET, Key=keys[LAMBDA_ZIP], Body=build_lambda_zip(PROJECT))
    s3.put_object(
        Bucket=ARTIFACTS_BUCKET, Key=keys[STATE_MACHINE], Body=(PROJECT / "deploy" / STATE_MACHINE).read_bytes()
    )
    template = (PROJECT / "deploy" / "template.yaml").read_text(encoding="utf-8")
    # Through S3, as `aws cloudformation deploy` does with a template of more than 51,200 bytes.
    s3.put_object(
        Bucket=ARTIFACTS_BUCKET, Key=TEMPLATE, Body=packaged_template(template, ARTIFACTS_BUCKET, keys).encode()
    )
    cloudformation = session.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=f"{s3.meta.endpoint_url}/{ARTIFACTS_BUCKET}/{TEMPLATE}",
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in {**LOCAL_PARAMETERS, **(parameters or {})}.items()
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    stack = _await_end(cloudformation)
    _expire(session, stack)
    return Stack({item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])})


def _expire(session: boto3.Session, stack: dict[str, Any]) -> None:
    """Let the table forget old jobs, as its template says: the emulator takes the property and drops it."""
    (table,) = (item["OutputValue"] for item in stack["Outputs"] if item["OutputKey"] == "JobsTableName")
    session.client("dynamodb").update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )


def _await_end(cloudformation: Any) -> dict[str, Any]:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return stack
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            raise StackFailedError(_reasons(cloudformation))
        time.sleep(0.05)
    raise StackFailedError(f"the stack was not ready within {_READY_WITHIN_SECONDS} seconds")


def _reasons(cloudformation: Any) -> str:
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    failed = [item for item in events if item["ResourceStatus"].endswith("FAILED")]
    reasons = {item["LogicalResourceId"]: item.get("ResourceStatusReason", "no reason given") for item in failed}
    return "the stack could not be made: " + json.dumps(reasons)
