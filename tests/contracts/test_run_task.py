"""ecs:runTask in a state machine: what it gives, when it fails, and what becomes of the task."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.support.cloud import CLUSTER, Cloud, Record, container, run_task_state, shell
from tests.support.waiting import wait_for


def task_of(cloud: Cloud, execution: str) -> str:
    """The ARN of the task that an execution started, once it has."""

    def submitted() -> str | None:
        for event in cloud.history(execution):
            if event["type"] == "TaskSubmitted":
                arn: str = json.loads(event["taskSubmittedEventDetails"]["output"])["Tasks"][0]["TaskArn"]
                return arn
        return None

    return wait_for(submitted, "the submitted task")


def test_the_output_is_the_task_in_pascal_case(cloud: Cloud) -> None:
    """`.sync` gives the single Task, its times in epoch milliseconds."""
    definition = cloud.define_task(container("true"))
    task = cloud.output({"Run": run_task_state(definition)})
    assert task["TaskDefinitionArn"] == definition
    assert (task["LastStatus"], task["StopCode"]) == ("STOPPED", "EssentialContainerExited")
    assert [(each["Name"], each["ExitCode"]) for each in task["Containers"]] == [("main", 0)]
    assert task["StartedBy"] == "AWS Step Functions"
    assert task["Group"].startswith("family:family-")
    assert task["Overrides"]["ContainerOverrides"] == [{"Name": "main"}]
    assert task["Version"] == 5
    assert task["CreatedAt"] <= task["StartedAt"] <= task["StoppedAt"] <= time.time() * 1000 + 1


def test_parameters_reach_the_task(cloud: Cloud) -> None:
    """Group, command, environment and the task's own size are passed on."""
    override = {"Name": "main", "Command": ["sh", "-c", "echo $A"], "Environment": [{"Name": "A", "Value.$": "$.a"}]}
    overrides = {"ContainerOverrides": [override], "Cpu": "512", "Memory": "1024"}
    parameters = {"Group.$": "States.Format('job:{}', $.id)", "Overrides": overrides}
    definition = cloud.define_task(container("false"))
    task = cloud.output({"Run": run_task_state(definition, parameters=parameters)}, {"a": "hello", "id": "42"})
    assert (task["Group"], task["Cpu"], task["Memory"]) == ("job:42", "512", "1024")
    assert [line["message"] for line in cloud.lines(task["TaskArn"])] == ["hello"]


def test_the_history_names_what_happened(cloud: Cloud) -> None:
    """The events of a synchronous run, as recorded."""
    execution = cloud.start({"Run": run_task_state(cloud.define_task(container("true")))})
    cloud.await_end(execution)
    events = cloud.history(execution)
    assert [event["type"] for event in events] == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded",
        "TaskStateExited", "ExecutionSucceeded",
    ]  # fmt: skip
    assert [event["previousEventId"] for event in events[1:]] == [0, 2, 3, 4, 5, 6, 7]
    submitted = events[4]["taskSubmittedEventDetails"]
    assert (submitted["resourceType"], submitted["resource"]) == ("ecs", "runTask.sync")
    assert json.loads(submitted["output"])["Tasks"][0]["LastStatus"] == "PROVISIONING"


@pytest.mark.parametrize(
    "containers",
    [
        [shell("exit 3")],
        [shell("sleep 0.3; exit 0"), shell("exit 9", name="side", essential=False)],
        [shell("exit 0"), container("sleep", "60", name="side", essential=False)],
        [container("true", image="nobody/nothing")],
        [container("no-such-program")],
    ],
    ids=["main", "sidecar", "sidecar killed after the main", "image", "program"],
)
def test_any_container_that_does_not_end_with_0_fails_the_state(cloud: Cloud, containers: list[Record]) -> None:
    """A code that is not 0, even a sidecar's, and a task that never started are States.TaskFailed about the Task."""
    ended = cloud.result({"Run": run_task_state(cloud.define_task(*containers))})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    task = json.loads(ended["cause"])
    assert task["LastStatus"] == "STOPPED"
    assert task["StoppedReason"]
    assert "output" not in ended


def test_a_failure_can_be_caught(cloud: Cloud) -> None:
    """A catcher gets the error's name and the Task."""
    states = {
        "Run": run_task_state(
            cloud.define_task(shell("exit 3")),
            Catch=[{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Caught"}],
        ),
        "Caught": {"Type": "Pass", "End": True},
    }
    output = cloud.output(states, {"kept": 1})
    assert (output["kept"], output["error"]["Error"]) == (1, "States.TaskFailed")
    assert json.loads(output["error"]["Cause"])["Containers"][0]["ExitCode"] == 3


def test_the_cause_is_cut_where_step_functions_cuts_it(cloud: Cloud) -> None:
    """A Task that is larger than a cause may be loses its end, and is JSON no more."""
    environment = [{"name": f"N{number}", "value": "x" * 400} for number in range(15)]
    image = "nobody/" + "n" * 900
    many = [shell("exit 1", name=f"c{number}", essential=number == 0, image=image) for number in range(30)]
    definition = cloud.define_task(*many)
    parameters = {"Overrides": {"ContainerOverrides": [{"Name": "c0", "Environment": environment}]}}
    ended = cloud.result({"Run": run_task_state(definition, parameters=parameters)})
    assert len(ended["cause"]) == 32_768


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"Cluster": "nowhere"}, "ECS.ClusterNotFoundException"),
        ({"TaskDefinition": "nothing:1"}, "ECS.ClientException"),
        ({"Overrides": {"ContainerOverrides": [{"Name": "x"}]}}, "ECS.InvalidParameterException"),
        (
            {"Overrides": {"ContainerOverrides": [{"Name": "main", "Command": ["x" * 8192]}]}},
            "ECS.InvalidParameterException",
        ),
    ],
)
@pytest.mark.parametrize("pattern", ["", ".sync", ".waitForTaskToken"])
def test_a_refusal_is_an_ecs_error(cloud: Cloud, parameters: Record, error: str, pattern: str) -> None:
    """What RunTask refuses fails the state under ECS's name for it, whatever the pattern."""
    state = run_task_state(cloud.define_task(container("true")), pattern, parameters)
    ended = cloud.result({"Run": state})
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert f"Error Code: {error.removeprefix('ECS.')}" in ended["cause"]


NO_ROOM = {"PlacementConstraints": [{"Type": "memberOf", "Expression": "attribute:rack == 7"}]}


@pytest.mark.parametrize("pattern", [".sync", ".waitForTaskToken"])
def test_a_task_that_finds_no_room_is_an_unknown_error(cloud: Cloud, pattern: str) -> None:
    """RunTask's answer with failures is an error for the patterns that wait."""
    ended = cloud.result({"Run": run_task_state(cloud.define_task(container("true")), pattern, NO_ROOM)})
    assert ended["error"] == "AmazonECS.Unknown"
    assert json.loads(ended["cause"])["Failures"][0]["Reason"] == "MemberOf placement constraint unsatisfied."


def test_request_response_passes_failures_on(cloud: Cloud) -> None:
    """RunTask's answer with failures is a result like any other for the pattern that does not wait."""
    output = cloud.output({"Run": run_task_state(cloud.define_task(container("true")), "", NO_ROOM)})
    assert (output["Tasks"], len(output["Failures"])) == ([], 1)


def test_request_response_does_not_wait(cloud: Cloud) -> None:
    """Plain runTask gives RunTask's answer at once, and nobody signs for the task."""
    answer = cloud.output({"Run": run_task_state(cloud.define_task(container("sleep", "30")), "")})
    task = answer["Tasks"][0]
    assert (answer["Failures"], task["LastStatus"]) == ([], "PROVISIONING")
    assert "StartedBy" not in task
    assert answer["SdkHttpMetadata"]["HttpStatusCode"] == 200
    cloud.ecs.stop_task(cluster=CLUSTER, task=task["TaskArn"])


def test_the_end_of_a_task_is_seen_at_once(cloud: Cloud) -> None:
    """A state machine goes on within a second of its task's end."""
    execution = cloud.start({"Run": run_task_state(cloud.define_task(container("sleep", "0.3")))})
    ended = cloud.await_end(execution)
    task = json.loads(ended["output"])
    assert ended["stopDate"].timestamp() * 1000 - task["StoppedAt"] < 1000


def test_a_stopped_execution_stops_its_task(cloud: Cloud) -> None:
    """StopExecution ends the task of a synchronous state."""
    execution = cloud.start({"Run": run_task_state(cloud.define_task(container("sleep", "60")))})
    arn = task_of(cloud, execution)
    cloud.await_task(arn, "RUNNING")
    cloud.sfn.stop_execution(executionArn=execution, error="Mine", cause="because")
    assert cloud.describe(execution)["status"] == "ABORTED"
    task = cloud.await_task(arn)
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("UserInitiated", 143)


@pytest.mark.parametrize(("limit", "status"), [("state", "FAILED"), ("machine", "TIMED_OUT")])
def test_a_timeout_stops_the_task(cloud: Cloud, limit: str, status: str) -> None:
    """A synchronous state that took too long, or whose machine did, stops its task."""
    definition = cloud.define_task(container("sleep", "60"))
    of_state: dict[str, Any] = {"TimeoutSeconds": 1} if limit == "state" else {}
    of_machine: dict[str, Any] = {"TimeoutSeconds": 1} if limit == "machine" else {}
    execution = cloud.start({"Run": run_task_state(definition, **of_state)}, **of_machine)
    ended = cloud.await_end(execution)
    assert (ended["status"], ended.get("error")) == (status, "States.Timeout" if limit == "state" else None)
    assert cloud.await_task(task_of(cloud, execution))["containers"][0]["exitCode"] == 143
