"""Whoever asks after jobs with the credentials of a role."""

from __future__ import annotations

from typing import Any

import boto3

from deploy.local.local_run import CATALOG
from schemas.arn import name_of
from service.aws.on_demand import Blocking
from service.tracking.wiring import Place, Tracking, wire_tracking
from tests.support.system import System


def tracking_as(system: System, role_arn: str) -> Tracking:
    """What a role reads and submits with: here its name is its access key, by which its calls are told apart."""
    session = boto3.Session(name_of(role_arn), "test", region_name=system.run.session.region_name)

    async def client(service: str) -> Any:
        kind: Any = session.client
        return Blocking(kind(service))

    outputs = system.outputs
    place = Place(
        request_queue_url=outputs["RequestQueueUrl"],
        control_queue_url=outputs["ControlQueueUrl"],
        state_machine_arn=outputs["StateMachineArn"],
        log_bucket=outputs["LogBucketName"],
        jobs_table=outputs["JobsTableName"],
        catalog=str(CATALOG),
        task_family_prefix=outputs["TaskFamilyPrefix"],
    )
    return wire_tracking(place, client, None)
