"""How texts of facts are packed, and that what was packed once is read for good."""

from __future__ import annotations

import pytest

from service.aws.packing import packed, unpacked
from tests.support.builders import task

TASK = task().model_dump_json(exclude_defaults=True)
# By the first words. What is packed by them lies in tables, so that this is never changed: other words, another number.
PACKED_BY_THE_FIRST = (
    "01ab865652e0cc519a9b54ac6b6284351120271a2b432363135333730b4b03432378a228d62f31c49b24484908348d3ed4b8308000433d03acb10"
    "29536d633408f0aa88c19440639522012a6062019a2a307181b00"
)


@pytest.mark.parametrize("text", ["{}", "x" * 149, "größe" * 30, TASK, TASK * 40])
def test_a_text_is_read_as_it_was(text: str) -> None:
    """Short or long, and longer than the window that is packed by."""
    assert unpacked(packed(text)) == text


@pytest.mark.parametrize(("characters", "form"), [(149, "S"), (150, "B")])
def test_what_is_short_stays_as_people_can_read_it(characters: int, form: str) -> None:
    """Claims, above all."""
    assert list(packed("x" * characters)) == [form]


def test_what_is_typical_takes_a_quarter_of_its_room() -> None:
    """Its words are known beforehand."""
    said = packed(TASK)["B"]
    assert 4 * len(said) < len(TASK)


def test_what_was_packed_by_the_first_words_is_read() -> None:
    """Letter by letter: with others it would be another text, or none."""
    assert unpacked({"B": bytes.fromhex(PACKED_BY_THE_FIRST)}) == TASK
