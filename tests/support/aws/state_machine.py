"""The state machine of deploy/, run state by state: the Lambda is the real planner, the tasks are simulated."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.support.aws.states_language import Fill, Json, Retrier, StateError, choice, covers, path, template
from tests.support.loop import VirtualLoop
from tests.support.names import CLUSTER_ARN, EVENTS_URL, iso

DEFINITION = Path(__file__).parents[3] / "deploy" / "state_machine.asl.json"
_SUBSTITUTED = {
    "ClusterArn": CLUSTER_ARN,
    "SubnetIds": "subnet-1",
    "SecurityGroupIds": "sg-1",
    "EventQueueUrl": EVENTS_URL,
}
# Of an execution's history [Step Functions quotas].
_MOST_EVENTS = 25_000
_HISTORY_IS_FULL = "The execution reached the maximum number of history events (25000)."


@dataclass(frozen=True)
class Ended:
    """How an execution ended by itself."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Refusal:
    """That RunTask took no task on, and in which wait: how many tasks and redrives there had been by then."""

    at: float
    wait: tuple[int, int]


@dataclass
class Position:
    """Where an execution is, enough to resume it there after a redrive, and the tasks that RunTask took on.

    `events` counts what its history holds; a state is two, and each try of a Task three, one more where it submitted.
    """

    name: str
    arn: str
    started_at: float
    state: str
    data: Json
    token: str | None = None
    redrives: int = 0
    events: int = 1
    refusals: list[Refusal] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Integrations:
    """What Task states call: by resource, with the filled-in parameters."""

    planner: Callable[[Json], Awaitable[Json]]
    run_task: Callable[[Json, Position, float], Awaitable[Json]]
    run_task_and_wait: Callable[[Json, Position, float, float], Awaitable[Json]]
    send_message: Callable[[Json], Awaitable[Json]]


@dataclass(frozen=True)
class State:
    """A state, compiled."""

    type: str
    following: str | None
    resource: str = ""
    input: Fill | None = None
    parameters: Fill | None = None
    selector: Fill | None = None
    result_key: str | None = None
    choose: Callable[[Json], str] | None = None
    seconds: Fill | None = None
    heartbeat: Fill | None = None
    error: Fill | None = None
    cause: Fill | None = None
    retriers: tuple[Retrier, ...] = ()
    catchers: tuple[tuple[frozenset[str], str | None, str], ...] = field(default=())


@cache
def compiled(where: Path = DEFINITION) -> tuple[str, Mapping[str, State]]:
    """The first state's name, and all states."""
    text = re.sub(r"\$\{(\w+)\}", lambda found: _SUBSTITUTED.get(found[1], found[1]), where.read_text(encoding="utf-8"))
    definition = json.loads(text)
    return definition["StartAt"], {name: _compile(state) for name, state in definition["States"].items()}


def _compile(state: Mapping[str, Any]) -> State:
    def fill(key: str, compiler: Callable[[Any], Fill]) -> Fill | None:
        return compiler(state[key]) if key in state else None

    return State(
        type=state["Type"],
        following=state.get("Next"),
        resource=state.get("Resource", ""),
        input=fill("InputPath", path),
        parameters=fill("Parameters", template),
        selector=fill("ResultSelector", template),
        result_key=_key(state.get("ResultPath")),
        choose=choice(state) if state["Type"] == "Choice" else None,
        seconds=fill("SecondsPath", path) or fill("TimeoutSecondsPath", path) or fill("TimeoutSeconds", template),
        heartbeat=fill("HeartbeatSecondsPath", path),
        error=fill("ErrorPath", path) or fill("Error", template),
        cause=fill("CausePath", path) or fill("Cause", template),
        retriers=tuple(map(Retrier.of, state.get("Retry", ()))),
        catchers=tuple(
            (frozenset(item["ErrorEquals"]), _key(item["ResultPath"]), item["Next"]) for item in state.get("Catch", ())
        ),
    )


def _key(result_path: str | None) -> str | None:
    return result_path.removeprefix("$.") if result_path else None


class Interpreter:
    """Runs executions of the machine."""

    def __init__(self, loop: VirtualLoop, chance: Random, integrations: Integrations) -> None:
        self.start, self._states = compiled()
        self._loop = loop
        self._chance = chance
        self._integrations = integrations

    async def run(self, position: Position) -> Ended:
        """Go from state to state until the end. Raises nothing but cancellation."""
        while True:
            state = self._states[position.state]
            position.events += 2
            try:
                if position.events > _MOST_EVENTS:
                    raise StateError("States.Runtime", _HISTORY_IS_FULL)
                match state.type:
                    case "Choice":
                        assert state.choose is not None
                        position.state = state.choose(position.data)
                    case "Wait":
                        assert state.seconds is not None
                        await self._loop.pause(state.seconds(position.data, None))
                        position.state = str(state.following)
                    case "Task":
                        await self._task(state, position)
                    case "Succeed":
                        assert state.input is not None
                        return Ended("SUCCEEDED", output=json.dumps(state.input(position.data, None)))
                    case "Fail":
                        assert state.error is not None and state.cause is not None
                        return Ended("FAILED", None, state.error(position.data, None), state.cause(position.data, None))
                    case unknown:
                        raise NotImplementedError(unknown)
            except StateError as failure:
                return Ended("FAILED", None, failure.error, failure.cause)

    async def _task(self, state: State, position: Position) -> None:
        try:
            result = await self._with_retries(state, position)
        except StateError as failure:
            for errors, key, following in state.catchers:
                if covers(errors, failure.error):
                    if key is not None:
                        caught = {"Error": failure.error, "Cause": failure.cause}
                        position.data = {**position.data, key: caught}
                    position.state = following
                    return
            raise
        if state.result_key is not None:
            position.data = {**position.data, state.result_key: result}
        position.state = str(state.following)

    async def _with_retries(self, state: State, position: Position) -> Json:
        failures: dict[Retrier, int] = {}
        while True:
            try:
                result = await self._call(state, position)
                return state.selector(result, self._context(position)) if state.selector else result
            except StateError as failure:
                retrier = next((item for item in state.retriers if item.covers(failure.error)), None)
                if retrier is None or failures.get(retrier, 0) >= retrier.attempts:
                    raise
            failures[retrier] = failures.get(retrier, 0) + 1
            await self._loop.pause(self._chance.random() * retrier.delay(failures[retrier]))

    async def _call(self, state: State, position: Position) -> Json:
        assert state.parameters is not None
        position.events += 3
        seconds = state.seconds(position.data, None) if state.seconds else float("inf")
        if state.resource.endswith("ecs:runTask.waitForTaskToken"):
            heartbeat = state.heartbeat(position.data, None) if state.heartbeat else seconds
            # A new token for every attempt.
            position.token = f"token-{position.name}-{int(self._chance.random() * 2**40):x}"
            parameters = state.parameters(position.data, self._context(position))
            return await self._integrations.run_task_and_wait(parameters, position, seconds, heartbeat)
        parameters = state.parameters(position.data, self._context(position))
        if state.resource.endswith("ecs:runTask.sync"):
            return await self._integrations.run_task(parameters, position, seconds)
        if state.resource.endswith("lambda:invoke"):
            return await self._integrations.planner(parameters["Payload"])
        if state.resource.endswith("sqs:sendMessage"):
            return await self._integrations.send_message(parameters)
        raise NotImplementedError(state.resource)

    def _context(self, position: Position) -> Json:
        return {
            "Execution": {
                "Id": position.arn,
                "Name": position.name,
                "StartTime": iso(position.started_at),
                "RedriveCount": position.redrives,
            },
            "State": {"Name": position.state, "EnteredTime": iso(self._loop.time())},
            "Task": {"Token": position.token},
        }
