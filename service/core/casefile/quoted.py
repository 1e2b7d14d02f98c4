"""Environments that a sentence quotes: in JSON, escaped however often, as Python writes them, or cut somewhere.

Step Functions quotes a state's whole input where a path is not found in it, pydantic what it was given, and a cause is
cut at 32,768 characters. What is masked stays as long as it was, so that what is cut later is cut at the same place.
"""

from __future__ import annotations

import re

# What Jobferry itself tells a container [service/core/overrides.py]; the task's token is no name, and is masked.
OURS = re.compile(r"JOBFERRY_[A-Z_]+|TRACEPARENT|_X_AMZN_TRACE_ID")

# Every run of spaces or backslashes is bounded, and begins where the run does: no hostile text takes long.
_QUOTE = r"(?<!\\)\\{0,31}[\"']"
_NAME = rf"(?P<quote>{_QUOTE})%s(?P=quote)"
_COLON = r"\s{0,8}:\s{0,8}"
# Up to the quote that it was opened by; one within it has more backslashes.
_VALUE = rf"(?P<opened>{_QUOTE})(?P<value>(?:(?!(?<!\\)(?P=opened))(?s:.))*+)"
_VARIABLE = r"(?P<name>[^\"'\\]{1,256})"

_PAIR = re.compile(
    rf"(?i){_NAME % 'name'}{_COLON}(?P=quote){_VARIABLE}(?P=quote)"
    rf"\s{{0,8}},\s{{0,8}}(?P=quote)value(?P=quote){_COLON}{_VALUE}"
)
_MAP = re.compile(r"(?i)\benvironment(?:\\{0,31}[\"'])?\s{0,8}[:=]\s{0,8}\{")
_ENTRY = re.compile(rf"\s{{0,8}},?\s{{0,8}}{_NAME % _VARIABLE}{_COLON}{_VALUE}(?P=opened)?")
_MAP_ENDS = re.compile(r"\s{0,8},?\s{0,8}\}")
# pydantic's own quotation: the first and the last characters of a value's repr, cut wherever that falls.
_GIVEN = re.compile(r"\binput_value=(?P<value>(?s:.)*?)(?=, input_type=|\Z)")


def masked_in_text(text: str) -> str:
    """The text with a mask in the place of each value of an environment that it quotes."""
    return _PAIR.sub(_masked_value, _maps(_GIVEN.sub(_masked_value, text)))


def _masked_value(found: re.Match[str]) -> str:
    if OURS.fullmatch(found.groupdict().get("name") or ""):
        return found[0]
    start, end = (position - found.start() for position in found.span("value"))
    return found[0][:start] + "*" * (end - start) + found[0][end:]


def _maps(text: str) -> str:
    """With each map of variables masked; where one cannot be followed to its end, the rest of the text is."""
    shown: list[str] = []
    at = 0
    while (opens := _MAP.search(text, at)) is not None:
        shown.append(text[at : opens.end()])
        at = opens.end()
        while (entry := _ENTRY.match(text, at)) is not None:
            shown.append(_masked_value(entry))
            at = entry.end()
        if _MAP_ENDS.match(text, at) is None:
            return "".join(shown) + "*" * (len(text) - at)
    return "".join(shown) + text[at:]
