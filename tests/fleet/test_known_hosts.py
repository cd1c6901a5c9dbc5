from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
from pathlib import Path

import pytest

from runbook_lib.errors import HostKeyRefused, ParamsError
from runbook_lib.fleet.known_hosts import HostKey, KnownHosts, name_of

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32)
OTHER = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"o" * 32)


def _known(folder: Path, *lines: str) -> KnownHosts:
    (folder / "known_hosts").write_text("\n".join(lines) + "\n")
    return KnownHosts.read(folder / "known_hosts")


def _hashed(name: str) -> str:
    salt = b"s" * 20
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("names", "name", "trusted"),
    [
        ("192.168.3.73", "192.168.3.73", True),
        ("192.168.3.73", "192.168.3.7", False),
        ("[192.168.3.73]:2222", "[192.168.3.73]:2222", True),
        ("192.168.3.73", "[192.168.3.73]:2222", False),
        ("a,b,192.168.3.73", "192.168.3.73", True),
        ("192.168.3.*", "192.168.3.73", True),
        ("192.168.3.?", "192.168.3.73", False),
        ("192.168.3.*,!192.168.3.73", "192.168.3.73", False),
        ("192.168.3.*,!192.168.3.73", "192.168.3.108", True),
        ("Feeder.example", "feeder.EXAMPLE", True),
        (_hashed("192.168.3.73"), "192.168.3.73", True),
        (_hashed("192.168.3.73"), "192.168.3.74", False),
        ("|1|broken", "192.168.3.73", False),
        ("192x168x3x73", "192.168.3.73", False),
    ],
)
def test_names(tmp_path: Path, names: str, name: str, trusted: bool) -> None:
    known = _known(tmp_path, KEY.line(names))
    assert known.of(name) == ((KEY,) if trusted else ())
    if trusted:
        known.verify(name, KEY)
    else:
        with pytest.raises(HostKeyRefused, match="not in"):
            known.verify(name, KEY)


def test_several_keys_of_a_kind_are_all_trusted(tmp_path: Path) -> None:
    known = _known(tmp_path, KEY.line("a"), OTHER.line("a"))
    known.verify("a", KEY)
    known.verify("a", OTHER)


def test_a_changed_key(tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused) as caught:
        _known(tmp_path, KEY.line("a")).verify("a", OTHER)
    assert f"{OTHER.type} {OTHER.fingerprint}; known: {KEY.type} {KEY.fingerprint}" in caught.value.what
    assert "ssh-keygen -R 'a'" in caught.value.remedy


def test_a_revoked_key_is_refused_even_if_trusted_elsewhere(tmp_path: Path) -> None:
    known = _known(tmp_path, KEY.line("a"), "@revoked " + KEY.line("*"))
    with pytest.raises(HostKeyRefused, match="revoked"):
        known.verify("a", KEY)


def test_an_authority_is_no_host_key(tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused, match="not in"):
        _known(tmp_path, "@cert-authority " + KEY.line("*")).verify("a", KEY)


def test_what_is_no_key_line_is_passed_over(tmp_path: Path) -> None:
    known = _known(tmp_path, "# a comment", "", "a ssh-ed25519", "a ssh-ed25519 !!!", KEY.line("a") + " a comment")
    assert known.of("a") == (KEY,)


def test_no_file_knows_nobody_and_an_unreadable_one_is_told(tmp_path: Path) -> None:
    assert KnownHosts.read(tmp_path / "none").lines == ()
    with pytest.raises(ParamsError, match="cannot be read"):
        KnownHosts.read(tmp_path)


def test_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(KEY.line("").strip())
    told = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    assert told.stdout.split()[1] == KEY.fingerprint


def test_name_of() -> None:
    assert (name_of("a", 22), name_of("a", 2222)) == ("a", "[a]:2222")
