"""What is wired to what, from the settings to the loops of a worker: wired_in_full.yaml is for reading.

Each setting has a value of its own here, so that none can stand in for another. Who means a change of the wiring
writes the file anew, and reads the difference: `python -m tests.unit.test_wired_in_full`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.aws.objects import Objects
from service.metrics import Metrics
from service.runtime import _config, _reading_config, wire
from service.settings import Settings
from service.tracking.wiring import wire_tracking
from tests.support.builders import catalog
from tests.support.every_setting import OF_A_READER, OF_A_WORKER
from tests.support.portrait import Portrait
from tests.support.tables import read_table
from workers.liveness import Liveness
from workers.worker import Worker

FILE = Path(__file__).with_name("wired_in_full.yaml")
IN_FULL: dict[str, Any] = read_table(FILE)
_HEAD = "# What is wired to what: test_wired_in_full.py wires anew and compares. <a.b> is what stands at a.b.\n"
PLACE = replace(
    OF_A_READER, secret_patterns=("pin=[0-9]+", "tok_[0-9]{4}"), task_grace_seconds=29, log_deadline_seconds=899
)


class Client:
    """A client of a service that nobody asks anything."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.heeded: list[tuple[str, str]] = []

    @property
    def meta(self) -> Any:
        """Who is to be called when."""
        return self

    @property
    def events(self) -> Any:
        """Who is to be called when."""
        return self

    def register(self, event: str, handler: Callable[..., Any]) -> None:
        """Note who is to be called."""
        self.heeded.append((event, f"{handler.__module__}.{handler.__qualname__}"))


def now() -> float:
    """Any moment."""
    return 0.0


async def wired(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A worker's parts and loops, drawn."""
    monkeypatch.setenv("ECS_AGENT_URI", "http://agent")
    clients: dict[str, Client] = {}

    async def client(service: str) -> Client:
        return clients.setdefault(service, Client(service))

    objects, metrics, stopping = Objects(Client("s3"), None), Metrics(), asyncio.Event()  # type: ignore[arg-type]
    images = catalog()
    runtime = await wire(settings, client, objects, images, "eu-central-1", now, metrics, lambda: "me")
    worker = Worker(runtime, Liveness(now), stopping)
    loops = worker.loops()
    parts = [inspect.getcoroutinelocals(loop)["self"] for loop in loops]
    for loop in loops:
        loop.close()
    known: dict[str, object] = {f"client of {service}": made for service, made in clients.items()}
    known |= {"objects": objects, "metrics": metrics, "the stop": stopping, "catalogue": images, "now": now}
    known |= {"settings": settings, "prices": settings.prices, "name of work": runtime.settling.new_work}
    known |= {"client": client, "liveness": worker.liveness, "worker": worker}
    portrait = Portrait(known)
    drawn = {"runtime": portrait.of(runtime, "runtime"), "archiver": portrait.of(worker.archiver, "archiver")}
    drawn["loops"] = portrait.of(parts, "loops")
    return {**drawn, "heeded": {service: made.heeded for service, made in clients.items()}}


def _archive_of(drawn: dict[str, Any]) -> dict[str, Any]:
    performer = drawn["runtime"]["Runtime"]["settling"]["Settling"]["performer"]["Performer"]
    archive: dict[str, Any] = performer["archive"]["LogArchive"]
    return archive


def _lanes_of(drawn: dict[str, Any]) -> dict[str, Any]:
    lanes: dict[str, Any] = _archive_of(drawn)["lanes"]["LogLanes"]
    return lanes


def plain(value: Any) -> Any:
    """As YAML has it."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


async def test_a_worker_is_wired_like_this(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting reaches what it is for, and what is one thing is one thing."""
    assert plain(await wired(OF_A_WORKER, monkeypatch)) == IN_FULL["a worker"]


async def test_without_batches_each_log_is_read_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """And that is all that is different."""
    whole = plain(await wired(OF_A_WORKER, monkeypatch))
    without = plain(await wired(OF_A_WORKER.model_copy(update={"log_batches": "off"}), monkeypatch))
    assert _lanes_of(whole).pop("small") == IN_FULL["small logs"]
    assert _lanes_of(without).pop("small") is None
    for drawn in (whole, without):
        del _archive_of(drawn)["memory"]  # Met first in the lane of small logs, or here.
    assert without == whole


def asked_of() -> Any:
    """What readers and senders are made of, drawn."""

    async def client(service: str) -> Client:
        return Client(service)

    asked: Callable[[str], Awaitable[Any]] = client
    known: dict[str, object] = {"client": client, "now": now, "prices": PLACE.prices}
    return plain(Portrait(known).of(wire_tracking(PLACE, asked, "credentials", now), "tracking"))


async def test_what_people_ask_is_wired_like_this() -> None:
    """Readers and senders, each by a client of its own service."""
    assert asked_of() == IN_FULL["tracking"]


@pytest.mark.parametrize(("event_slots", "connections"), [(5, 50), (50, 50), (51, 51), (201, 201)])
@pytest.mark.parametrize(("endpoint", "style"), [(None, "virtual"), ("http://aws:4566", "path")])
def test_how_a_workers_clients_call(event_slots: int, connections: int, endpoint: str | None, style: str) -> None:
    """With a connection for each event in hand, and for what is around them; a long poll has time to come back."""
    config: Any = _config(OF_A_WORKER.model_copy(update={"event_slots": event_slots}), endpoint)
    assert config._user_provided_options == {
        "user_agent": "jobferry",
        "retries": {"mode": "standard", "max_attempts": 8},
        "connect_timeout": 5,
        "read_timeout": 22,
        "max_pool_connections": connections,
        "tcp_keepalive": True,
        "signature_version": "v4",
        "s3": {"addressing_style": style},
    }


@pytest.mark.parametrize(("endpoint", "style"), [(None, "virtual"), ("http://aws:4566", "path")])
def test_how_a_readers_clients_call(endpoint: str | None, style: str) -> None:
    """People wait: fewer tries, and shorter ones."""
    config: Any = _reading_config(endpoint)
    assert config._user_provided_options == {
        "user_agent": "jobferry",
        "retries": {"mode": "standard", "max_attempts": 3},
        "connect_timeout": 3,
        "read_timeout": 15,
        "max_pool_connections": 50,
        "signature_version": "v4",
        "s3": {"addressing_style": style},
    }


async def _written_anew() -> str:
    with pytest.MonkeyPatch.context() as monkeypatch:
        worker = plain(await wired(OF_A_WORKER, monkeypatch))
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    drawn = {"a worker": worker, "small logs": _lanes_of(worker)["small"], "tracking": asked_of()}
    return _HEAD + yaml.dump(drawn, Dumper=dumper, sort_keys=False, allow_unicode=True, width=118)


if __name__ == "__main__":
    FILE.write_text(asyncio.run(_written_anew()), encoding="utf-8")
