"""What a sweep does over and over: run a change until something is killed, go on or go back, look where that led."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forks import FAULTS, Interpreters
from town import RUNBOOK, Town

from runbook_lib.change.journal import Event, read

SECONDS = 120.0  # for one command; on a machine with nothing else to do it takes two
CHANGE = "swept"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is killed, and when: before or after the journal's event of this number."""

    kind: str
    moment: str
    number: int

    def __str__(self) -> str:
        return f"{self.number:02d}-{self.moment}-{self.kind}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. ``said``: all that it wrote; ``written``: who wrote which event, as the trace tells."""

    status: int
    said: str
    written: tuple[str, ...]

    @property
    def struck(self) -> list[str]:
        """The kinds of faults that came."""
        return [line.removeprefix("struck ") for line in self.written if line.startswith("struck ")]


class Ground:
    """A town and a change of it. Commands run in ready interpreters, or in fresh ones where there are none."""

    def __init__(self, town: Town, interpreters: Interpreters | None) -> None:
        self.town = town
        self._interpreters = interpreters
        self._cut = town.directory / "cut"
        town.listen_for_cuts(self._cut)

    def with_fresh_interpreters(self) -> Ground:
        """Return the same ground, on which every command starts an interpreter of its own, as in a shell."""
        other = copy.copy(self)
        other._interpreters = None
        return other

    @property
    def folder(self) -> Path:
        """Of the change."""
        return self.town.directory / "outputs" / CHANGE

    def events(self) -> list[Event]:
        """Read the journal; raise if its chain is broken."""
        return list(read(self.folder / "journal.jsonl"))

    def run(self, *more: str, faults: Sequence[Fault] = ()) -> Ended:
        """Carry the change out."""
        return self.command("run", *more, faults=faults)

    def resume(self) -> Ended:
        """Go on with it."""
        return self.command("run", "--resume", "--approve", "before_rest")

    def rollback(self, *, faults: Sequence[Fault] = ()) -> Ended:
        """Undo it."""
        return self.command("rollback", "--approve", "before_rollback", faults=faults)

    def command(self, verb: str, *more: str, faults: Sequence[Fault] = ()) -> Ended:
        """Carry out one command of `runbook`."""
        argv = [verb, "--runbook", str(RUNBOOK), "--site", "town.yaml", "--change", CHANGE, *more]
        said, trace = self.town.directory / "said", self.town.directory / "trace"
        for old in (said, trace):
            old.unlink(missing_ok=True)
        env = {**os.environ, "PYTHONPATH": str(FAULTS), "SWEEP_TRACE": str(trace), "SWEEP_CUT": str(self._cut)}
        env["SWEEP_FAULT"] = ";".join(f"{fault.kind} {fault.moment} {fault.number}" for fault in faults)
        status = self._carry_out(argv, env, said)
        written = trace.read_text(encoding="utf-8").splitlines() if trace.exists() else []
        return Ended(status, said.read_text(encoding="utf-8", errors="replace"), tuple(written))

    def _carry_out(self, argv: Sequence[str], env: Mapping[str, str], said: Path) -> int:
        if self._interpreters is not None:
            return self._interpreters.run(argv, cwd=self.town.directory, env=env, said=said, seconds=SECONDS)
        with said.open("ab") as output:
            command = [sys.executable, "-m", "runbook_lib", *argv]
            return subprocess.run(
                command, cwd=self.town.directory, env=env, stdout=output, stderr=output, check=False, timeout=SECONDS
            ).returncode

    def keep(self, name: str) -> None:
        """Keep hosts and change as they are now, to `return_to`."""
        self.town.keep(name)
        shutil.copytree(self.folder, self.town.directory / f"{name}-change", symlinks=True)

    def return_to(self, name: str) -> None:
        """Put hosts and change back as they were kept; the hosts are booted for it."""
        self.town.reset(name)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.town.directory / f"{name}-change", self.folder, symlinks=True)
