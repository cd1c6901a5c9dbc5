"""Start one process of a service: its environment, directory and outputs as its unit says, in a session of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL, Process
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from runbook_lib.lab.hosts import syntax
from runbook_lib.lab.hosts.settings import HostSettings
from runbook_lib.lab.hosts.units import Command, ServiceUnit

INVOCATION = "INVOCATION_ID"


class SpawnError(Exception):
    """A process that could not be started. ``status``: the exit code that systemd gives to such a failure, if any."""

    def __init__(self, what: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(what)


def environment(host: HostSettings, unit: ServiceUnit) -> dict[str, str]:
    """Return what a service finds in its environment; environment files are read now, at every start."""
    found = host.environment() | dict(unit.environment)
    for name, may_be_missing in unit.environment_files:
        try:
            found |= syntax.environment_file(Path(name).read_text(encoding="utf-8"))
        except OSError as error:
            if not may_be_missing:
                raise SpawnError(f"Failed to load environment files: {error.strerror}: {name}") from error
    return found


async def spawn(host: HostSettings, unit: ServiceUnit, command: Command, extra: dict[str, str]) -> Process:
    """Start ``command`` with the service's environment and ``extra``."""
    found = environment(host, unit) | extra
    words = syntax.substitute(command.words, found) if command.expand else list(command.words)
    directory = _directory(host, unit)
    program = shutil.which(words[0], path=found["PATH"])
    if program is None:
        raise SpawnError(f"Failed at step EXEC spawning {words[0]}: No such file or directory", 203)
    with ExitStack() as stack:
        journal = stack.enter_context(journal_file(host, unit.name))
        stdout = _output(unit.stdout, journal, journal, stack)
        stderr = _output(unit.stderr, journal, stdout, stack)
        try:
            return await asyncio.create_subprocess_exec(
                program,
                *words[1:],
                stdin=DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=directory,
                env=found,
                umask=unit.umask,
                start_new_session=True,
            )
        except OSError as error:
            raise SpawnError(f"Failed at step EXEC spawning {program}: {error.strerror}", 203) from error


def _directory(host: HostSettings, unit: ServiceUnit) -> Path:
    directory = Path(unit.working_directory or host.home)
    if directory.is_dir():
        return directory
    if unit.working_directory_optional:
        return host.home
    raise SpawnError(f"Changing to the requested working directory failed: {directory}", 200)


def journal_file(host: HostSettings, name: str) -> IO[bytes]:
    """Open the journal of one unit for appending; services write to it themselves."""
    return host.journal_of(name).open("ab", buffering=0)


def _output(kind: str, journal: IO[bytes], inherited: IO[bytes] | int, stack: ExitStack) -> IO[bytes] | int:
    if kind == "inherit":
        return inherited
    if kind == "null":
        return DEVNULL
    if kind == "journal":
        return journal
    how, _, path = kind.partition(":")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if how == "append" else os.O_TRUNC), 0o666)
    except OSError as error:
        raise SpawnError(f"Failed to set up standard output: {error.strerror}: {path}", 209) from error
    return stack.enter_context(os.fdopen(handle, "wb", buffering=0))
