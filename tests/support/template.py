"""What a template of CloudFormation says, read without the linter, which takes half a second to import."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.tables import QUICK_LOADER

TEMPLATE = Path(__file__).parents[2] / "deploy" / "template.yaml"
_WITHOUT_FN = frozenset({"Ref", "Condition"})


class _Loader(QUICK_LOADER):  # type: ignore[valid-type,misc]  # whichever of two there is
    """YAML with CloudFormation's functions, their short forms spelt out."""


# Dates stay texts. The class has its own copy from here on: the loader of others still reads them as dates.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _function(loader: _Loader, tag: str, node: yaml.Node) -> object:
    name = tag if tag in _WITHOUT_FN else f"Fn::{tag}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if tag == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def read_template(path: Path) -> dict[str, Any]:
    """A template, with the short forms of functions spelt out."""
    return dict(yaml.load(path.read_text(encoding="utf-8"), _Loader))  # a SafeLoader


@cache
def _template() -> dict[str, Any]:
    return read_template(TEMPLATE)


def properties(resource: str) -> dict[str, Any]:
    """The properties of a resource of the template."""
    return dict(_template()["Resources"][resource]["Properties"])
