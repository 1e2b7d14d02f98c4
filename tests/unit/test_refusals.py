"""Whatever AWS has against a call leaves its adapter as one exception of ours, with AWS's own code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from service.aws.container_logs import ContainerLogs
from service.aws.errors import AwsError
from service.aws.executions import Executions
from service.aws.failures import Failures
from service.aws.log_batches import LogBatches, Missing
from service.aws.objects import PART_BYTES, Objects
from service.aws.pace import Pace
from service.aws.queue import Message, Queue
from service.aws.replays import Replays
from service.aws.starts import Starts
from service.aws.tasks import Tasks
from service.aws.topic import Topic
from service.aws.turns import Turn, Turns
from tests.support.builders import MACHINE, task_arn
from tests.support.connecting import refusal
from tests.support.room import a_share


class Answers:
    """A client that answers some operations, and refuses all others."""

    def __init__(self, answers: dict[str, Any], refused: ClientError) -> None:
        self._answers = answers
        self._refused = refused
        self.asked: list[str] = []

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        async def call(*_: object, **__: object) -> Any:
            self.asked.append(operation)
            if operation not in self._answers:
                raise self._refused
            return self._answers[operation]

        return call


async def large() -> AsyncIterator[bytes]:
    """More than a part."""
    yield bytes(PART_BYTES)
    yield b"more"


async def all_of(items: AsyncIterator[object]) -> None:
    """Every item."""
    async for _ in items:
        pass


MESSAGE = Message("m", "body", "r")
BEGUN: dict[str, Any] = {"create_multipart_upload": {"UploadId": "u"}}
PART: dict[str, Any] = {"upload_part": {"ETag": "e"}}


def executions(client: Any) -> Executions:
    """The executions of one state machine."""
    return Executions(client, MACHINE, Starts(Pace.full(10, 10)))


def topic(client: Any) -> Awaitable[None]:
    """A message for a topic."""
    what = {"notification_id": "i", "group": "g", "subject": "s", "body": "b", "text": "t"}
    return Topic(client, "arn:topic").publish(**what, attributes={})


Call = Callable[[Any], Awaitable[object]]
CALLS: dict[str, tuple[Call, dict[str, Any]]] = {
    "put_object": (lambda client: Objects(client, None).put("b", "k", b"", "t"), {}),
    "get_object": (lambda client: Objects(client, None).get("b", "k", 1), {}),
    "create_multipart_upload": (lambda client: Objects(client, None).stream("b", "k", large(), a_share()), {}),
    "upload_part": (lambda client: Objects(client, None).stream("b", "k", large(), a_share()), BEGUN),
    "complete_multipart_upload": (
        lambda client: Objects(client, None).stream("b", "k", large(), a_share()),
        BEGUN | PART,
    ),
    "generate_presigned_url": (lambda client: Objects(client, None).link("b", "k", 1), {}),
    "receive_message": (lambda client: Queue(client, "q", 60).receive(1, 1), {}),
    "change_message_visibility": (lambda client: Queue(client, "q", 60).set_visibility(MESSAGE, 0), {}),
    "delete_message_batch": (lambda client: Queue(client, "q", 60).delete([MESSAGE]), {}),
    "publish": (topic, {}),
    "start_execution": (lambda client: executions(client).start("j", "{}"), {}),
    "get_execution_history": (lambda client: executions(client).history("j"), {}),
    "list_executions": (lambda client: all_of(executions(client).redriven(0)), {}),
    "describe_execution": (lambda client: executions(client).describe("j"), {}),
    "describe_tasks": (lambda client: Tasks(client).describe(task_arn()), {}),
    "stop_task": (lambda client: Tasks(client).stop(task_arn(), "why"), {}),
    "describe_task_definition": (lambda client: Tasks(client).log_configurations("d"), {}),
    "get_log_events": (lambda client: ContainerLogs(client, Pace.even(1)).page("g", "s", None), {}),
    "filter_log_events": (lambda client: LogBatches(client, Pace.even(1)).page("g", ("s",), None), {}),
    "get_item": (lambda client: Replays(client, "t").first_sent("x"), {}),
    "put_item": (lambda client: Failures(client, "t", lambda: 0.0).note("m", "q", ValueError()), {}),
    "update_item": (lambda client: Turns(client, "t", lambda: 0.0).take("redrives", 1), {}),
    "update_item, at its end": (lambda client: Turns(client, "t", lambda: 0.0).done(Turn("redrives", 0, None)), {}),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("code", ["AccessDeniedException", "Odd"])
async def test_a_refusal_is_one_exception_of_ours(name: str, code: str) -> None:
    """None is taken for an answer, and none leaves as the SDK's."""
    call, answers = CALLS[name]
    client = Answers(answers, refusal(code, status=400))
    with pytest.raises(AwsError) as raised:
        async with asyncio.timeout(10):
            await call(client)
    assert (raised.value.code, raised.value.status) == (code, 400)
    assert isinstance(raised.value.__cause__, ClientError)
    asked = [operation for operation in client.asked if operation != "abort_multipart_upload"]
    assert asked[-1] == name.partition(",")[0]


TAKEN_FOR_ANSWERS: dict[str, tuple[str, object]] = {
    "start_execution": ("ExecutionAlreadyExists", None),
    "get_execution_history": ("ExecutionDoesNotExist", []),
    "describe_execution": ("ExecutionDoesNotExist", None),
    "describe_tasks": ("ClusterNotFoundException", None),
    "stop_task": ("ClusterNotFoundException", None),
    "describe_task_definition": ("ClientException", None),
    "get_log_events": ("ResourceNotFoundException", None),
    "filter_log_events": ("ResourceNotFoundException", Missing(is_the_group=False)),
    "update_item": ("ConditionalCheckFailedException", None),
}


@pytest.mark.parametrize("operation", TAKEN_FOR_ANSWERS)
async def test_a_refusal_that_is_an_answer(operation: str) -> None:
    """That there is no such thing, or that it was done already."""
    code, answer = TAKEN_FOR_ANSWERS[operation]
    assert await CALLS[operation][0](Answers({}, refusal(code, status=400))) == answer


async def test_a_task_that_ECS_does_not_know_needs_no_stop() -> None:
    """That it is asked for wrongly is the same to ECS."""
    assert await Tasks(cast(Any, Answers({}, refusal("InvalidParameterException")))).stop(task_arn(), "why") is None
    assert await Tasks(cast(Any, Answers({"stop_task": {}}, refusal("x")))).stop(task_arn(), "why") is None
