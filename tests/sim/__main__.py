"""`python -m tests.sim`: simulate many seeds and print one table, or replay one seed."""

from __future__ import annotations

import sys

from tests.sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
