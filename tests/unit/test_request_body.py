"""Bodies are read as JSON and nothing is taken on trust."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.admission.claim_check import Pointer, read_pointer
from service.core.admission.request_body import (
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_OBJECTS,
    MAX_VALUES,
    BodyRefusedError,
    canonical,
    printable,
    read_json,
    read_object,
)

TODAY = "software.amazon.payloadoffloading.PayloadS3Pointer"
LEGACY = "com.amazon.sqs.javamessaging.MessageS3Pointer"

REFUSED = {
    "nothing": ("", "not JSON"),
    "only spaces": (" \n", "not JSON"),
    "prose": ("hello", "not JSON"),
    "cut JSON": ('{"a": 1', "not JSON"),
    "two values": ("{}{}", "not JSON"),
    "a byte order mark": ("\ufeff{}", "not JSON"),
    "a raw control character": ('{"a": "\x01"}', "not JSON"),
    "a comment": ("{} // hi", "not JSON"),
    "an array": ("[1]", "an array, not a JSON object"),
    "a string": ('"{}"', "a string, not a JSON object"),
    "a number": ("1", "a number, not a JSON object"),
    "a float": ("1.5", "a number, not a JSON object"),
    "true": ("true", "a boolean, not a JSON object"),
    "null": ("null", "null, not a JSON object"),
    "NaN": ('{"a": NaN}', "NaN is not JSON"),
    "Infinity": ('{"a": -Infinity}', "-Infinity is not JSON"),
    "a number that becomes infinite": ('{"a": 1e999}', "too large"),
    "a number that becomes minus infinity": ('{"a": -1e999}', "too large"),
    "an endless integer": (f'{{"a": {"9" * 5000}}}', "too long"),
    "a key twice": ('{"a": 1, "a": 1}', "the key a stands twice"),
    "a key twice, escaped": ('{"a": 1, "\\u0061": 2}', "the key a stands twice"),
    "a key twice, deep down": ('{"x": [{"b": 1, "b": 2}]}', "the key b stands twice"),
    "half a surrogate pair, escaped": ('{"a": "\\ud800"}', "surrogate"),
    "half a surrogate pair in a key": ('{"\\udfff": 1}', "surrogate"),
    "half a surrogate pair, raw": ('{"a": "\ud800"}', "surrogate"),
    "a nest of arrays": ("[" * 100_000, "nests deeper"),
    "a nest of objects": ('{"a":' * 1_500 + "1" + "}" * 1_500, "nests deeper"),
    "a nest, closed": ("[" * 33 + "]" * 33, "nests deeper"),
    "too many objects": (f"[{'{},' * MAX_OBJECTS}1]", "objects"),
    "too many values": (f"[{'1,' * MAX_VALUES}1]", "values"),
    "too many bytes": (json.dumps({"a": "x" * MAX_BODY_BYTES}), "larger than 1,048,576 bytes"),
    "too many bytes of few characters": (json.dumps({"a": "ü" * (MAX_BODY_BYTES // 2)}, ensure_ascii=False), "larger"),
}


@pytest.mark.parametrize(("body", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_read(body: str, why: str) -> None:
    """Every body that parsers disagree on, or that is too much, is refused with its reason and a remedy."""
    with pytest.raises(BodyRefusedError) as refusal:
        read_object(body)
    problem = refusal.value.problem
    assert why in problem.message
    assert problem.remedy
    problem.model_dump_json()  # What cannot be written down cannot be announced.


READ = {
    "an empty object": "{}",
    "spaces around": "\r\n\t {} ",
    "unicode": '{"name": "Übung 🚢"}',
    "a surrogate pair, escaped": '{"a": "\\ud83d\\udea2"}',
    "an escaped backslash before u": '{"a": "\\\\ud800"}',
    "brackets in strings": json.dumps({"a": "[" * 500 + "{" * 500}),
    "quotes and brackets in strings": json.dumps({'"[': '\\"[[[', "b": '"' + "[" * 100}),
    "the deepest nest": '{"a":' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}",
    "commas in strings": json.dumps({"a": "," * (MAX_VALUES + 1)}),
    "a large number": '{"a": 1e308}',
    "a long integer": f'{{"a": {"9" * 4000}}}',
}


@pytest.mark.parametrize("body", READ.values(), ids=READ)
def test_what_is_read(body: str) -> None:
    """Odd is not wrong: what JSON allows and everybody reads alike is read."""
    assert read_object(body) == json.loads(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_all_JSON_of_a_usual_size_is_read_as_it_was_written(value: object) -> None:
    """Reading gives back what was written, and the canonical text reads as the same value."""
    assert read_json(json.dumps(value)) == value
    assert read_json(canonical(value)) == value


@given(st.text(alphabet='{}[],:"\\ u0d8a1.eNI-\n\ud800', max_size=60))
def test_no_text_does_anything_but_be_read_or_refused(body: str) -> None:
    """Rubbish raises nothing but a refusal."""
    try:
        value = read_json(body)
    except BodyRefusedError as refusal:
        refusal.problem.model_dump_json()
    else:
        assert json.loads(canonical(value)) == value


def test_key_order_and_spacing_do_not_change_the_canonical_text() -> None:
    """The same request written differently is the same request; another type of the same look is another."""
    assert canonical(read_json('{"b": [1, "ü"], "a": null}')) == canonical(read_json('{"a":null,"b":[1,"\\u00fc"]}'))
    assert len({canonical(read_json(text)) for text in ("1", "1.0", '"1"', "true")}) == 4


@pytest.mark.parametrize(
    "bomb",
    [
        '"' + '\\"' * 520_000,
        '"\\' * 520_000,
        "[" * 1_040_000,
        '{"a":' * 200_000,
        "," * 1_040_000,
        '"' * 1_040_001,
        "{}" * 520_000,
    ],
)
def test_a_bomb_of_a_mebibyte_is_refused(bomb: str) -> None:
    """No body makes us read it more than a few times over: a quadratic search would take minutes here."""
    with pytest.raises(BodyRefusedError):
        read_json(bomb)


@pytest.mark.parametrize("name", [TODAY, LEGACY])
def test_a_pointer_of_the_extended_client_is_known_by_both_its_names(name: str) -> None:
    """Today's client and the older one send the same pointer under different names."""
    body = json.dumps([name, {"s3BucketName": "my-bucket", "s3Key": "0b2a6a1e-8c3e"}])
    assert read_pointer(body) == Pointer("my-bucket", "0b2a6a1e-8c3e")
    assert read_pointer(f"\n {body}") == Pointer("my-bucket", "0b2a6a1e-8c3e")


NO_POINTERS = {
    "an object": {},
    "an empty array": [],
    "another class": ["com.example.Pointer", {"s3BucketName": "my-bucket", "s3Key": "k"}],
    "no key": [TODAY, {"s3BucketName": "my-bucket"}],
    "a key that is no string": [TODAY, {"s3BucketName": "my-bucket", "s3Key": 7}],
    "an empty key": [TODAY, {"s3BucketName": "my-bucket", "s3Key": ""}],
    "a key with a line break": [TODAY, {"s3BucketName": "my-bucket", "s3Key": "a\nb"}],
    "a key longer than S3's": [TODAY, {"s3BucketName": "my-bucket", "s3Key": "ü" * 513}],
    "no bucket's name": [TODAY, {"s3BucketName": "Not A Bucket", "s3Key": "k"}],
    "an access point's ARN": [TODAY, {"s3BucketName": "arn:aws:s3:eu-west-1:1:accesspoint/x", "s3Key": "k"}],
    "too much": [TODAY, {"s3BucketName": "my-bucket", "s3Key": "k"}, 1],
}


@pytest.mark.parametrize("value", NO_POINTERS.values(), ids=NO_POINTERS)
def test_what_is_no_pointer_is_judged_as_a_request(value: object) -> None:
    """Only a pointer that S3 could follow is followed; all else is a body like any other, to be refused as such."""
    assert read_pointer(json.dumps(value)) is None


@pytest.mark.parametrize("body", ["[", '["x", NaN]', "[" * 50, '["\ud800"]', ""])
def test_rubbish_is_no_pointer(body: str) -> None:
    """Looking for a pointer never fails."""
    assert read_pointer(body) is None


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_what_others_chose_is_shown_printable_and_short(text: str, at_most: int) -> None:
    """A producer's words, whatever they are, stay on one line and within their length."""
    shown = printable(text, at_most)
    assert shown.isprintable()
    assert len(shown) <= at_most + len("...")


def test_a_short_printable_text_is_shown_as_it_is() -> None:
    """Nothing is escaped that need not be, and a direction mark that could disguise a text is."""
    assert printable("Übung 'a' \\", 64) == "Übung 'a' \\"
    assert printable("a\u202eb\r\nc", 64) == "a\\u202eb\\r\\nc"
    assert printable("abcdef", 3) == "abc..."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", "an array"),
        ('"x"', "a string"),
        ("true", "a boolean"),
        ("1", "a number"),
        ("1.5", "a number"),
        ("null", "null"),
    ],
)
def test_a_body_that_is_no_object_learns_what_it_is(text: str, kind: str) -> None:
    """In JSON's own words."""
    with pytest.raises(BodyRefusedError) as refused:
        read_object(text)
    assert str(refused.value) == f"the body is {kind}, not a JSON object"
