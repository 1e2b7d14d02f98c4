"""The runbook: a section for every alarm, and commands that exist."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from botocore import xform_name
from botocore.loaders import Loader

from service.operator.cli import main
from tests.support.deployment import DEPLOY, resources, template

RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", RUNBOOK, re.M))
# What the AWS CLI has beside the services' own operations, and the options that every command takes.
OWN_NAMES = {"s3api": "s3"}
OWN_COMMANDS = {("logs", "tail"): {"since", "filter-pattern"}}
GLOBAL_OPTIONS = {"query", "output", "region", "max-items"}


def commands(program: str) -> list[str]:
    """Every command of a program in the code blocks, a line each; `$(out X)` and `<what>` stand for one word."""
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", RUNBOOK, re.M | re.S)).replace("\\\n", " ")
    plain = re.sub(r'"?\$\(out \w+\)"?', "OUT", re.sub(r"<[^>\n]+>", "SOMETHING", blocks))
    return [line.strip() for line in re.findall(rf"(?:^|\(|\{{ ){program} [^|;\n]+", plain, re.M)]


def alarms() -> dict[str, str]:
    """The section that each alarm's description names."""
    found = resources("AWS::CloudWatch::Alarm").items()
    pattern = re.compile(r"See ([a-z-]+) in deploy/RUNBOOK\.md")
    return {name: pattern.findall(item["Properties"]["AlarmDescription"])[0] for name, item in found}


def test_every_alarm_has_its_section_and_every_section_its_alarm() -> None:
    """Whoever is woken finds the page; a page without an alarm would be forgotten."""
    assert sorted(alarms().values()) == sorted(SECTIONS.keys() - {"First, always"})


@pytest.mark.parametrize("name", sorted(SECTIONS.keys() - {"First, always"}))
def test_a_section_says_why_how_to_look_and_what_to_do(name: str) -> None:
    """In that order, with at least one command."""
    parts = [SECTIONS[name].lower().find(word) for word in ("**why it rings.**", "**how to look", "what to do")]
    assert -1 not in parts
    assert parts == sorted(parts)
    assert "```sh" in SECTIONS[name]


def test_every_link_leads_to_a_section() -> None:
    """Anchors are the headings."""
    assert set(re.findall(r"\]\(#([a-z-]+)\)", RUNBOOK)) <= SECTIONS.keys()


def test_every_output_that_is_asked_for_exists() -> None:
    """`out` reads the stack's outputs."""
    named = set(re.findall(r"\$\(out (\w+)\)", RUNBOOK))
    assert named
    assert named <= template()["Outputs"].keys()


def test_what_is_to_be_raised_or_lowered_is_a_parameter() -> None:
    """On AWS the template alone sets the worker's variables, so none of them is told to be changed."""
    assert "JOBFERRY_" not in RUNBOOK
    named = r"`((?:Max|Worker)[A-Z]\w+|[A-Z]\w+(?:Bucket|Refill|PerSecond|Seconds|Days))`"
    changed = [
        pair.partition("=")[0] for given in re.findall(r'PARAMETERS="([^"]+)"', RUNBOOK) for pair in given.split()
    ]
    parameters = {*re.findall(named, RUNBOOK), *changed}
    assert len(parameters) >= 7
    assert parameters <= template()["Parameters"].keys()


@pytest.mark.parametrize("command", sorted(set(commands("jobferry"))))
def test_every_command_of_ours_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--help` behind it, it explains itself; a command or an option that is none would be refused."""
    with pytest.raises(SystemExit) as ended:
        main([*command.split()[1:], "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


@cache
def operations(service: str) -> dict[str, Any]:
    """The operations of a service, as the AWS CLI names them, with the options of each."""
    model = Loader().load_service_model(OWN_NAMES.get(service, service), "service-2")
    return {
        xform_name(name, "-"): {xform_name(member, "-") for member in _members(model, operation)}
        for name, operation in model["operations"].items()
    }


def _members(model: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    shape = operation.get("input", {}).get("shape")
    return list(model["shapes"][shape].get("members", {})) if shape else []


@pytest.mark.parametrize("command", sorted(set(commands("aws"))))
def test_every_command_of_aws_exists(command: str) -> None:
    """Service, operation and options are in the service's own model [botocore]."""
    service, operation = command.strip("({ ").split()[1:3]
    options = set(re.findall(r" --([a-z-]+)", command)) - GLOBAL_OPTIONS
    known = OWN_COMMANDS.get((service, operation)) or operations(service)[operation]
    assert options <= known
