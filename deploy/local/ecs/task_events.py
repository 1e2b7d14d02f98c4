"""ECS Task State Change events, and the shape in which the emulator shows its tasks.

Gap in ministack 1.5.33: a task's state changes reach no event bus, and its records keep empty strings where AWS has
nothing, the task definition's size where an override gives another, and whole seconds where AWS gives milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from ministack.core.responses import get_region, now_iso
from ministack.services import ecs, eventbridge

from deploy.local.fills.pinned import replace
from deploy.local.fills.responses import JsonObject
from schemas.arn import account_of

DETAIL_TYPE = "ECS Task State Change"
# DescribeTasks has them, recorded events do not (containers-roadmap #2317 and #1515).
NOT_IN_EVENTS = ("tags", "healthStatus")
# AWS leaves a member out where the emulator's record holds "".
BLANK_UNTIL_KNOWN = ("stopCode", "stoppedReason", "startedBy", "platformVersion", "platformFamily", "group")
LOCAL_ADDRESS = "127.0.0.1"


def install() -> None:
    """Let the ECS API give times in milliseconds, as AWS does."""
    replace(ecs, "_ts_to_epoch", epoch_seconds)


def epoch_seconds(value: Any) -> Any:
    """An ISO time as the JSON protocol carries it: seconds with a fraction."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return value


def publish(task: JsonObject) -> None:
    """Put the task as it stands on the default event bus, as ECS does at every change of its version."""
    eventbridge._put_events(
        {
            "Entries": [
                {
                    "Source": "aws.ecs",
                    "DetailType": DETAIL_TYPE,
                    "Detail": json.dumps(detail(task, now_iso())),
                    "Resources": [task["taskArn"]],
                }
            ]
        },
        allow_aws_source=True,
    )


def detail(task: Mapping[str, Any], updated_at: str) -> JsonObject:
    """The `detail` of a task's state change."""
    shown: JsonObject = ecs._sanitize({key: value for key, value in task.items() if key not in NOT_IN_EVENTS})
    shown["containers"] = [
        {key: value for key, value in container.items() if key not in NOT_IN_EVENTS}
        for container in shown.get("containers", [])
    ]
    shown["overrides"] = {
        key: value for key, value in shown.get("overrides", {}).items() if key != "inferenceAcceleratorOverrides"
    }
    return {**shown, "updatedAt": updated_at}


def complete(task: JsonObject, definition: Mapping[str, Any]) -> None:
    """Give a new task what ECS says about it from the start."""
    for member in BLANK_UNTIL_KNOWN:
        if not task.get(member):
            task.pop(member, None)
    task.setdefault("group", f"family:{definition['family']}")
    task["attributes"] = [{"name": "ecs.cpu-architecture", "value": "x86_64"}]
    _apply_size(task)
    _apply_overrides(task, definition)
    if task.get("launchType") == "FARGATE":
        task.pop("containerInstanceArn", None)
    if task.get("_network_mode") == "awsvpc":
        task["attachments"] = [_precreated_interface(task)]
    for container in task["containers"]:
        _complete_container(task, container)


def _apply_size(task: JsonObject) -> None:
    overrides = task.get("overrides") or {}
    for member in ("cpu", "memory"):
        if overrides.get(member):
            task[member] = str(overrides[member])


def _apply_overrides(task: JsonObject, definition: Mapping[str, Any]) -> None:
    # ECS lists every container, also those of which nothing is overridden (recorded RUNNING sample: [{"name": ...}]).
    overrides = dict(task.get("overrides") or {})
    given = list(overrides.get("containerOverrides") or [])
    named = {override.get("name") for override in given}
    others = [{"name": each["name"]} for each in definition["containerDefinitions"] if each["name"] not in named]
    task["overrides"] = {**overrides, "containerOverrides": [*given, *others]}


def _complete_container(task: JsonObject, container: JsonObject) -> None:
    cluster_and_task = task["taskArn"].split(":task/", 1)[1]
    account = account_of(task["taskArn"])
    container["containerArn"] = f"arn:aws:ecs:{get_region()}:{account}:container/{cluster_and_task}/{uuid4()}"
    override = _override_of(task, container["name"])
    for member in ("cpu", "memory", "memoryReservation"):
        if override.get(member):
            container[member] = str(override[member])
    if container.get("memory") == "0":
        del container["memory"]


def _override_of(task: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    overrides = task["overrides"]["containerOverrides"]
    return next((override for override in overrides if override.get("name") == name), {})


def _precreated_interface(task: JsonObject) -> JsonObject:
    subnet = [{"name": "subnetId", "value": task["_subnet"]}] if task.get("_subnet") else []
    return {"id": str(uuid4()), "type": "ElasticNetworkInterface", "status": "PRECREATED", "details": subnet}


def attach_interface(task: JsonObject) -> None:
    """Give an awsvpc task its network interface; here every one of them is this machine."""
    for interface in task["attachments"]:
        interface.update(type="eni", status="ATTACHED")
        interface["details"].append({"name": "privateIPv4Address", "value": LOCAL_ADDRESS})
        for container in task["containers"]:
            container["networkInterfaces"] = [{"attachmentId": interface["id"], "privateIpv4Address": LOCAL_ADDRESS}]


def detach_interface(task: JsonObject) -> None:
    """Take an awsvpc task's network interface away again."""
    for interface in task["attachments"]:
        interface["status"] = "DELETED"
