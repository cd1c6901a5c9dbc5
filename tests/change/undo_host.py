"""A whole host kept in memory, as far as an undo may touch it, which may stop or be edited by others at any moment.

What it is like can be compared as a whole: bytes, modes, owners and times of files; directories; whether each unit
runs, is enabled, and what it and systemd have read; what commands did. Only `.runbook` is left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import pytest

from runbook_lib.change import engine, rollback
from runbook_lib.change.decisions import Decided
from runbook_lib.change.engine import Engine
from runbook_lib.change.journal import START, Event
from runbook_lib.change.resources import Wanted
from runbook_lib.change.rollback import Rollback
from runbook_lib.change.undo import origins
from runbook_lib.errors import CommandFailed, EditedSince, StalePlan, TransferFailed, VerifyFailed
from runbook_lib.fleet import UnitState
from runbook_lib.values import CommandResult, FileState

HOST = "73"
UNITS = ".config/systemd/user"


class Killed(BaseException):
    """What a SIGKILL is to the code that it hits: nothing after it is run."""


@cache
def above(path: str) -> frozenset[str]:
    return frozenset(str(each) for each in PurePosixPath(path).parents if str(each) not in (".", "/"))


@dataclass(frozen=True)
class Node:
    data: bytes
    mode: int = 0o644
    owner: str = "freqai"
    mtime: int = 1_000


@dataclass
class Running:
    """``reads``: paths that it reads when it starts; ``writes``: with which bytes read, it writes which path.

    ``comes_up``, ``ends``: as what systemd says it to be then.
    """

    reads: tuple[str, ...]
    writes: tuple[bytes, str] | None = None
    active: str = "inactive"
    enabled: bool = False
    read: tuple[bytes | None, ...] = ()
    comes_up: str = "active"
    ends: str = "inactive"


@dataclass
class World:
    """``moment``: called wherever something may happen; in between the host answers one request whole.

    ``deaf``, ``refuses``: how an act begins that has no effect, and one that fails. ``loses``: how one begins in the
    middle of which the connection is lost; what it was to do it does ``late``, when nobody waits for it any more.
    """

    name: str = HOST
    files: dict[str, Node] = field(default_factory=dict)
    directories: set[str] = field(default_factory=lambda: {"", "bot", ".config", ".config/systemd", UNITS})
    units: dict[str, Running] = field(default_factory=dict)
    loaded: dict[str, bytes] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    acts: list[str] = field(default_factory=list)
    deaf: str | None = None
    refuses: str | None = None
    loses: str | None = None
    late: Callable[[], object] | None = None
    clock: int = 5_000
    moment: Callable[[str], None] = lambda _what: None

    def like(self, *, times: bool = True) -> Any:
        """Return all of it that an undo has to bring back; a unit that failed is a unit that does not run."""
        units = {
            name: (unit.active == "active", unit.enabled, unit.read if unit.active == "active" else ())
            for name, unit in self.units.items()
        }
        files = {
            path: node if times else replace(node, mtime=0)
            for path, node in self.files.items()
            if not path.startswith(".runbook")
        }
        kept = {path for path in self.directories if not path.startswith(".runbook")}
        loaded = {name: data for name, data in self.loaded.items() if self.units[name].active == "active"}
        return files, kept, units, loaded, set(self.flags)

    def put(self, path: str, data: bytes, **more: Any) -> None:
        """Have a file there as anybody may leave it; its directories with it."""
        self.directories |= above(path)
        self.files[path] = Node(data, **more)

    def act(self, what: str, effect: Callable[[], object]) -> None:
        self.moment(f"before {what}")
        if self.refuses is not None and what.startswith(self.refuses):
            raise CommandFailed(f"`{what}` ended with status 1: refused", remedy="mend it", host=self.name)
        self.acts.append(what)
        if self.loses is not None and what.startswith(self.loses):
            self.loses, self.late = None, effect
            raise TransferFailed("cut off", remedy="look", host=self.name)
        if self.late is not None and not what.startswith("sweep"):
            self.late = self.late()  # type: ignore[func-returns-value]  # once
        if self.deaf is None or not what.startswith(self.deaf):
            effect()
        for unit in self.units.values():  # what runs goes on writing while it runs
            if unit.active == "active" and unit.writes is not None and unit.writes[0] in unit.read:
                self.put(unit.writes[1], b"by itself")
        self.moment(f"after {what}")

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def state(self, path: str) -> FileState:
        if (node := self.files.get(path)) is None:
            return FileState(path, False)
        return FileState(path, True, hashlib.sha256(node.data).hexdigest(), node.mode, len(node.data))

    def run(self, command: str, *, check: bool = True, **_: Any) -> CommandResult:
        """Know three commands on a flag of the host: ``is``, ``set`` and ``unset``; the last two fail if it is so."""
        verb, flag = command.split()
        if verb == "is":
            return CommandResult(int(flag not in self.flags), b"", b"", 0.0)
        status = int((verb == "set") == (flag in self.flags) or command == self.refuses)
        if command != self.refuses:
            self.act(command, lambda: self.flags.symmetric_difference_update({flag} if not status else ()))
        if check and status:
            raise CommandFailed(f"`{command}` ended with status 1", remedy="", host=self.name)
        return CommandResult(status, b"", b"", 0.0)

    sudo = run

    def reboot(self) -> None:
        """Lose the power, and come back: what is enabled runs, with what is on the disk."""
        self.loaded.clear()
        units = WorldUnits(self, "user")
        for name, unit in self.units.items():
            unit.active = "inactive"
            if unit.enabled and f"{UNITS}/{name}" in self.files:
                units.begin(name)

    @contextmanager
    def at(self, number: int, then: Callable[[], object], *, asked: bool = False) -> Iterator[list[str]]:
        """Have something happen at the moment of this number; ``asked``: not while a request is answered.

        Yield the moments so far: there are fewer than the number when nothing has happened.
        """
        moments: list[str] = []
        acts = ("begin", "copy", "write", "remove", "sweep", "rm", "rmdir")

        def moment(what: str) -> None:
            if not (asked and what.partition(" ")[2].startswith(acts)):
                moments.append(what)
                if len(moments) == number + 1:
                    then()

        self.moment = moment
        try:
            yield moments
        finally:
            self.moment = lambda _what: None

    @contextmanager
    def killed_at(self, number: int) -> Iterator[list[str]]:
        """Kill whatever runs at the moment of this number; yield the moments so far."""

        def kill() -> None:
            raise Killed

        with self.at(number, kill) as moments, suppress(Killed):
            yield moments


class WorldFiles:
    def __init__(self, world: World, *, sudo: bool = False) -> None:
        self._world = world
        self._sudo = sudo

    def _may(self, *paths: str) -> None:
        if not self._sudo and any(path.startswith("/") for path in paths):
            raise CommandFailed("Permission denied", remedy="", host=self._world.name)

    def stat(self, path: str) -> FileState:
        return self.stat_all([path])[path]

    def stat_all(self, paths: Iterable[str]) -> dict[str, FileState]:
        paths = list(paths)
        self._world.moment("before a look")
        self._may(*paths)
        return {path: self._world.state(path) for path in paths}

    def read(self, path: str) -> bytes | None:
        self._may(path)
        return self._world.files[path].data if path in self._world.files else None

    def existing(self, paths: Iterable[str]) -> frozenset[str]:
        return frozenset(path for path in paths if path in self._world.directories or path in self._world.files)

    def missing_above(self, paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
        there = self._world.directories
        return {path: tuple(sorted(each for each in above(path) if each not in there)) for path in paths}

    def make_private(self, path: str) -> None:
        self._world.directories.add(path)

    def write(self, path: str, data: bytes, mode: int) -> FileState:
        self._may(path)
        owner = self._world.files[path].owner if path in self._world.files else "freqai"
        self._place(f"write {path}", path, Node(data, mode, owner, self._world.tick()))
        return self._world.state(path)

    def copy(self, source: str, target: str, *, replace: bool = False) -> FileState:
        self._may(*(path for path in (source, target) if not path.startswith(".runbook")))
        assert replace or self._world.state(target).sha256 in ("", self._world.state(source).sha256)
        self._place(f"copy {source} to {target}", target, self._world.files[source])
        return self._world.state(target)

    def _place(self, what: str, path: str, node: Node) -> None:
        """Write beside, then rename; what lies between the two may be the last that ever happened."""
        beside = self._beside(path)

        def begin() -> None:
            self._world.directories |= above(path)
            self._world.files[beside] = replace(node, data=node.data[:1])

        def end() -> None:
            if self._world.files.pop(beside, None) is not None:  # or it was swept away, and there is nothing to rename
                self._world.files[path] = node

        self._world.act(f"begin to {what}", begin)
        self._world.act(what, end)

    def remove(self, path: str) -> None:
        self._may(path)
        self._world.act(
            f"remove {path}", lambda: [self._world.files.pop(each, None) for each in (path, self._beside(path))]
        )

    def sweep(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._world.act(f"sweep {path}", lambda path=path: self._world.files.pop(self._beside(path), None))

    def remove_directory(self, path: str) -> None:
        inside = [each for each in (*self._world.files, *self._world.directories) if each.startswith(f"{path}/")]
        self._world.act(f"rmdir {path}", lambda: None if inside else self._world.directories.discard(path))

    def remove_tree(self, path: str) -> None:
        def gone() -> None:
            for each in [each for each in self._world.files if f"{each}/".startswith(f"{path}/")]:
                del self._world.files[each]
            self._world.directories = {
                each for each in self._world.directories if not f"{each}/".startswith(f"{path}/")
            }

        self._world.act(f"rm -r {path}", gone)

    @staticmethod
    def _beside(path: str) -> str:
        at = PurePosixPath(path)
        return str(at.with_name(f".{at.name}.runbook-123456"))


class WorldUnits:
    def __init__(self, world: World, scope: str) -> None:
        assert scope == "user"
        self._world = world

    def observe(self, names: Iterable[str]) -> dict[str, UnitState]:
        self._world.moment("before a look")
        return {name: self._state(name) for name in names}

    def _state(self, name: str) -> UnitState:
        unit, file = self._world.units[name], self._world.files.get(f"{UNITS}/{name}")
        load = "loaded" if file or unit.active == "active" else "not-found"
        subs = {"active": "running", "failed": "failed", "activating": "auto-restart"}
        sub = subs.get(unit.active, "dead")
        stale = name in self._world.loaded and self._world.loaded[name] != (file and file.data)
        return UnitState(
            name, load, unit.active, sub, "enabled" if unit.enabled else "disabled", 7, 0, "success", None, stale
        )

    def _file(self, name: str) -> bytes:
        if f"{UNITS}/{name}" not in self._world.files:
            raise CommandFailed(f"Unit file {name} does not exist", remedy="", host=self._world.name)
        return self._world.files[f"{UNITS}/{name}"].data

    def daemon_reload(self) -> None:
        def read() -> None:
            found = {name: self._world.files.get(f"{UNITS}/{name}") for name in self._world.units}
            self._world.loaded = {name: file.data for name, file in found.items() if file is not None}

        self._world.act("daemon-reload", read)

    def enable(self, name: str) -> None:
        self._file(name)
        self._world.act(f"enable {name}", lambda: setattr(self._world.units[name], "enabled", True))

    def disable(self, name: str) -> None:
        self._file(name)
        self._world.act(f"disable {name}", lambda: setattr(self._world.units[name], "enabled", False))

    def start(self, name: str) -> None:
        unit = self._world.units[name]
        if unit.active != "active":
            self._world.act(f"start {name}", lambda: self.begin(name))

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def stop(self, name: str) -> None:
        self._world.act(f"stop {name}", lambda: self._end(self._world.units[name]))

    @staticmethod
    def _end(unit: Running) -> None:
        unit.active = unit.ends

    def reset_failed(self, name: str) -> None:
        self._world.act(f"reset-failed {name}", lambda: setattr(self._world.units[name], "active", "inactive"))

    def log_tail(self, _name: str, _lines: int = 20) -> str:
        return "Sep 01 10:00:00 host bot[7]: out of tune"

    def begin(self, name: str) -> None:
        """Read what it is to run with; a unit that reads BAD fails. Its own file is as systemd read it last."""
        unit = self._world.units[name]
        read = [self._world.files[path].data if path in self._world.files else None for path in unit.reads]
        unit.read = (self._world.loaded.setdefault(name, self._file(name)), *read)
        unit.active = "failed" if b"BAD" in unit.read else unit.comes_up


class WorldTasks:
    """Commands on a flag of the host; one that was given up goes on until it is ended."""

    def __init__(self, world: World, *, sudo: bool = False) -> None:
        assert isinstance(sudo, bool)
        self._world = world

    def do(self, _name: str, command: str, *, check: str, deadline: float | None = None) -> None:
        if self._world.run(check, check=False).status:
            self._world.run(command, deadline=deadline)

    def end(self, names: Iterable[str]) -> None:
        self._world.moment("before a look")
        if list(names) == ["nat"]:
            self._world.late = None


class MemoryJournal:
    """As the journal, in memory, and each write a moment before and after."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: list[Event] = []

    def write(self, what: str, host: str | None = None, **detail: Any) -> Event:
        self._world.moment(f"before {what}")
        detail = json.loads(json.dumps(detail))
        self._events.append(Event(len(self._events) + 1, 0.0, "me@here", "30", what, host, detail, START))
        self._world.moment(f"after {what}")
        return self._events[-1]

    def events(self) -> list[Event]:
        return list(self._events)


@dataclass
class Change:
    """One change on one host: forward, back, and back again."""

    world: World
    journal: MemoryJournal

    def forward(self, wanted: Wanted) -> None:
        made = Engine(self.journal, "user")  # type: ignore[arg-type]  # a journal in memory
        made.apply(self.world, made.plan(self.world, wanted), wanted)  # type: ignore[arg-type]  # a host in memory

    def try_back(self) -> bool:
        """Undo; say whether nothing stood in the way."""
        try:
            self.back()
        except (EditedSince, StalePlan, VerifyFailed):
            return False
        return True

    def put_back(self, since: int) -> bool:
        return self.rollback.put_back(self.world, since, "it failed").changed  # type: ignore[arg-type]  # in memory

    @property
    def rollback(self) -> Rollback:
        return Rollback(self.journal, "user", lambda: self.world.moment("check"))  # type: ignore[arg-type]  # in memory

    def plan(self, **decisions: Any) -> Any:
        origin = origins(self.journal.events())[HOST]
        said = {path: Decided(decision) for path, decision in decisions.items()}
        return self.rollback.plan(self.world, origin, said)  # type: ignore[arg-type]  # a host in memory

    def back(self, **decisions: Any) -> bool:
        """Undo all; say whether anything was changed."""
        if HOST not in origins(self.journal.events()):
            return False  # nothing was ever announced
        return self.rollback.apply(self.world, self.plan(**decisions)).changed  # type: ignore[arg-type]  # in memory


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (engine, rollback):
        monkeypatch.setattr(module, "Files", WorldFiles)
        monkeypatch.setattr(module, "Units", WorldUnits)
        monkeypatch.setattr(module, "Tasks", WorldTasks)
