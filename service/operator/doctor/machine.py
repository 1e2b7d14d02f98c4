"""What runs a job: the state machine, its planner, the cluster, and the quota that bounds them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from service.operator.doctor.deployment import Deployment
from service.operator.doctor.findings import Problem
from service.operator.shipped import SHIPPED

DEPLOY = "Deploy the function and the state machine from one version: `make deploy`."
VCPU_QUOTA = "L-3032A538"  # Fargate On-Demand vCPU resource count [Service Quotas].
_SUBSTITUTION = re.compile(r"\\\$\\\{\w+\\\}")


def state_machine(deployment: Deployment) -> Iterator[Problem]:
    """Active, of the type that keeps a history, and defined as this version of Jobferry expects."""
    answer = deployment.state_machine
    if answer["status"] != "ACTIVE":
        yield Problem(f"it is {answer['status']}", "Deploy a new one: this one is being deleted.")
    if answer["type"] != "STANDARD":
        yield Problem(f"it is of type {answer['type']}, which sends no events", "Make it STANDARD.")
    shipped = json.loads((SHIPPED / "state_machine.asl.json").read_bytes())
    if differs := next(differences(shipped, deployment.definition), None):
        yield Problem(f"its definition is not this version's: {differs} differs", DEPLOY)


def differences(shipped: Any, deployed: Any, path: str = "") -> Iterator[str]:
    """Where a deployed definition is not the shipped one with its substitutions filled in; comments do not count."""
    if isinstance(shipped, dict) and isinstance(deployed, dict):
        for key in sorted((shipped.keys() | deployed.keys()) - {"Comment"}):
            yield from differences(shipped.get(key), deployed.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(shipped, list) and isinstance(deployed, list) and len(shipped) == len(deployed):
        for number, (one, other) in enumerate(zip(shipped, deployed, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif not _same(shipped, deployed):
        yield path


def _same(shipped: Any, deployed: Any) -> bool:
    if isinstance(shipped, str) and isinstance(deployed, str):
        return re.fullmatch(_SUBSTITUTION.sub(".*", re.escape(shipped)), deployed) is not None
    return bool(shipped == deployed)


def planner(deployment: Deployment) -> Iterator[Problem]:
    """The function answers."""
    function = deployment.planner_arn
    answer = deployment.client("lambda").get_function_configuration(FunctionName=function)
    # Lambda leaves the state out where there is nothing to say.
    if answer.get("State", "Active") not in ("Active", "Inactive"):
        yield Problem(
            f"{answer['FunctionName']} is {answer['State']}: {answer.get('StateReason', 'no reason')}", DEPLOY
        )
    if answer.get("LastUpdateStatus", "Successful") == "Failed":
        yield Problem(f"its last update failed: {answer.get('LastUpdateStatusReason', 'no reason')}", DEPLOY)


def cluster(deployment: Deployment) -> Iterator[Problem]:
    """Active, with every capacity provider that the catalogue names."""
    found = describe_cluster(deployment)
    if found is None:
        yield Problem(f"{deployment.cluster_arn} does not exist", DEPLOY)
        return
    if found["status"] != "ACTIVE":
        yield Problem(f"{found['clusterName']} is {found['status']}", DEPLOY)
    named = {
        item.capacity_provider for image in deployment.catalog.images.values() for item in image.capacity_providers
    }
    if missing := sorted(named - set(found.get("capacityProviders", ()))):
        yield Problem(
            f"the catalogue names capacity providers that it has not: {', '.join(missing)}",
            "Add them to the template's parameter CapacityProviders.",
        )


def describe_cluster(deployment: Deployment) -> dict[str, Any] | None:
    """The cluster that stages run on."""
    answer = deployment.client("ecs").describe_clusters(clusters=[deployment.cluster_arn])
    return next((dict(item) for item in answer["clusters"] if item["status"] != "INACTIVE"), None)


def quotas(deployment: Deployment) -> Iterator[Problem]:
    """Fargate's vCPUs are enough for the largest image of the catalogue."""
    largest = max((image.cpu for image in deployment.catalog.images.values() if image.on_fargate), default=0)
    answer = deployment.client("service-quotas").get_service_quota(ServiceCode="fargate", QuotaCode=VCPU_QUOTA)
    granted = answer["Quota"]["Value"]
    if granted * 1024 < largest:
        yield Problem(
            f"Fargate grants {granted:g} vCPUs at once, and the largest image takes {largest / 1024:g}",
            f"aws service-quotas request-service-quota-increase --service-code fargate --quota-code {VCPU_QUOTA} "
            "--desired-value ...",
        )
