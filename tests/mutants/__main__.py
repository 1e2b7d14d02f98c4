"""`make mutants`: a sample of small mistakes, and those that no test notices."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

from tests.mutants.campaign import Program, Verdict, rate, tried
from tests.mutants.coverage import collect
from tests.mutants.equivalent import Noted
from tests.mutants.tree import TestsFailError, Tree
from tests.support.moto import RUNNING

TESTS = ("tests/unit", "tests/integration", "tests/sim/test_simulation.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try a sample; 1 where fewer are noticed than wanted, 2 where the tests fail by themselves."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # A stop takes the copies and their tests with it.
    program = Program.of_checkout()
    lines = program.lines(given.only, Noted.read())
    chosen = program.sample(lines, given.sample, given.seed) if given.sample else program.every(lines)
    _say(f"seed {given.seed}: {len(chosen)} mutations on {len(lines):,} lines")
    if given.list:
        for mutation in chosen:
            _show(mutation.where, mutation.kind, program.diff(mutation))
        return 0
    with ExitStack() as stack:
        stack.enter_context(one_moto())
        roots = [stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-")) for _ in range(given.at_once)]
        trees = [Tree.copied(Path(root), given.tests or TESTS) for root in roots]
        try:
            coverage = collect(trees, given.tests or TESTS, _say)
        except TestsFailError as error:
            _say(f"{type(error).__doc__}\n{error}")
            return 2
        began = time.monotonic()
        verdicts = []
        for verdict in tried(chosen, trees, coverage, given.seconds):
            verdicts.append(verdict)
            _tell(verdict, program, verbose=given.verbose)
            if len(verdicts) % 10 == 0:
                _say(f"{len(verdicts)} of {len(chosen)} ...")
    return _summed_up(verdicts, given.threshold, time.monotonic() - began)


@contextmanager
def one_moto() -> Iterator[None]:
    """One server for the tests of all mutants: each uses names of its own, and a start takes longer than a test."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # Each call would be a line.
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ[RUNNING] = f"http://{host}:{port}"
    try:
        yield
    finally:
        del os.environ[RUNNING]
        server.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=60, help="how many mutations (default 60); 0 for all")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="what is drawn; left out, by the clock")
    parser.add_argument("--at-once", type=int, default=2, help="how many are tried at a time (default 2)")
    parser.add_argument("--threshold", type=float, default=97.0, help="per cent that must be noticed (default 97)")
    parser.add_argument("--only", nargs="+", default=[], metavar="PLACE", help="a file, a folder, or FILE:LINE")
    parser.add_argument(
        "--tests", nargs="+", default=[], metavar="PATH", help=f"tests to use (default {' '.join(TESTS)})"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests, the nearest, for each (default 60)")
    parser.add_argument("--list", action="store_true", help="show the sample, and try nothing")
    parser.add_argument("--verbose", action="store_true", help="show also what the tests said of each")
    return parser


def _tell(verdict: Verdict, program: Program, *, verbose: bool) -> None:
    mutation = verdict.mutation
    if not verdict.noticed:
        _show(mutation.where, f"{mutation.kind}: {verdict.fate}, {verdict.tests} tests", program.diff(mutation))
    elif verbose:
        _show(mutation.where, f"{mutation.kind}: {verdict.fate}", verdict.said[-1500:])


def _show(where: str, title: str, text: str) -> None:
    _say(f"\n{where}  {title}\n{text}")


def _summed_up(verdicts: Sequence[Verdict], threshold: float, seconds: float) -> int:
    reached = rate(verdicts)
    noticed = sum(item.noticed for item in verdicts)
    _say(f"\n{noticed} of {len(verdicts)} mutants were noticed, {reached:.1f} % ({seconds:.0f} s)")
    missed = sorted(item.mutation.where for item in verdicts if not item.noticed)
    if missed:
        _say(f"Again, these alone: python -m tests.mutants --sample 0 --only {' '.join(missed)}")
    return 0 if reached >= threshold else 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
