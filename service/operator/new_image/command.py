"""Write what an image of one's own begins with: a program, its task definition, its entries; never over anything."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from schemas.errors import JobferryError

DONE, IN_THE_WAY, USAGE = 0, 1, 2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_IMAGES = re.compile(r"^images:[ \t]*(#.*)?\n", re.MULTILINE)
_FIRST_CHILD = re.compile(r"(?:[ \t]*(?:#.*)?\n)*([ ]+)\S")
_NEW_CATALOG = "# What requests may name, and what each image may be told.\nversion: 1\n\nimages:\n"
_NEW_IMAGES = (
    "# Which process stands for which image on this machine; `jobferry local` reads it anew when it changes.\nimages:\n"
)


class InTheWayError(JobferryError):
    """Something is there already that would be written over; the message says what."""


@dataclass(frozen=True)
class Writing:
    """One file, and what it is to hold."""

    path: Path
    text: str
    what: str


def run(options: argparse.Namespace) -> int:
    """Write it all, or nothing; 1 where something is in the way, 2 where the name is none."""
    if not _NAME.fullmatch(options.name):
        print(
            f"{options.name!r} cannot be a name: use letters, digits, hyphens and underscores, 64 at most.",
            file=sys.stderr,
        )
        return USAGE
    try:
        writings = list(planned(options.name, options.catalog, options.images))
        for writing in writings:
            write(writing)
    except InTheWayError as error:
        print(error, file=sys.stderr)
        return IN_THE_WAY
    print(_told(options.name, options.catalog, options.images, writings))
    return DONE


def planned(name: str, catalog: Path, images: Path) -> Iterator[Writing]:
    """What is to be written, and where.

    Raises:
        InTheWayError: a file or an entry is there already, or a file cannot be added to.
    """
    folder = images.parent / name
    for path in (folder / "app.py", folder / "task.yaml"):
        if path.exists():
            raise InTheWayError(f"{path} is there already: take another name, or move it away.")
    yield Writing(catalog, _added(catalog, name, "catalog.yaml", _NEW_CATALOG), "its entry: what a request may tell it")
    yield Writing(images, _added(images, name, "images.yaml", _NEW_IMAGES), "its stand-in on this machine")
    yield Writing(folder / "app.py", _template("app.py", name), "the program")
    yield Writing(folder / "task.yaml", _template("task.yaml", name), "its task definition and its role, for AWS")


def write(writing: Writing) -> None:
    """Write one file. Raises InTheWayError where it cannot be."""
    try:
        writing.path.parent.mkdir(parents=True, exist_ok=True)
        writing.path.write_text(writing.text, encoding="utf-8")
    except OSError as error:
        raise InTheWayError(f"{writing.path} cannot be written: {error.strerror}") from None


def _template(file: str, name: str) -> str:
    return (files("service.operator.new_image") / file).read_text(encoding="utf-8").replace("NAME", name)


def _added(path: Path, name: str, template: str, new: str) -> str:
    """The file's text with an entry more under images; everything else stays as its owner wrote it."""
    entry = _template(template, name)
    text = _text_of(path) if path.exists() else new
    text = text if text.endswith("\n") else f"{text}\n"
    before = _document(path, text)
    if name in before["images"]:
        raise InTheWayError(f"{path} has an image named {name} already: take another name.")
    after = _with_entry(text, entry)
    wanted = {**before, "images": {**before["images"], **yaml.safe_load(entry)}}
    if after is None or _document(path, after) != wanted:
        raise InTheWayError(f"{path} is not written as this can add to it: put this under its images.\n\n{entry}")
    return after


def _with_entry(text: str, entry: str) -> str | None:
    """With the entry as the first under images, as far in as the others; None where there is no such line."""
    found = _IMAGES.search(text)
    if found is None:
        return None
    rest = text[found.end() :]
    child = _FIRST_CHILD.match(rest)
    return text[: found.end()] + indent(entry, child[1] if child else "  ") + rest


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InTheWayError(f"{path} cannot be read: {error}") from None


def _document(path: Path, text: str) -> dict[str, Any]:
    """What a file holds, with a mapping named images, which may be empty."""
    try:
        document = yaml.safe_load(text)
    # A date that is none is a ValueError of YAML's own making.
    except (yaml.YAMLError, ValueError) as error:
        raise InTheWayError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    images = (document.get("images") or {}) if isinstance(document, dict) else None
    if not isinstance(images, dict):
        raise InTheWayError(f"{path} has no mapping named images.")
    return {**document, "images": images}


def _told(name: str, catalog: Path, images: Path, writings: list[Writing]) -> str:
    width = max(len(str(writing.path)) for writing in writings)
    lines = "\n".join(f"  {writing.path!s:<{width}}  {writing.what}" for writing in writings)
    return f"""\
{name} is begun:

{lines}

Next, run it here, and leave it running:

  jobferry local --catalog {catalog} --images {images}

and ask in another terminal what a request would become:

  echo '{{"stages": [{{"image": "{name}", "command": ["hello"]}}]}}' | jobferry plan --catalog {catalog}"""
