from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.lab.hosts.processes import marked
from runbook_lib.lab.hosts.settings import MARK

pytestmark = pytest.mark.hosts
MakeSettings = Callable[..., HostSettings]
UNIT = "[Service]\nExecStart=/bin/sh -c 'setsid sleep 1000 & sleep 1000'\n[Install]\nWantedBy=default.target\n"


@pytest.fixture
def fleet(make_settings: MakeSettings, tmp_path: Path) -> list[HostSettings]:
    hosts = [make_settings(f"h{number}", f"127.0.8.{number}") for number in (81, 82)]
    write_keys(hosts, operator_key=tmp_path / "operator", known_hosts=tmp_path / "known_hosts")
    for host in hosts:
        host.furnish()
        (host.units / "bot.service").write_text(UNIT)
        (host.units / "default.target.wants").mkdir()
        (host.units / "default.target.wants" / "bot.service").symlink_to(host.units / "bot.service")
    return hosts


@pytest.fixture
async def running(fleet: list[HostSettings]) -> AsyncIterator[EmbeddedHosts]:
    hosts = EmbeddedHosts(fleet)
    await hosts.start()
    yield hosts
    await hosts.stop()
    assert [marked(MARK, str(host.root)) for host in fleet] == [[], []]


async def connection(host: HostSettings, base: Path) -> asyncssh.SSHClientConnection:
    keys, known = [str(base / "operator")], str(base / "known_hosts")
    return await asyncssh.connect(
        host.address, host.port, username="freqai", client_keys=keys, known_hosts=known, config=None, agent_path=None
    )


async def test_power_off_and_on(running: EmbeddedHosts, fleet: list[HostSettings], tmp_path: Path) -> None:
    first, second = fleet
    ssh = await connection(first, tmp_path)
    await running.power_off("h81")
    await asyncio.wait_for(ssh.wait_closed(), 2)
    assert marked(MARK, str(first.root)) == []
    assert marked(MARK, str(second.root))
    with pytest.raises(ConnectionRefusedError):
        await connection(first, tmp_path)
    await running.power_on("h81")
    async with await connection(first, tmp_path) as again:
        assert (await again.run("systemctl --user is-active bot")).stdout == "active\n"


async def test_cut_connections(running: EmbeddedHosts, fleet: list[HostSettings], tmp_path: Path) -> None:
    ssh = await connection(fleet[0], tmp_path)
    other = await connection(fleet[1], tmp_path)
    assert running.cut_connections("h81") == 1
    await asyncio.wait_for(ssh.wait_closed(), 2)
    assert (await other.run("true")).exit_status == 0
    other.close()
    async with await connection(fleet[0], tmp_path) as again:
        assert (await again.run("systemctl --user is-active bot")).stdout == "active\n"


async def test_all_or_none(fleet: list[HostSettings]) -> None:
    async with await asyncio.start_server(lambda _r, _w: None, fleet[1].address, fleet[1].port):
        with pytest.raises(LabError, match="h82: cannot listen"):
            await EmbeddedHosts(fleet).start()
    assert marked(MARK, str(fleet[0].root)) == []
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(fleet[0].address, fleet[0].port)


async def test_unknown_hosts(running: EmbeddedHosts) -> None:
    with pytest.raises(LabError, match="no such host: h99"):
        running.cut_connections("h99")


LAB = """
import asyncio, json, sys
from pathlib import Path
from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings

async def main():
    hosts = []
    for given in json.loads(sys.argv[1]):
        paths = {key: Path(given.pop(key)) for key in ("root", "host_key", "authorized_keys")}
        hosts.append(HostSettings(**given, **paths))
    await EmbeddedHosts(hosts).start()
    print("up", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


async def test_a_killed_lab_leaves_nothing(
    fleet: list[HostSettings], tmp_path: Path, eventually: Callable[..., Awaitable[None]]
) -> None:
    fields = ("name", "address", "port", "user", "root", "host_key", "authorized_keys")
    given = json.dumps([{key: getattr(host, key) for key in fields} for host in fleet], default=str)
    lab = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LAB, given, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert lab.stdout is not None
    assert await lab.stdout.readline() == b"up\n"
    ssh = await connection(fleet[0], tmp_path)
    await ssh.create_process("nohup sleep 1000")
    await eventually(lambda: len(marked(MARK, str(fleet[0].root))) >= 4)
    os.killpg(lab.pid, signal.SIGKILL)
    await lab.wait()
    await eventually(lambda: not any(marked(MARK, str(host.root)) for host in fleet))
    guardians = [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")  # noqa: ASYNC240  files in memory
        if str(fleet[0].root).encode() in (path.read_bytes() if path.exists() else b"")
    ]
    await eventually(lambda: not any(path.exists() for path in guardians))
    ssh.abort()

    again = EmbeddedHosts(fleet)  # on what the killed one left on disk
    await again.start()
    async with await connection(fleet[0], tmp_path) as ssh:
        assert (await ssh.run("systemctl --user is-active bot")).stdout == "active\n"
    await again.stop()
