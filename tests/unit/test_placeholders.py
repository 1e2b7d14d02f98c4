"""Placeholders are replaced once, and anything else in braces is a fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.admission.placeholders import UnknownPlaceholderError, fill

VALUES = {"name": "world", "a.b-c_1": "x", "empty": ""}

FILLED = {
    "hello": "hello",
    "": "",
    "hello {name}": "hello world",
    "{name}{name}": "worldworld",
    "{a.b-c_1}": "x",
    "[{empty}]": "[]",
    "{{name}}": "{name}",
    "{{{name}}}": "{world}",
    "{{}}": "{}",
}


@pytest.mark.parametrize(("template", "filled"), FILLED.items())
def test_what_templates_become(template: str, filled: str) -> None:
    """Names are replaced, doubled braces become single ones, and the rest stays."""
    assert fill(template, VALUES) == filled


@pytest.mark.parametrize("template", ["{nope}", "{", "}", "{}", "{ name }", "{name", "name}", "{name!r}", "{name:>9}"])
def test_what_is_no_template(template: str) -> None:
    """An unknown name or a lone brace is told, rather than passed to a container."""
    with pytest.raises(UnknownPlaceholderError):
        fill(template, VALUES)


@given(st.text())
def test_a_value_is_put_in_as_it_is(value: str) -> None:
    """No value is read as a template, whatever it looks like."""
    assert fill("<{name}>", {"name": value}) == f"<{value}>"


@given(st.text())
def test_doubling_the_braces_gives_any_text(text: str) -> None:
    """Every text can be written as a template."""
    assert fill(text.replace("{", "{{").replace("}", "}}"), {}) == text
