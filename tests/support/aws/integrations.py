"""What the state machine calls: the real planner as its Lambda, and ECS by runTask.sync and by waitForTaskToken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.plan import PlanRequest, Stage
from service.core.planning import planning
from tests.support.aws.ecs import SimEcs, Task, described, with_times
from tests.support.aws.quotas import Quotas
from tests.support.aws.s3 import SimBucket
from tests.support.aws.sqs import SimQueue
from tests.support.aws.state_machine import Integrations, Position, Refusal
from tests.support.aws.states_language import Json, StateError
from tests.support.faults import Faults, Rates
from tests.support.loop import VirtualLoop
from tests.support.names import EPOCH

_STAGES = TypeAdapter(tuple[Stage, ...])
_PLANNER_ERRORS = ("Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.Unknown")
_FAULT = ("ECS.ServerException", "Service Unavailable")
# Throttles and missing capacity, as they were seen in production.
_RUN_TASK_ERRORS = (
    ("ECS.AmazonECSException", "Rate exceeded (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException)"),
    ("AmazonECS.Unknown", '{"Failures":[{"Reason":"Capacity is unavailable at this time."}],"Tasks":[]}'),
    _FAULT,
)


class SimIntegrations:
    """Step Functions' side of Lambda and ECS."""

    def __init__(
        self,
        loop: VirtualLoop,
        chance: Random,
        faults: Faults,
        rates: Rates,
        ecs: SimEcs,
        bucket: SimBucket,
        quotas: Quotas,
        events: SimQueue,
    ) -> None:
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._rates = rates
        self._ecs = ecs
        self._bucket = bucket
        self._quotas = quotas
        self._events = events
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._heard_at: dict[str, float] = {}
        ecs.report = self._report
        ecs.heartbeat = self._heartbeat

    def table(self) -> Integrations:
        """As the interpreter wants them."""
        return Integrations(self._planner, self._run_task, self._run_task_and_wait, self._send_message)

    async def _send_message(self, parameters: Json) -> Json:
        await self._loop.pause(0.02 + self._chance.random() * 0.1)
        if self._happens("SendMessage of Step Functions failed", self._rates.planner_fails):
            raise StateError("SQS.SdkClientException", "the queue could not be reached")
        assert parameters["QueueUrl"] == self._events.url
        self._events.send(json.dumps(parameters["MessageBody"]))
        return {}

    async def _planner(self, event: Json) -> Json:
        await self._loop.pause(0.02 + self._chance.random() * 0.2)
        if self._happens("planner failed", self._rates.planner_fails):
            raise StateError(self._chance.choice(_PLANNER_ERRORS), "the planner could not be reached")
        try:
            request = PlanRequest.model_validate(event)
        except ValidationError as error:
            raise StateError("ValidationError", str(error)) from None
        if (outcome := planning.failure(request)) is not None:
            shown = {"errorMessage": outcome.cause, "errorType": outcome.error, "stackTrace": []}
            raise StateError(outcome.error, json.dumps(shown))
        return {"Payload": planning.plan(request, self._stages(request)).model_dump(mode="json")}

    def _stages(self, request: PlanRequest) -> tuple[Stage, ...]:
        config = request.input.lambda_result.config
        if config.stages_s3 is None:
            return config.stages
        return _STAGES.validate_json(self._bucket.get(config.stages_s3.bucket, config.stages_s3.key))

    async def _run_task(self, parameters: Json, position: Position, seconds: float) -> Json:
        task = await self._submit(parameters, position)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(task.stopped)
                await self._loop.pause(self._chance.random() * 3)
        except (TimeoutError, asyncio.CancelledError) as error:
            self._stop_if_it_may(task)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise StateError("States.Timeout") from None
        shown = _pascal(with_times(described(task), _milliseconds))
        # Any container that did not exit with 0 fails the state [wellcomecollection/catalogue-pipeline #3377].
        if any(item.exit_code != 0 for item in task.containers):
            raise StateError("States.TaskFailed", json.dumps(shown))
        return shown

    async def _run_task_and_wait(self, parameters: Json, position: Position, seconds: float, heartbeat: float) -> Json:
        token = str(position.token)
        self._waiting[token] = self._loop.create_future()
        self._heard_at[token] = self._loop.time()
        try:
            task = await self._submit(parameters, position)
            passed = await self._reported(token, self._loop.time() + seconds, heartbeat)
        finally:
            del self._waiting[token]  # Who reports from now on is refused.
        if not passed:
            raise StateError("Reported.Failure", f"{task.task_id} says that it failed")
        return {"reported": task.task_id}

    async def _reported(self, token: str, deadline: float, heartbeat: float) -> bool:
        """What the container reports. Also a missed heartbeat gives States.Timeout [LocalStack heartbeats]."""
        answer = self._waiting[token]
        while not answer.done():
            until = min(deadline, self._heard_at[token] + heartbeat)
            if self._loop.time() >= until:
                raise StateError("States.Timeout")  # The task goes on.
            await asyncio.wait((answer,), timeout=until - self._loop.time())
        return answer.result()

    async def _submit(self, parameters: Json, position: Position) -> Task:
        await self._loop.pause(0.05 + self._chance.random() * 0.3)
        try:
            if self._happens("RunTask failed", self._rates.run_task_fails):
                raise StateError(*self._chance.choice(_RUN_TASK_ERRORS))
            vcpus = self._quotas.launch(parameters["TaskDefinition"], parameters["Overrides"]["Cpu"], self._loop.time())
        except StateError as refused:
            # A fault of ECS is no missing capacity: it is paid from the retries.
            if refused.error != _FAULT[0]:
                wait = (len(position.submitted), position.redrives)
                position.refusals.append(Refusal(self._loop.time(), wait))
            raise
        task = self._ecs.run_task(parameters)
        task.stopped.add_done_callback(lambda _: self._give_back(vcpus))
        position.events += 1
        position.submitted.append(with_times(described(task), _milliseconds))
        return task

    def _give_back(self, vcpus: float) -> None:
        self._quotas.vcpus_in_use -= vcpus

    def _stop_if_it_may(self, task: Task) -> None:
        """Stopping the task of an execution that ended is best effort."""
        if not self._happens("StopTask of Step Functions lost", self._rates.stop_ignored):
            self._ecs.stop(task.task_id)

    def _report(self, task: Task, passed: bool) -> None:
        """SendTaskSuccess or SendTaskFailure; a token that nobody waits for is refused."""
        answer = self._waiting.get(task.environment["TASK_TOKEN"])
        if answer is not None and not answer.done():
            answer.set_result(passed)
            task.reported = "success" if passed else "failure"

    def _heartbeat(self, task: Task) -> None:
        if "TASK_TOKEN" in task.environment:
            self._heard_at[task.environment["TASK_TOKEN"]] = self._loop.time()

    def _happens(self, what: str, rate: float) -> bool:
        return self._faults.happens(what, rate, self._loop.time())


def _milliseconds(at: float) -> int:
    return int((EPOCH + at) * 1000)


def submitted(shown: dict[str, Any]) -> str:
    """RunTask's answer, as an execution's history keeps it."""
    return json.dumps({"Tasks": [_pascal(shown)], "Failures": []})


def _pascal(value: dict[str, Any]) -> dict[str, Any]:
    """Keys as ecs:runTask.sync has them."""
    return {_pascal_key(key): _PASCAL.get(type(item), _as_it_is)(item) for key, item in value.items()}


@cache
def _pascal_key(key: str) -> str:
    return key[:1].upper() + key[1:]


def _as_it_is(value: Any) -> Any:
    return value


# What a task holds: lists, of objects only, and objects.
_PASCAL: dict[type, Callable[[Any], Any]] = {dict: _pascal, list: lambda items: [_pascal(item) for item in items]}
