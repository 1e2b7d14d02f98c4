"""A deployment as the doctor meets it: its names, its catalogue, and the way to AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from schemas.catalog import Catalog
from service.catalog_source import parse_catalog
from service.core.log_layout import split_s3_uri
from service.operator.deployed_stack import deployed_stack, registered_task_definitions
from service.operator.shipped import catalog_of, family_prefix_of
from service.settings import Settings, SettingsError


@dataclass(frozen=True)
class Deployment:
    """What is looked at. Answers about the state machine are asked for once, since several checks rest on them."""

    session: boto3.Session
    request_queue_url: str
    event_queue_url: str
    control_queue_url: str
    state_machine_arn: str
    topic_arn: str
    log_bucket: str
    jobs_table: str
    catalog: Catalog
    stack: str | None = None
    _clients: MutableMapping[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client of an AWS service, by its name; made once, for it costs more than a call."""
        if service not in self._clients:
            kind: Any = self.session.client
            self._clients[service] = kind(service)
        return self._clients[service]

    @cached_property
    def own_task_definitions(self) -> Mapping[str, str]:
        """The revisions that its stack registered, by their families; none where no stack was named."""
        return registered_task_definitions(self.session, self.stack) if self.stack else {}

    @cached_property
    def state_machine(self) -> Mapping[str, Any]:
        """The state machine, as DescribeStateMachine gives it."""
        answer: Mapping[str, Any] = self.client("stepfunctions").describe_state_machine(
            stateMachineArn=self.state_machine_arn
        )
        return answer

    @cached_property
    def definition(self) -> Mapping[str, Any]:
        """Its definition."""
        return dict(json.loads(self.state_machine["definition"]))

    @property
    def cluster_arn(self) -> str:
        """The cluster that its stages run on."""
        return self._parameter("Cluster")

    @property
    def planner_arn(self) -> str:
        """The function that plans."""
        return self._parameter("FunctionName")

    def _parameter(self, name: str) -> str:
        parameters = [state.get("Parameters", {}) for state in self.definition["States"].values()]
        return next((str(item[name]) for item in parameters if name in item), "")


def by_settings(session: boto3.Session, settings: Settings, catalog: str | None = None) -> Deployment:
    """The deployment that a worker with these settings would work for."""
    return Deployment(
        session=session,
        request_queue_url=settings.request_queue_url,
        event_queue_url=settings.event_queue_url,
        control_queue_url=settings.control_queue_url,
        state_machine_arn=settings.state_machine_arn,
        topic_arn=settings.topic_arn,
        log_bucket=settings.log_bucket,
        jobs_table=settings.jobs_table,
        catalog=_read_catalog(session, catalog or settings.catalog, settings.task_family_prefix),
    )


def by_stack(session: boto3.Session, name: str, catalog: str | None = None) -> Deployment:
    """The deployment of a CloudFormation stack, by its outputs. Raises SettingsError where there is none."""
    stack = deployed_stack(session, name)
    return Deployment(
        session=session,
        request_queue_url=stack.output("RequestQueueUrl"),
        event_queue_url=stack.output("EventQueueUrl"),
        control_queue_url=stack.output("ControlQueueUrl"),
        state_machine_arn=stack.output("StateMachineArn"),
        topic_arn=stack.output("TopicArn"),
        log_bucket=stack.output("LogBucketName"),
        jobs_table=stack.output("JobsTableName"),
        catalog=_read_catalog(session, catalog or catalog_of(stack.parameters), family_prefix_of(stack)),
        stack=name,
    )


def _read_catalog(session: boto3.Session, where: str, family_prefix: str) -> Catalog:
    location = split_s3_uri(where)
    try:
        if location:
            body = session.client("s3").get_object(Bucket=location[0], Key=location[1])["Body"].read()
        else:
            body = Path(where).read_bytes()
        return parse_catalog(body.decode(), where, family_prefix)
    except (OSError, UnicodeDecodeError, ClientError, BotoCoreError) as error:
        raise SettingsError(f"The catalogue cannot be read: {where}: {error}") from None
