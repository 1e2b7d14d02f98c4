"""The running system as its users have it: requests go in by SQS, notifications come out by SNS, links open by HTTP."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

from deploy.local.local_run import LocalRun
from deploy.local.subscriber import Received, Subscriber
from schemas.arn import execution_arn
from schemas.notification import JobNotification, LogReceipt
from schemas.plan import group_of
from service.aws.record_items import item_key
from service.core.record.keys import RecordKey
from tests.support.waiting import WITHIN_SECONDS, last_lines, wait_for

_WORK = ("RequestQueueUrl", "EventQueueUrl", "ControlQueueUrl")
_QUEUES = (*_WORK, "RequestDeadLetterQueueUrl", "EventDeadLetterQueueUrl")
_DEPTHS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")

T = TypeVar("T")


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

    def received(self, key: str) -> Received:
        """The notification of a job id, or of a rejected request's message id."""

        def look() -> Received | None:
            if not self.found.get(key):
                self.collect()
            return self.found[key][0] if self.found.get(key) else None

        return self.wait_for(look, f"the notification of {key}", key)

    def told(self, key: str) -> JobNotification:
        """What subscribers were told of it."""
        return self.received(key).notification

    def wait_for(self, look: Callable[[], T | None], what: str, job_id: str = "") -> T:
        """What `look` finds; who waits in vain sees how everything stands, and the job."""
        return wait_for(look, what, seen=lambda: self.seen(job_id))

    def seen(self, job_id: str = "") -> str:
        """How everything stands: the queues, the worker's last words, and of one job its record and its execution."""
        told = [f"{queue} {depths}" for queue, depths in self._depths().items()]
        if job_id:
            table, key = self.outputs["JobsTableName"], item_key(RecordKey.of_job(job_id))
            record = self.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
            told += [f"record {record}", f"execution {self.execution(job_id)}"]
        told.append(f"announced so far: {sorted(self.found)}")
        self.log.flush()
        return "\n".join([*told, "the worker's last lines:", last_lines(Path(self.log.name))])

    def collect(self, wait_seconds: int = 1) -> None:
        """Take in what has arrived."""
        for received in self.subscriber.receive(wait_seconds):
            self.found[received.notification.id.rsplit(":", 2)[0]].append(received)

    def copies(self, key: str) -> int:
        """How often it was announced, once no message is left that could announce it again."""
        self.wait_until_quiet()
        for _ in range(3):
            self.collect(wait_seconds=0)
        return len(self.found.get(key, ()))

    def outcomes(self, key: str) -> int:
        """How many outcomes were announced. The tests of crashes kill the worker, which may cost a second copy."""
        self.copies(key)
        return len({received.notification.id for received in self.found.get(key, ())})

    def wait_until_quiet(self) -> None:
        """Wait until no message is left that a worker has yet to take or to delete."""

        def look() -> bool:
            depths = self._depths()
            return not any(sum(depths[queue]) for queue in _WORK)

        self.wait_for(look, "the queues' emptiness")

    def _depths(self) -> dict[str, list[int]]:
        """Of each queue, how many messages are visible and how many are in flight."""
        sqs = self.client("sqs")
        answers = {
            queue: sqs.get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=["All"])["Attributes"]
            for queue in _QUEUES
        }
        return {queue: [int(answer[name]) for name in _DEPTHS] for queue, answer in answers.items()}

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

        def look() -> dict[str, Any] | None:
            return next((task for task in self.tasks(job_id) if task["lastStatus"] == "RUNNING"), None)

        return self.wait_for(look, f"the running task of {job_id}", job_id)

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

    def kill(self) -> None:
        """Kill a living worker, and wait until it is gone: a dying process still looks alive to `ensure`."""
        process = self.ensure()
        process.kill()
        process.wait()

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
    with urllib.request.urlopen(url, timeout=WITHIN_SECONDS) as answer:
        return Page(answer.headers["Content-Type"], answer.read().decode())


def log_text(told: JobNotification) -> str:
    """All logs of a job, each by its link."""
    return "".join(opened(receipt.link.url).text for receipt in receipts(told) if receipt.link)
