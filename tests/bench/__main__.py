"""What Jobferry costs, as ratios in one run: `make bench`, some minutes. Linux only, for its clocks and /proc.

python -m tests.bench                     # all of it
python -m tests.bench --only intake       # one part
python -m tests.bench --rounds 9          # steadier medians
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench import measures
from tests.bench.bill import Bill
from tests.bench.lived import Lived
from tests.bench.place import Place, place
from tests.bench.report import Row, header, write_json

_DEFAULT_JSON = Path("build/bench.json")
Part = Callable[[Place, int], Iterator[Any]]

PARTS: Mapping[str, Part] = {
    "intake": lambda here, rounds: measures.intake(here, rounds),
    "lives": lambda here, rounds: measures.lives(here, max(2, rounds // 2)),
    "quarter": lambda here, rounds: measures.quarter(here),
    "open": lambda here, rounds: measures.open_loop(here),
    "sizes": lambda here, rounds: measures.sizes(here),
    "starting": lambda here, rounds: measures.starting(here, rounds),
    "logs": lambda here, rounds: measures.large_logs(here),
    "small": lambda here, rounds: measures.small_logs(),
    "silent": lambda here, rounds: measures.silent_jobs(),
    "bills": lambda here, rounds: measures.bills(here),
}


def main() -> int:
    """Measure, print one table, and write the same as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5, help="of each measure that is repeated (default: %(default)s)")
    parser.add_argument("--json", type=Path, default=_DEFAULT_JSON, help="where to write (default: %(default)s)")
    given = parser.parse_args()
    if not sys.platform.startswith("linux"):
        print("This needs Linux: it reads other processes' clocks and memory.")
        return 2
    rows: list[Row] = []
    bills: list[Bill] = []
    calls: Mapping[str, float] = {}
    print(header())
    for name in given.only:
        for told in _measured(name, given.rounds):
            match told:
                case Row():
                    rows.append(told)
                    print(told, flush=True)
                case Lived(calls=of_a_life):
                    calls = of_a_life
                    for call, count in sorted(of_a_life.items(), key=lambda item: -item[1]):
                        print(f"      {call:<30} {count:6.2f} a life", flush=True)
                case Bill():
                    bills.append(told)
                case str():
                    print(told, flush=True)
    for told in bills:
        print(*told.lines(), sep="\n")
    more = {"calls of a life": calls, "bills": [asdict(told) for told in bills]}
    write_json(given.json, rows, more)
    return 0


def _measured(name: str, rounds: int) -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="jobferry-bench-") as folder, place(Path(folder)) as here:
        yield from measures.or_why_not(PARTS[name](here, rounds), name)


if __name__ == "__main__":
    sys.exit(main())
