"""A case as one zip: how it is written, piece by piece, and how one that anybody may have made is read.

A reader takes the members that it knows by their names, and none else; nothing is unpacked, and no name of the zip is
taken for a path. What a member says of its own size is not believed: no more is read of it than is allowed.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.base import json_object
from schemas.casefile import CaseCatalog, CaseDecisions, CaseManifest, CaseRecord, CaseRequest, PlannerDecision
from service.core.casefile.errors import CaseFileError

README, MANIFEST, RECORD, REQUEST = "README.txt", "manifest.json", "record.json", "request.json"
CATALOG, STAGES, DECISIONS = "catalog.json", "stages.json", "decisions.json"
EVENTS, HISTORY, NOTIFICATION, JOB = "events.json", "history.json", "notification.json", "job.json"
LOGS = "logs/"

MOST_MEMBERS = 1000
# JSON that was read can take forty times its size. 600 attempts make some 1,800 decisions, each with all that was tried
# before it: who writes a case leaves out what of them is too much.
LARGEST_DECISIONS_BYTES = 8 * 1024 * 1024
_LARGEST_BYTES = {DECISIONS: LARGEST_DECISIONS_BYTES, MANIFEST: 4 * 1024 * 1024}
_LARGEST_OTHER_BYTES = 16 * 1024 * 1024
# No contract of ours is half as deep, and Python can follow no more than some hundred levels.
_DEEPEST = 64
_OLDEST = (1980, 1, 1, 0, 0, 0)  # A zip knows no moment before it.
_ENCRYPTED = 0x1
# How a zip ends [APPNOTE 4.3.16]: with a record that says how large its list of members is.
_END, _END_BYTES, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535
_END_64 = b"PK\x06\x07"
_LARGEST_LIST_BYTES = 1024 * 1024

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Case:
    """What a replay needs of a case file."""

    manifest: CaseManifest
    record: CaseRecord
    request: CaseRequest | None = None
    catalog: CaseCatalog | None = None
    stages: bytes | None = None
    decisions: tuple[PlannerDecision, ...] = ()
    notification: dict[str, Any] | None = None


class _Pipe(io.RawIOBase):
    """Takes what a zip writes, and hands it on: a stream knows no way back, so that zipfile needs none."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, written: object) -> int:
        piece = bytes(written)  # type: ignore[call-overload]  # bytes, or what zipfile has them in
        self._held += piece
        return len(piece)

    def taken(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken


@dataclass
class CaseWriter:
    """Makes a zip of members, each handed on as soon as it is in."""

    made_at: float
    _pipe: _Pipe = field(default_factory=_Pipe)
    _zip: zipfile.ZipFile = field(init=False)

    def __post_init__(self) -> None:
        self._zip = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_DEFLATED)

    def add(self, name: str, content: str) -> bytes:
        """One more member; answers with what of the zip is ready by then."""
        moment = datetime.fromtimestamp(self.made_at, UTC).timetuple()[:6]
        info = zipfile.ZipInfo(name, max(moment, _OLDEST))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        self._zip.writestr(info, content.encode(errors="replace"))
        return self._pipe.taken()

    def end(self) -> bytes:
        """The rest of the zip."""
        self._zip.close()
        return self._pipe.taken()


def read_case(file: IO[bytes]) -> Case:
    """What lies in a case file. Raises CaseFileError, which says what is wrong with it."""
    try:
        _check_end(file)
        with zipfile.ZipFile(file) as opened:
            return _case(_Members(opened))
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError) as error:
        raise CaseFileError(f"it is no zip that can be read: {error}") from None


def _check_end(file: IO[bytes]) -> None:
    """Whether the list of members may be read at all: zipfile reads it whole, and makes an object of each."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_BYTES - _LONGEST_COMMENT))
    tail = file.read()
    file.seek(0)
    if _END_64 in tail:
        raise CaseFileError("it is a zip64, which no case file of ours is")
    # Those of the two places at which zipfile looks for it.
    for place in {len(tail) - _END_BYTES, tail.rfind(_END)}:
        record = tail[max(0, place) : max(0, place) + _END_BYTES]
        if record[:4] == _END and int.from_bytes(record[12:16], "little") > _LARGEST_LIST_BYTES:
            raise CaseFileError(f"it lists more than the {MOST_MEMBERS:,} members that a case file may have")


class _Members:
    """The members of a zip that may be read."""

    def __init__(self, opened: zipfile.ZipFile) -> None:
        self._zip = opened
        names = opened.namelist()
        if len(names) > MOST_MEMBERS:
            raise CaseFileError(f"it has more than the {MOST_MEMBERS:,} members that a case file may have")
        if len(set(names)) < len(names):
            raise CaseFileError("two of its members have the same name")
        self._names = frozenset(names)

    def model(self, name: str, kind: type[M]) -> M | None:
        """A member as this model; None where there is none."""
        body = self._shallow(name)
        if body is None:
            return None
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, (name, *first["loc"])))
            raise CaseFileError(f"{where}: {first['msg']}") from None

    def object(self, name: str) -> dict[str, Any] | None:
        """A member as the JSON object that it is, whatever stands in it."""
        body = self._shallow(name)
        if body is None:
            return None
        read = json_object(body.decode())
        if not read:
            raise CaseFileError(f"{name}: it is no JSON object")
        return read

    def _shallow(self, name: str) -> bytes | None:
        """A member's content, if what is in it is nested no deeper than is followed."""
        body = self.bytes(name)
        if body is not None and depth_of(body) > _DEEPEST:
            raise CaseFileError(f"{name}: it is nested deeper than the {_DEEPEST} levels that are followed")
        return body

    def bytes(self, name: str) -> bytes | None:
        """A member's content; None where there is none."""
        if name not in self._names:
            return None
        info, most = self._zip.getinfo(name), _LARGEST_BYTES.get(name, _LARGEST_OTHER_BYTES)
        if info.flag_bits & _ENCRYPTED or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise CaseFileError(f"{name} is encrypted, or packed in a way that a case file is not")
        with self._zip.open(info) as member:
            body = member.read(most + 1)
        if len(body) > most:
            raise CaseFileError(f"{name} is larger than the {most:,} bytes that are read of it")
        return body


_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")


def depth_of(body: bytes) -> int:
    """How many objects and lists of JSON are open at once, at most."""
    brackets = _NO_BRACKET.sub(b"", _TEXT.sub(b"", body))
    return max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)


def _case(members: _Members) -> Case:
    _check_version(members)
    manifest, record = members.model(MANIFEST, CaseManifest), members.model(RECORD, CaseRecord)
    if manifest is None or record is None:
        raise CaseFileError(f"it has no {RECORD if manifest else MANIFEST}: `jobferry case` makes case files")
    decisions = members.model(DECISIONS, CaseDecisions)
    return Case(
        manifest=manifest,
        record=record,
        request=members.model(REQUEST, CaseRequest),
        catalog=members.model(CATALOG, CaseCatalog),
        stages=members.bytes(STAGES),
        decisions=decisions.decisions if decisions else (),
        notification=members.object(NOTIFICATION),
    )


def _check_version(members: _Members) -> None:
    """A case of another contract is said to be one, rather than full of mistakes."""
    known = CaseManifest.model_fields["schema_version"].default
    version = (members.object(MANIFEST) or {}).get("schema_version", known)
    if version != known:
        raise CaseFileError(
            f"it is of version {str(version)[:20]!a}, and this Jobferry reads version {known}: use a newer one"
        )
