"""What the worker's image is, and what it says when it cannot run."""

from __future__ import annotations

import json

import pytest

from service.settings import Settings
from tests.image.store import Store
from tests.image.tools import WORKER
from tests.support.dockerfile import stages

_WHO = """
import json, os, pathlib
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
def written(place):
    try:
        pathlib.Path(place, "probe").write_text("")
    except OSError as error:
        return error.strerror
print(json.dumps({
    "user": os.getuid(), "group": os.getgid(), "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "writes": {place: written(place) for place in ("/", "/app", "/opt/jobferry", "/tmp")},
}))
"""
_INSTALLED = """
import importlib.metadata, importlib.util, json
print(json.dumps({
    "packages": [one.metadata["Name"] for one in importlib.metadata.distributions()],
    "ours": [name for name in %r if importlib.util.find_spec(name)],
}))
"""
_OURS = ("service", "workers", "schemas", "deploy", "deploy.local", "deploy.examples", "deploy.on_aws", "tests")


def python(store: Store, image: str, *arguments: str) -> str:
    """What a Python in the image answers, as the image's own user and on a root that is read only."""
    ended = store.run(image, *arguments, options=["--entrypoint=python"])
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_it_is_nobody_and_writes_nowhere_but_in_its_scratch_directory(store: Store, worker_image: str) -> None:
    """A user of its own without a capability, on a root file system that is read only."""
    printed = json.loads(python(store, worker_image, "-I", "-c", _WHO))
    assert (printed["user"], printed["group"], printed["capabilities"]) == (10001, 10001, 0)
    refused = "Read-only file system"
    assert printed["writes"] == {"/": refused, "/app": refused, "/opt/jobferry": refused, "/tmp": None}


def test_it_holds_what_the_worker_runs_and_nothing_else(store: Store, worker_image: str) -> None:
    """No example, no local run, no installer and no tool of tests or of deploying."""
    printed = json.loads(python(store, worker_image, "-I", "-c", _INSTALLED % (_OURS,)))
    assert set(printed["ours"]) == {"service", "workers", "schemas", "deploy"}
    assert "jobferry" in printed["packages"]
    assert not {name.lower() for name in printed["packages"]} & {
        "pip",
        "setuptools",
        "ministack",
        "moto",
        "pytest",
        "pillow",
    }


def test_nothing_is_compiled_when_it_starts(store: Store, worker_image: str) -> None:
    """All that the worker, its probe and the command load has its byte code in the image."""
    loads = "import workers.worker, workers.probe, service.operator.cli, service.operator.dlq"
    printed = python(store, worker_image, "-I", "-v", "-c", loads).splitlines()
    assert any(line.startswith("import 'workers.worker'") for line in printed)
    # What Python says of a module that it had to compile; of byte code it names the .pyc file, in quotes.
    assert not [line for line in printed if line.startswith("# code object from /") and line.endswith(".py")]


def test_missing_settings_are_named_in_a_sentence_each(store: Store, worker_image: str) -> None:
    """Started without a variable, it says which are missing and what they are."""
    ended = store.run(worker_image)
    required = {f"JOBFERRY_{name.upper()}" for name, field in Settings.model_fields.items() if field.is_required()}
    given = stages(WORKER)[-1].environment()
    assert ended.returncode == 2
    assert {line.partition(" is missing. It is: ")[0] for line in ended.stderr.splitlines()} == required - set(given)


@pytest.mark.parametrize("verb", ["local", "demo"])
def test_a_verb_that_it_lacks_says_what_to_install(store: Store, worker_image: str, verb: str) -> None:
    """The local run is not in the image, and one sentence says so."""
    ended = store.run(worker_image, verb)
    assert ended.returncode == 2
    assert ended.stderr == (
        f"jobferry {verb} needs the local run, and deploy.local is not installed here: "
        "install Jobferry with its extra, jobferry[local].\n"
    )


@pytest.mark.parametrize("arguments", [["--help"], ["dlq", "--help"], ["doctor", "--help"], ["catalog", "check", "-h"]])
def test_an_operator_finds_the_commands_in_it(store: Store, worker_image: str, arguments: list[str]) -> None:
    """Whoever has a shell in the container has the command too."""
    ended = store.run(worker_image, *arguments)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("usage: jobferry")
