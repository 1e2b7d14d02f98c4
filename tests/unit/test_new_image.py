"""`jobferry catalog new`: what it writes is true, runs, and is never over anything."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.ecs.images import load_images
from service.catalog_source import parse_catalog
from service.operator import cli
from tests.support.template import read_template

CATALOG = """\
# Mine.
version: 1
images:   # Two of them.

    # The first.
    old:
        task_definition: old   # Kept as it is.
        container: main
job_types: {}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*arguments: str) -> int:
    """Begin an image."""
    return cli.main(["catalog", "new", *arguments])


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_in_an_empty_folder_it_writes_all_and_tells_what_is_next(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four files, each said, and two commands that can be pasted."""
    assert new("hello-1") == 0
    assert contents(here).keys() == {"catalog.yaml", "images.yaml", "hello-1/app.py", "hello-1/task.yaml"}
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in contents(here))
    assert "  jobferry local --catalog catalog.yaml --images images.yaml\n" in said
    assert (
        'echo \'{"stages": [{"image": "hello-1", "command": ["hello"]}]}\' | jobferry plan --catalog catalog.yaml'
        in said
    )


def test_the_entry_is_true_of_the_task_definition(here: Path) -> None:
    """Family, container, size and kind of launch agree, and the log is found and complete."""
    new("hello-1")
    image = parse_catalog((here / "catalog.yaml").read_text(), "catalog.yaml", "jobferry").images["hello-1"]
    made: dict[str, Any] = read_template(here / "hello-1" / "task.yaml")
    definition = made["Resources"]["Task"]["Properties"]
    assert definition["Family"]["Fn::Sub"].replace("${TaskFamilyPrefix}", "jobferry") == image.task_definition
    assert (int(definition["Cpu"]), int(definition["Memory"])) == (image.cpu, image.memory)
    assert definition["RequiresCompatibilities"] == ["FARGATE"] and image.on_fargate
    [container] = definition["ContainerDefinitions"]
    assert container["Name"] == image.container == "hello-1"
    assert container["LogConfiguration"]["Options"]["mode"] == "blocking"


def test_the_stand_in_is_the_program(here: Path) -> None:
    """In its folder, as the images' file says."""
    new("hello-1")
    image = load_images(here / "images.yaml").find("hello-1")
    assert image is not None and image.directory == here / "hello-1"
    assert image.entry_point[1] == "app.py"
    names = {each.name for each in ast.parse((here / "hello-1" / "app.py").read_text()).body if hasattr(each, "name")}
    assert {"work", "main"} <= names


def test_files_elsewhere_are_named_as_they_are(tmp_path: Path) -> None:
    """The program lies beside the images' file."""
    assert new("hello", "--catalog", "a/c.yaml", "--images", "b/i.yaml") == 0
    assert contents(tmp_path).keys() == {"a/c.yaml", "b/i.yaml", "b/hello/app.py", "b/hello/task.yaml"}
    assert load_images(tmp_path / "b" / "i.yaml").find("hello") is not None


def test_an_entry_is_added_and_the_rest_stays_as_it_was(here: Path) -> None:
    """Comments, order and indentation are their owner's."""
    (here / "catalog.yaml").write_text(CATALOG)
    (here / "images.yaml").write_text("images:")
    assert new("hello") == 0
    text = (here / "catalog.yaml").read_text()
    assert [line for line in text.splitlines() if line in CATALOG.splitlines()] == CATALOG.splitlines()
    assert list(yaml.safe_load(text)["images"]) == ["hello", "old"]
    assert yaml.safe_load(text)["images"]["old"] == yaml.safe_load(CATALOG)["images"]["old"]
    assert list(yaml.safe_load((here / "images.yaml").read_text())["images"]) == ["hello"]
    assert new("world") == 0
    assert list(yaml.safe_load((here / "catalog.yaml").read_text())["images"]) == ["world", "hello", "old"]


IN_THE_WAY = {
    "program": ({"hello/app.py": ""}, "hello/app.py is there already"),
    "task definition": ({"hello/task.yaml": ""}, "hello/task.yaml is there already"),
    "entry": ({"catalog.yaml": "images: {hello: {}}"}, "catalog.yaml has an image named hello already"),
    "stand-in": ({"images.yaml": "images:\n  hello: {}"}, "images.yaml has an image named hello already"),
    "another form": (
        {"catalog.yaml": "images: {a: {}}"},
        "catalog.yaml is not written as this can add to it: put this",
    ),
    "no YAML": ({"images.yaml": "images: ["}, "images.yaml is not YAML"),
    "no images": ({"images.yaml": "images: [a]"}, "images.yaml has no mapping named images"),
    "a folder": ({"catalog.yaml/x": ""}, "catalog.yaml cannot be read"),
}


@pytest.mark.parametrize(("there", "why"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_is_there_is_never_written_over(
    here: Path, there: dict[str, str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written then, and it says what is in the way."""
    for name, text in there.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    assert new("hello") == 1
    assert contents(here) == there
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(why)


def test_a_form_that_cannot_be_added_to_is_told_what_to_add(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The entry itself, to be pasted."""
    (here / "catalog.yaml").write_text("images: {a: {task_definition: a, container: a}}")
    assert new("hello") == 1
    entry = yaml.safe_load(capsys.readouterr().err.split("\n\n", 1)[1])
    assert entry["hello"]["task_definition"] == "{prefix}-hello"


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ä", "a" * 65])
def test_a_name_that_cannot_be_one_is_refused(name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and nothing is written."""
    assert new("--", name) == 2
    assert contents(here) == {}
    assert "cannot be a name: use letters" in capsys.readouterr().err
