"""Which process stands for which image, in a file that its owner changes while jobs run."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.ecs.images import Image, ImageCatalogueError, Images, WatchedImages, load_images

OURS = Images({"ours": Image(("a",))})
SLIPS = {
    "no mapping": ("images: [a]", "has no mapping named images"),
    "no YAML": ("images: {a: [}", "is not YAML"),
    "a text": ("images: {a: echo}", 'a is to be a mapping, like {entry_point: ["python3", "app.py"]}'),
    "a field": ("images: {a: {entrypoint: [b]}}", "a has unknown fields ['entrypoint']; there are command, directory"),
    "a line": ("images: {a: {entry_point: b c}}", 'a.entry_point is to be a list, like ["echo", "hello"]'),
    "a switch": ("images: {a: {memory_limit: often}}", "a.memory_limit is to be true or false"),
    "a folder": ("images: {a: {directory: gone}}", "a.directory is"),
    "a number": ("images: {a: {directory: 1}}", "a.directory is to be a folder's path"),
    "variables": ("images: {a: {environment: [b]}}", "a.environment is to be a mapping"),
    "a variable": ("images: {a: {environment: {b: [c]}}}", "a.environment.b is to be a text or a number"),
    "an image": ("images: {a: {image: b}}", "a.image is for Docker: add docker: true"),
}


def write(path: Path, text: str) -> Path:
    """Write as an editor does, by another file in its place."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
    return path


@pytest.mark.parametrize(("text", "why"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told_in_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    """With the file, the image and the field."""
    path = write(tmp_path / "images.yaml", text)
    with pytest.raises(ImageCatalogueError) as slip:
        load_images(path)
    assert str(slip.value).startswith(str(path))
    assert why in str(slip.value)
    assert "\n" not in str(slip.value)


def test_an_image_has_a_folder_and_variables(tmp_path: Path) -> None:
    """The folder is found from the file, and values are as they were written."""
    (tmp_path / "hello").mkdir()
    text = "images: {hello: {entry_point: [./run], directory: hello, environment: {A: 1, B: true, C: x}}}"
    found = load_images(write(tmp_path / "images.yaml", text), own=True).find("registry.example/hello:7")
    environment = {"A": "1", "B": "true", "C": "x"}
    assert found == Image(("./run",), directory=tmp_path / "hello", environment=environment, own=True)


def test_without_docker_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file is read, and not where the first job fails."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageCatalogueError, match="hello is to run in Docker, and there is no docker in PATH: install"):
        load_images(write(tmp_path / "images.yaml", "images: {hello: {docker: true}}"))


def test_docker_runs_the_image_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the one of the entry's own name; it has no folder of this machine."""
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "images.yaml"
    images = load_images(
        write(path, "images: {a: {docker: true}, b: {docker: true, image: 'c:1'}, d: {docker: false}}")
    )
    assert [images.by_name[name].docker for name in "abd"] == ["a", "c:1", None]
    with pytest.raises(ImageCatalogueError, match=r"a\.directory is of this machine, and Docker runs a in its own"):
        load_images(write(path, "images: {a: {docker: true, directory: .}}"))


def test_a_job_keeps_what_it_began_with(tmp_path: Path) -> None:
    """Whatever the file says by then; another job gets what it says now, and a slip changes nothing."""
    path, told = write(tmp_path / "images.yaml", "images: {mine: {entry_point: [one]}}"), list[str]()
    images = WatchedImages(OURS, path, told.append)
    assert images.of_job("a").find("mine") == Image(("one",), own=True)
    assert images.of_job("a").find("ours") == Image(("a",))
    write(path, "images: {mine: {entry_point: [two]}, ours: {}}")
    assert images.of_job("a").find("mine") == Image(("one",), own=True)
    assert images.of_job("b").find("mine") == Image(("two",), own=True)
    assert images.of_job("b").find("ours") == Image(own=True)
    write(path, "images: {mine: {entry_point: two}}")
    images.look()
    images.look()
    assert images.of_job("c").find("mine") == Image(("two",), own=True)
    path.unlink()
    images.look()
    assert images.of_job("c").find("mine") == Image(("two",), own=True)
    assert told == [
        f"{path} is read anew: mine, ours; for jobs that begin from now on",
        f'{path}: mine.entry_point is to be a list, like ["echo", "hello"]; what it said before stays in force',
        f"{path} cannot be read: No such file or directory; what it said before stays in force",
    ]
