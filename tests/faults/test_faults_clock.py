"""A clock is set an hour forth and back in the middle of it all: the operator's, and a host's."""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clock_jump import COMPILER, Jump
from faulty_lab import Lab, Tripwire
from town import NEW, RUNBOOK, Town

from runbook_lib.change.journal import Event, read
from runbook_lib.change.locks import Holder, host_lock
from runbook_lib.errors import Locked
from runbook_lib.fleet import Session

pytestmark = [pytest.mark.hosts, pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")]

HOUR = 3600
CHANGE = "jumped"


@pytest.fixture
def jump(tmp_path: Path) -> Jump:
    return Jump(tmp_path / "clock")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    standing = Town(tmp_path / "town", ("127.0.9.101", "127.0.9.102"))
    yield standing
    standing.close()


def events(town: Town) -> list[Event]:
    path = town.directory / "outputs" / CHANGE / "journal.jsonl"
    return list(read(path)) if path.exists() else []


def runbook(town: Town, jump: Jump, verb: str, *more: str) -> tuple[int, float]:
    """Carry out one command; the clock goes forth after the next two steps, and far back after two more."""
    began, before = time.monotonic(), len(events(town))

    def steps() -> int:
        return sum(event.what in {"done", "undone"} for event in events(town)[before:])

    argv = [verb, "--runbook", str(RUNBOOK), "--site", "town.yaml", "--change", CHANGE, *more]
    with (
        Tripwire(lambda: steps() >= 2, lambda: jump.by(HOUR)) as forth,
        Tripwire(lambda: steps() >= 4, lambda: jump.by(-HOUR)) as back,
    ):
        done = subprocess.run(
            [sys.executable, "-m", "runbook_lib", *argv],
            cwd=town.directory,
            env={**os.environ, **jump.environment},
            capture_output=True,
            check=False,
            timeout=240,
        )
    assert forth.tripped
    assert back.tripped
    jump.by(0)
    moments = [event.at for event in events(town)[before:]]
    steps_between = [after - earlier for earlier, after in itertools.pairwise(moments)]
    assert max(steps_between) > HOUR - 60, "it has not jumped forth"
    assert min(steps_between) < -2 * HOUR + 60, "it has not jumped back"
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.returncode, time.monotonic() - began


def test_the_operators_clock(town: Town, jump: Jump) -> None:
    before = town.state()
    runbook(town, jump, "run", "--approve", "before_rest")
    assert {word for state in town.state().values() for word in state.said.values()} == {NEW, ""}
    assert all(units[:2] == ("active", "running") for state in town.state().values() for units in state.units.values())

    runbook(town, jump, "rollback", "--approve", "before_rollback")
    assert town.state() == before


def test_a_hosts_clock(lab: Lab, session: Session, jump: Jump) -> None:
    """The host's own lock is held by a program there that counts how long it has heard nothing."""
    tool = lab.settings["73"].bin / "python3"
    changed = shlex.join(["env", *(f"{key}={value}" for key, value in jump.environment.items())])
    tool.write_text(f'#!/bin/sh\nexec {changed} /usr/bin/python3 "$@"\n')
    tool.chmod(0o755)
    first, second = (Holder.here("2025-11-23-clock", "runbook run", run=run) for run in ("first", "second"))
    with host_lock(session, first, quiet_seconds=1.0) as lock:
        for seconds in (HOUR, -HOUR, 0):
            jump.by(seconds)
            off = session.python("import time\ndef main(here): return time.time() - here", time.time())
            assert abs(off - seconds) < 30
            time.sleep(1.2)
            lock.still_held()
            with pytest.raises(Locked, match="2025-11-23-clock"), host_lock(session, second):
                pass
    with host_lock(session, second):
        pass
