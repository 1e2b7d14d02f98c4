"""What the demo needs beside the project's own catalogue: images that fail in their own ways, and an operator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from deploy.local.demo.jobs import CHANGE_OF_MIND
from deploy.local.local_run import CATALOG, LocalRun
from schemas.arn import execution_arn
from schemas.plan import group_of

# Of EC2, whose tasks may be as small as 6 MiB: nobody's machine is to hurt by running the demo.
_LIMITED = {"launch_type": "EC2", "memory": 64, "max_memory": 128, "commands": [["sh", "-c", "*"]]}
_SILENT = {"integration": "callback", "heartbeat_seconds": 2, "timeout_seconds": 60, "commands": [["sh", "-c", "*"]]}
_IMAGES: dict[str, dict[str, Any]] = {
    "limited": {"task_definition": "jobferry-demo-limited", "container": "main", **_LIMITED},
    "silent": {"task_definition": "jobferry-image-1", "container": "image_1-container", **_SILENT},
    "nowhere": {"task_definition": "jobferry-demo-nowhere", "container": "main"},
}
_TASK_DEFINITIONS = {
    "jobferry-demo-limited": "jobferry/limited:latest",
    "jobferry-demo-nowhere": "registry.example/nothing:1",
}


def with_demo_images(run: LocalRun, folder: Path) -> LocalRun:
    """The run, with the demo's images in its catalogue and their task definitions in its ECS."""
    for family, image in _TASK_DEFINITIONS.items():
        _define(run, family, image)
    own = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    path = folder / "demo-catalog.yaml"
    path.write_text(yaml.safe_dump({**own, "images": {**own["images"], **_IMAGES}}, sort_keys=False))
    changed = {"JOBFERRY_CATALOG": str(path.resolve()), "JOBFERRY_TASK_GRACE_SECONDS": "2"}
    return replace(run, environment={**run.environment, **changed})


def _define(run: LocalRun, family: str, image: str) -> None:
    options = {
        "awslogs-group": run.stack.outputs["TaskLogGroupName"],
        "awslogs-region": run.environment["AWS_REGION"],
        "awslogs-stream-prefix": "jobs",
        "mode": "blocking",
    }
    logs: Any = {"logDriver": "awslogs", "options": options}
    run.session.client("ecs").register_task_definition(
        family=family,
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": "main", "image": image, "logConfiguration": logs}],
    )


def cancel_once_running(run: LocalRun, job_id: str) -> bool:
    """Stop the job's execution, as an operator would, if its container runs by now; whether that was done."""
    ecs, cluster = run.session.client("ecs"), run.stack.outputs["ClusterName"]
    arns = ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    if not any(task["group"] == group_of(job_id) and task["lastStatus"] == "RUNNING" for task in tasks):
        return False
    arn = execution_arn(run.stack.outputs["StateMachineArn"], job_id)
    run.session.client("stepfunctions").stop_execution(executionArn=arn, cause=CHANGE_OF_MIND)
    return True


def exit_code_by_ecs(run: LocalRun, task_arn: str, container: str) -> tuple[str, int | None]:
    """How ECS itself says that a container of a task is, and its exit code: the truth to hold a notification to."""
    answer = run.session.client("ecs").describe_tasks(cluster=run.stack.outputs["ClusterName"], tasks=[task_arn])
    (task,) = answer["tasks"]
    (found,) = (item for item in task["containers"] if item["name"] == container)
    return task["lastStatus"], found.get("exitCode")
