"""Waits for the lab's own death, however it dies, and ends every process of its hosts. Run as a program.

PR_SET_PDEATHSIG alone would not do: it reaches children, not theirs, and fires when the thread that forked ends.
Kept to the standard library so that it starts in milliseconds and stays small.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

MARK = b"LAB_HOST_ROOT="


def _belonging(roots: set[bytes]) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208  pathlib would double the start-up time
        try:
            with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123  as above
                entries = file.read().split(b"\0")
        except OSError:
            continue
        if any(entry.startswith(MARK) and entry[len(MARK) :] in roots for entry in entries):
            found.append(int(name))
    return found


def main(lab: int, roots: set[bytes]) -> None:
    """Sleep until process ``lab`` has ended, then kill until nothing is left."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        handle = os.pidfd_open(lab)
    except ProcessLookupError:
        handle = -1
    if handle >= 0 and os.getppid() == lab:
        select.select([handle], [], [])
    quiet = 0
    while quiet < 2:  # once is not enough: a process amid an exec has no environment for a moment
        pids = _belonging(roots)
        quiet = 0 if pids else quiet + 1
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    main(int(sys.argv[1]), {os.fsencode(root) for root in sys.argv[2:]})
