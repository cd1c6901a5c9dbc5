"""Opens SSH connections: own socket without Nagle's delay, host key verified, operator authenticated. One per host."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path

import paramiko

from runbook_lib.errors import AuthenticationRefused, RunbookError, SecretError, Unreachable
from runbook_lib.fleet.known_hosts import HostKey, KnownHosts
from runbook_lib.fleet.route import Hop, Route, Routes
from runbook_lib.params.model import SecretRef, Ssh
from runbook_lib.secrets import Secret, refuse_unless_private, resolve

_KEEPALIVE_SECONDS = 15
_UNANSWERED_MILLISECONDS = 60_000  # after that long without an answer the kernel gives a connection up
_RSA = ("rsa-sha2-512", "rsa-sha2-256")  # what a key of type ssh-rsa signs with today

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # its errors reach the operator as ours

_Attempt = Callable[[paramiko.Transport], list[str]]


class Connector:
    """Opens connections for one site. Known hosts and ssh_config are read once; jump hosts are shared. Thread safe."""

    def __init__(self, ssh: Ssh) -> None:
        self.ssh = ssh
        self._known = KnownHosts.read(ssh.known_hosts)
        self._routes = Routes(ssh)
        self._jumps: dict[Route, Future[paramiko.Transport]] = {}
        self._lock = threading.RLock()

    def open(self, name: str, address: str) -> paramiko.Transport:
        """Return an authenticated connection to a host of the inventory."""
        return self._open(self._routes.to(name, address))

    def close(self) -> None:
        """Close the connections to jump hosts, and with them everything that goes through."""
        with self._lock:
            jumps, self._jumps = list(self._jumps.values()), {}
        for jump in jumps:
            if jump.done() and jump.exception() is None:
                jump.result().close()

    def secret(self, ref: SecretRef | None, purpose: str) -> Secret | None:
        """Resolve one of the site's secrets; one at a time, as a keyring may ask the operator."""
        with self._lock:
            return resolve(ref, purpose=purpose) if ref else None

    @cached_property
    def _password(self) -> Secret | None:
        return self.secret(self.ssh.password, "ssh.password")

    @cached_property
    def _passphrase(self) -> Secret | None:
        return self.secret(self.ssh.key_passphrase, "ssh.key_passphrase")

    @cached_property
    def sudo_password(self) -> Secret | None:
        """For hosts whose sudo asks."""
        return self.secret(self.ssh.sudo_password, "ssh.sudo_password")

    def _open(self, route: Route, *, jump: bool = False) -> paramiko.Transport:
        *before, hop = route
        where = f"jump host {hop.user}@{hop.address}:{hop.port}: " if jump else ""
        host = None if jump else hop.name
        try:
            transport = self._log_in(hop, lambda: self._handshake(tuple(before), hop), password=not jump)
        except RunbookError as error:
            what = error.what if error.what.startswith("jump host") else where + error.what
            raise type(error)(what, remedy=error.remedy, host=host) from error.__cause__  # a new one: jumps are shared
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        return transport

    def _dial(self, hop: Hop) -> socket.socket:
        try:
            plug = socket.create_connection((hop.address, hop.port), timeout=self.ssh.connect_seconds)
        except OSError as error:
            why = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error))
            raise Unreachable(
                f"{hop.address} port {hop.port}: {why}", remedy="is the host up, and the address right?"
            ) from error
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # without it a command takes 50 ms instead of 3
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MILLISECONDS)
        return plug

    def _through(self, before: Route, hop: Hop) -> paramiko.Channel:
        jump = self._jump(before)
        try:
            return jump.open_channel(
                "direct-tcpip", (hop.address, hop.port), ("127.0.0.1", 0), timeout=self.ssh.connect_seconds
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"{hop.address} port {hop.port} cannot be reached from jump host {before[-1].address}: {error}",
                remedy="is the host up, and does the jump host allow forwarding?",
            ) from error

    def _jump(self, route: Route) -> paramiko.Transport:
        """Return the one connection to a jump host; those who come while it is being made wait for it."""
        with self._lock:
            promise = self._jumps.get(route)
            if promise and promise.done() and (promise.exception() or not promise.result().is_active()):
                promise = None
            ours = promise is None
            if promise is None:
                promise = self._jumps[route] = Future()
        if ours:
            try:
                promise.set_result(self._open(route, jump=True))
            except Exception as error:  # noqa: BLE001 - handed on to everybody who waits for it
                promise.set_exception(error)
        return promise.result()

    def _handshake(self, before: Route, hop: Hop) -> paramiko.Transport:
        """Return a connection to the right host that nobody has logged in on yet."""
        transport = paramiko.Transport(self._through(before, hop) if before else self._dial(hop))
        seconds = self.ssh.connect_seconds
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds
        with _closed_on_error(lambda: transport):
            known = [kind for key in self._known.of(hop.known_as) for kind in _signatures(key.type)]
            options = transport.get_security_options()
            options.key_types = sorted(options.key_types, key=lambda kind: kind not in known)  # ask for what we know
            try:
                transport.start_client(timeout=seconds)
                presented = transport.get_remote_server_key()
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise Unreachable(
                    f"{hop.address} port {hop.port}: no SSH handshake: {str(error) or 'connection closed'}",
                    remedy="does an SSH server of this decade listen there?",
                ) from error
            self._known.verify(hop.known_as, HostKey(presented.get_name(), presented.asbytes()))
        return transport

    def _log_in(self, hop: Hop, connect: Callable[[], paramiko.Transport], *, password: bool) -> paramiko.Transport:
        """Try one way after the other, each on a connection of its own.

        Paramiko asks for the login service anew with every attempt, for which some servers hang up; and no server's
        limit of attempts per connection is ever reached. A way that is taken but not enough keeps its connection.
        """
        tried: list[str] = []
        transport = connect()
        with _closed_on_error(lambda: transport):
            for label, attempt in self._ways(hop, tried, password=password):
                if not transport.is_active():
                    transport = connect()
                try:
                    attempt(transport)
                except paramiko.BadAuthenticationType as error:
                    tried.append(f"{label} (the host takes {' or '.join(error.allowed_types)} only)")
                except paramiko.AuthenticationException:
                    tried.append(label)
                except (paramiko.SSHException, OSError, EOFError) as error:
                    tried.append(f"{label} (the host hung up: {str(error) or 'connection closed'})")
                else:
                    if transport.is_authenticated():
                        return transport
                    tried.append(f"{label} (taken, but the host wants more)")
                    continue
                transport.close()
            raise AuthenticationRefused(
                f"{hop.user}@{hop.address} was not let in; tried: {', '.join(tried) or 'nothing: there is no key'}",
                remedy="check ssh.user, and name the right ssh.key or ssh.password",
            )

    def _ways(self, hop: Hop, tried: list[str], *, password: bool) -> Iterator[tuple[str, _Attempt]]:
        """Yield the ways to log in, in order; what cannot even be tried is told in ``tried``."""
        if hop.agent:
            with closing(paramiko.Agent()) as agent:
                for offered in agent.get_keys():
                    yield f"agent key {offered.fingerprint}", _public_key(hop.user, offered)
        for path in hop.keys:
            try:
                key = self._load(path)
            except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
                tried.append(f"key {path} (cannot be used: {error})")
            else:
                yield f"key {path}", _public_key(hop.user, key)
        if password and (login := self._password):
            yield "password", lambda transport: transport.auth_password(hop.user, login.reveal())

    def _load(self, path: Path) -> paramiko.PKey:
        refuse_unless_private(path, "private key", path.stat())
        try:
            return paramiko.PKey.from_path(path)
        except (TypeError, paramiko.PasswordRequiredException):
            if self._passphrase is None:
                raise ValueError("it is encrypted and ssh.key_passphrase is not set") from None
        phrase = self._passphrase.reveal().encode()
        try:
            return paramiko.PKey.from_path(path, phrase)  # type: ignore[arg-type]  # text fails: cryptography wants bytes
        except (ValueError, paramiko.SSHException):
            raise SecretError("ssh.key_passphrase does not open the key", remedy=f"check it against {path}") from None


@contextmanager
def _closed_on_error(current: Callable[[], paramiko.Transport]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        current().close()
        raise


def _public_key(user: str, key: paramiko.PKey) -> _Attempt:
    return lambda transport: transport.auth_publickey(user, key)


def _signatures(key_type: str) -> tuple[str, ...]:
    return _RSA if key_type == "ssh-rsa" else (key_type,)
