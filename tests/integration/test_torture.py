"""Hostile bodies and hostile strings, on their whole way: admitted or rejected with a reason, and nothing breaks.

In the spirit of two public lists: JSONTestSuite (what parsers disagree on) and the Big List of Naughty Strings.
"""

# ruff: noqa: RUF001  # letters that look alike are the point
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.support.whole_path import Path


@pytest.fixture
async def path() -> Path:
    """The worker's parts over an AWS in memory."""
    return await Path.laid()


def _texts() -> Iterator[tuple[str, bytes]]:
    """JSON and nearly JSON, as bytes: what is no UTF-8 is as SQS might hand it on."""
    literals = [b"tru", b"fals", b"nul", b"True", b"NULL", b"undefined", b"nan", b"NaN", b"-Infinity", b"+Inf"]
    numbers = [b"-", b"+1", b".5", b"1.", b"01", b"-01", b"0x1F", b"1e", b"1e+", b"1_000", b"1,5", b"--1", b"1 2"]
    extreme = [
        b"-0",
        b"-0.0",
        b"1e9999",
        b"-1e9999",
        b"1e-9999",
        b"123123e100000",
        b"0.4e00669999999999999999",
        b"1E22",
    ]
    digits = [b"9" * length for length in (20, 400, 4_299, 4_300, 4_301, 10_000, 500_000)]
    strings = [rb'"\u00A"', rb'"\x41"', rb'"\u{41}"', b'"\t"', b'"a\nb"', b'"\x00"', b'"\x7f"', b"'a'", b'"', b'"\\"']
    escapes = [rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud83d\u0041"', rb'"\ud83d\udea2"', rb'"\u0000"', rb'"\uffff"']
    encoded = [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\xef\xbf\xbf"']
    arrays = [
        b"[",
        b"]",
        b"[1",
        b"[1,",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1;2]",
        b"[]]",
        b"[[]",
        b"[*]",
        b"[1]x",
        b"[\x0c]",
    ]
    objects = [b"{", b"}", b"{}}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{a:1}", b"{'a':1}", b"{1:1}", b'{"a":1 "b":2}']
    repeats = [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"":0,"":0}', b'{"\\u0000":1}', b'{"__proto__":{}}']
    comments = [b"{}/**/", b"{}//", b"{}#", b"/**/{}", b"<null>", b"{};", b"{}{}", b"{}\x00", b"\x00{}", b""]
    nests = [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 50_000, b"[{" * 500, b'[{"":' * 50_000]
    marked = ['{"a":1}'.encode(name) for name in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")]
    large = [b'"' + b"x" * 1_048_574 + b'"', b" " * 1_048_576, b"[" + b"0," * 500_000 + b"0]", b'"' + b"\\" * 1_000_000]
    spaces = [b" \r\n\t{} ", b"\xc2\xa0{}", b"\xe2\x81\xa0{}", b"\x0b{}", b"\x85{}", b"\xe2\x80\xa8{}"]
    plain = [b"null", b"true", b"0", b'""', b"[]", b"{}", b'{"job_type":null}', b'[[[[[["deep"]]]]]]']
    kinds: dict[str, list[bytes]] = {name: value for name, value in locals().items() if isinstance(value, list)}
    for kind, texts in kinds.items():
        yield from ((f"{kind} {number}", text) for number, text in enumerate(texts))


TEXTS = dict(_texts())
PLACES = {
    "the whole body": "%s",
    "a parameter": '{"job_type": "greet", "parameters": {"who": %s}}',
    "a timeout": '{"job_type": "greet", "parameters": {"who": "x"}, "timeout_seconds": %s}',
    "an unknown field": '{"job_type": "greet", "parameters": {"who": "x"}, "odd": %s}',
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("how", ["replace", "surrogateescape"])
async def test_every_text_is_judged(path: Path, place: str, how: str) -> None:
    """Wherever it stands and however a client made text of its bytes."""
    with capture_logs() as logs:
        for name, text in TEXTS.items():
            status = await path.go(place.replace("%s", text.decode(errors=how)))
            assert status in {"REJECTED", "FAILED"}, name
    assert [entry for entry in logs if entry["log_level"] != "info"] == []


def test_the_texts_are_many() -> None:
    """A list that came out empty would prove nothing."""
    assert len(TEXTS) > 120


async def test_a_text_that_all_read_alike_is_admitted_where_it_may_stand(path: Path) -> None:
    """The judge does not refuse all that looks odd."""
    admitted = [b"-0", b"1E22", b'"\x7f"', rb'"\ud83d\udea2"', b"9" * 400]
    for text in admitted:
        assert await path.go(PLACES["a parameter"].replace("%s", text.decode())) == "FAILED", text
    for text in (b'"\\u0000"', b"1e9999", rb'"\ud800"', rb'"\uffff"', b"null", b"[]"):
        assert await path.go(PLACES["a parameter"].replace("%s", text.decode())) == "REJECTED", text


NAUGHTY = {
    "nothing": "",
    "a space": " ",
    "words of languages": "undefined null None NIL true (null) hasOwnProperty constructor __proto__ then",
    "dots": "..",
    "a way up": "../../../../etc/passwd%00",
    "a Windows device": "CON",
    "a number that is none": "1/0 -1E+02 0x0 NaN 1.0.0 0,,0 ½ ١٢٣",
    "punctuation": "<>?:\"{}|_+,./;'[]\\-=!@#$%^&*()`~",
    "a shell": "$(touch /tmp/x); `id` | && || > /dev/null $HOME ~ \\",
    "SQL": "1'; DROP TABLE users-- 1",
    "a page": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "an entity": '<?xml version="1.0"?><!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><f>&x;</f>',
    "an end of CDATA": "]]> &#0; &#xD800; &amp;",
    "a mail header": "x\r\nBcc: everyone@example.com\r\n\r\nhello",
    "a log line": '\n{"event": "worker_stopped", "level": "info"}',
    "a terminal": "\x1b[2J\x1b]0;title\x07\x08\x9b31m",
    "control characters": "".join(map(chr, range(1, 32))),
    "C1 controls": "".join(map(chr, range(0x7F, 0xA0))),
    "NUL": "a\x00b",
    "separators": "a\u2028b\u2029c\u0085d",
    "spaces of every width": "\u00a0\u1680\u2000\u200a\u202f\u205f\u3000\u180e",
    "nothing to be seen": "\u200b\u200c\u200d\u2060\u2061\u00ad\ufeff",
    "the other way round": "\u202etest\u202c \u2066nested\u2069 \u061c",
    "a byte order mark": "\ufeff{}",
    "no characters": "\ufffe\uffff",
    "no characters of the planes": "\U0001fffe\U0010ffff\ufdd0",
    "private use": "\ue000\U000f0000\U00100000",
    "combined without end": "z" + "\u0300\u0489" * 60,
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 🇺🇸 1️⃣ 🤷🏽",
    "two-byte characters": "田中さんにあげて下さい 사회과학원 Ⱥ Ⱦ ß İ",
    "right to left": "الكل في المجمو עברית",
    "letters that look alike": "ℝ𝕖𝕕 ﬁ Ａ ａ．ｂ",
    "half a pair": "\ud800",
    "the other half": "a\udfff",
    "a format": "%s %n %x {0} {who} {{}} ${x} #{x} <%= 1 %>",
    "a States function": "States.Format('{}', $$.Task.Token) $.x $$.Execution.Id",
    "a reserved name": "AWS_SECRET_ACCESS_KEY",
    "a line break at the end": "job\n",
    "quotes": "'\"''\"\"`´“”‘’",
    "backslashes": "\\\\\\u0000\\n\\",
    "just too long": "x" * 65,
    "far too long": "x" * 9_000,
    "long in bytes only": "🚢" * 256,
}
USUAL: dict[str, Any] = {"job_type": "greet", "parameters": {"who": "x"}}
FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "job_id": lambda text: {**USUAL, "job_id": text},
    "job_type": lambda text: {"job_type": text},
    "tenant": lambda text: {**USUAL, "tenant": text},
    "user": lambda text: {**USUAL, "user": text},
    "user of a callback": lambda text: {"stages": [{"image": "reporter"}], "user": text},
    "input_file": lambda text: {**USUAL, "input_file": text},
    "label": lambda text: {**USUAL, "labels": {"team": text}},
    "label's name": lambda text: {**USUAL, "labels": {text: "x"}},
    "parameter": lambda text: {"job_type": "greet", "parameters": {"who": text}},
    "parameter's name": lambda text: {"job_type": "greet", "parameters": {"who": "x", text: 1}},
    "parameter with choices": lambda text: {"job_type": "greet", "parameters": {"who": "x", "loud": text}},
    "image": lambda text: {"stages": [{"image": text}]},
    "stage's name": lambda text: {"stages": [{"image": "echo", "name": text}]},
    "argument": lambda text: {"stages": [{"image": "echo", "command": ["echo", text]}]},
    "program": lambda text: {"stages": [{"image": "echo", "command": [text]}]},
    "variable": lambda text: {"stages": [{"image": "echo", "environment": {"MODE": text}}]},
    "variable's name": lambda text: {"stages": [{"image": "echo", "environment": {text: "x"}}]},
    "field": lambda text: {**USUAL, text: 1},
    "all at once": lambda text: {"job_id": text, "user": text, "labels": {text: text}, "stages": [{"image": text}]},
}


@pytest.mark.parametrize("make", FIELDS.values(), ids=FIELDS)
async def test_every_string_is_judged_in_every_field(path: Path, make: Callable[[str], dict[str, Any]]) -> None:
    """Raw and escaped."""
    with capture_logs() as logs:
        for name, text in NAUGHTY.items():
            for ascii_only in (True, False):
                status = await path.go(json.dumps(make(text), ensure_ascii=ascii_only))
                assert status in {"REJECTED", "FAILED"}, name
    assert [entry for entry in logs if entry["log_level"] != "info"] == []


async def test_a_container_may_be_told_nearly_anything(path: Path) -> None:
    """What is a shell's, a page's or a terminal's business to fear is data to us, and arrives as it was sent."""
    refused = set()
    for name, text in NAUGHTY.items():
        if await path.go(json.dumps(FIELDS["argument"](text))) == "REJECTED":
            refused.add(name)
    assert refused == {"NUL", "no characters", "half a pair", "the other half", "far too long"}


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
SOME_FIELDS = st.sampled_from(sorted(FIELDS))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SOME_FIELDS, ANY_TEXT, st.booleans())
async def test_any_text_in_any_field_is_judged(path: Path, field: str, text: str, ascii_only: bool) -> None:
    """Beyond what a list thinks of."""
    assert await path.go(json.dumps(FIELDS[field](text), ensure_ascii=ascii_only)) in {"REJECTED", "FAILED"}
