"""The `jobferry` command: what it loads, and what it says where a part of it is not installed."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from service.operator import cli
from workers import probe

# What a command loaded when it has ended, without what this environment loads at every start.
_LOADED = """
import sys
before = set(sys.modules)
{command}
import json
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""
NOBODY_LISTENS = "1"


def loaded(command: str) -> set[str]:
    """The packages that a fresh Python loads to do this, the standard library's left out."""
    ended = subprocess.run(
        [sys.executable, "-c", _LOADED.format(command=command)],
        env={"JOBFERRY_HEALTH_PORT": NOBODY_LISTENS},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ended.stdout.splitlines()[-1])) - set(sys.stdlib_module_names)


def test_the_probe_loads_nothing_but_itself() -> None:
    """A health check runs beside a busy worker on a quarter of a processor: every import is time that it has not."""
    assert loaded("import workers.probe; assert workers.probe.main() == 1") == {"workers"}


def test_the_health_command_loads_no_package() -> None:
    """The verbs that look at a deployment, and what they need, stay where they are."""
    assert loaded("from service.operator.cli import main; assert main(['health']) == 1") == {"service", "workers"}


@pytest.mark.parametrize("port", ["", "http", "99999", "-1"])
def test_the_probe_says_what_a_port_is(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in the variable is named, and no traceback."""
    monkeypatch.setenv("JOBFERRY_HEALTH_PORT", port)
    assert probe.main() == 1
    assert capsys.readouterr().out.startswith(f"JOBFERRY_HEALTH_PORT is not a port: {port!r}.")


@pytest.mark.parametrize("verb", ["health", "local"])
def test_a_port_is_a_number_that_a_port_can_be(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A larger one is refused where it was typed."""
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--port", "99999"])
    assert ended.value.code == 2
    assert "'99999' is not a port: give a number from 0 to 65535" in capsys.readouterr().err


@contextmanager
def without(package: str) -> Iterator[None]:
    """As in an installation where this package is missing: whoever asks for it finds None."""

    def find_spec(name: str) -> object:
        return None if name == package else object()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli, "find_spec", find_spec)
        yield


@pytest.mark.parametrize("verb", ["local", "demo"])
@pytest.mark.parametrize("package", ["deploy.local", "ministack", "hypercorn", "PIL", "rich"])
def test_a_verb_that_is_not_installed_says_what_to_install(
    verb: str, package: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the image, or without the extra, one sentence."""
    with without(package):
        assert cli.main([verb]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"jobferry {verb} needs the local run, and {package} is not installed here: "
        "install Jobferry with its extra, jobferry[local].\n"
    )


@pytest.mark.parametrize("fails", [False, True])
def test_no_rubbish_is_looked_for_while_a_verb_is_loaded(fails: bool) -> None:
    """It is from then on, also where the verb cannot be loaded; what was loaded is looked through no more."""
    gc.unfreeze()
    with suppress(ZeroDivisionError), cli._loading():
        assert not gc.isenabled()
        if fails:
            raise ZeroDivisionError
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert gc.isenabled()
    assert frozen > 0
