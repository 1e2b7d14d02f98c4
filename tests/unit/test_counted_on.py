"""What the program counts on without saying so each time: constants, defaults, limits. counted_on.yaml has them all.

One that changes by a slip is a change of behaviour that few other tests would see: a deadline, the size of a page, the
name of a register. Who means it writes the file anew: `python -m tests.unit.test_counted_on`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

# All modules are imported below by their names; by these `make mutants` sees which.
import service.api.export
import service.operator.case
import service.operator.cli
import service.operator.jobs
import service.operator.many
import service.operator.new_image.app
import service.operator.reference
import service.operator.rerun
import service.operator.steer
import service.operator.why  # noqa: F401
import workers.plan_next_step
import workers.track_jobs  # noqa: F401
from tests.support.tables import read_table
from tests.support.what_is_counted_on import counted_on

FILE = Path(__file__).with_name("counted_on.yaml")
GONE = "it is there no more"
MEANT = "If it is meant, `python -m tests.unit.test_counted_on` writes the file anew."
CHECKOUT = Path(__file__).parents[2]
IN_FULL: dict[str, dict[str, Any]] = read_table(FILE)
_HEAD = "# What the program counts on, module by module: test_counted_on.py looks anew and compares.\n"


def modules() -> list[str]:
    """Those of the program; what runs when it is imported is none."""
    files = (file for root in ("schemas", "service", "workers") for file in sorted((CHECKOUT / root).rglob("*.py")))
    names = (file.relative_to(CHECKOUT).with_suffix("").as_posix().replace("/", ".") for file in files)
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize("module", IN_FULL)
def test_what_is_counted_on_is_this(module: str) -> None:
    """Nothing of it changes unseen; what is new is no change."""
    now, then = counted_on(importlib.import_module(module)), IN_FULL[module]
    assert {name: now.get(name, GONE) for name in then} == then, MEANT


def _written_anew() -> str:
    found = {name: counted_on(importlib.import_module(name)) for name in modules()}
    some = {name: told for name, told in found.items() if told}
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    return _HEAD + yaml.dump(some, Dumper=dumper, sort_keys=False, default_flow_style=None, width=118)


if __name__ == "__main__":
    FILE.write_text(_written_anew(), encoding="utf-8")
