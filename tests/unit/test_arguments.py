"""What can be typed after `jobferry`, and which verb does it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from service.catalog_source import parse_catalog
from service.operator import cli, dlq
from service.operator.arguments import command_line
from service.operator.doctor import command as doctor
from service.settings import SettingsError

LOOKS = {"stack": None, "catalog": None}
EXAMINES = {**LOOKS, "json": False}
ABOUT_A_JOB = {"stack": None, "json": False, "tenant": None}
A_LOG = {"follow": False, "stage": None, "attempt": None, "redrive": None, "container": None}
A_REQUEST = {
    "stack": None,
    "json": False,
    "file": "-",
    "tenant": None,
    "catalog": None,
    "idempotency_key": None,
    "validate_only": False,
    "wait": False,
    "follow": False,
    "timeout": None,
}
A_LIST = {
    "stack": None,
    "json": False,
    "tenant": None,
    "all_tenants": False,
    "status": None,
    "type": None,
    "user": None,
    "failure_class": None,
    "label": None,
    "id": None,
    "since": None,
    "until": None,
    "limit": 50,
    "cursor": None,
}
LOCAL: dict[str, Any] = {
    **{"port": 4566, "api_port": None, "quotas": None, "quota": []},
    **dict.fromkeys(("catalog", "images", "keep")),
}
A_WISH = {**ABOUT_A_JOB, "reason": None, "all": None, "yes": False}
A_WAIT = {"wait": False, "timeout": None}
A_RERUN: dict[str, Any] = {
    "catalog": None,
    "id": None,
    "memory": [],
    "cpu": [],
    "set": [],
    "idempotency_key": None,
    "follow": False,
    **A_WAIT,
}
A_BULK = {**ABOUT_A_JOB, "stop": False, "reason": None, **A_WAIT}
TYPED: dict[str, dict[str, Any]] = {
    "worker": {"command": "worker"},
    "health": {"command": "health", "port": 8080},
    "health --port 0": {"command": "health", "port": 0},
    "": {"command": None},
    "--version": {"command": None, "version": True},
    "local": {"command": "local", **LOCAL},
    "local --port 65535 --api-port 0": {"command": "local", **LOCAL, "port": 65_535, "api_port": 0},
    "local --catalog c --images i --keep k": {
        "command": "local",
        **LOCAL,
        "catalog": Path("c"),
        "images": Path("i"),
        "keep": Path("k"),
    },
    "plan": {"command": "plan", "file": "-", "catalog": None, "prices": None, "json": False},
    "plan -f f --catalog c --prices p --json": {
        "command": "plan",
        "file": "f",
        "catalog": "c",
        "prices": "p",
        "json": True,
    },
    "local --quotas default --quota vcpus=6 --quota run-task=20,100": {
        "command": "local",
        **LOCAL,
        "quotas": "default",
        "quota": ["vcpus=6", "run-task=20,100"],
    },
    "demo": {"command": "demo", "json": False},
    "demo --json": {"command": "demo", "json": True},
    "doctor": {"command": "doctor", **EXAMINES},
    "doctor --stack s --catalog c --json": {"command": "doctor", "stack": "s", "catalog": "c", "json": True},
    "catalog check": {"command": "catalog", "action": "check", **EXAMINES},
    "catalog check --stack s --catalog c": {
        "command": "catalog",
        "action": "check",
        "stack": "s",
        "catalog": "c",
        "json": False,
    },
    "completion fish": {"command": "completion", "shell": "fish"},
    "console": {"command": "console", "port": 4580, "host": "127.0.0.1", **LOOKS},
    "console --stack s --port 0 --host ::1": {
        "command": "console",
        "port": 0,
        "host": "::1",
        "stack": "s",
        "catalog": None,
    },
    "show j": {"command": "show", "job_id": "j", **ABOUT_A_JOB},
    "why j --tenant web --json": {"command": "why", "job_id": "j", **ABOUT_A_JOB, "tenant": "web", "json": True},
    "logs j": {"command": "logs", "job_id": "j", **ABOUT_A_JOB, **A_LOG},
    "logs j -f --stage 2 --attempt 3 --redrive 1 --container c": {
        "command": "logs",
        "job_id": "j",
        **ABOUT_A_JOB,
        "follow": True,
        "stage": 2,
        "attempt": 3,
        "redrive": 1,
        "container": "c",
    },
    "cancel j": {"command": "cancel", "job_id": "j", **A_WISH},
    "redrive --all status:failed type:t --yes": {
        "command": "redrive",
        "job_id": None,
        **A_WISH,
        "all": ["status:failed", "type:t"],
        "yes": True,
    },
    "rerun j --memory a=1 --memory b=2 --cpu a=3 --set c=4 --id n --wait": {
        "command": "rerun",
        "job_id": "j",
        **A_WISH,
        **A_RERUN,
        "memory": ["a=1", "b=2"],
        "cpu": ["a=3"],
        "set": ["c=4"],
        "id": "n",
        "wait": True,
    },
    "bulk b": {"command": "bulk", "bulk_id": "b", **A_BULK},
    "bulk b --stop --tenant web": {"command": "bulk", "bulk_id": "b", **A_BULK, "stop": True, "tenant": "web"},
    "submit": {"command": "submit", **A_REQUEST},
    "submit -f r.json --wait --timeout 2m": {
        "command": "submit",
        **A_REQUEST,
        "file": "r.json",
        "wait": True,
        "timeout": 120.0,
    },
    "jobs --status failed --since 1970-01-02 --label a=b": {
        "command": "jobs",
        **A_LIST,
        "status": "FAILED",
        "since": 86_400.0,
        "label": "a=b",
    },
    "catalog new n": {
        "command": "catalog",
        "action": "new",
        "name": "n",
        "catalog": Path("catalog.yaml"),
        "images": Path("images.yaml"),
    },
    "dlq list": {"command": "dlq", "json": False, "action": "list", "stack": None},
    "dlq list --json": {"command": "dlq", "json": True, "action": "list", "stack": None},
    "dlq list --stack s": {"command": "dlq", "json": False, "action": "list", "stack": "s"},
    "dlq show 1": {"command": "dlq", "json": False, "action": "show", "stack": None, "message_id": "1"},
    "dlq drop 1 --stack s": {
        "command": "dlq",
        "json": False,
        "action": "drop",
        "stack": "s",
        "message_id": "1",
        "yes": False,
    },
    "dlq drop 1 --yes": {
        "command": "dlq",
        "json": False,
        "action": "drop",
        "stack": None,
        "message_id": "1",
        "yes": True,
    },
    "dlq replay": {
        "command": "dlq",
        "json": False,
        "action": "replay",
        "stack": None,
        "message_id": None,
        "all": False,
    },
    "dlq replay 1": {
        "command": "dlq",
        "json": False,
        "action": "replay",
        "stack": None,
        "message_id": "1",
        "all": False,
    },
    "dlq replay --all": {
        "command": "dlq",
        "json": False,
        "action": "replay",
        "stack": None,
        "message_id": None,
        "all": True,
    },
}


@pytest.fixture(autouse=True)
def _no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is not set."""
    monkeypatch.delenv("JOBFERRY_HEALTH_PORT", raising=False)


@pytest.mark.parametrize(("typed", "understood"), TYPED.items(), ids=TYPED)
def test_what_is_typed_is_understood(typed: str, understood: dict[str, Any]) -> None:
    """Verb, action and options, with their defaults."""
    assert vars(command_line().parse_args(typed.split())) == {"version": False, **understood}


REFUSED = (
    "fly",
    "local --quotas other",
    "dlq replay 1 --yes",
    "catalog",
    "catalog new",
    "completion",
    "completion csh",
    "dlq",
    "dlq show",
    "dlq drop",
    "dlq list 1",
    "dlq show 1 --all",
    "demo --port 1",
    "show",
    "jobs --limit 0",
    "jobs --limit 201",
    "jobs --limit ²",
    "jobs --status late",
    "jobs --since yesterday",
    "jobs --since 2026-13-01",
    "submit --timeout 1w",
    "submit --timeout -1",
    "submit --timeout ²",
)


def test_so_long_ago_is_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a moment is that names its zone, or is in UTC."""
    monkeypatch.setattr("service.operator.arguments.time.time", lambda: 10_000.0)
    assert command_line().parse_args(["jobs", "--since", "2h"]).since == 2_800.0
    assert command_line().parse_args(["jobs", "--since", "1970-01-01T01:00+01:00"]).since == 0.0
    assert command_line().parse_args(["jobs", "--until", "1970-01-01T01:00"]).until == 3_600.0


@pytest.mark.parametrize("typed", [*REFUSED, "local --port 65536", "local --port -1", "local --port x"])
def test_what_cannot_be_meant_is_refused(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With status 2, before anything is done; a message must be named to be shown or dropped."""
    with pytest.raises(SystemExit) as ended:
        command_line().parse_args(typed.split())
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: jobferry")


def test_health_asks_at_the_workers_own_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that the worker's variable names."""
    monkeypatch.setenv("JOBFERRY_HEALTH_PORT", "8123")
    assert command_line().parse_args(["health"]).port == 8123


RUNS: dict[str, tuple[str, str, object]] = {
    "worker": ("workers.__main__", "main", ()),
    "health --port 81": ("workers.probe", "ask", (81,)),
    "local --port 82": ("deploy.local.serve", "serve", {**LOCAL, "port": 82, "read_catalog": parse_catalog}),
    "local --quotas default --quota vcpus=6": (
        "deploy.local.serve",
        "serve",
        {**LOCAL, "quotas": "default", "quota": ["vcpus=6"], "read_catalog": parse_catalog},
    ),
    "catalog new n": (
        "service.operator.new_image.command",
        "run",
        (command_line().parse_args(["catalog", "new", "n"]),),
    ),
    "plan --json": ("service.operator.plan", "run", (command_line().parse_args(["plan", "--json"]),)),
    "demo": ("deploy.local.demo.demo", "demo", {"as_json": False}),
    "demo --json": ("deploy.local.demo.demo", "demo", {"as_json": True}),
}


@pytest.mark.parametrize(("typed", "runs"), RUNS.items(), ids=RUNS)
def test_a_verb_does_its_own_work(typed: str, runs: tuple[str, str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was typed, and its status is the command's."""
    module, function, expected = runs
    called: list[object] = []

    def work(*given: object, **named: object) -> int:
        called.append(named or given)
        return 7

    stand_in = ModuleType(module)
    monkeypatch.setattr(stand_in, function, work, raising=False)
    monkeypatch.setitem(sys.modules, module, stand_in)
    assert cli.main(typed.split()) == 7
    assert called == [expected]


LOOKERS = {
    "doctor": (doctor, "examine_all"),
    "catalog check": (doctor, "examine_catalog"),
    "dlq list": (dlq, "run"),
}


@pytest.mark.parametrize(("typed", "function"), LOOKERS.items(), ids=LOOKERS)
def test_a_verb_looks_at_a_deployment_by_its_own_work(
    typed: str, function: tuple[ModuleType, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its status is the command's; where no deployment is named, 2 and the reason on standard error."""
    asked: list[str] = []

    def works(options: SimpleNamespace) -> int:
        asked.append(options.command)
        return 5

    def cannot(_: object) -> int:
        raise SettingsError("Nothing is named.")

    monkeypatch.setattr(*function, works)
    assert (cli.main(typed.split()), asked) == (5, [typed.split()[0]])
    monkeypatch.setattr(*function, cannot)
    assert cli.main(typed.split()) == 2
    assert capsys.readouterr() == ("", "Nothing is named.\n")
