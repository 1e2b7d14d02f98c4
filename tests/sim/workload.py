"""What producers send and operators do: good requests, repeats, rivals, rubbish, other people's events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.sim.ledger import Asked, Ledger
from tests.support.aws.s3 import SimBucket
from tests.support.aws.sqs import SimQueue
from tests.support.aws.stepfunctions import Execution, SimStepFunctions
from tests.support.faults import Faults, Rates
from tests.support.loop import VirtualLoop, world_call_at
from tests.support.names import BUCKET, CLUSTER_ARN, STATE_MACHINE_ARN, TASK_ARN
from tests.support.simulated_images import FAMILIES
from tests.support.trace import Trace

_POINTER = "software.amazon.payloadoffloading.PayloadS3Pointer"
_SUBMITTED_WITHIN_SECONDS = 120
_REPEATED_WITHIN_SECONDS = 400
_MOST_REDRIVES = 2

_BAD: tuple[str, ...] = (
    "",
    "not JSON",
    "[]",
    "null",
    '{"job_id": "x", "job_id": "y", "job_type": "greeting"}',
    '{"job_type": "greeting", "parameters": {"token": NaN}}',
    '{"stages": [{"image": "unheard-of"}]}',
    '{"stages": [{"image": "plain", "command": ["rm", "-rf"]}], "tenant": "web"}',
    '{"stages": [{"image": "plain", "environment": {"AWS_PROFILE": "x", "JOBFERRY_STAGE": "9"}}]}',
    '{"job_id": "has space", "job_type": "greeting", "parameters": {"token": "a"}}',
    '{"job_id": "j0", "stages": []}',
    "[" * 40 + "]" * 40,
    json.dumps([_POINTER, {"s3BucketName": BUCKET, "s3Key": "nowhere"}]),
    json.dumps({"stages": [{"image": "plain", "environment": {"MODE": "m" * 9000}}]}),
)
_FOREIGN: tuple[str, ...] = (
    "rubbish",
    "[]",
    "{}",
    '{"source": "aws.ecs", "detail-type": "ECS Service Action", "detail": {}}',
    '{"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {"taskArn": 5}}',
    json.dumps(
        {
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": {
                "executionArn": "arn:aws:states:eu-central-1:123456789012:execution:other:j0",
                "stateMachineArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:other",
                "status": "SUCCEEDED",
            },
        }
    ),
    json.dumps(
        {
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": {
                "executionArn": f"{STATE_MACHINE_ARN.replace(':stateMachine:', ':execution:')}:by-hand",
                "stateMachineArn": STATE_MACHINE_ARN,
                "status": "FAILED",
            },
        }
    ),
    json.dumps(
        {
            "source": "aws.ecs",
            "detail-type": "ECS Task State Change",
            "detail": {
                "taskArn": f"{TASK_ARN}someones",
                "clusterArn": CLUSTER_ARN,
                "group": "service:web",
                "lastStatus": "STOPPED",
                "version": 4,
            },
        }
    ),
)


@dataclass(frozen=True)
class Sending:
    """One message to be sent; without a job id of its own, the message id is the job's."""

    at: float
    body: str
    asked: Asked
    names_itself: bool = True


class Workload:
    """Sends the seed's messages, and plays the operators."""

    def __init__(
        self,
        loop: VirtualLoop,
        chance: Random,
        faults: Faults,
        rates: Rates,
        ledger: Ledger,
        bucket: SimBucket,
        trace: Trace,
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._rates = rates
        self._ledger = ledger
        self._bucket = bucket
        self._trace = trace
        self.to_send = 0

    def begin(self, jobs: int, requests: SimQueue, events: SimQueue) -> None:
        """Schedule everything."""
        for sending in self._sendings(jobs):
            self.to_send += 1
            world_call_at(self._loop, sending.at, self._send, requests, sending)
        for _ in range(int(self._chance.random() * 4)):
            body = self._chance.choice(_FOREIGN)
            world_call_at(self._loop, self._chance.random() * _SUBMITTED_WITHIN_SECONDS, events.send, body)

    def _send(self, queue: SimQueue, sending: Sending) -> None:
        self.to_send -= 1
        # The id must be in the books before the message can be taken, and the queue serves waiting polls at once.
        message_id = queue.next_id()
        asked = sending.asked if sending.names_itself else Asked(sending.body, message_id, sending.asked.token)
        self._ledger.note_request(message_id, asked)
        self._trace.say(
            "producer",
            "sends",
            message_id,
            f"job={asked.job_id} token={asked.token}",
            " ".join(sending.body.split())[:80],
        )
        queue.send(sending.body)

    def _sendings(self, jobs: int) -> Iterator[Sending]:
        for number in range(jobs):
            at = self._chance.random() * _SUBMITTED_WITHIN_SECONDS
            if self._chance.random() < 0.15:
                body = self._chance.choice(_BAD)
                yield Sending(at, body, Asked(body))
            else:
                yield from self._good(f"j{number}", at)

    def _good(self, job_id: str, at: float) -> Iterator[Sending]:
        first = self._body(job_id, f"{job_id}-a")
        names_itself = self._chance.random() < 0.85
        if not names_itself:
            first.pop("job_id")
        yield self._sending(at, first, job_id, names_itself=names_itself)
        for _ in range(self._chance.choice((0, 0, 0, 1, 1, 3))):
            yield self._sending(self._again(at), first, job_id, names_itself=names_itself)
        if names_itself and self._chance.random() < 0.2:
            yield self._sending(self._again(at), self._body(job_id, f"{job_id}-b"), job_id, names_itself=True)

    def _again(self, at: float) -> float:
        """Mostly at once, sometimes when the job has long ended."""
        return at + self._chance.random() * self._chance.choice((1, 60, _REPEATED_WITHIN_SECONDS))

    def _sending(self, at: float, body: dict[str, Any], job_id: str, *, names_itself: bool) -> Sending:
        keys = list(body)
        self._chance.shuffle(keys)  # Neither the order of keys nor spaces are part of a request.
        text = json.dumps(
            {key: body[key] for key in keys}, separators=self._chance.choice(((", ", ": "), (",\n  ", ":\t")))
        )
        if self._chance.random() < 0.1:
            key = f"input/payloads/{job_id}-{int(self._chance.random() * 2**30):x}"
            self._bucket.objects[BUCKET, key] = text.encode()
            text = json.dumps([_POINTER, {"s3BucketName": BUCKET, "s3Key": key}])
        return Sending(at, text, Asked(text, job_id, body["user"]), names_itself)

    def _body(self, job_id: str, token: str) -> dict[str, Any]:
        body: dict[str, Any] = {"job_id": job_id, "user": token, "labels": {"token": token}}
        if self._chance.random() < 0.2:
            return body | {"job_type": "greeting", "parameters": {"token": token}}
        if self._chance.random() < 0.4:
            body["progress"] = True
            self._ledger.wants_progress.add(token)
        count = self._chance.choice((1, 1, 1, 2, 3))
        body["stages"] = [self._stage(token) for _ in range(count)]
        if self._chance.random() < 0.03:
            # Too large to travel: the stages go by way of S3.
            body["stages"] = [{**self._stage(token), "environment": {"MODE": "m" * 4500}} for _ in range(8)]
        if self._chance.random() < 0.2:
            body["capacity_wait_seconds"] = self._chance.choice((0, 0, 30, 300))
        if self._chance.random() < 0.1:
            body["timeout_seconds"] = 5 + int(self._chance.random() * 200)
        return body

    def _stage(self, token: str) -> dict[str, Any]:
        return {"image": self._chance.choice(tuple(FAMILIES)), "command": ["say", token]}

    # Operators.

    def watch(self, states: SimStepFunctions, on_redrive: Callable[[Execution], None]) -> None:
        """Abort and redrive some executions, at times again and again."""
        previous_end, previous_start = states.on_end, states.on_start

        def on_start(execution: Execution) -> None:
            previous_start(execution)
            perhaps_cut_off(execution)

        def perhaps_cut_off(execution: Execution) -> None:
            if self._faults.happens("execution ended from outside", self._rates.aborted, self._loop.time()):
                status = self._chance.choice(("ABORTED", "TIMED_OUT"))
                world_call_at(self._loop, self._soon(), states.cut_off, execution, status)

        def on_end(execution: Execution) -> None:
            previous_end(execution)
            now = execution.now
            redrivable = now.status != "SUCCEEDED" and now.redrive_count < _MOST_REDRIVES
            if redrivable and self._faults.happens("operator redrives", self._rates.redriven, self._loop.time()):
                world_call_at(self._loop, self._soon(), redrive, execution)

        def redrive(execution: Execution) -> None:
            states.redrive(execution)
            perhaps_cut_off(execution)
            if execution.now.redrive_count:
                on_redrive(execution)

        states.on_start, states.on_end = on_start, on_end

    def _soon(self) -> float:
        return self._loop.time() + self._chance.random() * self._chance.choice((5, 60, 400))
