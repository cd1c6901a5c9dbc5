"""A phase as a notebook opens it, with its own journal, on hosts that are kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from undo_host import UNITS, Running, World, in_memory

from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.errors import Unreachable
from runbook_lib.fleet.fanout import fan_out
from runbook_lib.params import Site
from runbook_lib.runner import phase as module
from runbook_lib.runner.phase import Phase, open_phase
from runbook_lib.values import FleetResult

__all__ = ["Hosts", "hosts", "in_memory"]

NAMES = "abcd"
SITE = f"""\
site: lab
hosts: {{{", ".join(f"{name}: {{address: 127.0.0.1}}" for name in NAMES)}}}
ssh: {{user: u}}
rollout: {{batch: 2}}
"""
CONFIG, SERVICE, STATE = "bot/config.json", "bot.service", "bot/state"


@dataclass
class MemoryFleet:
    worlds: dict[str, World]

    def on_all(self, task: Callable[[Any], Any], hosts: Iterable[str] | None = None) -> FleetResult[Any]:
        named = set(self.worlds if hosts is None else hosts)
        worlds: Any = self.worlds
        return fan_out(task, [host for host in worlds if host in named], worlds.__getitem__, parallel=1)

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class MemoryLocks:
    """Locks of hosts. ``lost``: those that somebody else may have; ``skipped``: as of those that are real."""

    lost: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)

    def still_held(self, host: str) -> None:
        if host in self.lost:
            raise Unreachable("its lock was lost", remedy="look", host=host)

    def told(self) -> list[str]:
        return self.skipped


@dataclass
class Hosts:
    """Four hosts with a bot each; ``locked``: which were locked, each time that some were; ``locks``: the last ones."""

    fleet: MemoryFleet
    locked: list[tuple[str, ...]]
    locks: MemoryLocks

    def __getitem__(self, host: str) -> World:
        return self.fleet.worlds[host]

    def phase(self, name: str = "40_x", *, dry_run: bool = False) -> Phase[Site]:
        """Open a phase of the one change."""
        opened = open_phase(name, Site, site="params/lab.yaml", change_id="c", dry_run=dry_run)
        fleet: Any = self.fleet
        return replace(opened, fleet=fleet)

    def like(self) -> dict[str, Any]:
        """Return what all hosts are like."""
        return {host: world.like() for host, world in self.fleet.worlds.items()}

    def config(self) -> dict[str, bytes]:
        """Return what stands in each host's config."""
        return {host: world.files[CONFIG].data for host, world in self.fleet.worlds.items()}


def wanted(hosts: Iterable[str] = NAMES, *, path: str = CONFIG, **content: bytes) -> dict[str, Wanted]:
    """Return a new config for each host; ``content``: of some hosts another one."""
    return {
        host: Wanted(host, (File(path, content.get(host, b"NEW")), Unit(SERVICE)), leaves=(STATE,)) for host in hosts
    }


def _world(name: str) -> World:
    """Have a bot there that runs with the config as it is, and that keeps a state when it runs with the new one."""
    world = World(name)
    world.put(CONFIG, b"OLD", mode=0o640, mtime=10)
    world.put(f"{UNITS}/{SERVICE}", b"[Service]", mtime=11)
    world.units[SERVICE] = Running((CONFIG,), (b"NEW", f"{STATE}/db"), "active", True, (b"[Service]", b"OLD"))
    world.loaded[SERVICE] = b"[Service]"
    return world


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: None) -> Hosts:  # noqa: ARG001 - a fixture
    """Four hosts in memory, and a folder for the change."""
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "lab.yaml").write_text(SITE)
    monkeypatch.chdir(tmp_path)
    locked: list[tuple[str, ...]] = []
    locks = MemoryLocks()

    @contextmanager
    def host_locks(_fleet: object, hosts: Iterable[str], _holder: object, **_how: object) -> Iterator[MemoryLocks]:
        locked.append(tuple(hosts))
        yield locks

    monkeypatch.setattr(module, "host_locks", host_locks)
    monkeypatch.setattr(module.scraps, "glue", lambda *_: None)
    return Hosts(MemoryFleet({name: _world(name) for name in NAMES}), locked, locks)
