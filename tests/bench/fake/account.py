"""The services of one account: which call is answered by whom, and how many of each there were."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from tests.bench.fake import rules
from tests.bench.fake.http import Request, Response
from tests.bench.fake.lives import CONTAINER, LOG_GROUP, LOG_PREFIX, Life, Log, Plot
from tests.bench.fake.logs import found_events, log_events
from tests.bench.fake.queue import Queue
from tests.bench.fake.refusal import Refusal
from tests.bench.fake.table import Table
from tests.support.deployment import properties
from tests.support.names import EXECUTION_ARN, REGION

_XML = b"text/xml"
_PUBLISHED = b"<PublishResponse><PublishResult><MessageId>94f20ce6</MessageId></PublishResult></PublishResponse>"
_UPLOAD = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
_COMPLETED = b'<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
_ETAG = b'etag: "9b2cf535f27731c974343645a3985328"\r\n'


@dataclass
class Account:
    """All that the services hold. `plot` says how the lives of executions go that are started from now on."""

    requests: Queue = field(default_factory=partial(Queue, "requests"))
    events: Queue = field(default_factory=partial(Queue, "events"))
    control: Queue = field(default_factory=partial(Queue, "control"))
    plain: Queue = field(default_factory=partial(Queue, "plain"))
    table: Table = field(default_factory=lambda: Table.of_template(properties("JobsTable")))
    plot: Plot = field(default_factory=Plot)
    calls: Counter[str] = field(default_factory=Counter)
    published: int = 0
    sent_at: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    _executions: dict[str, tuple[str, float]] = field(default_factory=dict)
    _logs: dict[str, Log] = field(default_factory=dict)
    _lives: set[asyncio.Task[None]] = field(default_factory=set)
    _rules: tuple[Mapping[str, Any], ...] = field(default_factory=rules.patterns)

    def __post_init__(self) -> None:
        by_url = {queue.name: queue for queue in (self.requests, self.events, self.control, self.plain)}

        def of_queue(call: Any) -> Queue:
            return by_url[call["QueueUrl"].rpartition("/")[2]]

        self._answers: dict[str, Callable[[Any], Any]] = {
            "AmazonSQS.ReceiveMessage": lambda call: of_queue(call).receive(call),
            "AmazonSQS.DeleteMessageBatch": lambda call: of_queue(call).delete(call),
            "AmazonSQS.ChangeMessageVisibility": lambda call: of_queue(call).set_visibility(call),
            "AWSStepFunctions.StartExecution": self._start,
            "AWSStepFunctions.ListExecutions": lambda call: {"executions": []},
            "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition": _task_definition,
            "Logs_20140328.GetLogEvents": lambda call: log_events(self._logs, call),
            "Logs_20140328.FilterLogEvents": lambda call: found_events(self._logs, call),
        } | {f"DynamoDB_20120810.{name}": answer for name, answer in self.table.calls().items()}

    def answer(self, request: Request) -> Response | asyncio.Future[Response]:
        """What a call of any service is answered."""
        target = request.headers.get("x-amz-target")
        if target is None:
            return self._publish(request) if request.path == "/" else self._object(request)
        self.calls[target.rpartition(".")[2]] += 1
        try:
            answer = self._answers[target](json.loads(request.body))
        except Refusal as refusal:
            body = {"__type": f"com.amazonaws#{refusal.code}", "message": str(refusal), **refusal.more}
            return Response(json.dumps(body).encode(), 400)
        if isinstance(answer, asyncio.Future):
            return _when_done(answer)
        if isinstance(answer, bytes):
            return Response(answer)
        return Response(json.dumps(answer).encode())

    def send(self, stages: int) -> None:
        """Put one request into the queue."""
        stage = {"image": "image_1", "command": ["echo", "hello"]}
        sent = time.time()
        self.sent_at[self.requests.send(json.dumps({"stages": [stage] * stages}))] = sent

    def _start(self, call: Any) -> Any:
        name, text = call["name"], call["input"]
        if name not in self._executions:
            self._executions[name] = text, time.time()
            if name in self.sent_at:  # What the plain loop starts lives no life.
                self.latencies.append(time.time() - self.sent_at.pop(name))
                if self.plot.ends:
                    self._live(name, json.loads(text)["lambda_result"]["total_stages_count"])
        known, started_at = self._executions[name]
        if known != text:
            raise Refusal("ExecutionAlreadyExists")
        return {"executionArn": EXECUTION_ARN + name, "startDate": started_at}

    def _live(self, name: str, stages: int) -> None:
        life = asyncio.ensure_future(Life(name, stages, self._emit, self._logs).go(self.plot))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)

    def _emit(self, event: dict[str, Any]) -> None:
        if any(rules.matches(pattern, event) for pattern in self._rules):
            self.events.send(json.dumps(event))

    def _publish(self, request: Request) -> Response:
        """SNS alone speaks the query protocol."""
        [action] = parse_qs(request.body.decode())["Action"]
        assert action == "Publish"
        self.calls["Publish"] += 1
        self.published += 1
        return Response(_PUBLISHED, content_type=_XML)

    def _object(self, request: Request) -> Response:
        """S3: what is put is taken and not kept."""
        _, _, query = request.path.partition("?")
        match request.method, query.split("=")[0]:
            case "PUT", "":
                return self._counted("PutObject", Response(content_type=_XML, headers=_ETAG))
            case "PUT", _:
                return self._counted("UploadPart", Response(content_type=_XML, headers=_ETAG))
            case "POST", "uploads":
                return self._counted("CreateMultipartUpload", Response(_UPLOAD, content_type=_XML))
            case "POST", "uploadId":
                return self._counted("CompleteMultipartUpload", Response(_COMPLETED, content_type=_XML))
        raise NotImplementedError(f"{request.method} {request.path}")

    def _counted(self, name: str, response: Response) -> Response:
        self.calls[name] += 1
        return response


def _task_definition(_call: Any) -> Any:
    options = {
        "awslogs-group": LOG_GROUP,
        "awslogs-region": REGION,
        "awslogs-stream-prefix": LOG_PREFIX,
        "mode": "blocking",
    }
    logs = {"logDriver": "awslogs", "options": options}
    return {"taskDefinition": {"containerDefinitions": [{"name": CONTAINER, "logConfiguration": logs}]}}


def _when_done(answer: asyncio.Future[Any]) -> asyncio.Future[Response]:
    """The response once there is an answer."""
    response: asyncio.Future[Response] = answer.get_loop().create_future()
    answer.add_done_callback(lambda done: response.set_result(Response(json.dumps(done.result()).encode())))
    return response
