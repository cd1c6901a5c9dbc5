from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncssh
import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts import EmbeddedHost, HostSettings
from runbook_lib.lab.hosts.keys import generate
from runbook_lib.lab.hosts.processes import marked
from runbook_lib.lab.hosts.settings import MARK

pytestmark = [pytest.mark.hosts, pytest.mark.usefixtures("host")]
Connect = Callable[..., AbstractAsyncContextManager[asyncssh.SSHClientConnection]]
Eventually = Callable[..., Awaitable[None]]


async def test_commands_are_real_processes_at_home(connect: Connect, settings: HostSettings) -> None:
    async with connect() as ssh:
        ran = await ssh.run("pwd; echo $HOME $USER $LOGNAME $LANG; echo oops >&2; exit 3", encoding=None)
        assert ran.stdout == f"{settings.home}\n{settings.home} freqai freqai C.UTF-8\n".encode()
        assert (ran.stderr, ran.exit_status) == (b"oops\n", 3)
        assert (await ssh.run("command -v systemctl")).stdout == f"{settings.bin}/systemctl\n"


async def test_the_environment_is_clean(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/leaked")
    async with connect() as ssh:
        found = dict(line.split("=", 1) for line in str((await ssh.run("env")).stdout).splitlines())
    expected = {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", MARK, "PWD"}
    assert set(found) - {"_", "OLDPWD", "SHLVL"} == expected


async def test_a_shell_without_a_terminal(connect: Connect) -> None:
    async with connect() as ssh:
        assert (await ssh.run(input="echo hello\nexit 4\n")).stdout == "hello\n"


async def test_signals_end_is_reported_and_signals_arrive(connect: Connect) -> None:
    async with connect() as ssh:
        assert (await ssh.run("kill -9 $$")).exit_signal[0] == "KILL"  # type: ignore[index]  # it is set
        async with ssh.create_process(
            "trap 'echo got; exit 5' INT; echo ready; while :; do sleep 0.02; done"
        ) as process:
            assert await process.stdout.readline() == "ready\n"
            process.send_signal("INT")
            assert await process.stdout.readline() == "got\n"
            await process.wait()
            assert process.exit_status == 5


async def test_bytes_arrive_as_they_are(connect: Connect) -> None:
    blob = os.urandom(3_000_000)
    async with connect() as ssh:
        assert (await ssh.run("cat", input=blob, encoding=None)).stdout == blob


async def test_much_on_both_outputs_does_not_deadlock(connect: Connect) -> None:
    async with connect() as ssh, asyncio.timeout(10):
        ran = await ssh.run(
            "head -c 8000000 /dev/zero >&2; head -c 8000000 /dev/zero; head -c 9 /dev/zero >&2", encoding=None
        )
    assert (len(ran.stdout or b""), len(ran.stderr or b"")) == (8_000_000, 8_000_009)


async def test_input_that_nobody_reads_does_no_harm(connect: Connect) -> None:
    async with connect() as ssh, asyncio.timeout(10):
        assert (await ssh.run("exec <&-; echo done", input=b"x" * 4_000_000, encoding=None)).stdout == b"done\n"


@pytest.mark.parametrize("how", ["channel", "connection"])
async def test_processes_end_with_their_channel_and_connection(
    connect: Connect, settings: HostSettings, eventually: Eventually, how: str
) -> None:
    async with connect() as ssh:
        process = await ssh.create_process("trap '' HUP; sleep 1000 & echo on; sleep 1000")
        await process.stdout.readline()
        await eventually(lambda: len(marked(MARK, str(settings.root))) == 3)
        if how == "channel":
            process.channel.abort()
        else:
            ssh.abort()
        await eventually(lambda: not marked(MARK, str(settings.root)))


async def test_who_may_come_in(connect: Connect, settings: HostSettings, tmp_path: Path) -> None:
    async with connect(client_keys=None, password="correct horse") as ssh:
        assert (await ssh.run("true")).exit_status == 0
    generate(tmp_path / "stranger", "stranger")
    refused = [
        {"client_keys": [str(tmp_path / "stranger")]},
        {"client_keys": None, "password": "wrong"},
        {"client_keys": None, "password": ""},
        {"username": "root"},
        {"username": "root", "client_keys": None, "password": "correct horse"},
    ]
    for changed in refused:
        with pytest.raises(asyncssh.PermissionDenied):
            async with connect(**changed):
                pass
    settings.authorized_keys.write_text("")
    with pytest.raises(asyncssh.PermissionDenied):
        async with connect():
            pass


async def test_a_host_without_password(make_settings: Callable[..., HostSettings]) -> None:
    other = make_settings("other", "127.0.8.74")
    generate(other.host_key, "other")
    host = EmbeddedHost(other)
    await host.start()
    try:
        with pytest.raises(asyncssh.PermissionDenied):
            await asyncssh.connect(
                other.address,
                other.port,
                username="freqai",
                password="",
                client_keys=None,
                known_hosts=None,
                config=None,
            )
    finally:
        await host.stop()


async def test_the_host_key_is_the_one_in_known_hosts(connect: Connect, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    public = generate(tmp_path / "impostor", "impostor")
    known.write_text(f"{known.read_text().split()[0]} {public}\n")
    with pytest.raises(asyncssh.HostKeyNotVerifiable):
        async with connect():
            pass


async def test_forwarding_reaches_loopback_only(connect: Connect, settings: HostSettings) -> None:
    async with connect() as ssh:
        reader, writer = await ssh.open_connection(settings.address, settings.port)
        assert (await reader.read(4)) == b"SSH-"
        writer.close()
        for target in ("192.0.2.1", "example.com"):
            with pytest.raises(asyncssh.ChannelOpenError) as caught:
                await ssh.open_connection(target, 80)
            assert caught.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED


async def test_a_taken_port_is_a_clear_error(settings: HostSettings) -> None:
    with pytest.raises(LabError, match=f"h73: cannot listen on 127.0.8.73 port {settings.port}"):
        await EmbeddedHost(settings).start()


async def test_stopping_ends_what_was_left_in_the_background(
    host: EmbeddedHost, connect: Connect, settings: HostSettings
) -> None:
    async with connect() as ssh:
        await ssh.run("setsid nohup sleep 1000 >/dev/null 2>&1 &")
        assert len(marked(MARK, str(settings.root))) == 1
        await host.stop()
    assert marked(MARK, str(settings.root)) == []
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(settings.address, settings.port)
