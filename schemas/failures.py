"""The classes of failure that subscribers may filter by, and what each means. Others may be added at any time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

FAILURES = {
    "application_exit": "the program failed",
    "bad_run_task_request": "ECS refused the request for a task",
    "callback_failure": "the container reported a failure",
    "cancelled": "the job was cancelled",
    "capacity": "there was no capacity for the task",
    "container_cannot_start": "the container could not be started",
    "data_limit": "the data of a state grew too large",
    "disk_full": "the disk was full",
    "health_check": "a health check ended the task",
    "heartbeat": "a heartbeat was missed",
    "history_limit": "the execution's history was full",
    "image_denied": "access to the image was denied",
    "image_missing": "the image was not found",
    "image_pull_failed": "the image could not be pulled",
    "image_pull_timeout": "the image's registry could not be reached",
    "image_rate_limited": "the image's registry limits how often it may be pulled",
    "infrastructure": "AWS's machines or services failed",
    "job_timeout": "the job ran out of time",
    "lost": "nobody saw how the task ended",
    "network_interface": "the task got no network interface",
    "never_reported": "the container never reported back",
    "never_started": "the task never started",
    "out_of_memory": "it ran out of memory",
    "permission": "a permission was missing",
    "planner_failed": "Jobferry's planner failed",
    "quota_used_up": "a quota of the account was used up",
    "secret_missing": "a secret or a parameter could not be read",
    "sidecar_failed": "another container of the task failed",
    "spot_interruption": "the Spot capacity was taken back",
    "stage_timeout": "the stage ran out of time",
    "start_refused": "Step Functions refused to start the job",
    "state_machine_bug": "the state machine has a fault",
    "stopped_by_deployment": "a service stopped the task",
    "stopped_by_person": "somebody stopped the task",
    "throttled": "AWS throttled the start",
    "unknown": "something that Jobferry does not know",
}

# A string and no enumeration: who reads the contract by generated types must not break on a class that comes later.
FailureClass = Annotated[str, Field(examples=list(FAILURES))]
FAILURE_CLASSES = "\n".join(
    [
        "One of these, or one that is added within this version: treat a class that you do not know as `unknown`.",
        "",
        *(f"- `{name}`: {meaning}" for name, meaning in FAILURES.items()),
    ]
)
