"""The page "Develop your image", followed literally in an empty folder."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.local.ecs.images import load_images
from tests.support.page import Block, blocks
from tests.support.processes import Command, bare_environment, running
from tests.support.waiting import WITHIN_SECONDS

PAGE = Path(__file__).parents[2] / "docs" / "develop-your-image.md"
_VARYING = ((re.compile(r"^\d\d:\d\d:\d\d +"), ""), (re.compile(r"after [0-9.]+ s"), "after some seconds"))


@dataclass
class Reader:
    """Somebody who does what the page says, with a terminal for what runs on."""

    folder: Path
    held: ExitStack
    terminal: Command | None = None
    followed: list[str] = field(default_factory=list)

    def follow(self, block: Block) -> None:
        """Do what one block says."""
        self.followed.append(block.language)
        match block.language:
            case "sh" if block.text.startswith("jobferry local "):
                arguments = block.text.split()[1:]
                # At any free ports: others may test here at the same time.
                ports = ("--port", "0", "--api-port", "0")
                self.terminal = self.held.enter_context(running(*arguments, *ports, folder=self.folder))
                self.terminal.wait_for_line("What becomes of jobs is shown here.")
            case "sh":
                self.run(block)
            case "text":
                self.see(block.text.splitlines())
            case "python" if len(block.words) == 2:
                replace_function(self.folder / block.words[0], block.words[1], block.text)
            case _ if block.words:
                (self.folder / block.words[0]).write_text(block.text)

    def run(self, block: Block) -> None:
        """Run a shell block to its end."""
        expected = [int(word.removeprefix("exit=")) for word in block.words] or [0]
        ended = subprocess.run(
            ["sh", "-e", "-c", block.text],
            cwd=self.folder,
            env={
                **bare_environment(),
                "PATH": f"{self.folder.parent / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin",
            },
            capture_output=True,
            text=True,
            timeout=WITHIN_SECONDS,
            check=False,
        )
        assert [ended.returncode] == expected, (block.text, ended.stdout, ended.stderr)

    @property
    def search_path(self) -> str:
        """Where the commands of the page are found: ours, those of the Python that runs this, and the system's."""
        return os.pathsep.join([str(self.folder.parent / "bin"), str(Path(sys.executable).parent), os.defpath])

    def see(self, lines: list[str]) -> None:
        """Wait for the lines that the page shows, in whatever order they come."""
        assert self.terminal is not None
        missing = {shown(line) for line in lines}
        while missing:
            missing.discard(shown(self.terminal.next_line(f"any of {missing}", WITHIN_SECONDS)))


def shown(line: str) -> str:
    """A line without what differs from run to run: times and durations."""
    for pattern, replacement in _VARYING:
        line = pattern.sub(replacement, line)
    return line.rstrip()


def replace_function(path: Path, name: str, text: str) -> None:
    """Put another function in the place of the one of that name."""
    lines = path.read_text().splitlines(keepends=True)
    [old] = [each for each in ast.parse("".join(lines)).body if isinstance(each, ast.FunctionDef) and each.name == name]
    assert old.end_lineno is not None
    path.write_text("".join([*lines[: old.lineno - 1], text, *lines[old.end_lineno :]]))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Somebody in an empty folder, with the commands that the page names."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "jobferry"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m service.operator.cli "$@"\n')
    command.chmod(0o755)
    folder = tmp_path / "empty"
    folder.mkdir()
    with ExitStack() as held:
        yield Reader(folder, held)


def test_whoever_follows_the_page_has_a_job_of_three_stages(reader: Reader) -> None:
    """Each block in its order: commands end well, files are written, and what is shown is seen."""
    for block in blocks(PAGE):
        reader.follow(block)
    assert reader.followed.count("text") == 3
    assert reader.terminal is not None and reader.terminal.process.poll() is None


def test_the_block_on_docker_is_an_image_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not followed, for there may be no Docker here."""
    [docker] = [block for block in blocks(PAGE) if block.language == "yaml" and not block.words]
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "images.yaml").write_text(docker.text)
    image = load_images(tmp_path / "images.yaml").find("words")
    assert image is not None and image.docker == "words:dev"
