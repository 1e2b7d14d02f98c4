"""Containers are local processes, and their ends are told as ECS tells them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.local.ecs.images import IMAGES, Image, Images, load_images
from tests.support.cloud import CLUSTER, Cloud, Record, container, only_if, shell
from tests.support.waiting import wait_for


def exit_codes(task: Record) -> dict[str, Any]:
    """Each container's exit code, where it has one."""
    return {each["name"]: each.get("exitCode", "none") for each in task["containers"]}


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not only not been waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), ("kill -6 $$", 134)]
)
def test_an_exit_code_is_the_process_s_own_or_128_and_the_signal(cloud: Cloud, script: str, code: int) -> None:
    """A container's exit code is what Docker would report."""
    task = cloud.stop_reason(shell(script))
    assert exit_codes(task) == {"main": code}
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )


def test_a_command_that_does_not_exist_fails_the_start(cloud: Cloud) -> None:
    """ECS reports a missing executable as CannotStartContainerError and knows no exit code."""
    task = cloud.stop_reason(container("no-such-program"))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotStartContainerError: ")
    assert 'exec: "no-such-program": executable file not found' in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]
    assert "startedAt" not in task


def test_an_unknown_image_cannot_be_pulled(cloud: Cloud) -> None:
    """An image that no catalogue has fails the start, with no exit code at all."""
    task = cloud.stop_reason(container("true", image="registry.example/nobody/nothing:1"))
    assert task["stopCode"] == "TaskFailedToStart"
    reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
    assert task["stoppedReason"].startswith(reason)
    assert "registry.example/nobody/nothing:1: not found" in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_a_missing_log_group_fails_the_start(cloud: Cloud) -> None:
    """ECS checks the logger before it starts a container."""
    definition = container("true")
    definition["logConfiguration"]["options"]["awslogs-group"] = "/nowhere"
    task = cloud.stop_reason(definition)
    assert task["stopCode"] == "TaskFailedToStart"
    assert "The specified log group does not exist" in task["stoppedReason"]


def test_a_stop_is_sigterm_first(cloud: Cloud) -> None:
    """A container that heeds SIGTERM ends with what it chooses to."""
    heeds = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    arn = cloud.run_task(cloud.define_task(shell(heeds)))
    wait_for(lambda: cloud.lines(arn), "its first line")
    asked = cloud.ecs.stop_task(cluster=CLUSTER, task=arn, reason="enough")["task"]
    assert (asked["lastStatus"], asked["desiredStatus"]) == ("RUNNING", "STOPPED")
    task = cloud.await_task(arn)
    assert exit_codes(task) == {"main": 7}
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    # The signal goes to the whole group, so the shell may also report that its sleep was terminated.
    said = [line["message"] for line in cloud.lines(arn)]
    assert (said[0], said[-1]) == ("up", "bye")


def test_a_stop_is_sigkill_after_the_stop_timeout(cloud: Cloud) -> None:
    """A container that ignores SIGTERM is killed after its task definition's stopTimeout, not sooner."""
    arn = cloud.run_task(cloud.define_task(shell("trap '' TERM; echo up; while :; do sleep 0.05; done", stopTimeout=2)))
    wait_for(lambda: cloud.lines(arn), "its first line")
    asked_at = time.monotonic()
    cloud.ecs.stop_task(cluster=CLUSTER, task=arn)
    task = cloud.await_task(arn)
    assert time.monotonic() - asked_at >= 2
    assert exit_codes(task) == {"main": 137}


def test_a_stop_without_a_trap_is_143(cloud: Cloud) -> None:
    """SIGTERM's own exit code is 143."""
    arn = cloud.run_task(cloud.define_task(container("sleep", "60")))
    cloud.await_task(arn, "RUNNING")
    cloud.ecs.stop_task(cluster=CLUSTER, task=arn)
    assert exit_codes(cloud.await_task(arn)) == {"main": 143}


def test_offspring_go_with_their_container(cloud: Cloud) -> None:
    """A process left behind by the command dies with the container, and its pipe does not hold up the task."""
    arn = cloud.run_task(cloud.define_task(shell("sleep 3600 & echo $!; exit 0")))
    assert exit_codes(cloud.await_task(arn)) == {"main": 0}
    assert not is_alive(int(cloud.lines(arn)[0]["message"]))


def test_a_sidecar_that_is_not_essential_may_end_first(cloud: Cloud) -> None:
    """The task goes on until an essential container exits; each container keeps its own code."""
    task = cloud.stop_reason(
        shell("exit 9", name="sidecar", essential=False), shell("sleep 0.5; exit 0", name="main"),
    )  # fmt: skip
    assert exit_codes(task) == {"sidecar": 9, "main": 0}
    assert task["stoppedReason"] == "Essential container in task exited"


def test_the_others_are_stopped_when_an_essential_container_exits(cloud: Cloud) -> None:
    """Containers that outlive an essential one are stopped, with the codes of that."""
    task = cloud.stop_reason(
        shell("sleep 0.2; exit 0"),
        container("sleep", "60", name="meek", essential=False),
        shell("trap '' TERM; while :; do sleep 0.05; done", name="stubborn", essential=False, stopTimeout=2),
    )
    assert exit_codes(task) == {"main": 0, "meek": 143, "stubborn": 137}


def test_a_failed_start_stops_the_containers_before_it(cloud: Cloud) -> None:
    """The second container's missing program ends the first."""
    task = cloud.stop_reason(container("sleep", "60"), container("no-such-program", name="second"))
    assert task["stopCode"] == "TaskFailedToStart"
    assert exit_codes(task)["second"] == "none"


def test_an_override_replaces_the_command_and_adds_to_the_environment(cloud: Cloud) -> None:
    """The task definition's command and environment give way to the override's."""
    definition = cloud.define_task(
        shell("echo definition", environment=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
    )
    override = {"name": "main", "command": ["sh", "-c", "echo $A $B"], "environment": [{"name": "B", "value": "3"}]}
    arn = cloud.run_task(definition, overrides={"containerOverrides": [override]})
    cloud.await_task(arn)
    assert [line["message"] for line in cloud.lines(arn)] == ["1 3"]


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (container(image="tests/greeter:5"), "from-image default"),
        (container("given", image="tests/greeter:5"), "from-image given"),
        (container(image="tests/greeter:5", entryPoint=["echo", "own"]), "own"),
        (container("given", image="tests/greeter:5", entryPoint=["echo", "own"]), "own given"),
    ],
)
def test_an_entry_point_comes_before_the_command(cloud: Cloud, definition: Record, said: str) -> None:
    """The definition's entryPoint replaces the image's and its default command, as in Docker."""
    arn = cloud.run_task(cloud.define_task(definition))
    cloud.await_task(arn)
    assert [line["message"] for line in cloud.lines(arn)] == [said]


def test_a_container_sees_no_environment_but_its_own(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's or the emulator's environment reaches a container."""
    arn = cloud.run_task(cloud.define_task(shell("env", environment=[{"name": "MODE", "value": "fast"}])))
    cloud.await_task(arn)
    seen = {line["message"].partition("=")[0] for line in cloud.lines(arn)}
    ours = {"MODE", "PATH", "PYTHONPATH", "LANG", "HOME", "TMPDIR", "PWD", "ECS_CONTAINER_METADATA_URI_V4"}
    aws = {"ENDPOINT_URL", "REGION", "DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"}
    assert seen - {"OLDPWD", "SHLVL", "_"} == ours | {f"AWS_{name}" for name in aws}


def test_a_container_reaches_s3_and_its_metadata(cloud: Cloud) -> None:
    """boto3 in a container needs no configuration, and the task metadata endpoint answers."""
    cloud.client("s3").create_bucket(Bucket="from-container")
    program = (
        "import boto3, json, os, urllib.request as r;"
        "boto3.client('s3').put_object(Bucket='from-container', Key='k', Body=b'hello');"
        "print(json.load(r.urlopen(os.environ['ECS_CONTAINER_METADATA_URI_V4'] + '/task'))['TaskARN'])"
    )
    arn = cloud.run_task(cloud.define_task(container("-c", program, image="tests/python")))
    assert exit_codes(cloud.await_task(arn)) == {"main": 0}
    assert [line["message"] for line in cloud.lines(arn)] == [arn]
    assert cloud.client("s3").get_object(Bucket="from-container", Key="k")["Body"].read() == b"hello"


def test_a_container_s_files_go_with_it(cloud: Cloud) -> None:
    """The working directory is the container's own and is removed once the task has stopped."""
    arn = cloud.run_task(cloud.define_task(shell("touch here; pwd; [ $HOME = $PWD ]")))
    assert exit_codes(cloud.await_task(arn)) == {"main": 0}
    assert not Path(cloud.lines(arn)[0]["message"]).exists()


def test_a_container_over_its_memory_is_killed(cloud: Cloud) -> None:
    """Where the catalogue says so, memory is enforced, and only what we killed for it is called out of memory."""
    hungry = "x = []\nwhile True: x.append(bytearray(1 << 20))"
    task = cloud.stop_reason(container("-c", hungry, image="tests/limited:v1", memory=100))
    assert exit_codes(task) == {"main": 137}
    assert task["containers"][0]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert task["stopCode"] == "EssentialContainerExited"
    killed = "import os; os.kill(os.getpid(), 9)"
    modest = cloud.stop_reason(container("-c", killed, image="tests/limited:v1", memory=100))
    assert exit_codes(modest) == {"main": 137}
    assert "reason" not in modest["containers"][0]


def test_a_cluster_counts_its_tasks(cloud: Cloud) -> None:
    """DescribeClusters tells how many tasks run."""
    cloud.ecs.create_cluster(clusterName="counted")
    definition = cloud.define_task(container("sleep", "60"))

    def running() -> int:
        return int(cloud.ecs.describe_clusters(clusters=["counted"])["clusters"][0]["runningTasksCount"])

    tasks = cloud.ecs.run_task(cluster="counted", taskDefinition=definition, count=2)["tasks"]
    wait_for(lambda: running() == 2, "two tasks")
    for task in tasks:
        cloud.ecs.stop_task(cluster="counted", task=task["taskArn"])
    wait_for(lambda: running() == 0, "no task")


def test_a_service_keeps_its_tasks_up(cloud: Cloud) -> None:
    """A service starts as many tasks as it should, replaces what is stopped, and scales to none."""
    definition = cloud.define_task(container("sleep", "600"))
    cloud.ecs.create_service(cluster=CLUSTER, serviceName="worker", taskDefinition=definition, desiredCount=2)

    def tasks() -> set[str]:
        return set(cloud.ecs.list_tasks(cluster=CLUSTER, serviceName="worker")["taskArns"])

    first = wait_for(lambda: only_if(tasks(), lambda found: len(found) == 2), "two tasks")
    stopped = next(iter(first))
    cloud.ecs.stop_task(cluster=CLUSTER, task=stopped)
    wait_for(lambda: len(tasks() - {stopped}) == 2 and stopped not in tasks(), "another task in its place")
    cloud.ecs.update_service(cluster=CLUSTER, service="worker", desiredCount=0)
    wait_for(lambda: not tasks(), "no task")


def test_run_task_refuses_what_ecs_refuses(cloud: Cloud) -> None:
    """Unknown clusters, definitions and containers, and overrides that are too long, are errors of RunTask itself."""
    definition = cloud.define_task(container("true"))
    awsvpc = cloud.define_task(container("true"), networkMode="awsvpc", requiresCompatibilities=["FARGATE"])
    unknown = {"name": "x"}
    long = {"name": "main", "environment": [{"name": "A", "value": "x" * 8200}]}
    cases: list[tuple[str, Record]] = [
        ("ClusterNotFoundException", {"cluster": "nowhere", "taskDefinition": definition}),
        ("ClientException", {"taskDefinition": "nothing:1"}),
        ("InvalidParameterException", {"taskDefinition": definition, "overrides": {"containerOverrides": [long]}}),
        ("InvalidParameterException", {"taskDefinition": definition, "overrides": {"containerOverrides": [unknown]}}),
        ("InvalidParameterException", {"taskDefinition": definition, "count": 11}),
        ("InvalidParameterException", {"taskDefinition": awsvpc, "launchType": "FARGATE"}),
    ]
    for code, request in cases:
        with pytest.raises(ClientError) as refused:
            cloud.ecs.run_task(**{"cluster": CLUSTER, **request})
        assert refused.value.response["Error"]["Code"] == code, request


def test_a_name_with_a_tag_answers_for_that_tag_only() -> None:
    """The catalogue matches exactly, without registry, and without tag where it names none."""
    tagged, any_tag = Image(("a",)), Image(("b",))
    images = Images({"jobs/one:v1": tagged, "jobs/two": any_tag})
    assert images.find("jobs/one:v1") is tagged
    assert images.find("123.dkr.ecr.us-east-1.amazonaws.com/jobs/one:v1") is tagged
    assert images.find("localhost:5000/jobs/one:v1@sha256:0") is tagged
    assert images.find("jobs/one:v2") is None
    assert images.find("jobs/two:v9@sha256:0") is any_tag
    assert images.find("other/two") is None


def test_our_own_catalogue_can_be_read() -> None:
    """The images of the demonstration are there."""
    images = load_images(IMAGES)
    assert images.find("public.ecr.aws/docker/library/busybox:latest") == Image()
    pictures = images.find("jobferry/pictures:latest")
    assert pictures is not None
    assert pictures.entry_point[1:] == ("-m", "deploy.examples.pictures")
    assert os.access(pictures.entry_point[0], os.X_OK)
    assert json.dumps(pictures.entry_point).count("{python}") == 0
