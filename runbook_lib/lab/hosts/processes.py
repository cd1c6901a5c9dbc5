"""Processes by the environment they were born with: the lab's stand-in for a control group.

A variable survives fork, exec, setsid and double forking, so a daemon that left its process group is found, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

POLL_SECONDS = 0.02


def marked(variable: str, value: str) -> list[int]:
    """Return the ids of all living processes whose environment holds ``variable=value``; never this one."""
    entry = f"{variable}={value}".encode()
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208  Path objects would triple the time of a scan
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if entry in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found.append(int(name))
    return found


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
