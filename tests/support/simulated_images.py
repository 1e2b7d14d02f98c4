"""The images of the simulated catalogue, and how their containers behave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from schemas.catalog import Catalog

_GROUP = "/jobferry/tasks"


@dataclass(frozen=True)
class ContainerKind:
    """A container of a task definition, as far as its log and its end go."""

    name: str
    driver: str | None = "awslogs"
    prefix: str | None = "job"
    mode: str | None = "blocking"
    own: bool = True

    @property
    def group(self) -> str:
        return _GROUP

    def definition(self) -> dict[str, Any]:
        """As DescribeTaskDefinition tells it."""
        if self.driver is None:
            return {"name": self.name}
        options = {"awslogs-group": _GROUP, "awslogs-region": "eu-central-1"}
        options |= {"awslogs-stream-prefix": self.prefix} if self.prefix else {}
        options |= {"mode": self.mode} if self.mode else {}
        return {"name": self.name, "logConfiguration": {"logDriver": self.driver, "options": options}}


# By task definition family, which is also the image's name; `main` is the job's own container in all of them.
FAMILIES: dict[str, tuple[ContainerKind, ...]] = {
    "plain": (ContainerKind("main"),),
    "router": (ContainerKind("log-router", mode=None, own=False), ContainerKind("main")),
    "lossy": (ContainerKind("main", mode="non-blocking"),),
    "elsewhere": (ContainerKind("main", driver="splunk"),),
    "spot": (ContainerKind("main"),),
    "reporter": (ContainerKind("main"),),
}
_SAY = {"commands": [["say", "**"]], "environment": ["MODE"], "timeout_seconds": 900, "max_memory": 2048}
CATALOG = Catalog.model_validate(
    {
        "images": {
            name: {"task_definition": name, "container": "main", **_SAY}
            | ({"integration": "callback", "heartbeat_seconds": 60} if name == "reporter" else {})
            | (
                {"capacity_providers": [{"capacity_provider": "FARGATE_SPOT"}], "on_demand_fallback": True}
                if name == "spot"
                else {}
            )
            for name in FAMILIES
        },
        "job_types": {
            "greeting": {"stages": [{"image": "plain", "command": ["say", "{token}"]}], "parameters": {"token": {}}}
        },
    },
    strict=False,
)


@dataclass(frozen=True)
class Script:
    """How one task goes; times in seconds."""

    pending: float
    runs: float
    lingers: float
    lines: int
    exit_code: int | None = 0
    sidecar_exit_code: int | None = 0
    reason: str | None = None
    never_starts: str | None = None
    spot_after: float | None = None
    reports: bool | None = True


_NEVER_STARTS = (
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): connection reset by peer",
    "ResourceInitializationError: unable to pull secrets or registry auth: request canceled",
    "CannotPullContainerError: manifest for repo:tag not found",
)


def draw_script(chance: Random, family: str, fails: float) -> Script:
    """How a task of a family goes this time; it goes well, but for a share of `fails`."""
    script = Script(
        pending=0.5 + chance.random() * 20,
        runs=chance.choice((0.5, 5, 30, 120)) * chance.random() + 0.2,
        lingers=0.2 + chance.random() * 3,
        lines=int(chance.random() ** 2 * 12),
    )
    if chance.random() >= fails:
        return script
    if len(FAMILIES[family]) > 1 and chance.random() < 0.5:
        return replace(script, sidecar_exit_code=chance.choice((None, 1, 137)))
    return _failing(chance, script)


def _failing(chance: Random, script: Script) -> Script:
    changes: tuple[dict[str, Any], ...] = (
        {"exit_code": 1},
        {"exit_code": 1, "reports": False},
        {"exit_code": 137, "reason": "OutOfMemoryError: Container killed due to memory usage", "reports": None},
        {"exit_code": None, "reports": None},
        {"never_starts": chance.choice(_NEVER_STARTS), "reports": None},
        {"spot_after": script.runs * chance.random(), "reports": None},
        {"exit_code": 0, "reports": None},
    )
    return replace(script, **chance.choice(changes))
