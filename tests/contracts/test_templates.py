"""A template is read by a quicker loader than the emulator's own, and says the same."""

from __future__ import annotations

import pytest
import yaml
from ministack.services.cloudformation import engine

from deploy.local.fills.templates import loader_like
from tests.support.template import TEMPLATE

_ODD = """
At: [!GetAtt A.B.C, !GetAtt [A, B], !GetAtt A]
Version: 2010-09-09
Functions: [!Ref X, !Sub [a, {b: !Ref C}], !If [Yes, !Ref AWS::NoValue, no], !Base64 {Fn::Join: ["", [1, 2.5]]}]
Merged: {<<: {a: 1}, b: null}
"""


@pytest.mark.parametrize("text", [_ODD, TEMPLATE.read_text(encoding="utf-8")], ids=["odd", "ours"])
@pytest.mark.skipif(not yaml.__with_libyaml__, reason="this PyYAML has no libyaml, and the emulator's own loader stays")
def test_both_loaders_read_the_same(text: str) -> None:
    """Every function's short form, dates as texts, and all that YAML itself means."""
    assert yaml.load(text, loader_like(engine.CfnLoader)) == yaml.load(text, engine.CfnLoader)  # SafeLoaders
