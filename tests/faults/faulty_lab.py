"""Embedded hosts in an event loop of their own, the operator's fleet that reaches them, and what may befall them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from runbook_lib.fleet import Fleet, Session
from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.params.model import Host, SecretRef, Site, Ssh

T = TypeVar("T")
USER = "freqai"


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def host_settings(base: Path, name: str, **more: Any) -> HostSettings:
    address = f"127.0.9.{int(name)}"
    return HostSettings(
        name=name,
        address=address,
        port=free_port(address),
        user=USER,
        root=base / name / "root",
        host_key=base / name / "host_key",
        authorized_keys=base / name / "authorized_keys",
        **more,
    )


def keys_for(base: Path, *hosts: HostSettings) -> None:
    write_keys(hosts, operator_key=base / "operator", known_hosts=base / "known_hosts")


def site_of(base: Path, *hosts: HostSettings, sudo_password: SecretRef | None = None) -> Site:
    config = base / "ssh_config"
    config.write_text("".join(f"Host {host.name}\n  Port {host.port}\n" for host in hosts))
    return Site(
        site="faulty",
        hosts={host.name: Host(address=host.address) for host in hosts},
        ssh=Ssh(
            user=USER,
            known_hosts=base / "known_hosts",
            config=config,
            key=base / "operator",
            sudo_password=sudo_password,
            command_seconds=20,
            connect_seconds=5,
        ),
    )


def write_site(base: Path, site: Site) -> Path:
    """Write the site file of a project of its own, and return where it lies."""
    (base / "outputs").mkdir(exist_ok=True)
    path = base / "faulty.yaml"
    path.write_text(site.model_dump_json(indent=2))  # JSON is YAML, too
    return path


class Lab:
    """Hosts that run, and a fleet to reach them with. Plain calls: the hosts' loop runs in a thread of its own."""

    def __init__(self, base: Path, *hosts: HostSettings, sudo_password: SecretRef | None = None) -> None:
        keys_for(base, *hosts)
        self.settings = {host.name: host for host in hosts}
        self.site = site_of(base, *hosts, sudo_password=sudo_password)
        self.fleet = Fleet.of(self.site)
        self._hosts = EmbeddedHosts(hosts)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait(self._hosts.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.fleet.close()
        try:
            self.wait(self._hosts.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __getitem__(self, name: str) -> Session:
        return self.fleet[name]

    def home(self, name: str) -> Path:
        return self.settings[name].home

    def power_off(self, name: str) -> None:
        self.wait(self._hosts.power_off(name))

    def power_on(self, name: str) -> None:
        self.wait(self._hosts.power_on(name))

    def cut(self, name: str) -> int:
        async def cutting() -> int:
            return self._hosts.cut_connections(name)

        return self.wait(cutting())

    def wait(self, what: Coroutine[Any, Any, T]) -> T:
        """Run something in the hosts' loop, until it is done."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)


class Tripwire(threading.Thread):
    """Does something once, the moment that ``condition`` becomes true; ``tripped`` tells whether it ever did."""

    def __init__(self, condition: Callable[[], object], then: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._condition = condition
        self._then = then
        self._over = threading.Event()
        self.tripped = False

    def run(self) -> None:
        while not self._over.wait(0.001):
            if self._condition():
                self.tripped = True
                self._then()
                return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(30)


def stand_still_at(programs: Path, step: str) -> tuple[Path, Path]:
    """Make the host stop before a step; return the file that tells that it got there, and the one that lets it go on.

    ``programs``: the host's own. A step is a program, or, as "sync again", its second call.
    """
    program, _, again = step.partition(" ")
    tool = programs / program
    reached, go_on, first = (tool.with_name(f"{program}.{what}") for what in ("reached", "go-on", "first"))
    pass_by = f'[ -e "{first}" ] || {{ : > "{first}"; exec /usr/bin/{program} "$@"; }}\n' if again else ""
    tool.write_text(
        f'#!/bin/sh\n{pass_by}: > "{reached}"\nwhile [ ! -e "{go_on}" ]; do /usr/bin/sleep 0.01; done\n'
        f'exec /usr/bin/{program} "$@"\n'
    )
    tool.chmod(0o755)
    return reached, go_on


def look(home: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return mode, time of writing (ns) and content of every file of a login, but what this library keeps there."""
    files = (path for path in home.rglob("*") if path.is_file() and path.relative_to(home).parts[0] != ".runbook")
    return {
        str(path.relative_to(home)): (path.stat().st_mode & 0o7777, path.stat().st_mtime_ns, path.read_bytes())
        for path in files
    }


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder``, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
