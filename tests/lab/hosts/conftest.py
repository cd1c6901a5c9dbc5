from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from runbook_lib.lab.hosts import EmbeddedHost, HostSettings
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.lab.hosts.processes import marked, send
from runbook_lib.lab.hosts.settings import MARK

Connect = Callable[..., AbstractAsyncContextManager[asyncssh.SSHClientConnection]]


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def make_settings(tmp_path: Path) -> Iterator[Callable[..., HostSettings]]:
    made = []

    def make(name: str, address: str, **more: Any) -> HostSettings:
        base = tmp_path / name
        host = HostSettings(
            name=name,
            address=address,
            port=free_port(address),
            user="freqai",
            root=base / "root",
            host_key=base / "host_key",
            authorized_keys=base / "authorized_keys",
            **more,
        )
        made.append(host)
        return host

    yield make
    left = [pid for host in made for pid in marked(MARK, str(host.root))]
    send(left, signal.SIGKILL)
    assert not left, "processes left behind"


@pytest.fixture
def settings(tmp_path: Path, make_settings: Callable[..., HostSettings]) -> HostSettings:
    host = make_settings("h73", "127.0.8.73", password="correct horse")
    write_keys([host], operator_key=tmp_path / "operator", known_hosts=tmp_path / "known_hosts")
    host.furnish()
    return host


@pytest.fixture
async def host(settings: HostSettings) -> AsyncIterator[EmbeddedHost]:
    running = EmbeddedHost(settings)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def connect(settings: HostSettings, tmp_path: Path) -> Connect:
    @asynccontextmanager
    async def connecting(**changed: Any) -> AsyncIterator[asyncssh.SSHClientConnection]:
        given: dict[str, Any] = {
            "username": settings.user,
            "client_keys": [str(tmp_path / "operator")],
            "known_hosts": str(tmp_path / "known_hosts"),
            "config": None,
            "agent_path": None,
            **changed,
        }
        async with asyncssh.connect(settings.address, settings.port, **given) as connection:
            yield connection

    return connecting


@pytest.fixture
def write_unit(settings: HostSettings) -> Callable[..., Path]:
    def write(name: str, *service: str, unit: str = "", wanted: bool = True) -> Path:
        path = settings.units / f"{name}.service"
        install = "[Install]\nWantedBy=default.target\n" if wanted else ""
        path.write_text("\n".join(["[Unit]", unit, "[Service]", *service, install]))
        return path

    return write


Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    async def wait(condition: Callable[[], object], seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  the conditions are files and processes: nobody tells
                await asyncio.sleep(0.01)

    return wait
