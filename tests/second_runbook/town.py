"""Two hosts on which a greeter runs, before anything is changed: started, looked at to the byte, put back."""

from __future__ import annotations

import asyncio
import http.client
import os
import shutil
import socket
import stat
import string
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.lab.hosts.processes import marked
from runbook_lib.lab.hosts.settings import MARK
from runbook_lib.lab.hosts.show import properties

T = TypeVar("T")

HERE = Path(__file__).parent
RUNBOOK = HERE / "greeter"
OLD, NEW = "Ahoy", "Good evening"
LONG_AGO = 981_173_106_123_456_789  # nanoseconds: no copy that loses a digit goes unseen
OURS = ".runbook"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name on a host. ``content``: bytes of a file, target of a link; ``modified``: nanoseconds, of files alone."""

    kind: str
    mode: int
    content: bytes = field(repr=False)
    modified: int = 0


@dataclass(frozen=True)
class HostState:
    """A host to the byte. ``units``: name -> active, sub, enabled; ``said``: port -> what is answered there."""

    entries: Mapping[str, Entry]
    units: Mapping[str, tuple[str, ...]]
    said: Mapping[int, str]

    def without_times(self) -> HostState:
        """Leave out when files were written: two runs never agree on that."""
        entries = {path: Entry(each.kind, each.mode, each.content) for path, each in self.entries.items()}
        return HostState(entries, self.units, self.said)


class Town:
    """The two hosts, in a thread of their own, and a project that a runbook for them can be run in."""

    def __init__(self, directory: Path, addresses: tuple[str, str]) -> None:
        self.directory = directory
        (directory / "outputs").mkdir(parents=True)
        self.port = free_port(addresses, 2)
        ssh_port = free_port(addresses, 1)
        self.hosts = {
            name: HostSettings(
                name=name,
                address=address,
                port=ssh_port,
                user="crier",
                root=directory / "hosts" / name / "root",
                host_key=directory / "hosts" / name / "host_key",
                authorized_keys=directory / "hosts" / name / "authorized_keys",
            )
            for name, address in zip(("first", "second"), addresses, strict=True)
        }
        write_keys(self.hosts.values(), operator_key=directory / "operator", known_hosts=directory / "known_hosts")
        for host in self.hosts.values():
            self._settle(host)
        self.site = directory / "town.yaml"
        self.write_site(NEW)
        self._embedded = EmbeddedHosts(list(self.hosts.values()))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener: asyncio.Server | None = None
        self._call(self._embedded.start())
        self.keep("original")

    def write_site(self, greeting: str) -> None:
        """Write the site file."""
        template = string.Template((HERE / "town.yaml.template").read_text(encoding="utf-8"))
        first, second = (host.address for host in self.hosts.values())
        ssh_port = self.hosts["first"].port
        text = template.substitute(first=first, second=second, ssh_port=ssh_port, port=self.port, greeting=greeting)
        self.site.write_text(text, encoding="utf-8")

    def _settle(self, host: HostSettings) -> None:
        """Furnish a host with a greeter that somebody has cared for by hand for years."""
        host.furnish()
        greeter = host.home / "greeter"
        greeter.mkdir(mode=0o750)
        shutil.copyfile(HERE / "service" / "greet", greeter / "greet")
        config = greeter / "greeter.conf"
        config.write_bytes(
            f"# caf\xe9 am Kai\r\naddress = {host.address}\r\nport={self.port}\r\n\r\n  greeting =  {OLD}".encode(
                "latin-1"
            )
        )
        config.chmod(0o604)
        os.utime(config, ns=(LONG_AGO, LONG_AGO))
        (greeter / "nobody-asks-for-this").symlink_to("../nowhere")
        shutil.copyfile(HERE / "service" / "greeter.service", host.units / "greeter.service")
        wants = host.units / "default.target.wants"
        wants.mkdir()
        (wants / "greeter.service").symlink_to(host.units / "greeter.service")

    def state(self) -> dict[str, HostState]:
        """Look at all hosts: every file outside of our own place and the logs, every unit, every answer."""
        return {name: self._call(self._state(name)) for name in self.hosts}

    async def _state(self, name: str) -> HostState:
        host = self.hosts[name]
        supervisor = self._embedded._host(name)._supervisor
        names = sorted(path.name for path in host.units.glob("*.service"))
        shown = {unit: properties(supervisor, unit) for unit in names}
        units = {
            unit: (told["ActiveState"], told["SubState"], told["UnitFileState"], told["NeedDaemonReload"])
            for unit, told in shown.items()
        }
        said = await asyncio.to_thread(
            lambda: {port: said_at(host.address, port) for port in (self.port, self.port + 1)}
        )
        return HostState({**entries(host.home), **entries(host.tmp)}, units, said)

    def keep(self, name: str) -> None:
        """Keep all that the hosts' login has, as it is now, to `reset` to."""
        for host in self.hosts.values():
            shutil.copytree(host.home, self.directory / name / host.name, symlinks=True)

    def reset(self, kept: str = "original") -> None:
        """Put the hosts back as they were kept, or as they were when the town was built, and boot them."""
        self._call(self._reset(self.directory / kept))

    async def _reset(self, kept: Path) -> None:
        for name, host in self.hosts.items():
            await self._embedded.power_off(name)
            for place in (host.home, host.tmp):
                shutil.rmtree(place)
            shutil.copytree(kept / name, host.home, symlinks=True)
            await self._embedded.power_on(name)

    def power_off(self, name: str) -> None:
        """Let a host lose its power."""
        self._call(self._embedded.power_off(name))

    def power_on(self, name: str) -> None:
        """Boot it again."""
        self._call(self._embedded.power_on(name))

    def cut(self) -> None:
        """Tear all SSH connections of all hosts."""
        self._call(self._cut())

    async def _cut(self) -> None:
        for name in self.hosts:
            self._embedded.cut_connections(name)

    def listen_for_cuts(self, path: Path) -> None:
        """Tear all connections whenever somebody says so at this socket, and tell when they are."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            await self._cut()
            writer.write(b"done\n")
            await writer.drain()
            writer.close()

        self._listener = self._call(asyncio.start_unix_server(serve, path))

    def close(self) -> None:
        """Stop the hosts; no process is left."""
        if self._listener is not None:
            self._call(_closed(self._listener))
        self._call(self._embedded.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        left = [pid for host in self.hosts.values() for pid in marked(MARK, str(host.root))]
        assert not left, "processes left behind"

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)


async def _closed(listener: asyncio.Server) -> None:
    listener.close()
    await listener.wait_closed()


def entries(top: Path) -> dict[str, Entry]:
    """Return every name below a directory but what this library keeps on a host."""
    found = {}
    for folder, folders, files in os.walk(top):
        if OURS in folders:
            folders.remove(OURS)
        for name in (*folders, *files):
            path = Path(folder) / name
            about = path.lstat()
            mode = stat.S_IMODE(about.st_mode)
            where = str(path.relative_to(top.parent))
            if path.is_symlink():
                found[where] = Entry("link", 0, os.fsencode(path.readlink()))
            elif path.is_dir():
                found[where] = Entry("directory", mode, b"")
            else:
                found[where] = Entry("file", mode, path.read_bytes(), about.st_mtime_ns)
    return found


def said_at(address: str, port: int) -> str:
    """Return what is answered at a port; an empty text if nobody listens there."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode("latin-1")
    except ConnectionRefusedError:
        return ""
    finally:
        connection.close()


def free_port(addresses: tuple[str, ...], count: int) -> int:
    """Return the first of so many ports in a row that are free at all addresses."""
    while True:
        with socket.socket() as probe:
            probe.bind((addresses[0], 0))
            port = int(probe.getsockname()[1])
        if all(_free(address, port + offset) for address in addresses for offset in range(count)):
            return port


def _free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
