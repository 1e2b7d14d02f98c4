"""Case files as anybody may have made them: what is read of one, and what is said of the others."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from schemas.casefile import Replay
from service.core.casefile import files
from service.core.casefile.errors import CaseFileError
from service.core.casefile.files import CaseWriter, read_case
from service.core.casefile.replay import replay
from tests.casefiles.corpus import CASES

Members = Mapping[str, Any]


def members_of(name: str = "swells") -> dict[str, Any]:
    """The members of a kept case that are read."""
    with zipfile.ZipFile(CASES[name]) as opened:
        names = [item for item in opened.namelist() if item.endswith(".json")]
        return {item: json.loads(opened.read(item)) for item in names}


def zipped(members: Members, *, compression: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    """A zip of these, JSON unless they are text already."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as opened:
        for name, value in members.items():
            opened.writestr(name, value if isinstance(value, str | bytes) else json.dumps(value))
    made.seek(0)
    return made


def again(members: Members) -> Replay:
    """What a case of these comes to."""
    return replay(read_case(zipped(members)), "now")


def why(file: io.BytesIO) -> str:
    """What is said of a file that is not read."""
    with pytest.raises(CaseFileError) as said:
        read_case(file)
    return str(said.value)


def test_a_file_is_written_piece_by_piece_and_read_again() -> None:
    """Each member is ready as soon as it is in, so that none waits for the last; of before 1980 a zip knows nothing."""
    writer = CaseWriter(0.0)
    parts = [writer.add("a.txt", "one"), writer.add("b.txt", "two\udcff"), writer.end()]
    assert all(parts)
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {"a.txt": b"one", "b.txt": b"two?"}
        assert opened.getinfo("a.txt").date_time == (1980, 1, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"evil": "1"}, "it has no manifest.json: `jobferry case` makes case files"),
        ({files.MANIFEST: {"schema_version": "2"}}, "it is of version '2', and this Jobferry reads version 1"),
        ({files.MANIFEST: "no JSON"}, "manifest.json: it is no JSON object"),
        ({files.MANIFEST: {"kind": "job"}}, "manifest.json.made_at: Field required"),
        ({files.MANIFEST: b"\xff"}, "it is no zip that can be read"),
        ({files.MANIFEST: "[" * 100_000}, "manifest.json: it is nested deeper than the 64 levels that are followed"),
        ({files.RECORD: {"kind": "turn", "id": "x", "registers": {}}}, "record.json.kind: Input should be 'job'"),
        ({files.DECISIONS: "[" * 100_000}, "decisions.json: it is nested deeper than the 64 levels"),
        ({files.NOTIFICATION: '{"text":' + "[" * 900 + "]" * 900 + "}"}, "notification.json: it is nested deeper"),
    ],
)
def test_what_is_no_case_is_said_to_be_none(members: dict[str, Any], says: str) -> None:
    """In a sentence, with the member and its field."""
    rest = {} if "evil" in members else members_of()
    assert says in why(zipped({**rest, **members}))


@pytest.mark.parametrize(
    ("text", "depth"),
    [(b"", 0), (b"1", 0), (b"{}", 1), (b'[{"a":[1]},{}]', 3), (b'{"[[[":"\\"{[["}', 1), (b'["[[', 1), (b"]]]]", 0)],
)
def test_depth_is_that_of_lists_and_objects(text: bytes, depth: int) -> None:
    """What stands in a text is none of either."""
    assert max(0, files.depth_of(text)) == depth


def test_what_is_nested_as_deep_as_is_followed_is_replayed() -> None:
    """To a difference, and to no traceback."""
    members = members_of()
    for name in (files.NOTIFICATION, files.RECORD):
        members[name]["odd"] = json.loads("[" * 63 + "]" * 63)
    members[files.DECISIONS]["decisions"][0]["request"]["odd"] = json.loads("[" * 60 + "]" * 60)
    assert [item.where for item in again(members).parts[4].differences] == ["notification.odd"]


def test_a_case_that_has_lost_its_notification_says_so() -> None:
    """Its record says that there was one; its policy is still replayed."""
    members = members_of()
    del members[files.NOTIFICATION]
    assert again(members).parts[4].not_replayed == (
        "the case has no notification.json, although its record says that an outcome was told of",
    )


def test_a_register_that_cannot_be_read_is_named() -> None:
    """With its field; one that only a newer Jobferry knows is left out, and said to be."""
    members = members_of()
    members[files.RECORD]["registers"]["execution"]["status"] = 7
    with pytest.raises(CaseFileError, match=r"record\.json\.registers\.execution\.execution\.status: "):
        again(members)
    members = members_of()
    members[files.RECORD]["registers"]["mood"] = {"kind": "mood", "mood": "good"}
    members[files.MANIFEST]["weather"] = "calm"
    found = again(members)
    assert "the register mood: a newer Jobferry wrote it" in found.parts[3].not_replayed
    assert not found.differs


@pytest.mark.parametrize("text", [b"", b"PK", b"GIF89a" * 100, b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_zip_is_said_to_be_none(text: bytes) -> None:
    """Cut, of another kind, or empty."""
    assert "it" in why(io.BytesIO(text))


def test_half_a_zip_is_none() -> None:
    """However much of it there is."""
    whole = CASES["malformed"].read_bytes()
    for length in range(0, len(whole), 97):
        assert "it is no zip that can be read" in why(io.BytesIO(whole[:length]))


def test_a_member_is_read_no_further_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it says of its size: a small file can hold gigabytes of nothing."""
    monkeypatch.setattr(files, "_LARGEST_OTHER_BYTES", 10_000)
    bomb = zipped({**members_of(), files.RECORD: " " * 1_000_000})
    assert why(bomb) == "record.json is larger than the 10,000 bytes that are read of it"
    lying = zipped({**members_of(), files.RECORD: " " * 1_000_000}).getvalue()
    lying = lying.replace(struct.pack("<L", 1_000_000), struct.pack("<L", 5_000))
    assert "record.json" in why(io.BytesIO(lying)) or "Bad CRC" in why(io.BytesIO(lying))


def test_a_zip_of_too_many_members_is_not_listed() -> None:
    """Nor one whose list alone would fill the memory, nor one of the large kind, nor one with a name twice."""
    many = {f"logs/{number}": "" for number in range(files.MOST_MEMBERS)}
    assert "more than the 1,000 members" in why(zipped({**members_of(), **many}))
    long_names = zipped({"n" * 60_000 + str(number): "" for number in range(20)})
    assert "more than the 1,000 members" in why(long_names)
    assert "zip64" in why(
        io.BytesIO(CASES["swells"].read_bytes()[:-22] + b"PK\x06\x07" + b"\0" * 16 + b"PK\x05\x06" + b"\0" * 18)
    )
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as opened, pytest.warns(UserWarning, match="Duplicate"):
        opened.writestr(files.MANIFEST, "{}")
        opened.writestr(files.MANIFEST, "{}")
    assert why(twice) == "two of its members have the same name"


def test_what_is_encrypted_or_packed_otherwise_is_not_opened() -> None:
    """Whoever made it: a case file is neither."""
    assert "packed in a way that a case file is not" in why(zipped(members_of(), compression=zipfile.ZIP_BZIP2))
    stored = bytearray(zipped({files.MANIFEST: "{}"}, compression=zipfile.ZIP_STORED).getvalue())
    stored[stored.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in why(io.BytesIO(bytes(stored)))


def test_names_of_the_zip_are_no_paths() -> None:
    """What is not known by name is not looked at, wherever it wants to go."""
    outside = {"../../escaped.txt": "x", "/etc/escaped": "x", "C:\\escaped": "x", "logs/\x1b[31m": "x"}
    assert not again({**members_of(), **outside}).differs


def test_a_template_that_names_no_parameter_is_a_difference() -> None:
    """As anything is that admission fails on now."""
    members = members_of("pictures")
    members[files.CATALOG]["catalog"]["job_types"]["thumbnails"]["stages"][0]["command"] = ["thumbnails", "{depth}"]
    [told] = again(members).parts[0].differences
    assert (told.then, str(told.now)[:34]) == ("admitted", "it fails: UnknownPlaceholderError:")


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: what holds it, and under which name or number."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from nodes(item)


# More of them by hand: ODD_CASES=2000 .venv/bin/python -m pytest -q tests/unit/test_case_files.py
TRIES = int(os.environ.get("ODD_CASES", "40"))
ODD: list[Any] = [
    None,
    -1,
    0,
    2**70,
    1e308,
    "",
    "\x00",
    "x" * 300,
    "9999-99-99",
    [],
    {},
    [[]],
    True,
    "{",
    "[{}]",
    {"a": None},
]


@pytest.mark.parametrize("name", CASES)
def test_odd_values_end_in_a_difference_or_in_a_sentence(name: str) -> None:
    """Anywhere in a case: nobody who replays one meets a traceback."""
    drawn = random.Random(name)
    whole = {item: value for item, value in members_of(name).items() if item not in {files.HISTORY, files.EVENTS}}
    text = json.dumps(whole)
    for _ in range(TRIES):
        members = json.loads(text)
        for _ in range(drawn.randint(1, 3)):
            holder, key = drawn.choice(list(nodes(members[drawn.choice(sorted(members))])))
            change(drawn, holder, key)
        try:
            again(members)
        except CaseFileError:
            continue


def change(drawn: random.Random, holder: Any, key: Any) -> None:
    """Put something odd there, or take it away, unless it has gone already."""
    present = key in holder if isinstance(holder, dict) else key < len(holder)
    if present and drawn.random() < 0.2:
        del holder[key]
    elif present:
        holder[key] = drawn.choice(ODD)
