"""Which deployment a verb is about: the stack that was named, or what the worker's own variables name."""

from __future__ import annotations

import boto3

from service.operator.deployed_stack import deployed_stack
from service.operator.shipped import catalog_at_hand, family_prefix_of
from service.settings import read_settings
from service.tracking.wiring import Place


def place_of(session: boto3.Session, stack_name: str | None, catalog: str | None = None) -> Place:
    """The names of its parts; no catalogue where a stack's own is out of reach, so that admission alone judges by it.

    Raises SettingsError where there is no such stack, or where no variables name any.
    """
    if stack_name:
        stack = deployed_stack(session, stack_name)
        return Place(
            request_queue_url=stack.output("RequestQueueUrl"),
            control_queue_url=stack.output("ControlQueueUrl"),
            state_machine_arn=stack.output("StateMachineArn"),
            log_bucket=stack.output("LogBucketName"),
            jobs_table=stack.output("JobsTableName"),
            catalog=catalog or catalog_at_hand(stack.parameters),
            task_family_prefix=family_prefix_of(stack),
        )
    settings = read_settings()
    return Place(
        request_queue_url=settings.request_queue_url,
        control_queue_url=settings.control_queue_url,
        state_machine_arn=settings.state_machine_arn,
        log_bucket=settings.log_bucket,
        jobs_table=settings.jobs_table,
        catalog=catalog or settings.catalog,
        task_family_prefix=settings.task_family_prefix,
        secret_patterns=settings.secret_patterns,
        prices=settings.prices,
        task_grace_seconds=settings.task_grace_seconds,
        log_deadline_seconds=settings.log_deadline_seconds,
    )
