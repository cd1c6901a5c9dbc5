"""What an embedded host is told, and where everything lies below its root."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MARK = "LAB_HOST_ROOT"
"""Environment variable that every process of a host carries: this is how none of them is ever lost."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One host. ``address`` is a loopback address; ``root`` becomes absolute, links resolved.

    ``sudo``: lets the login become root, asks for its password first, or refuses it; None: whatever this machine has.
    """

    name: str
    address: str
    port: int
    user: str
    root: Path
    host_key: Path
    authorized_keys: Path
    password: str | None = field(default=None, repr=False)
    sudo: Literal["free", "asks", "refuses"] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.resolve())

    @property
    def home(self) -> Path:
        """The login's home: where commands start and relative SFTP paths begin."""
        return self.root / "home" / self.user

    @property
    def bin(self) -> Path:
        """The host's own programs, first on the PATH of everything it runs."""
        return self.root / "usr" / "local" / "bin"

    @property
    def runtime(self) -> Path:
        """XDG_RUNTIME_DIR of the login."""
        return self.root / "run" / "user" / self.user

    @property
    def journal(self) -> Path:
        """One file per unit."""
        return self.root / "var" / "log" / "journal"

    def journal_of(self, unit: str) -> Path:
        """Where the journal of one unit is kept."""
        return self.journal / f"{unit.removesuffix('.service')}.log"

    @property
    def units(self) -> Path:
        """Unit files of the login."""
        return self.home / ".config" / "systemd" / "user"

    @property
    def tmp(self) -> Path:
        """TMPDIR of everything it runs."""
        return self.root / "tmp"

    @property
    def sudoers(self) -> Path:
        """What sudo allows now: free, asks or refuses; then the digest of the login's password."""
        return self.root / "etc" / "sudoers"

    def environment(self) -> dict[str, str]:
        """Return a clean environment, as a login on a fresh host has it; nothing of the lab's own leaks in."""
        return {
            "HOME": str(self.home),
            "USER": self.user,
            "LOGNAME": self.user,
            "SHELL": "/bin/sh",
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.tmp),
            "XDG_RUNTIME_DIR": str(self.runtime),
            MARK: str(self.root),
        }

    def furnish(self) -> None:
        """Make the directories that every host has; what is there already stays."""
        for directory in (self.home, self.bin, self.journal, self.units, self.tmp, self.runtime / "systemd"):
            directory.mkdir(parents=True, exist_ok=True)
        self.runtime.chmod(0o700)
