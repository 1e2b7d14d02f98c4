"""The ecs:runTask integration of Step Functions.

Gaps in ministack 1.5.33: `.sync` never fails on an exit code, looks once a second, gives up after ten minutes, gives a
list in camelCase and leaves its task running when the execution is stopped; every error is ECS.RunTaskFailed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from ministack.services import ecs
from ministack.services import stepfunctions as sfn

from deploy.local.ecs.tasks import STOPPED_BY_USER, LocalTasks, definition_of
from deploy.local.fills.call_log import Tell, nobody, role_of_machine
from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import Json, JsonObject
from deploy.local.fills.runs import ExecutionOverError
from deploy.local.stepfunctions.states_language import compact
from deploy.local.stepfunctions.task_states import CURRENT_ATTEMPT, StateAttempt

RUN_TASK = "arn:aws:states:::ecs:runTask"
STARTED_BY = "AWS Step Functions"  # recorded, on .sync only
LONGEST_CAUSE = 32_768  # characters (botocore)
UNMODELLED = frozenset({"ThrottlingException"})  # seen as ECS.AmazonECSException (neuron_morphology #151)
TIMES = frozenset(
    {
        "connectivityAt",
        "createdAt",
        "executionStoppedAt",
        "pullStartedAt",
        "pullStoppedAt",
        "startedAt",
        "stoppedAt",
        "stoppingAt",
    }
)


def install(tasks: LocalTasks, tell: Tell) -> None:
    """Put our integration in the place of the emulator's dispatch entry."""
    replace(sfn, "_invoke_ecs_run_task", RunTask(tasks, tell))
    sfn._SERVICE_DISPATCH[RUN_TASK] = sfn._invoke_ecs_run_task


class RunTask:
    """Calls RunTask for a Task state, and waits for the task where the state says .sync."""

    def __init__(self, tasks: LocalTasks, tell: Tell = nobody) -> None:
        self._tasks = tasks
        self._tell = tell

    def __call__(self, resource: str, arguments: JsonObject) -> Json:
        """The state's result.

        Raises:
            _ExecutionError: RunTask was refused, or the task failed.
            ExecutionOverError: the execution ended meanwhile; the task is stopped.
        """
        sync = resource.endswith(".sync")
        request = sfn._pascal_to_camel(arguments)
        if sync:
            request["startedBy"] = STARTED_BY
        answer = self._submit(request)
        submitted = {**as_sdk(answer), **http_metadata()}
        if not sync:
            return submitted
        attempt = CURRENT_ATTEMPT.get()
        attempt.submitted(submitted)
        return self._await(attempt, [task["taskArn"] for task in answer["tasks"]])

    def _submit(self, request: JsonObject) -> JsonObject:
        status, _, body = self._tasks.run_task(request)
        answer: JsonObject = json.loads(body)
        if status >= 400:
            raise refused(status, answer)
        if answer["failures"] and CURRENT_ATTEMPT.get().resource.action != "runTask":
            raise sfn._ExecutionError("AmazonECS.Unknown", compact(as_sdk(answer)))
        self._tell_run(request, answer["tasks"])
        return answer

    def _tell_run(self, request: JsonObject, tasks: Sequence[JsonObject]) -> None:
        """What RunTask asks of the caller's role: to run the definition, to pass its roles, and to tag what it made."""
        role = role_of_machine()
        for task in tasks:
            definition = definition_of(task)
            ran = {"ecs:cluster": task["clusterArn"]}
            self._tell(role, "ecs:RunTask", task["taskDefinitionArn"], **ran)
            for name in ("executionRoleArn", "taskRoleArn"):
                if passed := definition.get(name):
                    self._tell(role, "iam:PassRole", passed, **{"iam:PassedToService": "ecs-tasks.amazonaws.com"})
            if request.get("propagateTags") or request.get("tags"):
                self._tell(role, "ecs:TagResource", task["taskArn"], **{"ecs:CreateAction": "RunTask"})

    def _await(self, attempt: StateAttempt, arns: Sequence[str]) -> Json:
        for arn in arns:
            self._tasks.watch(arn, attempt.run.notify)
        try:
            attempt.wait_until(lambda: all(has_stopped(arn) for arn in arns))
        except (ExecutionOverError, sfn._ExecutionError):
            for arn in arns:
                self._tell(role_of_machine(), "ecs:StopTask", arn, **{"ecs:cluster": ecs._tasks[arn]["clusterArn"]})
                self._tasks.ask_stop(arn, STOPPED_BY_USER)
            raise
        ended = [ecs._tasks[arn] for arn in arns]
        for task in ended:
            require_success(task)
        return shown(ended[0])


def has_stopped(arn: str) -> bool:
    """Whether a task has come to its end."""
    return bool(ecs._tasks[arn]["lastStatus"] == "STOPPED")


def require_success(task: Mapping[str, Any]) -> None:
    """Refuse a task that did not start, or of which any container ended with anything but 0.

    Raises:
        _ExecutionError: States.TaskFailed, its cause the task as JSON (production reports: catalogue-pipeline #3377).
    """
    codes = [container.get("exitCode") for container in task["containers"]]
    if task.get("stopCode") == "TaskFailedToStart" or any(code != 0 for code in codes):
        raise sfn._ExecutionError("States.TaskFailed", compact(shown(task))[:LONGEST_CAUSE])


def refused(status: int, answer: Mapping[str, Any]) -> Exception:
    """RunTask's error as Step Functions names it: a modelled fault of the shape X is ECS.X, any other the service's."""
    code = str(answer.get("__type", "AmazonECSException")).rsplit("#", 1)[-1]
    name = "AmazonECSException" if code in UNMODELLED else code
    cause = (
        f"{answer.get('message', '')} (Service: AmazonECS; Status Code: {status}; Error Code: {code}; "
        f"Request ID: {uuid4()}; Proxy: null)"
    )
    error: Exception = sfn._ExecutionError(f"ECS.{name}", cause)
    return error


def shown(task: Mapping[str, Any]) -> JsonObject:
    """A task as Step Functions shows it, without the health that its recordings do not have."""
    containers = [{key: value for key, value in each.items() if key != "healthStatus"} for each in task["containers"]]
    told = {key: value for key, value in task.items() if key != "healthStatus"} | {"containers": containers}
    record: JsonObject = as_sdk(ecs._sanitize(told))
    return record


def as_sdk(value: Json, member: str = "") -> Json:
    """An ECS answer as Step Functions shows it: members in PascalCase, times in epoch milliseconds."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: as_sdk(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_sdk(inner) for inner in value]
    return sfn._iso_to_epoch_ms(value) if member in TIMES else value


def http_metadata() -> JsonObject:
    """What the Java SDK adds to every answer, and Step Functions passes on."""
    request_id = str(uuid4())
    headers = {"x-amzn-RequestId": request_id, "Content-Type": "application/x-amz-json-1.1"}
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }
