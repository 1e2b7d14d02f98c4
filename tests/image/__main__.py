"""`python -m tests.image`: build both images, run them, and hold them to what is promised.

Where the tools are missing it ends with 2 and says in one sentence which; `--install` brings them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.image.tools import install, lacking


def main() -> int:
    """Run the tests of this folder, which `make test` leaves out."""
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install the tools that are missing, with apt-get")
    if parser.parse_args().install:
        install()
    if lack := lacking():
        print(lack, file=sys.stderr)
        return 2
    return int(pytest.main(["-m", "image", "-rP", str(Path(__file__).parent)]))


if __name__ == "__main__":
    sys.exit(main())
