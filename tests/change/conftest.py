"""A host of which only files and one unit are kept in memory; every act on it is written down."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from runbook_lib.change import engine
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState


@dataclass
class MemoryHost:
    """``acts``: what was done, in order. ``deaf``: acts that are accepted and have no effect."""

    name: str = "75"
    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    active: str = "inactive"
    enabled: bool = False
    acts: list[tuple[str, ...]] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)

    def state(self, path: str) -> FileState:
        if path not in self.files:
            return FileState(path, False)
        data, mode = self.files[path]
        return FileState(path, True, hashlib.sha256(data).hexdigest(), mode, len(data))


class MemoryFiles:
    def __init__(self, host: MemoryHost, *, sudo: bool = False) -> None:
        self._host = host
        self._write = "write as root" if sudo else "write"

    def stat(self, path: str) -> FileState:
        return self._host.state(path)

    def stat_all(self, paths: list[str]) -> dict[str, FileState]:
        return {path: self._host.state(path) for path in paths}

    def read(self, path: str) -> bytes | None:
        return self._host.files[path][0] if path in self._host.files else None

    def write(self, path: str, data: bytes, mode: int) -> None:
        self._host.acts.append((self._write, path))
        if "write" not in self._host.deaf:
            self._host.files[path] = (data, mode)

    def copy(self, source: str, target: str) -> None:
        self._host.acts.append(("copy", source, target))
        self._host.files[target] = self._host.files[source]


class MemoryUnits:
    def __init__(self, host: MemoryHost, scope: str) -> None:
        assert scope in {"user", "system"}
        self._host = host

    def observe(self, names: list[str]) -> dict[str, UnitState]:
        return {name: unit(name, active=self._host.active, enabled=self._host.enabled) for name in names}

    def daemon_reload(self) -> None:
        self._host.acts.append(("reload",))

    def enable(self, name: str) -> None:
        self._host.acts.append(("enable", name))
        self._host.enabled = "enable" not in self._host.deaf

    def start(self, name: str) -> None:
        self._host.acts.append(("start", name))
        if "start" not in self._host.deaf:
            self._host.active = "active"

    def restart(self, name: str) -> None:
        self._host.acts.append(("restart", name))


UNIT = UnitState("", "loaded", "active", "running", True, 7, 0, "success", 1.0, False)


def unit(name: str = "bot.service", **changed: Any) -> UnitState:
    return replace(UNIT, name=name, **changed)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> MemoryHost:
    """One host; the engine's files and units are those kept in memory."""
    monkeypatch.setattr(engine, "Files", MemoryFiles)
    monkeypatch.setattr(engine, "Units", MemoryUnits)
    return MemoryHost()
