"""Become another program that ends when its parent does, even if that is killed: `python -m monitor.simulate.tether PARENT COMMAND ...`.

The promise holds on Linux; elsewhere the program simply runs.
"""

import ctypes
import os
import signal
import sys

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>; it survives exec


def tethered(command: list[str]) -> list[str]:
    """Return the command line that runs a command, tethered to the thread that starts it."""
    return [sys.executable, "-m", "monitor.simulate.tether", str(os.getpid()), *command]


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the signal was set
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
