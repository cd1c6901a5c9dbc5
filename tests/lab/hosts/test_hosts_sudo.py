"""What is expected here was seen of sudo 1.9.13 with the same sudoers, words and exit codes included."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncssh
import pytest

from runbook_lib.lab.hosts import EmbeddedHost, HostSettings
from runbook_lib.lab.hosts.keys import write_keys

pytestmark = pytest.mark.hosts
Connect = Callable[..., AbstractAsyncContextManager[asyncssh.SSHClientConnection]]
PASSWORD = "correct horse"
AS_ROOT = "-- sh -c 'id -u; id -un; echo $HOME; cat'"


@pytest.fixture
def settings(tmp_path: Path, make_settings: Callable[..., HostSettings]) -> HostSettings:
    host = make_settings("h73", "127.0.8.73", password=PASSWORD, sudo="asks")
    write_keys([host], operator_key=tmp_path / "operator", known_hosts=tmp_path / "known_hosts")
    return host


@pytest.fixture
async def ssh(host: EmbeddedHost, connect: Connect) -> AsyncIterator[asyncssh.SSHClientConnection]:  # noqa: ARG001  it runs
    async with connect() as connection:
        yield connection


NOT_GIVEN = "\nsudo: no password was provided\nsudo: a password is required\n"
WRONG = "Sorry, try again.\n\nsudo: no password was provided\nsudo: 1 incorrect password attempt\n"


@pytest.mark.parametrize(
    ("options", "given", "said"),
    [
        ("asks: -k -n", "data\n", "sudo: a password is required\n"),
        ("asks: ", "data\n", "sudo: a password is required\n"),
        ("asks: -k -S -p ''", "", NOT_GIVEN),
        ("asks: -k -S -p ''", "wrong\ndata\n", WRONG),
        ("refuses: -n", "data\n", "sudo: a password is required\n"),
        ("refuses: -k -S -p ''", "wrong\n", WRONG),
        ("refuses: -k -S -p ''", f"{PASSWORD}\n", "freqai is not in the sudoers file.\n"),
    ],
)
async def test_it_refuses(
    ssh: asyncssh.SSHClientConnection, settings: HostSettings, options: str, given: str, said: str
) -> None:
    rule, options = options.split(": ")
    settings.sudoers.write_text(settings.sudoers.read_text().replace("asks", rule))
    ran = await ssh.run(f"printf %s {shlex.quote(given)} | sudo {options} {AS_ROOT}")
    assert (ran.exit_status, ran.stdout, ran.stderr) == (1, "", said)


@pytest.mark.parametrize(
    ("rule", "options", "given"), [("asks", "-k -S -p ''", f"{PASSWORD}\ndata\n"), ("free", "-k -n", "data\n")]
)
async def test_it_lets(
    ssh: asyncssh.SSHClientConnection, settings: HostSettings, rule: str, options: str, given: str
) -> None:
    settings.sudoers.write_text(settings.sudoers.read_text().replace("asks", rule))
    ran = await ssh.run(f"printf %s {shlex.quote(given)} | sudo {options} {AS_ROOT}")
    assert (ran.exit_status, ran.stdout, ran.stderr) == (0, f"0\nroot\n{settings.home}\ndata\n", "")
    assert (await ssh.run("id -u; id -un")).stdout == "1000\nfreqai\n"


async def test_the_password_is_nowhere_in_clear(ssh: asyncssh.SSHClientConnection, settings: HostSettings) -> None:
    assert (await ssh.run(f"echo {PASSWORD} | sudo -S -p 'which? ' -- true")).stderr == "which? "
    assert PASSWORD not in settings.sudoers.read_text()


async def test_hosts_have_none_unless_it_is_wanted(make_settings: Callable[..., HostSettings], tmp_path: Path) -> None:
    plain = make_settings("h74", "127.0.8.74")
    write_keys([plain], operator_key=tmp_path / "operator", known_hosts=tmp_path / "known_hosts")
    host = EmbeddedHost(plain)
    await host.start()
    assert {path.name for path in plain.bin.iterdir()} == {"systemctl", "journalctl", "loginctl"}
    await host.stop()
