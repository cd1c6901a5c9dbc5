"""Key pairs of a lab: one per host, one for the operator, and the known_hosts file that ties hosts to their keys."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import asyncssh

from runbook_lib.lab.hosts.settings import HostSettings


def generate(path: Path, comment: str) -> str:
    """Write an ed25519 key pair to ``path`` and ``path``.pub unless it is there; return the public line."""
    if path.exists():
        key = asyncssh.read_private_key(path)
    else:
        key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key.export_private_key())
    public = key.export_public_key().decode().strip()
    path.with_name(path.name + ".pub").write_text(public + "\n", encoding="utf-8")
    return public


def known_hosts_line(address: str, port: int, public: str) -> str:
    """Return one line of a known_hosts file, as OpenSSH writes it."""
    kind, base64 = public.split()[:2]
    return f"{address if port == 22 else f'[{address}]:{port}'} {kind} {base64}"


def write_keys(hosts: Iterable[HostSettings], *, operator_key: Path, known_hosts: Path) -> None:
    """Make all keys of a lab; the operator's key opens every host, and known_hosts names every host's key."""
    operator = generate(operator_key, "operator")
    lines = []
    for host in hosts:
        lines.append(known_hosts_line(host.address, host.port, generate(host.host_key, host.name)))
        host.authorized_keys.parent.mkdir(parents=True, exist_ok=True)
        host.authorized_keys.write_text(operator + "\n", encoding="utf-8")
        host.authorized_keys.chmod(0o600)
    known_hosts.parent.mkdir(parents=True, exist_ok=True)
    known_hosts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
