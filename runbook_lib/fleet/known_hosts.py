"""Host keys that the operator trusts, as OpenSSH keeps them. Read once, shared by all connections; never written to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import HostKeyRefused, ParamsError

_MARKERS = {"@revoked", "@cert-authority"}


@dataclass(frozen=True, slots=True)
class HostKey:
    """A host's public key. ``blob``: as it goes over the wire."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def line(self, name: str) -> str:
        """As it stands in a known_hosts file."""
        return f"{name} {self.type} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True, slots=True)
class _Line:
    marker: str
    names: tuple[str, ...]
    key: HostKey

    def speaks_of(self, name: str) -> bool:
        """Whether this line is about the host, with OpenSSH's hashes, wildcards and exceptions."""
        found = False
        for pattern in self.names:
            wanted = not pattern.startswith("!")
            if _matches(pattern.removeprefix("!"), name):
                if not wanted:
                    return False
                found = True
        return found


@dataclass(frozen=True)
class KnownHosts:
    """The lines of a known_hosts file. Certificates of an authority are not understood and count as unknown."""

    path: Path
    lines: tuple[_Line, ...]

    @classmethod
    def read(cls, path: Path) -> KnownHosts:
        """Parse the file; one that does not exist knows no host."""
        path = path.expanduser()
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        except OSError as error:
            raise ParamsError(f"{path} cannot be read: {error.strerror}", remedy="check ssh.known_hosts") from None
        return cls(path, tuple(line for line in map(_parse, text.splitlines()) if line is not None))

    def of(self, name: str) -> tuple[HostKey, ...]:
        """Return every key that is trusted for ``name`` (see `name_of`)."""
        return tuple(line.key for line in self.lines if not line.marker and line.speaks_of(name))

    def verify(self, name: str, presented: HostKey) -> None:
        """Raise HostKeyRefused, with fingerprints and what to do, unless ``presented`` is trusted for ``name``."""
        if any(line.marker == "@revoked" and line.key == presented and line.speaks_of(name) for line in self.lines):
            raise HostKeyRefused(
                f"presents a host key that {self.path} calls revoked: {presented.type} {presented.fingerprint}",
                remedy="do not connect; find out who answers at this address",
            )
        known = self.of(name)
        if presented in known:
            return
        if known:
            trusted = ", ".join(f"{key.type} {key.fingerprint}" for key in known)
            raise HostKeyRefused(
                f"presents ANOTHER host key than the one in {self.path}: {presented.type} {presented.fingerprint}; "
                f"known: {trusted}",
                remedy="it was reinstalled, or another host answers; compare at its console with `ssh-keygen -lf "
                f"/etc/ssh/ssh_host_*_key.pub`, and only if equal `ssh-keygen -R '{name}' -f {self.path}` and "
                f"add the line: {presented.line(name)}",
            )
        raise HostKeyRefused(
            f"presents a host key that is not in {self.path}: {presented.type} {presented.fingerprint}",
            remedy="compare at its console with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub`, and only if equal add "
            f"the line: {presented.line(name)}",
        )


def name_of(address: str, port: int) -> str:
    """Return the name under which known_hosts files keep a host."""
    return address if port == 22 else f"[{address}]:{port}"


def _parse(text: str) -> _Line | None:
    """Return None for what is no key line: OpenSSH skips those, too."""
    words = text.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0] in _MARKERS else ""
    if len(words) < 3:
        return None
    names, kind, encoded = words[:3]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return _Line(marker, tuple(names.split(",")), HostKey(kind, blob))


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
    wild = re.escape(pattern.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(wild, name.lower()) is not None
