"""Commands that a check runs, each of which must end well or as is expected of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class CommandFailed(RuntimeError):
    """A command did not end as it should."""


def call(
    *command: str | Path,
    within: Path | None = None,
    text: str | None = None,
    variables: Mapping[str, str] | None = None,
    exit_code: int = 0,
) -> str:
    """What a command prints to standard output, or to standard error where it is to end with an error.

    Args:
        command: the program and its arguments.
        within: the folder to run it in.
        text: its standard input.
        variables: of the environment, beside our own.
        exit_code: the one that it should end with.

    Raises:
        CommandFailed: it ended otherwise, and this is what it said.
    """
    words = [str(word) for word in command]
    environment = {**os.environ, **(variables or {})}
    ended = subprocess.run(words, cwd=within, input=text, capture_output=True, text=True, env=environment)
    if ended.returncode != exit_code:
        raise CommandFailed(f"{' '.join(words)}\nexit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stderr if exit_code else ended.stdout
