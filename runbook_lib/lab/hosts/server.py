"""One embedded host: an SSH server on loopback, a supervisor, and a root directory."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from ipaddress import ip_address

import asyncssh

from runbook_lib.errors import LabError
from runbook_lib.lab.hosts import stand_ins
from runbook_lib.lab.hosts.control import Control
from runbook_lib.lab.hosts.processes import end_all
from runbook_lib.lab.hosts.session import Session, run_session
from runbook_lib.lab.hosts.settings import MARK, HostSettings
from runbook_lib.lab.hosts.sftp import HostFiles
from runbook_lib.lab.hosts.supervisor import Supervisor


class EmbeddedHost:
    """A host that can be started, stopped, cut off and robbed of its power."""

    def __init__(self, settings: HostSettings) -> None:
        self.settings = settings
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._supervisor = Supervisor(settings)
        self._control = Control(self._supervisor)
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._sessions: set[asyncio.Task[None] | None] = set()

    async def start(self) -> None:
        """Boot: make what every host has, start what is enabled, and listen."""
        settings = self.settings
        settings.furnish()
        stand_ins.install(settings)
        await end_all(MARK, str(settings.root))  # what a lab that was killed may have left
        self._supervisor = Supervisor(settings)
        self._control = Control(self._supervisor)
        await self._control.start()
        try:
            self._acceptor = await self._listen()
        except OSError as error:
            await self._control.stop()
            raise LabError(
                f"cannot listen on {settings.address} port {settings.port}: {error.strerror or error}",
                remedy="end what uses that port, perhaps another lab",
                host=settings.name,
            ) from error
        await self._supervisor.boot()

    async def stop(self) -> None:
        """Shut down in order: connections, services, then whatever is left."""
        await self._close()
        await self._supervisor.shut_down()
        await self._end_rest()

    async def lose_power(self) -> None:
        """End everything at once; nothing is told, nothing is flushed. ``start`` boots the host again."""
        await self._supervisor.lose_power()
        await self._close()
        await self._end_rest()

    def cut_connections(self) -> int:
        """Tear all SSH connections apart, in mid-transfer if need be; return how many there were."""
        connections = list(self.connections)
        for connection in connections:
            connection.abort()
        return len(connections)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        settings = self.settings
        return await asyncssh.create_server(
            lambda: _Login(self),
            settings.address,
            settings.port,
            server_host_keys=[str(settings.host_key)],
            process_factory=self._run,
            sftp_factory=lambda chan: HostFiles(chan, settings),
            allow_scp=True,
            allow_pty=False,
            agent_forwarding=False,
            encoding=None,
            reuse_address=True,
            gss_host=None,
            login_timeout=30,
        )

    async def _run(self, session: Session) -> None:
        self._sessions.add(task := asyncio.current_task())
        try:
            with contextlib.suppress(asyncssh.Error, OSError):  # the client went away
                await run_session(self.settings, session)
        finally:
            self._sessions.discard(task)

    async def _end_rest(self) -> None:
        await end_all(MARK, str(self.settings.root))
        await asyncio.gather(*(task for task in self._sessions if task is not None), return_exceptions=True)

    async def _close(self) -> None:
        await self._control.stop()
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None
        connections = list(self.connections)
        self.cut_connections()
        await asyncio.gather(*(connection.wait_closed() for connection in connections))


class _Login(asyncssh.SSHServer):
    """One connection: who may come in, and where it may be forwarded to."""

    def __init__(self, host: EmbeddedHost) -> None:
        self._host = host
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._host.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncssh hands it over
        if self._connection is not None:
            self._host.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Read authorized_keys now, as sshd does: a key that was taken away no longer opens the door."""
        settings = self._host.settings
        if username == settings.user and self._connection is not None:
            with contextlib.suppress(OSError, ValueError):  # missing or without a key: nobody comes in by key
                self._connection.set_authorized_keys(str(settings.authorized_keys))
        return True

    def password_auth_supported(self) -> bool:
        return bool(self._host.settings.password)

    def validate_password(self, username: str, password: str) -> bool:
        settings = self._host.settings
        right = hmac.compare_digest(password.encode(), (settings.password or "").encode())
        return username == settings.user and right

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:  # noqa: ARG002
        """Forward to loopback only: nothing leaves the lab."""
        with contextlib.suppress(ValueError):
            if dest_host == "localhost" or ip_address(dest_host).is_loopback:
                return True
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "the lab forwards to loopback only")
