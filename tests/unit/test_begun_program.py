"""The program that `jobferry catalog new` writes, run as a stage runs it; and what is in its way."""

from __future__ import annotations

import runpy
import sys
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest

from service.operator import cli
from service.operator.new_image import app

PROGRAM = Path(app.__file__)


@dataclass
class S3:
    """Two pages of objects, of which the first has none; what is put is noted."""

    put: list[dict[str, Any]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)

    def get_paginator(self, operation: str) -> S3:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        self.listed.append(asked)
        return [{}, {"Contents": [{"Key": "in/a"}, {"Key": "in/b"}]}]

    def get_object(self, **asked: Any) -> dict[str, Any]:
        assert asked["Bucket"] == "bucket"
        return {"Body": BytesIO(f"{asked['Key']} größe\n".encode())}

    def put_object(self, **asked: Any) -> None:
        self.put.append(asked)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> S3:
    """What the program takes for AWS."""
    made = S3()
    opened = {"s3": made}
    monkeypatch.setattr(boto3, "client", lambda service: opened[service])
    for name in ("INPUT", "OUTPUT", "STAGE", "ATTEMPT"):
        monkeypatch.delenv(f"JOBFERRY_{name}", raising=False)
    return made


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, **variables: str) -> None:
    """Run the program."""
    for name, value in variables.items():
        monkeypatch.setenv(f"JOBFERRY_{name}", value)
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    runpy.run_path(str(PROGRAM), run_name="__main__")


def test_it_reads_works_and_writes(s3: S3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """All that the stage before wrote goes in, one object comes out, and the log says what it did."""
    places = {"INPUT": "s3://bucket/in/", "OUTPUT": "s3://bucket/out/1/"}
    run(monkeypatch, "hello", "you", STAGE="2", ATTEMPT="3", **places)
    text = "in/a größe\nin/b größe\nhello you\n"
    assert s3.listed == [{"Bucket": "bucket", "Prefix": "in/"}]
    assert s3.put == [{"Bucket": "bucket", "Key": "out/1/result.txt", "Body": text.encode()}]
    assert capsys.readouterr().out == f"stage 2, attempt 3: ['hello', 'you']\n{text}"


def test_it_runs_without_input_and_output(
    s3: S3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As somebody tries it by hand."""
    run(monkeypatch, "hello")
    assert (s3.listed, s3.put) == ([], [])
    assert capsys.readouterr().out == "stage 1, attempt 1: ['hello']\nhello\n"


def test_it_is_imported_without_running(s3: S3, capsys: pytest.CaptureFixture[str]) -> None:
    """Its parts can be tested."""
    runpy.run_path(str(PROGRAM))
    assert capsys.readouterr().out == ""
    assert app.split("s3://bucket/a/b") == ("bucket", "a/b")


@pytest.mark.parametrize("text", ["[]", "7", "images: x", ""])
def test_a_catalogue_without_a_mapping_of_images_is_in_the_way(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and stays as it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog.yaml").write_text(text)
    assert cli.main(["catalog", "new", "hello"]) != 0
    said = capsys.readouterr()
    assert "catalog.yaml has no mapping named images." in said.out + said.err
    assert (tmp_path / "catalog.yaml").read_text() == text


def test_what_is_begun_is_told_in_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths in one column, what they are in the other."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["catalog", "new", "hello"]) == 0
    first, _, *rest = capsys.readouterr().out.splitlines()
    rows = rest[: rest.index("")]
    assert first == "hello is begun:"
    widths = {len(row) - len(row[2:].lstrip("abcdefghijklmnopqrstuvwxyz./-").lstrip()) for row in rows}
    assert len(rows) == 4
    assert len(widths) == 1
