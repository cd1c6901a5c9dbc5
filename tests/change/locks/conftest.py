"""Embedded hosts in an event loop of their own: the tests are plain functions, as the operator's process is."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from runbook_lib import redaction
from runbook_lib.fleet import Fleet
from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.lab.hosts.processes import marked
from runbook_lib.lab.hosts.settings import MARK
from runbook_lib.params.model import Host, Site, Ssh

T = TypeVar("T")
NAMES = ("71", "72", "73")


class Town:
    """Three hosts, and as many operators' fleets as come to them."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self.hosts = {name: _settings(base / name, name) for name in NAMES}
        write_keys(list(self.hosts.values()), operator_key=base / "operator", known_hosts=base / "known_hosts")
        config = "".join(f"Host {name}\n  Port {host.port}\n" for name, host in self.hosts.items())
        (base / "ssh_config").write_text(config)
        self._running = EmbeddedHosts(list(self.hosts.values()))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._wait(self._running.start())

    def close(self) -> None:
        try:
            self._wait(self._running.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @property
    def site(self) -> Site:
        ssh = Ssh(
            user="freqai",
            known_hosts=self._base / "known_hosts",
            config=self._base / "ssh_config",
            key=self._base / "operator",
            command_seconds=10,
            connect_seconds=5,
        )
        return Site(site="town", hosts={name: Host(address=host.address) for name, host in self.hosts.items()}, ssh=ssh)

    def cut(self, name: str) -> None:
        async def cutting() -> int:
            return self._running.cut_connections(name)

        assert self._wait(cutting())

    def power_off(self, name: str) -> None:
        self._wait(self._running.power_off(name))

    def processes(self, name: str) -> list[int]:
        """Return what runs on a host."""
        return marked(MARK, str(self.hosts[name].root))

    def _wait(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)


def _settings(base: Path, name: str) -> HostSettings:
    address = f"127.0.11.{name}"
    with socket.socket() as probe:
        probe.bind((address, 0))
        port = int(probe.getsockname()[1])
    paths = {"root": base / "root", "host_key": base / "host_key", "authorized_keys": base / "authorized_keys"}
    return HostSettings(name=name, address=address, port=port, user="freqai", **paths)


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(redaction, "_registered", {})
    running = Town(tmp_path)
    yield running
    running.close()


Operator = Callable[[], Fleet]


@pytest.fixture
def operator(town: Town) -> Iterator[Operator]:
    """Make the fleet of one more operator, with connections of its own."""
    fleets: list[Fleet] = []

    def come() -> Fleet:
        fleets.append(Fleet.of(town.site))
        return fleets[-1]

    yield come
    for fleet in fleets:
        fleet.close()
