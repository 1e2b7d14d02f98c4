"""Run a module that ends when its parent does: `python -m deploy.local.emulator.tethered workers`.

Standard input is a pipe from the parent; the kernel closes it however the parent dies. The module is then killed: the
AWS that it worked on has gone with the parent, so there is nothing left to drain.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def main() -> None:
    """Watch standard input from a thread, and run the module in this process."""
    threading.Thread(target=_await_end_of_input, daemon=True, name="tether").start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _await_end_of_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
