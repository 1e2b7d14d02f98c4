"""Where a worker's time goes: flame graphs of intake and of completion, as SVG. `make profile`.

The real worker is sampled from outside, by py-spy, which wants the right to look into another process: root, or
`sudo sysctl kernel.yama.ptrace_scope=0`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measures import live
from tests.bench.place import Process, place

_FOLDER = Path("build/profile")
_SAMPLES_A_SECOND = 500
_INTAKES, _LIVES = 1500, 300


def main() -> int:
    """Draw both, and say where they are."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="jobferry-bench-") as folder,
        place(Path(folder)) as here,
        here.worker() as worker,
    ):
        live(here, worker, 20)  # Warmed up: every client open, every definition known.
        here.fake.tell("plot", ends=False)
        here.fake.tell("begin")
        with _sampled(worker, _FOLDER / "intake.svg"):
            here.fake.tell("send", count=_INTAKES)
            here.fake.wait_for(lambda state: state["deleted"] == _INTAKES, 120)
        with _sampled(worker, _FOLDER / "completion.svg"):
            live(here, worker, _LIVES)
    print(*sorted(_FOLDER.glob("*.svg")), sep="\n")
    return 0


@contextmanager
def _sampled(process: Process, into: Path) -> Iterator[None]:
    """Sample a process meanwhile; what waits is left out, so that width is CPU time."""
    spy = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(process.popen.pid)]
    drawn = ["--rate", str(_SAMPLES_A_SECOND), "--format", "flamegraph", "--output", str(into), "--nonblocking"]
    with subprocess.Popen([*spy, *drawn], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sampling:
        try:
            yield
        finally:
            sampling.send_signal(signal.SIGINT)  # It draws then.


if __name__ == "__main__":
    sys.exit(main())
