from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncssh
import pytest

from runbook_lib.errors import AuthenticationRefused, HostKeyRefused, ParamsError, SecretError, Unreachable
from runbook_lib.params.model import SecretRef

if TYPE_CHECKING:
    from tests.fleet.conftest import Connect, SshHost, Start

pytestmark = pytest.mark.hosts


def test_an_unknown_host_key_is_refused_with_its_fingerprint(host: SshHost, connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(HostKeyRefused) as caught:
        connect(host, known=[])["h73"].run("true")
    assert host.key.get_fingerprint() in str(caught.value)
    assert "ssh-keygen -lf" in caught.value.remedy
    assert caught.value.host == "h73"
    assert (tmp_path / "known_hosts").read_text() == ""
    assert host.commands == []
    line = re.search(r"add the line: (.*)$", caught.value.remedy)[1]
    fleet = connect(host, known=[])
    (tmp_path / "known_hosts").write_text(line + "\n")
    fleet = type(fleet).of(fleet._site)
    with fleet:
        assert fleet["h73"].run("echo in").text == "in\n"


def test_a_changed_host_key_is_refused_with_both_fingerprints(host: SshHost, connect: Connect) -> None:
    fleet, before = None, host.key
    host.key = asyncssh.generate_private_key("ssh-ed25519")
    fleet = connect(host)
    with pytest.raises(HostKeyRefused, match="ANOTHER host key") as caught:
        fleet["h73"].run("true")
    assert before.get_fingerprint() in str(caught.value)
    assert host.key.get_fingerprint() in str(caught.value)
    assert host.commands == []


def test_a_password_is_used_and_never_told(start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    host = start("h73", password="correct-horse", key_login=False)
    monkeypatch.setenv("LOGIN", "correct-horse")
    assert connect(host, password=SecretRef(env="LOGIN"))["h73"].run("echo in").text == "in\n"
    monkeypatch.setenv("LOGIN", "wrong-horse")
    with pytest.raises(AuthenticationRefused, match=r"freqai@.* was not let in; tried: key /.*, password") as caught:
        connect(host, password=SecretRef(env="LOGIN"))["h73"].run("true")
    assert "horse" not in str(caught.value)
    assert caught.value.host == "h73"
    monkeypatch.delenv("LOGIN")
    with pytest.raises(SecretError, match="LOGIN is not set"):
        connect(host, password=SecretRef(env="LOGIN"))["h73"].run("true")


def test_a_wrong_key_is_refused(host: SshHost, connect: Connect, tmp_path: Path) -> None:
    other = tmp_path / "other"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(other)
    other.chmod(0o600)
    with pytest.raises(AuthenticationRefused, match=f"tried: key {other} -> check ssh.user"):
        connect(host, key=other)["h73"].run("true")


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
@pytest.mark.parametrize("phrase", [None, "correct-horse"])
def test_keys_of_every_kind_with_and_without_a_passphrase(
    *, start: Start, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, phrase: str | None
) -> None:
    host = start("h73", key_login=False)
    key = asyncssh.generate_private_key(kind, comment="as ssh-keygen sets; paramiko stumbles over keys without")
    host.operator = key.export_public_key()
    path = tmp_path / "key"
    key.write_private_key(path, passphrase=phrase, rounds=1, ignore_few_rounds=True)
    path.chmod(0o600)
    if phrase is None:
        assert connect(host, key=path)["h73"].run("echo in").text == "in\n"
        return
    with pytest.raises(AuthenticationRefused, match=r"it is encrypted and ssh\.key_passphrase is not set"):
        connect(host, key=path)["h73"].run("true")
    monkeypatch.setenv("PHRASE", phrase)
    assert connect(host, key=path, key_passphrase=SecretRef(env="PHRASE"))["h73"].run("echo in").text == "in\n"
    monkeypatch.setenv("PHRASE", "wrong-horse")
    with pytest.raises(SecretError, match=r"h73: ssh\.key_passphrase does not open the key"):
        connect(host, key=path, key_passphrase=SecretRef(env="PHRASE"))["h73"].run("true")


def test_a_key_that_others_may_read_is_refused(host: SshHost, connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "open"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(path)
    path.chmod(0o644)
    with pytest.raises(SecretError, match=r"h73: private key: .* chmod 600"):
        connect(host, key=path)["h73"].run("true")


def test_a_key_that_is_missing_is_told(host: SshHost, connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationRefused, match=r"no-key .cannot be used: .*No such file"):
        connect(host, key=tmp_path / "no-key")["h73"].run("true")


def test_the_usual_keys_are_tried_where_none_is_named(
    host: SshHost, connect: Connect, tmp_path: Path, operator_key: Path
) -> None:
    (tmp_path / ".ssh").mkdir()
    with pytest.raises(AuthenticationRefused, match="tried: nothing: there is no key"):
        connect(host, key=None)["h73"].run("true")
    usual = tmp_path / ".ssh" / "id_ed25519"
    usual.write_bytes(operator_key.read_bytes())
    usual.chmod(0o600)
    assert connect(host, key=None)["h73"].run("echo in").text == "in\n"


def test_nobody_there(host: SshHost, connect: Connect) -> None:
    fleet = connect(host)
    host.acceptor.close()
    with pytest.raises(Unreachable, match=rf"h73: {host.address} port {host.port}: Connection refused"):
        fleet["h73"].run("true")


def test_something_that_speaks_no_ssh_does_not_hold_us_up(host: SshHost, connect: Connect) -> None:
    with socket.create_server(("127.0.7.253", 0)) as mute:
        host.name, host.address, host.port = "mute", "127.0.7.253", mute.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(Unreachable, match="no SSH handshake"):
            connect(host, connect_seconds=0.5)["mute"].run("true")
        assert time.monotonic() - began < 3


def test_nagle_is_off(host: SshHost, connect: Connect) -> None:
    session = connect(host)["h73"]
    session.connect()
    plug = session._transport.sock
    assert plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_chain_of_jump_hosts_is_shared_and_each_is_verified(start: Start, connect: Connect) -> None:
    outer, inner, a, b = start("outer"), start("inner"), start("a"), start("b")
    text = "Host a b\n  ProxyJump inner\nHost inner\n  ProxyJump outer\n"
    fleet = connect(outer, inner, a, b, config_text=text)
    results = fleet.on_all(lambda session: session.run("echo $HOME").text, ["a", "b"])
    assert results.unwrap() == {"a": f"{a.home}\n", "b": f"{b.home}\n"}
    assert [host.opened for host in (outer, inner, a, b)] == [1, 1, 1, 1]

    refused = connect(outer, inner, a, b, config_text=text, known=[inner, a, b])
    results = refused.on_all(lambda session: session.run("true"), ["a", "b"])
    for name in ("a", "b"):
        assert isinstance(results[name].error, HostKeyRefused)
        told = rf"{name}: jump host freqai@{outer.address}:\d+: presents a host key that is not in"
        assert re.match(told, str(results[name].error))
    refused = connect(outer, inner, a, b, config_text=text, known=[outer, inner, b])
    results = refused.on_all(lambda session: session.run("true"), ["a", "b"])
    assert isinstance(results["a"].error, HostKeyRefused)
    assert not results["b"].failed


def test_a_jump_host_given_in_full(start: Start, connect: Connect) -> None:
    jump, a = start("jump"), start("a")
    text = f"Host a\n  ProxyJump bob@{jump.address}:{jump.port}\n"
    assert connect(a, config_text=text, known=[jump, a])["a"].run("echo in").text == "in\n"
    assert jump.opened == 1


def test_a_host_behind_the_jump_that_is_down(start: Start, connect: Connect) -> None:
    jump, a = start("jump"), start("a")
    a.acceptor.close()
    with pytest.raises(Unreachable, match=f"a: {a.address} port {a.port} cannot be reached from jump host"):
        connect(jump, a, config_text="Host a\n  ProxyJump jump\n")["a"].run("true")


def test_the_password_is_not_shown_to_jump_hosts(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    jump, a = start("jump", password="correct-horse", key_login=False), start("a", password="correct-horse")
    monkeypatch.setenv("LOGIN", "correct-horse")
    with pytest.raises(AuthenticationRefused, match=r"a: jump host freqai@.*tried: key [^,]*->"):
        connect(jump, a, password=SecretRef(env="LOGIN"), config_text="Host a\n  ProxyJump jump\n")["a"].run("true")


def test_a_proxy_command_is_refused(host: SshHost, connect: Connect) -> None:
    with pytest.raises(ParamsError, match="ProxyCommand, which is not supported -> say it as ProxyJump"):
        connect(host, config_text="Host h73\n  ProxyCommand nc %h %p\n")["h73"].run("true")


def test_threads_that_come_together_share_one_connection(host: SshHost, connect: Connect) -> None:
    session = connect(host)["h73"]
    threads = [threading.Thread(target=session.connect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert host.opened == 1
