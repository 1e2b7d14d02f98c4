"""What the contract tests do on the emulator, in a few words each."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

import boto3

from deploy.local.emulator.process import EmulatorProcess
from tests.support.waiting import wait_for

BUSYBOX = "public.ecr.aws/docker/library/busybox:latest"
ROLE = "arn:aws:iam::000000000000:role/any"
LOG_GROUP = "/jobs"
CLUSTER = "jobs"
OVER = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")

Record = dict[str, Any]
T = TypeVar("T")


class Cloud:
    """One emulator with a cluster, a log group, and queues that its events go to."""

    def __init__(self, emulator: EmulatorProcess, region: str = "us-east-1", key: str = "test") -> None:
        self.emulator = emulator
        self._session = boto3.Session(aws_access_key_id=key, aws_secret_access_key="test", region_name=region)
        self.sfn, self.ecs, self.sqs = self.client("stepfunctions"), self.client("ecs"), self.client("sqs")
        self.logs, self.events, self.lambdas = self.client("logs"), self.client("events"), self.client("lambda")
        self.ecs.create_cluster(clusterName=CLUSTER)
        if not self.logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]:
            self.logs.create_log_group(logGroupName=LOG_GROUP)

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        return self._session.client(service, endpoint_url=self.emulator.endpoint_url)

    def define_task(self, *containers: Record, **members: Any) -> str:
        """Register a task definition and give its ARN."""
        answer = self.ecs.register_task_definition(
            family=f"family-{uuid4().hex[:8]}",
            containerDefinitions=list(containers),
            cpu="256",
            memory="512",
            **members,
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def run_task(self, definition: str, **members: Any) -> str:
        """Run one task and give its ARN."""
        answer = self.ecs.run_task(cluster=CLUSTER, taskDefinition=definition, **members)
        return str(answer["tasks"][0]["taskArn"])

    def describe_task(self, arn: str) -> Record:
        """The task as DescribeTasks shows it."""
        tasks: list[Record] = self.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"]
        return tasks[0]

    def await_task(self, arn: str, status: str = "STOPPED") -> Record:
        """Wait until a task has a status."""

        def look() -> Record | None:
            return only_if(self.describe_task(arn), lambda task: task["lastStatus"] == status)

        return wait_for(look, f"{status} of {arn}", seen=lambda: f"{self.describe_task(arn)}\n{self.lines(arn)[-20:]}")

    def stop_reason(self, *containers: Record, **members: Any) -> Record:
        """Run a task of these containers and give it once it has stopped."""
        return self.await_task(self.run_task(self.define_task(*containers), **members))

    def lines(self, task_arn: str, container: str = "main") -> list[Record]:
        """Every event of a container's log stream; none while there is no stream."""
        stream = f"job/{container}/{task_arn.rpartition('/')[2]}"
        request: Record = {"logGroupName": LOG_GROUP, "logStreamName": stream, "startFromHead": True}
        found: list[Record] = []
        while True:
            try:
                page = self.logs.get_log_events(**request)
            except self.logs.exceptions.ResourceNotFoundException:
                return []
            found += page["events"]
            if page["nextForwardToken"] == request.get("nextToken"):
                return found
            request["nextToken"] = page["nextForwardToken"]

    def define_machine(self, states: Record, **members: Any) -> str:
        """Create a state machine that starts at the first of `states`."""
        definition = {"StartAt": next(iter(states)), "States": states, **members}
        answer = self.sfn.create_state_machine(
            name=f"machine-{uuid4().hex[:8]}", definition=json.dumps(definition), roleArn=ROLE
        )
        return str(answer["stateMachineArn"])

    def start(self, states: Record, given: Any = None, **members: Any) -> str:
        """Start an execution of a new state machine."""
        arn = self.define_machine(states, **members)
        return str(self.sfn.start_execution(stateMachineArn=arn, input=json.dumps(given or {}))["executionArn"])

    def describe(self, execution: str) -> Record:
        """The execution as DescribeExecution shows it."""
        answer: Record = self.sfn.describe_execution(executionArn=execution)
        return answer

    def await_end(self, execution: str) -> Record:
        """Wait until an execution is over."""

        def look() -> Record | None:
            return only_if(self.describe(execution), lambda one: one["status"] in OVER)

        return wait_for(look, f"the end of {execution}", seen=lambda: f"the last events {self.history(execution)[-5:]}")

    def result(self, states: Record, given: Any = None, **members: Any) -> Record:
        """Run a new state machine to its end."""
        return self.await_end(self.start(states, given, **members))

    def output(self, states: Record, given: Any = None) -> Any:
        """What a state machine that succeeds gives."""
        ended = self.result(states, given)
        assert ended["status"] == "SUCCEEDED", ended
        return json.loads(ended["output"])

    def history(self, execution: str) -> list[Record]:
        """The whole history of an execution."""
        events: list[Record] = self.sfn.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return events

    def event_queue(self, pattern: Record) -> str:
        """A queue that gets every event of the default bus that matches."""
        name = f"events-{uuid4().hex[:8]}"
        url = str(self.sqs.create_queue(QueueName=name)["QueueUrl"])
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def receive(self, url: str, seconds: int = 1) -> list[Record]:
        """Take some messages, each once."""
        got = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds)
        messages = got.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def collect(self, url: str, enough: Callable[[list[Record]], bool]) -> list[Record]:
        """Take messages until there are enough."""
        found: list[Record] = []

        def look() -> list[Record] | None:
            found.extend(self.receive(url))
            return found if enough(found) else None

        return wait_for(look, f"enough messages in {url}", seen=lambda: f"{len(found)} came, last {found[-3:]}")

    def define_function(self, code: str, **members: Any) -> str:
        """Create a Python Lambda function whose handler is `handler`."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", code)
        answer = self.lambdas.create_function(
            FunctionName=f"function-{uuid4().hex[:8]}", Runtime="python3.11", Role=ROLE, Handler="index.handler",
            Code={"ZipFile": packed.getvalue()}, **members,
        )  # fmt: skip
        return str(answer["FunctionArn"])


def container(*command: str, name: str = "main", image: str = BUSYBOX, **members: Any) -> Record:
    """A container definition that logs to the log group of the tests."""
    options = {"awslogs-group": LOG_GROUP, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "job"}
    return {
        "name": name,
        "image": image,
        "essential": True,
        "command": list(command),
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        **members,
    }


def shell(script: str, **members: Any) -> Record:
    """A container that runs a shell script."""
    return container("sh", "-c", script, **members)


def run_task_state(definition: str, pattern: str = ".sync", parameters: Record | None = None, **members: Any) -> Record:
    """A Task state that runs an ECS task and is the last."""
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::ecs:runTask{pattern}",
        "Parameters": {"Cluster": CLUSTER, "TaskDefinition": definition, **(parameters or {})},
        "End": True,
        **members,
    }


def only_if(thing: T, condition: Callable[[T], bool]) -> T | None:
    """The thing, if it is as it should be."""
    return thing if condition(thing) else None
