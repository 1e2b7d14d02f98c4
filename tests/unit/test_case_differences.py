"""What differs between two answers: nothing that is not the same goes for the same."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from service.core.casefile.differences import differences


@pytest.mark.parametrize(
    ("then", "now", "found"),
    [
        ("a\nb\n", "a\nb", {"x, line 3": ("", None)}),
        ("a\nb", "a\nb\n", {"x, line 3": (None, "")}),
        ("a\r\nb", "a\nb", {"x, line 1": ("a\r", "a")}),
        ("a\nb", "a\u2028b", {"x, line 1": ("a", "a\u2028b"), "x, line 2": ("b", None)}),
        ("a", "a\n", {"x": ("a", "a\n")}),
        ([1], [1, None], {"x, how many": (1, 2)}),
        ([None, None], [], {"x, how many": (2, 0)}),
        ([1], [1, 2], {"x.1": (None, 2)}),
        ([{"a": 1}], [{"a": 2}], {"x.0.a": (1, 2)}),
        (1, True, {"x": (1, True)}),
        ([None], [None], {}),
        ("a\nb\n", "a\nb\n", {}),
        (60, 60.0, {}),
    ],
)
def test_what_is_not_the_same_differs(
    then: JsonValue, now: JsonValue, found: dict[str, tuple[JsonValue, JsonValue]]
) -> None:
    """By the end of a text, by a null at the end of a list, by how a line ends."""
    assert {item.where: (item.then, item.now) for item in differences("x", then, now)} == found
