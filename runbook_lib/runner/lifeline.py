"""A kernel that a run has started dies with its runner: nobody would hear what it does, and nobody could stop it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

from runbook_lib.change.locks import RUN

_PARENT: Final = "JPY_PARENT_PID"  # jupyter_client tells each kernel who started it
_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG


def this_run() -> str | None:
    """Return the run that started this kernel; None in one that a person has opened."""
    return os.environ.get(RUN)


def hold_on_to_runner() -> None:
    """Die with the runner from now on, at once; elsewhere than on Linux ipykernel looks for it every second."""
    parent = int(os.environ.get(_PARENT) or 0)
    if this_run() is None or not parent or sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0) == 0 and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)  # it died before we asked
