"""One request's whole way, from its message to what subscribers read, and what AWS would have against any step."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from schemas.notification import JobNotification
from schemas.plan import ExecutionInput, PlanRequest
from service.aws.objects import Objects
from service.aws.queue import Message
from service.aws.replays import Replays
from service.core.overrides import MAX_OVERRIDES_CHARACTERS
from service.core.planning.planning import plan
from service.core.record.facts import ExecutionChanged, TaskChanged
from service.core.record.record import Record
from service.metrics import UNMETERED
from service.runtime import Runtime, wire
from tests.support.aws.dynamodb import DynamoDbClient, SimTable
from tests.support.aws.s3 import S3Client, SimBucket
from tests.support.builders import catalog
from tests.support.machine import environment_of
from tests.support.names import BUCKET, EPOCH, EXECUTION_ARN, REGION, TASK_ARN, moment
from tests.support.virtual_worker import SETTINGS
from tests.support.write_units import item_bytes
from workers.requests import Requests

# [botocore, SendMessage]: what a message may hold; SNS hands its own on to SQS.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SAFE_KEY = re.compile(r"[A-Za-z0-9_./-]+")
_SUBJECT = re.compile(r"[!-~][ -~]{0,98}")
_EXECUTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ITEM_BYTES = 400 * 1024
_MESSAGE_BYTES = 262_144
_GROUP = re.compile(r"[!-~]{1,128}")


class _Directly:
    """A way without distance or fault."""

    async def call(self, operation: str, effect: Callable[[], Any], about: object = "") -> Any:
        answer = effect()
        return await answer if isinstance(answer, asyncio.Future) else answer


@dataclass
class _Calls:
    """Step Functions and SNS, which note what they are asked for."""

    meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))
    started: list[dict[str, str]] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)

    async def start_execution(self, **given: str) -> dict[str, Any]:
        self.started.append(given)
        return {"executionArn": EXECUTION_ARN + given["name"], "startDate": moment(1)}

    async def publish(self, **given: Any) -> None:
        self.published.append(given)


@dataclass
class Path:
    """The worker's own parts, wired over an AWS in memory."""

    runtime: Runtime
    requests: Requests
    table: SimTable
    bucket: SimBucket
    calls: _Calls

    @classmethod
    async def laid(cls) -> Path:
        """Wired as the worker is."""
        table, bucket, calls = SimTable(lambda: 0.0), SimBucket(), _Calls()
        clients = {
            "dynamodb": DynamoDbClient(_Directly(), table),
            "s3": S3Client(_Directly(), bucket),
            "stepfunctions": calls,
            "sns": calls,
        }

        async def client(service: str) -> Any:
            return clients.get(service, object())

        def now() -> float:
            return EPOCH + 100

        # A FIFO topic, whose ids have an alphabet of their own.
        settings = SETTINGS.model_copy(update={"topic_arn": f"{SETTINGS.topic_arn}.fifo"})
        objects = Objects(await client("s3"), None, now)
        runtime = await wire(settings, client, objects, catalog(), REGION, now, UNMETERED)
        replays = Replays(runtime.table.client, runtime.table.name)
        requests = Requests(
            runtime.catalog, objects, BUCKET, runtime.table, replays, now, UNMETERED, runtime.starts.may_start, 50
        )
        return cls(runtime, requests, table, bucket, calls)

    async def hear(self, message: Message) -> Record:
        """The record of a request that nothing holds back."""
        record = await self.requests.hear(message)
        assert isinstance(record, Record)
        return record

    async def go(self, body: str, message_id: str = "5fea7756-0ea4-451a-a703-a558b933e274") -> str:
        """Take a message to its end, check every step, and answer with its status."""
        self.table.items.clear()
        self.bucket.objects.clear()
        self.calls.started.clear()
        self.calls.published.clear()
        record = await self.hear(Message(message_id, body, "receipt", sent_at=EPOCH))
        record = await self.runtime.settling.settle(record)
        if record.request is not None:
            self._check_start(record)
            record = await self._ended(record)
        self._check_objects(body if record.rejection else None)
        self._check_items()
        return self._check_publication()

    async def _ended(self, record: Record) -> Record:
        """Its first task fails without a log, and with it the job."""
        job_id, arn = record.job_id, f"{TASK_ARN}t1"
        table = self.runtime.table
        stopped = {"version": 3, "last_status": "STOPPED", "stage": 1, "attempt": 1, "started_at": EPOCH + 2}
        await table.merge(TaskChanged.model_validate({"job_id": job_id, "arn": arn, **stopped}))
        attempts = [{"stage": 1, "attempt": 1, "passed": False, "exit_code": 1, "task_arn": arn}]
        ended = {"status": "FAILED", "observed_via": "event", "started_at": EPOCH + 1, "stopped_at": EPOCH + 9}
        fact = {"job_id": job_id, "arn": EXECUTION_ARN + job_id, "attempts": attempts, **ended}
        return await self.runtime.settling.settle(await table.merge(ExecutionChanged.model_validate(fact)))

    def _check_start(self, record: Record) -> None:
        [start] = self.calls.started
        assert _EXECUTION_NAME.fullmatch(start["name"])
        assert len(start["input"].encode()) < 262_144
        # It is told again in events, which come through SQS.
        assert not _NOT_IN_XML.search(start["input"])
        given = ExecutionInput.model_validate_json(start["input"])
        assert given.job_id == record.job_id
        for number in range(given.lambda_result.total_stages_count):
            self._check_overrides(given, number)

    def _check_overrides(self, given: ExecutionInput, passed: int) -> None:
        """What RunTask is told for a stage, as the state machine puts it together."""
        result = given.lambda_result.model_copy(update={"processed_stages_count": passed})
        step = PlanRequest(
            step="plan_next_step",
            execution_arn=EXECUTION_ARN + given.job_id,
            started_at="2023-11-14T22:13:20Z",
            now="2023-11-14T22:13:21Z",
            input=given.model_copy(update={"lambda_result": result}),
        )
        stage = plan(step, self._stages(given)).next_stage
        assert stage is not None
        variables = environment_of(stage, redrive=10, token="T" * 1000)
        environment = [{"Name": name, "Value": value} for name, value in variables.items()]
        container = {"name": stage.container, "command": list(stage.command), "environment": environment}
        overrides = {"containerOverrides": [container], "cpu": stage.cpu, "memory": stage.memory}
        assert len(json.dumps(overrides, separators=(",", ":"))) <= MAX_OVERRIDES_CHARACTERS
        assert all("\x00" not in text for text in [*stage.command, *(pair["Value"] for pair in environment)])

    def _stages(self, given: ExecutionInput) -> Any:
        config = given.lambda_result.config
        if config.stages_s3 is None:
            return config.stages
        [lying] = [body for (_, key), body in self.bucket.objects.items() if key == config.stages_s3.key]
        return tuple(map(type(config).model_fields["stages"].annotation.__args__[0].model_validate, json.loads(lying)))  # type: ignore[union-attr]

    def _check_objects(self, rejected: str | None) -> None:
        for bucket, key in self.bucket.objects:
            assert bucket == BUCKET
            assert _SAFE_KEY.fullmatch(key) and ".." not in key and len(key) < 1024
        if rejected is not None:
            [kept] = self.bucket.objects.values()
            assert kept == rejected.encode(errors="surrogatepass")

    def _check_items(self) -> None:
        for key, item in [(key, item) for key, parts in self.table.items.items() for item in parts.values()]:
            assert 0 < len(key.encode()) <= 2048
            assert item_bytes(item) < _ITEM_BYTES

    def _check_publication(self) -> str:
        [told] = self.calls.published
        assert _SUBJECT.fullmatch(told["Subject"])
        assert _GROUP.fullmatch(told["MessageGroupId"]) and _GROUP.fullmatch(told["MessageDeduplicationId"])
        assert len(told["Message"].encode()) <= _MESSAGE_BYTES
        assert not _NOT_IN_XML.search(told["Message"])
        by_protocol = json.loads(told["Message"])
        assert not any(_NOT_IN_XML.search(text) for text in by_protocol.values())
        assert all(line.isprintable() for line in by_protocol["email"].split("\n"))
        for name, attribute in told["MessageAttributes"].items():
            assert attribute["DataType"] == "String" and name in {"status", "job_type", "tenant", "failure_class"}
            assert re.fullmatch(r"[A-Za-z0-9_.-]+", attribute["StringValue"])
        notification = JobNotification.model_validate_json(by_protocol["default"])
        if notification.status == "REJECTED":
            self._check_reasons(notification)
        return notification.status

    def _check_reasons(self, notification: JobNotification) -> None:
        assert notification.rejection is not None and notification.rejection.problems
        assert notification.rejection.body_link is not None
        for problem in notification.rejection.problems:
            assert problem.message and problem.remedy
            assert "pattern" not in problem.message
            assert all(text.isprintable() for text in (problem.field, problem.message, problem.remedy))
