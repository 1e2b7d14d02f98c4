"""`jobferry completion`: a script by which a shell completes verbs, options, choices and file names by itself.

The shell asks it, and never starts Python to complete a word.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from service.operator.handbook import verbs_of


def run(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print the script; 2 where that cannot be made."""
    if find_spec("shtab") is None:
        print(
            "jobferry completion needs shtab, and that is not installed here: install Jobferry with its dependencies.",
            file=sys.stderr,
        )
        return 2
    print(script(parser, shell))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What the shell reads."""
    import shtab

    for verb in verbs_of(parser):
        for action in verb.parser._actions:
            if action.type is Path or action.metavar == "FILE":
                action.complete = shtab.DIR if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(parser, shell)
