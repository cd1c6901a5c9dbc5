"""The services of one host's login, as systemd's user manager keeps them: loading, enabling, booting, shutting down."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts.service import Service
from runbook_lib.lab.hosts.settings import HostSettings
from runbook_lib.lab.hosts.units import ServiceUnit, parse_unit


class UnitError(Exception):
    """A request that cannot be carried out. ``status``: exit code of systemctl."""

    def __init__(self, what: str, status: int) -> None:
        self.status = status
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class UnitFiles:
    """The files of a unit as they lie on disk: the fragment, then its drop-ins in order."""

    paths: tuple[Path, ...]

    def read(self) -> list[tuple[Path, str]]:
        """Return path and text of each."""
        return [(path, path.read_text(encoding="utf-8")) for path in self.paths]

    def fingerprint(self) -> str:
        """Digest of names and contents: tells whether anything changed."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
        return digest.hexdigest()


@dataclass
class Loaded:
    """A unit as it was when it was last read. ``error``: why it cannot be used."""

    fingerprint: str
    service: Service | None
    error: str = ""


class Supervisor:
    """All services of one host. What is on disk counts only from the next ``reload`` on, as with systemd."""

    def __init__(self, host: HostSettings) -> None:
        self.host = host
        self._loaded: dict[str, Loaded] = {}

    async def boot(self) -> None:
        """Start what is enabled. A unit that fails does not keep the host down: its state and journal say why."""
        enabled = []
        for link in sorted((self.host.units / "default.target.wants").glob("*.service")):
            try:
                enabled.append(self.service(link.name))
            except UnitError as error:
                self.complain(link.name, str(error))
        await asyncio.gather(*(service.start() for service in enabled), return_exceptions=True)

    async def shut_down(self) -> None:
        """Stop all services, side by side and for good."""
        await asyncio.gather(*(loaded.service.retire() for loaded in self._loaded.values() if loaded.service))

    async def lose_power(self) -> None:
        """End all services at once, without a word."""
        await asyncio.gather(*(loaded.service.lose_power() for loaded in self._loaded.values() if loaded.service))

    def files(self, name: str) -> UnitFiles:
        """Return the files of a unit; none if it does not exist."""
        fragment = self.host.units / name
        if not fragment.is_file():
            return UnitFiles(())
        return UnitFiles((fragment, *sorted(fragment.with_name(f"{name}.d").glob("*.conf"))))

    def loaded(self, name: str) -> Loaded | None:
        """Return a unit as it was last read; read it if it never was. None: there is no such unit."""
        known = self._loaded.get(name)
        if known is None:
            files = self.files(name)
            if not files.paths:
                return None
            known = self._loaded[name] = Loaded(files.fingerprint(), None)
            self._read(name, files, known)
        return known

    def service(self, name: str) -> Service:
        """Return a usable service; raise UnitError if there is none."""
        loaded = self.loaded(name)
        if loaded is None:
            raise UnitError(f"Unit {name} not found.", 5)
        if loaded.service is None or loaded.error:
            raise UnitError(f"Unit {name} has a bad unit file setting: {loaded.error}", 1)
        return loaded.service

    def services(self) -> list[Service]:
        """Return all services that were ever used since the host started, by name."""
        return [loaded.service for _, loaded in sorted(self._loaded.items()) if loaded.service]

    def needs_reload(self, name: str) -> bool:
        """Say whether the files of a loaded unit changed since they were read."""
        known = self._loaded.get(name)
        return known is not None and known.fingerprint != self.files(name).fingerprint()

    def reload(self) -> None:
        """Read all unit files anew. Running services go on as they were started."""
        for name, known in list(self._loaded.items()):
            files = self.files(name)
            running = known.service is not None and known.service.state.active not in {"inactive", "failed"}
            if not files.paths and not running:
                del self._loaded[name]
            elif files.paths:
                known.fingerprint = files.fingerprint()
                self._read(name, files, known)

    def enable(self, name: str) -> list[str]:
        """Link the unit to its targets; return what was done."""
        said = []
        for target in self._installable(name).wanted_by:
            link = self._wants(target) / name
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(self.host.units / name)
                said.append(f"Created symlink {link} → {self.host.units / name}.")
        self.reload()
        return said

    def disable(self, name: str) -> list[str]:
        """Remove the unit's links, and directories that are empty then, as systemd does; return what was done."""
        if not self.files(name).paths:
            raise UnitError(f"Failed to disable unit: Unit file {name} does not exist.", 1)
        said = []
        for link in sorted(self.host.units.glob(f"*.wants/{name}")):
            link.unlink()
            if not any(link.parent.iterdir()):
                link.parent.rmdir()
            said.append(f'Removed "{link}".')
        self.reload()
        return said

    def unit_file_state(self, name: str) -> str:
        """Return enabled, disabled or static; empty if there is no such unit."""
        files = self.files(name)
        if not files.paths:
            return ""
        if any(os.path.lexists(link) for link in self.host.units.glob(f"*.wants/{name}")):
            return "enabled"
        try:
            return "disabled" if self._parse(name, files).wanted_by else "static"
        except LabError:
            return "bad"

    def complain(self, name: str, text: str) -> None:
        """Write into a unit's journal."""
        with self.host.journal_of(name).open("a", encoding="utf-8") as journal:
            journal.write(f"systemd: {name}: {text}\n")

    def _installable(self, name: str) -> ServiceUnit:
        files = self.files(name)
        if not files.paths:
            raise UnitError(f"Failed to enable unit: Unit file {name} does not exist.", 1)
        try:
            return self._parse(name, files)
        except LabError as error:
            raise UnitError(f"Failed to enable unit: {error}", 1) from error

    def _wants(self, target: str) -> Path:
        return self.host.units / f"{target}.wants"

    def _read(self, name: str, files: UnitFiles, into: Loaded) -> None:
        try:
            unit = self._parse(name, files)
        except LabError as error:
            into.error = str(error)
            self.complain(name, into.error)
            return
        into.error = ""
        if into.service is None:
            into.service = Service(unit, self.host)
        else:
            into.service.unit = unit

    def _parse(self, name: str, files: UnitFiles) -> ServiceUnit:
        known = {
            "h": str(self.host.home),
            "u": self.host.user,
            "U": str(os.getuid()),
            "t": str(self.host.runtime),
            "H": self.host.name,
            "s": "/bin/sh",
            "T": str(self.host.tmp),
        }
        return parse_unit(name, files.read(), known)
