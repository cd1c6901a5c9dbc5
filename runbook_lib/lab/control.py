"""Start, ask and end a lab from another process.

The lab is one process in a group of its own. ``lab.json`` in its directory says which (process id and start time, so
that a number that the system has given to somebody else since is never taken for it).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from runbook_lib.errors import LabError
from runbook_lib.lab.settings import LabSettings
from runbook_lib.values import Progress

Reporter = Callable[[Progress], None]

START_SECONDS = 60.0
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class LabStatus:
    """Whether a lab runs in a directory. ``pid``: its process, 0 if none; ``answers``: its exchange's admin port."""

    directory: Path
    pid: int
    answers: bool

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.pid > 0


def status(directory: Path) -> LabStatus:
    """Say whether a lab runs in ``directory``."""
    try:
        state = json.loads((directory / "lab.json").read_text())
        pid, started, admin = int(state["pid"]), float(state["started"]), str(state["admin_url"])
    except (OSError, ValueError, KeyError):
        return LabStatus(directory, 0, answers=False)
    if started_at(pid) != started:
        return LabStatus(directory, 0, answers=False)
    try:
        answers = httpx.get(f"{admin}/health", timeout=2.0, trust_env=False).is_success
    except httpx.HTTPError:
        answers = False
    return LabStatus(directory, pid, answers)


def up(settings: LabSettings, *, report: Reporter, with_parent: bool) -> LabStatus:
    """Start a lab and return when its hosts and its exchange answer.

    ``with_parent``: the lab ends when this process does, however it ends. Raises LabError when one runs already or
    when it does not come up; its log then says why.
    """
    directory = settings.directory
    if status(directory).running:
        raise LabError(f"a lab runs already in {directory}", remedy="end it with `runbook lab down`")
    if not (settings.freqtrade / "bin" / "python").exists():
        raise LabError(
            f"no freqtrade environment at {settings.freqtrade}", remedy="`make rehearse` and `make lab` set it up"
        )
    if directory.exists():
        _remove(directory)
    directory.mkdir(parents=True, mode=0o700)
    written = directory / "settings.json"
    written.write_text(settings.model_dump_json(indent=2))
    log = directory / "lab.log"
    command = [sys.executable, "-m", "runbook_lib.lab", str(written)]
    if with_parent:
        command.append("--with-parent")
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        return _answering(process, directory, log, report)
    except BaseException:  # Ctrl-C, too: what does not come up is not left behind
        _end(process.pid)
        raise


def _answering(process: subprocess.Popen[bytes], directory: Path, log: Path, report: Reporter) -> LabStatus:
    """Wait until a lab that was just started answers."""
    deadline = time.monotonic() + START_SECONDS
    until = time.time() + START_SECONDS
    while time.monotonic() < deadline:
        report(Progress("the lab's hosts and exchange to answer", until))
        if process.poll() is not None:
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise LabError(f"the lab ended at once: {last[0]}", remedy=f"read {log}")
        now = status(directory)
        if now.answers:
            return now
        time.sleep(0.1)
    raise LabError(f"the lab did not answer within {START_SECONDS:.0f} s", remedy=f"read {log}")


def down(directory: Path, *, keep: bool = False) -> bool:
    """End the lab in ``directory`` and all that it started; say whether there was one. ``keep``: leave its files."""
    now = status(directory)
    if now.running:
        _end(now.pid)
    if not keep and (directory / "settings.json").exists():
        _remove(directory)
    return now.running


def _end(pid: int) -> None:
    """Ask the lab to end, and wait: it stops its bots first. Only a lab that does not answer is killed."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait(STOP_SECONDS)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        process.kill()


def _remove(directory: Path) -> None:
    """Delete a lab's files, and only those: a directory without a lab's settings is never touched."""
    if any(directory.iterdir()) and not (directory / "settings.json").exists():
        raise LabError(f"{directory} holds something that is no lab", remedy="name another directory under lab:")
    shutil.rmtree(directory)


def started_at(pid: int) -> float | None:
    """Return when a process started (unix seconds), None if it does not live: a number alone may be anybody's."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
