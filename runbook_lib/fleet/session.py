"""What can be done on one host: commands, scripts, commands as root. One connection, opened when first needed."""

from __future__ import annotations

import json
import shlex
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

import paramiko

from runbook_lib.errors import CommandFailed, DeadlineExceeded, HostError, PrivilegeRefused, SecretError, Unreachable
from runbook_lib.fleet.command import ConnectionLost, TimeIsUp, execute
from runbook_lib.fleet.connect import Connector
from runbook_lib.fleet.forward import forwarded
from runbook_lib.fleet.held import HeldCommand
from runbook_lib.redaction import holds_registered, redact
from runbook_lib.values import CommandResult

_AT_ONCE: Final = 8  # commands at a time on one connection; sshd's MaxSessions is 10: one is left for what is held
_ROOT_BY: Final = """\
if [ "$(id -u)" = 0 ]; then echo root
elif sudo -k -n -- sh -c : 2>/dev/null; then echo free
elif command -v sudo >/dev/null; then echo asks
else echo none; fi"""
_AS_ROOT: Final = "runbook: as root"  # what a command says first, once sudo has let it run: sudo has many words for no
_SCRIPT: Final = """\
import json as _json
arguments = _json.loads({arguments})
exec(compile({script}, "<script>", "exec"))
if "main" in globals():
    print("\\n" + _json.dumps(main(arguments)))
"""


class Session:
    """One host. Thread safe. A connection that was lost is opened anew by the next call, never within one."""

    def __init__(self, name: str, address: str, connector: Connector) -> None:
        self.name = name
        self.address = address
        self._connector = connector
        self._transport: paramiko.Transport | None = None
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._root_by: str | None = None
        self._closed = False

    def connect(self) -> None:
        """Open the connection now; nothing if it is open."""
        self._connection()

    def close(self) -> None:
        """End the connection, and with it whatever still waits for an answer."""
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def run(
        self, command: str, *, stdin: bytes = b"", deadline: float | None = None, check: bool = True
    ) -> CommandResult:
        """Run a shell command in the login's home. ``deadline``: seconds, by default the site's ``command_seconds``.

        Raises CommandFailed for another status than 0 (unless ``check`` is False), DeadlineExceeded, or Unreachable
        when the connection is lost on the way. A secret on the command line is refused: hand it over by ``stdin``.
        """
        if holds_registered(command):
            raise SecretError("a secret would stand on a command line", remedy="report this bug", host=self.name)
        seconds = self._connector.ssh.command_seconds if deadline is None else deadline
        transport = self._connection()
        if not self._slots.acquire(timeout=seconds):
            raise self._too_long(command, seconds)
        try:
            result = execute(transport, command, stdin, seconds)
        except TimeIsUp:
            raise self._too_long(command, seconds) from None
        except ConnectionLost as lost:
            raise Unreachable(
                f"connection lost while {_brief(command)} ran: {lost}",
                remedy="what it did is not known; observe the host anew",
                host=self.name,
            ) from lost
        finally:
            self._slots.release()
        if check and result.status != 0:
            raise self.failure(command, result)
        return result

    def sudo(
        self, command: str, *, stdin: bytes = b"", deadline: float | None = None, check: bool = True
    ) -> CommandResult:
        """Run a shell command as root, as `run` does. The password, where sudo asks for one, goes by standard input.

        Raises PrivilegeRefused when sudo says no; the command has not run then.
        """
        by = self._way_to_root(deadline)
        if by == "root":
            return self.run(f"sh -c {shlex.quote(command)}", stdin=stdin, deadline=deadline, check=check)
        script = f"echo {_AS_ROOT} >&2; {command}"
        # -k: without a remembered password sudo is sure to read the line, and the command never sees it
        way, line = ("sudo -n", b"") if by == "free" else ("sudo -k -S -p ''", self._password_line())
        result = self.run(f"{way} -- sh -c {shlex.quote(script)}", stdin=line + stdin, deadline=deadline, check=False)
        _, ran, said = result.stderr.partition(f"{_AS_ROOT}\n".encode())
        if not ran:
            self._root_by = None  # what was found out about it no longer holds
            raise self._refused(result, script)
        result = replace(result, stderr=said)
        if check and result.status != 0:
            raise self.failure(command, result)
        return result

    def python(
        self,
        script: str,
        arguments: object = None,
        *,
        interpreter: str = "python3",
        deadline: float | None = None,
        sudo: bool = False,
    ) -> Any:  # noqa: ANN401 - any JSON
        """Run a script of the standard library alone on the host; return the JSON in the last line that it prints.

        The script finds ``arguments`` (JSON-able) in a global of that name. If it defines ``main``, that is called with
        them and what it returns is printed. Script and arguments go by standard input, never on a command line.
        Raises CommandFailed with the last line of the traceback when the script fails.
        """
        text = _SCRIPT.format(arguments=ascii(json.dumps(arguments)), script=ascii(script))
        command = f"{shlex.quote(interpreter.removeprefix('~/'))} -I -"
        run = self.sudo if sudo else self.run
        result = run(command, stdin=text.encode(), deadline=deadline, check=False)
        if result.status != 0:
            raise self.failure(f"a script in {interpreter}", result, lines=1)
        lines = result.text.strip().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError):
            shown = redact(lines[-1][:200]) if lines else "nothing"
            raise CommandFailed(
                f"a script in {interpreter} ended with {shown!r} where JSON was due",
                remedy="report this bug",
                host=self.name,
            ) from None

    def hold(self, command: str, name: str) -> HeldCommand:
        """Start a command that lives until it is let go or the connection ends; see `HeldCommand`.

        ``name`` stands for it in errors. A secret on the command line is refused.
        """
        if holds_registered(command):
            raise SecretError("a secret would stand on a command line", remedy="report this bug", host=self.name)
        seconds = self._connector.ssh.command_seconds
        return HeldCommand(self._connection(), command, name=name, host=self.name, seconds=seconds)

    def forward(self, host: str, port: int) -> AbstractContextManager[int]:
        """Lend a local port on 127.0.0.1 that leads to ``host:port`` as seen from this host."""
        return forwarded(self._connection(), host, port)

    def failure(self, command: str, result: CommandResult, *, lines: int = 4) -> CommandFailed:
        """Return the error that tells how ``command`` ended, with the last lines of what it said on stderr."""
        said = (result.stderr.strip() or result.stdout.strip()).decode("utf-8", "replace").splitlines()[-lines:]
        how = f"ended with status {result.status}" if result.status >= 0 else "was killed by a signal"
        what = f"{_brief(command)} {how}: {redact(' | '.join(said))[-1000:] or 'it said nothing'}"
        return CommandFailed(what, remedy="mend what it complains about, then run the step again", host=self.name)

    def _connection(self) -> paramiko.Transport:
        with self._lock:
            if self._closed:
                raise Unreachable("its session is closed", remedy="use it within `with Fleet.of(site)`", host=self.name)
            if self._transport is None or not self._transport.is_active():
                try:
                    self._transport = self._connector.open(self.name, self.address)
                except HostError as error:
                    error.host = error.host or self.name
                    raise
            return self._transport

    def _way_to_root(self, deadline: float | None) -> str:
        """Find out once how this host makes us root: we are (root), sudo lets us (free), sudo asks (asks)."""
        if self._root_by is None:
            by = self.run(_ROOT_BY, deadline=deadline).text.strip()
            if by == "none":
                raise PrivilegeRefused("there is no sudo", remedy="install it, or use user-scope units", host=self.name)
            if by == "asks":
                check = "sudo -k -S -p '' -- sh -c :"
                result = self.run(check, stdin=self._password_line(), deadline=deadline, check=False)
                if result.status != 0:
                    raise self._refused(result, check)
            self._root_by = by
        return self._root_by

    def _password_line(self) -> bytes:
        password = self._connector.sudo_password
        if password is None:
            raise PrivilegeRefused(
                "sudo asks for a password", remedy="set ssh.sudo_password, or allow it in sudoers", host=self.name
            )
        return password.reveal().encode() + b"\n"

    def _refused(self, result: CommandResult, script: str) -> PrivilegeRefused:
        """Quote sudo's last words. It may quote what it was to run: that is left out."""
        lines = result.stderr.decode("utf-8", "replace").replace(script, "...").splitlines()
        said = " | ".join([line.strip() for line in lines if line.strip()][-2:])
        return PrivilegeRefused(
            f"sudo refused: {redact(said)[:300] or 'it said nothing'}",
            remedy="it did not run; check ssh.sudo_password and what sudoers allows this login",
            host=self.name,
        )

    def _too_long(self, command: str, seconds: float) -> DeadlineExceeded:
        return DeadlineExceeded(
            f"{_brief(command)} took longer than {seconds:g} s",
            remedy="it may still run there; look before you try again",
            host=self.name,
        )


def _brief(command: str) -> str:
    line = redact(" ".join(command.split()))
    return f"`{line if len(line) <= 120 else line[:117] + '...'}`"
