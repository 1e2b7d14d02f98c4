"""Deploy `deploy/template.yaml` on the embedded AWS, the very file that AWS deploys, and read what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3

from deploy.artifacts import upload
from deploy.package import build_zips
from deploy.stacks import NamedStack
from schemas.arn import name_of

PROJECT = Path(__file__).resolve().parents[2]
STACK = "jobferry"
_LOOK_SECONDS = 0.05  # Nothing here is far away.
# The emulator has no network to build and no images to check; what it refuses is behind conditions of the template.
LOCAL_PARAMETERS: Mapping[str, str] = {
    "SubnetIds": "subnet-0000000a,subnet-0000000b",
    "SecurityGroupIds": "sg-00000001",
    "FrontDoor": "false",
    "Alarms": "false",
}


@dataclass(frozen=True)
class Stack:
    """What the deployed stack is made of, by the names of its outputs."""

    outputs: Mapping[str, str]

    @property
    def worker_role(self) -> str:
        """The name of the worker's role, which is its access key here: by it the worker is known."""
        return name_of(self.outputs["WorkerRoleArn"])

    def settings(self) -> dict[str, str]:
        """The settings that say to the worker what this stack is made of."""
        return {
            "JOBFERRY_REQUEST_QUEUE_URL": self.outputs["RequestQueueUrl"],
            "JOBFERRY_EVENT_QUEUE_URL": self.outputs["EventQueueUrl"],
            "JOBFERRY_CONTROL_QUEUE_URL": self.outputs["ControlQueueUrl"],
            "JOBFERRY_STATE_MACHINE_ARN": self.outputs["StateMachineArn"],
            "JOBFERRY_TOPIC_ARN": self.outputs["TopicArn"],
            "JOBFERRY_LOG_BUCKET": self.outputs["LogBucketName"],
            "JOBFERRY_JOBS_TABLE": self.outputs["JobsTableName"],
            "JOBFERRY_TASK_FAMILY_PREFIX": self.outputs["TaskFamilyPrefix"],
        }


def deploy(session: boto3.Session, parameters: Mapping[str, str] | None = None) -> Stack:
    """Package and deploy the template as `make deploy` does, with `parameters` beside those that the emulator needs.

    Raises:
        DeployError: it could not be made, with CloudFormation's own reasons.
    """
    template_url = upload(session, None, PROJECT, build_zips(PROJECT))
    stack = NamedStack(session, STACK, every_seconds=_LOOK_SECONDS)
    changes = stack.propose(template_url, {**LOCAL_PARAMETERS, **(parameters or {})})
    if changes.lines:  # A stack that was kept over a restart may have none.
        stack.execute(changes)
    made = Stack(stack.outputs())
    _expire(session, made.outputs["JobsTableName"])
    return made


def _expire(session: boto3.Session, table: str) -> None:
    """Let the table forget old jobs, as its template says: the emulator takes the property and drops it."""
    session.client("dynamodb").update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )
