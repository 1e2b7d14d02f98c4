"""What deploy/template.yaml says of a resource, so that the fakes here are built as the real ones are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "deploy" / "template.yaml"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's functions, which stay as they are written."""


def _function(loader: _Loader, tag: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {tag: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


@cache
def _template() -> dict[str, Any]:
    return dict(yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader))  # a SafeLoader


def properties(resource: str) -> dict[str, Any]:
    """The properties of a resource of the template."""
    return dict(_template()["Resources"][resource]["Properties"])
