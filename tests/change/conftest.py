"""A host of which files, units and commands are kept in memory; every act on it is written down and may be its last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from runbook_lib.change import engine, settled
from runbook_lib.errors import CommandFailed
from runbook_lib.fleet import UnitState
from runbook_lib.values import CommandResult, FileState

UNIT = UnitState("", "loaded", "active", "running", "enabled", 7, 0, "success", 1.0, False)


def unit(name: str = "bot.service", **changed: Any) -> UnitState:
    return replace(UNIT, name=name, **changed)


@dataclass
class MemoryUnit:
    """``reads``: files that it reads when it starts; ``runs_with``: what it read; ``makes``: a file that it leaves."""

    reads: tuple[str, ...] = ()
    active: str = "inactive"
    sub: str = "dead"
    enabled: bool = False
    main_pid: int = 0
    restarts: int = 0
    runs_with: tuple[bytes | None, ...] | None = None
    makes: str | None = None


@dataclass
class MemoryHost:
    """``acts``: what was done, in order; ``deadlines``: how long commands might take, seconds.

    ``deaf``: acts that are accepted and have no effect; ``refuses``: that fail.
    ``moment`` is called before and after each act; ``now``: seconds of the clock that waits look at; ``soon``: what
    happens on the host by itself, by the second in which it does. ``secret``: files that only root may read.
    """

    name: str = "75"
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    units: dict[str, MemoryUnit] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    loaded: dict[str, bytes] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    acts: list[tuple[str, ...]] = field(default_factory=list)
    deadlines: list[float | None] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    secret: set[str] = field(default_factory=set)
    moment: Callable[[], None] = lambda: None
    now: float = 0.0
    soon: dict[float, Callable[[], None]] = field(default_factory=dict)

    def act(self, what: str, *on: str, effect: Callable[[], object]) -> None:
        self.moment()
        self.acts.append((what, *on))
        if what in self.refuses:
            raise CommandFailed(f"`{what}` ended with status 1: refused", remedy="mend it", host=self.name)
        if what.removesuffix(" as root") not in self.deaf:
            effect()
        self.moment()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at in sorted(at for at in self.soon if at <= self.now):
            self.soon.pop(at)()

    def unit(self, name: str) -> MemoryUnit:
        return self.units.setdefault(name, MemoryUnit())

    def state(self, path: str) -> FileState:
        if path not in self.files:
            return FileState(path, False)
        data, mode = self.files[path]
        return FileState(path, True, hashlib.sha256(data).hexdigest(), mode, len(data))

    def put(self, path: str, data: bytes, mode: int) -> None:
        self.files[path] = (data, mode)
        self.directories |= {str(above) for above in PurePosixPath(path).parents if above.name}

    def unit_files(self) -> dict[str, bytes]:
        return {path: data for path, (data, _) in self.files.items() if "/systemd/" in path}

    def start(self, name: str) -> None:
        one = self.unit(name)
        one.active, one.sub, one.main_pid = "active", "running", one.main_pid + 1
        one.runs_with = tuple(
            self.loaded.get(path) if "/systemd/" in path else self.files.get(path, (None, 0))[0] for path in one.reads
        )
        if one.makes is not None:
            self.put(one.makes, b"its own", 0o600)

    def stop(self, name: str) -> None:
        one = self.unit(name)
        one.active, one.sub, one.runs_with = "inactive", "dead", None

    def as_it_stands(self) -> object:
        """Everything that an operator could see, but what is kept for an undo and the numbers of processes."""
        files = {path: file for path, file in self.files.items() if not path.startswith(".runbook/")}
        units = {name: (one.active, one.sub, one.enabled, one.runs_with) for name, one in self.units.items()}
        return files, {path for path in self.directories if not path.startswith(".runbook")}, units, self.done

    def run(self, command: str, *, check: bool = True, deadline: float | None = None) -> CommandResult:
        """Understands ``is NAME``, ``do NAME`` and ``undo NAME``, as commands of resources do."""
        verb, _, name = command.partition(" ")
        if verb == "do":
            self.deadlines.append(deadline)
            self.act("do", name, effect=lambda: self.done.add(name))
        elif verb == "undo":
            self.act("undo", name, effect=lambda: self.done.discard(name))
        status = int(verb not in {"is", "do", "undo"} or (verb == "is" and name not in self.done))
        if check and status:
            raise CommandFailed(f"`{command}` ended with status 1: refused", remedy="mend it", host=self.name)
        return CommandResult(status, b"", b"", 0.0)

    def sudo(self, command: str, *, check: bool = True, deadline: float | None = None) -> CommandResult:
        self.acts.append(("sudo",))
        return self.run(command, check=check, deadline=deadline)


class MemoryFiles:
    def __init__(self, host: MemoryHost, *, sudo: bool = False) -> None:
        self._host = host
        self._as = " as root" if sudo else ""

    def stat(self, path: str) -> FileState:
        return self._host.state(path)

    def stat_all(self, paths: Iterable[str]) -> dict[str, FileState]:
        return {path: self._host.state(path) for path in paths if self._may_read(path)}

    def _may_read(self, path: str) -> bool:
        if path in self._host.secret and not self._as:
            raise CommandFailed(f"{path}: Permission denied", host=self._host.name)
        return True

    def read(self, path: str) -> bytes | None:
        assert self._may_read(path)
        return self._host.files[path][0] if path in self._host.files else None

    def missing_above(self, paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
        return {path: tuple(above for above in _above(path) if above not in self._host.directories) for path in paths}

    def existing(self, paths: Iterable[str]) -> frozenset[str]:
        return frozenset(path for path in paths if path in self._host.files or path in self._host.directories)

    def write(self, path: str, data: bytes, mode: int) -> FileState:
        self._host.act(f"write{self._as}", path, effect=lambda: self._host.put(path, data, mode))
        return self._host.state(path)

    def copy(self, source: str, target: str, *, replace: bool = False) -> FileState:
        assert replace or target not in self._host.files
        effect = lambda: self._host.put(target, *self._host.files[source])  # noqa: E731 - reads best where it is used
        self._host.act(f"copy{self._as}", source, target, effect=effect)
        return self._host.state(source)

    def remove(self, path: str) -> None:
        self._host.act(f"remove{self._as}", path, effect=lambda: self._host.files.pop(path, None))

    def sweep(self, paths: Iterable[str]) -> None:
        """Nothing is ever left beside a file here."""

    def make_private(self, path: str) -> None:
        made = {str(above) for above in PurePosixPath(path).parents if above.name} | {path}
        self._host.act("make private", path, effect=lambda: self._host.directories.update(made))

    def remove_directory(self, path: str) -> None:
        if not any(other.startswith(f"{path}/") for other in {*self._host.files, *self._host.directories}):
            self._host.act(f"rmdir{self._as}", path, effect=lambda: self._host.directories.discard(path))

    def remove_tree(self, path: str) -> None:
        def gone() -> None:
            inside = {
                other for other in (*self._host.files, *self._host.directories) if f"{other}/".startswith(f"{path}/")
            }
            for each in inside:
                self._host.files.pop(each, None)
            self._host.directories -= inside

        self._host.act(f"remove tree{self._as}", path, effect=gone)


def _above(path: str) -> list[str]:
    return [str(above) for above in reversed(PurePosixPath(path).parents) if above.name]


class MemoryUnits:
    def __init__(self, host: MemoryHost, scope: str) -> None:
        assert scope in {"user", "system"}
        self._host = host

    def observe(self, names: Iterable[str]) -> dict[str, UnitState]:
        stale = self._host.loaded != self._host.unit_files()
        return {
            name: unit(
                name, active=one.active, sub=one.sub, enablement="enabled" if one.enabled else "disabled",
                main_pid=one.main_pid, restarts=one.restarts, needs_reload=stale,
            )
            for name in names
            for one in [self._host.unit(name)]
        }  # fmt: skip

    def daemon_reload(self) -> None:
        def read() -> None:
            self._host.loaded = self._host.unit_files()

        self._host.act("reload", effect=read)

    def enable(self, name: str) -> None:
        self._host.act("enable", name, effect=lambda: setattr(self._host.unit(name), "enabled", True))

    def disable(self, name: str) -> None:
        self._host.act("disable", name, effect=lambda: setattr(self._host.unit(name), "enabled", False))

    def start(self, name: str) -> None:
        self._host.act("start", name, effect=lambda: self._host.start(name))

    def stop(self, name: str) -> None:
        self._host.act("stop", name, effect=lambda: self._host.stop(name))

    def restart(self, name: str) -> None:
        self._host.act("restart", name, effect=lambda: self._host.start(name))

    def reset_failed(self, name: str) -> None:
        def forget() -> None:
            one = self._host.unit(name)
            one.restarts = 0
            one.active = "inactive" if one.active == "failed" else one.active

        self._host.act("reset failed", name, effect=forget)

    def log_tail(self, name: str, lines: int = 20) -> str:
        assert lines
        return self._host.logs.get(name, "")


class MemoryTasks:
    def __init__(self, host: MemoryHost, *, sudo: bool = False) -> None:
        self._run = host.sudo if sudo else host.run

    def do(self, _name: str, command: str, *, check: str, deadline: float | None = None) -> None:  # noqa: ARG002 - as the real one takes it
        self._run(command, deadline=deadline)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> MemoryHost:
    """One host; the engine's files, units and clock are those kept in memory."""
    made = MemoryHost()
    monkeypatch.setattr(engine, "Files", MemoryFiles)
    monkeypatch.setattr(engine, "Units", MemoryUnits)
    monkeypatch.setattr(engine, "Tasks", MemoryTasks)
    monkeypatch.setattr(settled, "monotonic", lambda: made.now)
    monkeypatch.setattr(settled, "sleep", made.sleep)
    return made
