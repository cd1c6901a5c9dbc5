from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from runbook_lib.lab.hosts import HostSettings
from runbook_lib.lab.hosts.keys import known_hosts_line, write_keys


def test_keys_as_openssh_reads_them(tmp_path: Path, make_settings: Callable[..., HostSettings]) -> None:
    host = make_settings("h1", "127.0.8.1")
    operator, known = tmp_path / "keys" / "operator", tmp_path / "known_hosts"
    write_keys([host], operator_key=operator, known_hosts=known)

    for key in (operator, host.host_key):
        assert key.stat().st_mode & 0o777 == 0o600
        public = subprocess.run(["ssh-keygen", "-y", "-f", key], check=True, capture_output=True, text=True).stdout
        assert public.split()[:2] == key.with_name(f"{key.name}.pub").read_text().split()[:2]
    assert host.authorized_keys.read_text() == operator.with_name("operator.pub").read_text()
    found = subprocess.run(
        ["ssh-keygen", "-F", f"[127.0.8.1]:{host.port}", "-f", known], check=True, capture_output=True, text=True
    ).stdout
    assert found.split()[-1] == host.host_key.with_name("host_key.pub").read_text().split()[1]


def test_keys_that_are_there_stay(tmp_path: Path, make_settings: Callable[..., HostSettings]) -> None:
    host = make_settings("h1", "127.0.8.1")
    for _ in range(2):
        write_keys([host], operator_key=tmp_path / "op", known_hosts=tmp_path / "known_hosts")
        seen = [host.host_key.read_bytes(), (tmp_path / "op").read_bytes(), (tmp_path / "known_hosts").read_bytes()]
    write_keys([host], operator_key=tmp_path / "op", known_hosts=tmp_path / "known_hosts")
    assert seen == [host.host_key.read_bytes(), (tmp_path / "op").read_bytes(), (tmp_path / "known_hosts").read_bytes()]


def test_the_usual_port_is_not_named() -> None:
    assert known_hosts_line("10.0.0.1", 22, "ssh-ed25519 AAAA comment") == "10.0.0.1 ssh-ed25519 AAAA"
    assert known_hosts_line("10.0.0.1", 2222, "ssh-ed25519 AAAA") == "[10.0.0.1]:2222 ssh-ed25519 AAAA"
