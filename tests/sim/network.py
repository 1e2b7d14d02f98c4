"""The way between a worker and AWS: latency, faults, the SDK's retries, and death in between.

A call's effect and its answer are two moments, and each of them may be the last of a worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.support.aws.errors import refusal
from tests.support.faults import Fault, Faults
from tests.support.loop import PROCESS, Process, VirtualLoop
from tests.support.trace import Trace

_ENDPOINT = "https://aws.sim"
_LONGEST_BACKOFF_SECONDS = 20.0
_OF_THE_SDK = (ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError)
Effect = Callable[[], Any]


class Network:
    """Carries calls to their effects and answers back."""

    def __init__(self, loop: VirtualLoop, chance: Random, faults: Faults, trace: Trace) -> None:
        self.on_fault: Callable[[Process, str], None] = lambda process, operation: None
        self.on_kill: Callable[[Process], None] = lambda process: None
        self.calls = 0
        # What the workers' role may not do, for good.
        self.denied: frozenset[str] = frozenset()
        self.failing: frozenset[str] = frozenset()
        self._loop = loop
        self._chance = chance
        self._faults = faults
        self._trace = trace

    async def call(self, operation: str, effect: Effect, about: object = "") -> Any:
        """One call of the SDK: an attempt, and further ones where the last one failed in a way that may pass."""
        self.calls += 1
        process, loop = PROCESS.get(), self._loop
        begun_at = loop.time()
        attempt = 1
        while True:
            await loop.pause(self._latency())
            fault = self._faults.draw(operation, loop.time(), of_a_worker=process is not None, about=about)
            try:
                if fault is None:
                    answer = await self._effect(operation, effect, process, about, begun_at)
                else:
                    answer = await self._suffered(fault, operation, effect, process, about, begun_at)
            except _OF_THE_SDK as error:
                if attempt >= self._faults.sdk_attempts or not getattr(error, "sim_may_pass", False):
                    raise
                await self._loop.pause(self._chance.random() * min(2**attempt, _LONGEST_BACKOFF_SECONDS))
                attempt += 1
            else:
                if self._chance.random() < 0.5:  # Else nobody runs between the effect and its answer.
                    await self._loop.pause(self._latency())
                return answer

    async def _suffered(
        self, fault: Fault, operation: str, effect: Effect, process: Process | None, about: object, begun_at: float
    ) -> Any:
        await self._before(fault, operation, process, about)
        answer = await self._effect(operation, effect, process, about, begun_at)
        await self._after(fault, operation, process)
        return answer

    async def _effect(
        self, operation: str, effect: Effect, process: Process | None, about: object, begun_at: float
    ) -> Any:
        if process is not None:
            process.call_began_at = begun_at
            process.stood_still_in_this_call = process.stalled_until > begun_at
        try:
            if process is not None and operation in self.denied:
                raise refusal("AccessDeniedException", f"not authorized to perform {operation}")
            if process is not None and operation in self.failing:
                raise refusal("InternalServerError", status=500)
            answer = effect()
        except ClientError as error:
            self._say(process, operation, about, f"-> {error.response['Error']['Code']}")
            await self._loop.pause(self._latency())
            raise
        if isinstance(answer, asyncio.Future):
            answer = await answer
        self._say(process, operation, about)
        return answer

    def _latency(self) -> float:
        """Mostly some ten milliseconds, at times a second."""
        draw = self._chance.random()
        return 0.002 + draw * 0.05 if draw < 0.95 else draw

    async def _before(self, fault: Fault, operation: str, process: Process | None, about: object) -> None:
        self._say(process, operation, about, f"!! {fault}")
        if process is not None:
            self.on_fault(process, operation)
        match fault:
            case Fault.THROTTLED:
                raise passing(_throttling(operation))
            case Fault.SERVER_ERROR:
                raise passing(refusal("InternalServerError", status=500))
            case Fault.RESET:
                raise passing(EndpointConnectionError(endpoint_url=_ENDPOINT))
            case Fault.SLOW:
                await self._loop.pause(5 + self._chance.random() * 25)
            case Fault.KILLED_BEFORE if process is not None:
                await self.die(process)
            case Fault.STALLED if process is not None:
                await self._stand_still(process)

    async def _after(self, fault: Fault, operation: str, process: Process | None) -> None:
        if process is not None:
            self.on_fault(process, operation)  # Once more: now the effect has happened.
        match fault:
            case Fault.SERVER_ERROR_LATE:
                raise passing(refusal("InternalServerError", status=500))
            case Fault.ANSWER_LOST if self._chance.random() < 0.5:
                raise passing(ConnectionClosedError(endpoint_url=_ENDPOINT))
            case Fault.ANSWER_LOST:
                await self._loop.pause(35)
                raise passing(ReadTimeoutError(endpoint_url=_ENDPOINT))
            case Fault.STALLED_LATE if process is not None:
                await self._stand_still(process)
            case Fault.KILLED_AFTER if process is not None:
                await self.die(process)

    async def _stand_still(self, process: Process) -> None:
        """Nothing of a process goes on for a while, and then all of it, as if nothing had been."""
        process.stalled_until = self._loop.time() + self._faults.stall_seconds()
        await self._loop.pause(0)

    async def die(self, process: Process) -> None:
        """Kill the process that this runs in; nothing of it goes on."""
        self._trace.say(process.name, "KILLED")
        self._loop.kill(process)
        self.on_kill(process)
        await self._loop.create_future()

    def _say(self, process: Process | None, operation: str, about: object, outcome: str = "") -> None:
        if self._trace.on:
            self._trace.say(process.name if process else "aws", operation, about, outcome)


def _throttling(operation: str) -> ClientError:
    """As each service says it; S3 alone with a 503."""
    match operation.split(".", 1)[0]:
        case "s3":
            return refusal("SlowDown", "Please reduce your request rate", status=503)
        case "dynamodb":
            return refusal("ProvisionedThroughputExceededException")
        case _:
            return refusal("ThrottlingException", "Rate exceeded")


def passing(error: Any) -> Any:
    """Mark an error as one that the SDK tries again."""
    error.sim_may_pass = True
    return error
