"""Processes by the environment they were born with: the lab's stand-in for a control group.

A variable survives fork, exec, setsid and double forking, so a daemon that left its process group is found, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

POLL_SECONDS = 0.02
SETTLED, EXEC_SECONDS = 12, 0.0005


def marked(variable: str, value: str) -> list[int]:
    """Return the ids of all living processes whose environment holds ``variable=value``; never this one."""
    entry = f"{variable}={value}".encode()
    names = os.listdir("/proc")  # noqa: PTH208  Path objects would triple the time of a scan
    pids = [int(name) for name in names if name.isdigit() and int(name) != os.getpid()]
    return [pid for pid in pids if entry in _environment(pid).split(b"\0")]


def _environment(pid: int) -> bytes:
    """Return a process's environment. Amid an exec there is a program without arguments and environment: wait then."""
    process = Path(f"/proc/{pid}")
    settled = 0
    while settled < SETTLED:
        try:
            if found := (process / "environ").read_bytes():
                return found
            (process / "exe").readlink()
            settled += bool((process / "cmdline").read_bytes())  # seldom: it has arguments, and truly no environment
        except OSError:  # ended, another user's, or one of the kernel's own
            return b""
        time.sleep(EXEC_SECONDS)
    return b""


def send(pids: list[int], number: int) -> None:
    """Signal processes; those that ended meanwhile are no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def send_group(leader: int, number: int) -> None:
    """Signal the process group that ``leader`` founded, if any of it is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


async def end_all(variable: str, value: str) -> None:
    """Kill all marked processes, and come back when none is left."""
    while pids := marked(variable, value):
        send(pids, signal.SIGKILL)
        await asyncio.sleep(POLL_SECONDS)
