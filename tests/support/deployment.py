"""What the template and the catalogue say, as the tests of the deployment read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from schemas.catalog import Catalog
from tests.support.template import read_template

DEPLOY = Path(__file__).parents[2] / "deploy"

STACK = "jobferry"
# The template's TaskFamilyPrefix, or the stack's name where that is empty.
FAMILY_PREFIX = {"Fn::If": ["FamiliesByStack", {"Ref": "AWS::StackName"}, {"Ref": "TaskFamilyPrefix"}]}

Json = dict[str, Any]


@cache
def template() -> Json:
    """The template, with the short forms of functions spelt out."""
    return read_template(DEPLOY / "template.yaml")


def resources(kind: str) -> dict[str, Json]:
    """The resources of one type, by their names."""
    return {name: item for name, item in template()["Resources"].items() if item["Type"] == kind}


def properties(name: str) -> Json:
    """The properties of a resource."""
    return dict(template()["Resources"][name]["Properties"])


def listed(value: Any) -> list[Any]:
    """A policy says a single thing without a list."""
    return value if isinstance(value, list) else [value]


def statements(role: Json) -> Iterator[Json]:
    """All statements of a role, those under a condition too."""
    for policy in role["Properties"].get("Policies", ()):
        for statement in policy["PolicyDocument"]["Statement"]:
            branches = statement.get("Fn::If", [statement])
            yield from (item for item in branches if isinstance(item, dict) and "Sid" in item)


def role_statements() -> list[tuple[str, Json]]:
    """Each statement of each role, with the role's name."""
    return [(name, item) for name, role in resources("AWS::IAM::Role").items() for item in statements(role)]


def resolved(value: Any) -> str:
    """A name as it comes out under the template's defaults; only references to parameters are filled in.

    The prefix of families is the stack's name by default.
    """
    text = value["Fn::Sub"] if isinstance(value, dict) else value
    if isinstance(text, list):
        text, given = text
        assert given == {"Prefix": FAMILY_PREFIX}
        text = text.replace("${Prefix}", STACK)
    text = str(text)
    for name, parameter in template()["Parameters"].items():
        text = text.replace("${" + name + "}", str(parameter.get("Default", "")))
    return text


def catalog(stack: str = STACK) -> Catalog:
    """The catalogue that is deployed with the template, as it reads in the stack of this name."""
    text = json.dumps(yaml.safe_load((DEPLOY / "catalog.yaml").read_text()))
    return Catalog.model_validate_json(text).of_families(stack)
