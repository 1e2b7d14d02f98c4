"""The running system as its users have it: requests go in by SQS, notifications come out by SNS, links open by HTTP."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

from deploy.local.local_run import LocalRun
from deploy.local.subscriber import Received, Subscriber
from schemas.arn import execution_arn
from schemas.notification import JobNotification, LogReceipt
from schemas.plan import group_of

WITHIN_SECONDS = 60.0
_LOOK_SECONDS = 0.05

T = TypeVar("T")


def wait_for(look: Callable[[], T | None], within: float = WITHIN_SECONDS, what: str = "it") -> T:
    """What `look` finds, once it finds something; fails when it does not within the deadline."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come true within {within:g} s"
        time.sleep(_LOOK_SECONDS)
    return found


@dataclass
class System:
    """One local run with its worker, and a subscriber to everything."""

    run: LocalRun
    subscriber: Subscriber
    log: IO[bytes]
    found: dict[str, list[Received]] = field(default_factory=lambda: defaultdict(list))

    def client(self, service: Any) -> Any:
        """A boto3 client, as anyone would make it."""
        return self.run.session.client(service)

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack."""
        return self.run.stack.outputs

    def send(self, request: object, **members: Any) -> str:
        """Send a request, as JSON unless it is text already; answers with its message id."""
        body = request if isinstance(request, str) else json.dumps(request)
        answer = self.client("sqs").send_message(QueueUrl=self.outputs["RequestQueueUrl"], MessageBody=body, **members)
        return str(answer["MessageId"])

    def received(self, key: str, within: float = WITHIN_SECONDS) -> Received:
        """The notification of a job id, or of a rejected request's message id."""

        def look() -> Received | None:
            if not self.found.get(key):
                self.collect()
            return self.found[key][0] if self.found.get(key) else None

        return wait_for(look, within, f"the notification of {key}")

    def told(self, key: str, within: float = WITHIN_SECONDS) -> JobNotification:
        """What subscribers were told of it."""
        return self.received(key, within).notification

    def collect(self, wait_seconds: int = 1) -> None:
        """Take in what has arrived."""
        for received in self.subscriber.receive(wait_seconds):
            self.found[received.notification.id.rsplit(":", 2)[0]].append(received)

    def copies(self, key: str) -> int:
        """How often it was announced, once no message is left that could announce it again."""
        wait_for(self._queues_are_empty, what="the queues' emptiness")
        for _ in range(3):
            self.collect(wait_seconds=0)
        return len(self.found.get(key, ()))

    def _queues_are_empty(self) -> bool:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        sqs = self.client("sqs")
        answers = [
            sqs.get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=["All"])["Attributes"]
            for queue in ("RequestQueueUrl", "EventQueueUrl")
        ]
        return all(answer[name] == "0" for answer in answers for name in names)

    def execution(self, job_id: str) -> dict[str, Any] | None:
        """The execution of a job, if there is one yet."""
        arn = execution_arn(self.outputs["StateMachineArn"], job_id)
        sfn = self.client("stepfunctions")
        try:
            return dict(sfn.describe_execution(executionArn=arn))
        except sfn.exceptions.ExecutionDoesNotExist:
            return None

    def tasks(self, job_id: str, status: str = "RUNNING") -> list[dict[str, Any]]:
        """The job's tasks that are to be, or to stop being."""
        ecs, cluster = self.client("ecs"), self.outputs["ClusterName"]
        arns = ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]
        found = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return [task for task in found if task["group"] == group_of(job_id)]

    def running_task(self, job_id: str) -> dict[str, Any]:
        """The job's task, once its container runs."""
        return wait_for(lambda: next((t for t in self.tasks(job_id) if t["lastStatus"] == "RUNNING"), None))

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A worker beside the system."""
        with self.run.worker(log=self.log.fileno()) as process:
            yield process


class SharedWorker:
    """The worker that most tests share, which some put to death; the next test finds another one."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def ensure(self) -> subprocess.Popen[bytes]:
        """A living worker."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._stack.enter_context(self._system.worker())
        return self._process

    def stop(self) -> None:
        """Stop it, and wait for its end."""
        self._stack.close()


def receipts(told: JobNotification) -> list[LogReceipt]:
    """Every log receipt of a notification, stage by stage."""
    return [
        container.log
        for stage in told.stages
        for attempt in stage.attempts
        for container in attempt.containers
        if container.log
    ]


@dataclass(frozen=True)
class Page:
    """What a browser gets for a link."""

    content_type: str
    text: str


def opened(url: str) -> Page:
    """Open a link, without any credentials."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return Page(answer.headers["Content-Type"], answer.read().decode())


def log_text(told: JobNotification) -> str:
    """All logs of a job, each by its link."""
    return "".join(opened(receipt.link.url).text for receipt in receipts(told) if receipt.link)
