"""SSH servers on loopback that run real shells, each in a home of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from runbook_lib import redaction
from runbook_lib.fleet import Fleet, Session
from runbook_lib.params.model import Host, Site, Ssh

_addresses = count(os.getpid())


class Loop:
    """An event loop in a thread of its own; the tests themselves are plain functions."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(10)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass
class SshHost:
    """One server. ``connections``: those open now; ``opened``: how many there ever were; ``commands``: as received."""

    name: str
    address: str
    port: int
    home: Path
    key: asyncssh.SSHKey
    loop: Loop
    password: str | None
    operator: bytes | None
    env: dict[str, str]
    connections: set[asyncssh.SSHServerConnection] = field(default_factory=set)
    opened: int = 0
    commands: list[str] = field(default_factory=list)
    children: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    acceptor: asyncssh.SSHAcceptor | None = None

    @property
    def known_line(self) -> str:
        return f"[{self.address}]:{self.port} {self.key.export_public_key().decode()}"

    def cut(self) -> None:
        """Drop every connection, as a pulled cable or a killed sshd would."""

        def drop() -> None:
            for connection in list(self.connections):
                connection.get_extra_info("socket").shutdown(2)

        self.loop.loop.call_soon_threadsafe(drop)

    def end(self, child: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


class _Server(asyncssh.SSHServer):
    def __init__(self, host: SshHost) -> None:
        self._host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._host.connections.add(conn)
        self._host.opened += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh's signature
        self._host.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        if self._host.operator:
            keys = asyncssh.import_authorized_keys(self._host.operator.decode())
            self._connection.set_authorized_keys(keys)
        return True

    def password_auth_supported(self) -> bool:
        return self._host.password is not None

    def validate_password(self, username: str, password: str) -> bool:  # noqa: ARG002 - asyncssh's signature
        return password == self._host.password

    def connection_requested(self, *_: Any) -> bool:
        return True


async def _execute(host: SshHost, process: asyncssh.SSHServerProcess[bytes]) -> None:
    command = process.command or ""
    host.commands.append(command)
    child = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=host.home, env={"HOME": str(host.home), "USER": "freqai", **host.env}, start_new_session=True,
    )  # fmt: skip
    host.children[child.pid] = asyncio.current_task()
    feed = asyncio.create_task(_pump(process.stdin.read, child.stdin, close=True))
    out = [_pump(child.stdout.read, process.stdout), _pump(child.stderr.read, process.stderr)]
    talk = asyncio.gather(*out, child.wait())
    gone = asyncio.create_task(process.wait_closed())
    await asyncio.wait({talk, gone}, return_when=asyncio.FIRST_COMPLETED)
    if gone.done():
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(talk, 5)  # its input has ended: let it tidy up, as under sshd
    elif child.returncode < 0:
        process.exit_with_signal(signal.Signals(-child.returncode).name[3:])
    else:
        process.exit(child.returncode)
    if child.returncode is None:
        host.end(child.pid)
    feed.cancel()
    gone.cancel()
    await asyncio.gather(feed, gone, talk, child.wait(), return_exceptions=True)


async def _pump(read: Callable[[int], Coroutine[Any, Any, bytes]], target: Any, *, close: bool = False) -> None:
    with contextlib.suppress(asyncssh.Error, OSError):
        while data := await read(1 << 18):
            target.write(data)
            await target.drain()
    if close:
        target.close()


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture(scope="session")
def operator_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = asyncssh.generate_private_key("ssh-ed25519", comment="operator")
    path = tmp_path_factory.mktemp("operator") / "id"
    key.write_private_key(path)
    path.chmod(0o600)
    key.write_public_key(path.with_suffix(".pub"))
    return path


Start = Callable[..., SshHost]


@pytest.fixture
def start(loop: Loop, operator_key: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a server: ``start("73", password=None, key_login=True)``."""
    started: list[SshHost] = []

    def begin(
        name: str, *, password: str | None = None, key_login: bool = True, env: dict[str, str] | None = None
    ) -> SshHost:
        home = tmp_path / "hosts" / name
        home.mkdir(parents=True)
        host = SshHost(
            name=name,
            address=f"127.0.7.{next(_addresses) % 250 + 1}",
            port=0,
            home=home,
            key=asyncssh.generate_private_key("ssh-ed25519"),
            loop=loop,
            password=password,
            operator=operator_key.with_suffix(".pub").read_bytes() if key_login else None,
            env={"PATH": f"{sys.base_exec_prefix}/bin:{os.environ['PATH']}", **(env or {})},
        )

        async def listen() -> asyncssh.SSHAcceptor:
            return await asyncssh.create_server(
                lambda: _Server(host),
                host.address,
                host.port,
                server_host_keys=[host.key],
                process_factory=lambda process: _execute(host, process),
                encoding=None,
            )

        host.acceptor = loop.run(listen())
        host.port = host.acceptor.get_port()
        started.append(host)
        return host

    yield begin

    async def stop(host: SshHost) -> None:
        host.acceptor.close()
        for connection in list(host.connections):
            connection.abort()
        await host.acceptor.wait_closed()
        for child, task in host.children.items():
            if not task.done():
                host.end(child)
        await asyncio.gather(*host.children.values(), return_exceptions=True)

    for host in started:
        loop.run(stop(host))


Connect = Callable[..., Fleet]


@pytest.fixture
def connect(tmp_path: Path, operator_key: Path) -> Iterator[Connect]:
    """Make a fleet of servers: ``connect(host, host, password=SecretRef(...))``; all their keys are known."""
    opened: list[Fleet] = []

    def make(*hosts: SshHost, known: list[SshHost] | None = None, **ssh: Any) -> Fleet:
        (tmp_path / "known_hosts").write_text("\n".join(h.known_line for h in (hosts if known is None else known)))
        config = tmp_path / "ssh_config"
        text = "".join(f"Host {host.name}\n  HostName {host.address}\n  Port {host.port}\n" for host in hosts)
        config.write_text(text + ssh.pop("config_text", ""))
        site = Site(
            site="test",
            hosts={host.name: Host(address=host.address) for host in hosts},
            ssh=Ssh(
                **{
                    "user": "freqai", "known_hosts": tmp_path / "known_hosts", "config": config, "key": operator_key,
                    "command_seconds": 10, "connect_seconds": 5, **ssh,
                }
            ),
        )  # fmt: skip
        opened.append(Fleet.of(site))
        return opened[-1]

    yield make
    for fleet in opened:
        fleet.close()


@pytest.fixture
def host(start: Start) -> SshHost:
    return start("h73")


@pytest.fixture
def session(connect: Connect, host: SshHost) -> Session:
    return connect(host)["h73"]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own agent, keys and secrets out of it."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(redaction, "_registered", {})
