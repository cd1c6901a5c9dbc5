"""A command on a host that lives as long as somebody here holds it: asked line by line, it answers line by line."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final

import paramiko

from runbook_lib.errors import CommandFailed, DeadlineExceeded, HostError, Unreachable
from runbook_lib.redaction import redact

_CHUNK: Final = 1 << 16  # bytes
_LAST_WORDS_SECONDS: Final = 2.0
_LOST: Final = (paramiko.SSHException, OSError, EOFError)  # what paramiko raises when a channel or connection ends


class HeldCommand:
    """A command that `Session.hold` has started. It ends with its standard input. Thread safe.

    ``name`` stands for it in errors; ``seconds``: how long it may take to answer.
    """

    def __init__(
        self,
        transport: paramiko.Transport,
        command: str,
        *,
        name: str,
        host: str,
        seconds: float,
    ) -> None:
        self._name = name
        self._host = host
        self._seconds = seconds
        self._turn = threading.Lock()
        self._let_go = threading.Event()
        self._rest = bytearray()
        try:
            self._channel = transport.open_session(timeout=seconds)
            self._channel.settimeout(seconds)
            self._channel.exec_command(command)
        except _LOST as error:
            raise self._lost(f"the connection was lost: {error}") from error

    def ask(self, line: bytes = b"") -> str:
        """Tell it one line and return the one that it answers.

        Raises CommandFailed when it has ended, Unreachable when the connection has, DeadlineExceeded when it is silent;
        after that it is held no more.
        """
        with self._turn:
            try:
                self._channel.sendall(line + b"\n")
                return self._hear()
            except TimeoutError:
                self._channel.close()
                raise DeadlineExceeded(
                    f"{self._name} gave no answer within {self._seconds:g} s",
                    remedy="is the host overloaded or cut off?",
                    host=self._host,
                ) from None
            except _LOST as error:
                raise self._ended() from error

    def keep(self, *, every: float) -> None:
        """Ask it an empty line every so many seconds from now on, until it is let go or lost."""

        def beat() -> None:
            with suppress(HostError):  # whoever asks next is told
                while not self._let_go.wait(every):
                    self.ask()

        threading.Thread(target=beat, name=f"held-{self._host}", daemon=True).start()

    def let_go(self) -> None:
        """End its input and wait a moment until it has ended; nothing if it has."""
        self._let_go.set()
        with suppress(*_LOST):
            self._channel.shutdown_write()
            self._channel.status_event.wait(_LAST_WORDS_SECONDS)
        with suppress(*_LOST):
            self._channel.close()

    def _hear(self) -> str:
        while b"\n" not in self._rest:
            chunk = self._channel.recv(_CHUNK)
            if not chunk:
                raise EOFError
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "backslashreplace")

    def _ended(self) -> HostError:
        """Tell a command that ended by itself, with what it said last, from one that is gone without a status."""
        said = bytearray()
        with suppress(*_LOST):
            self._channel.settimeout(_LAST_WORDS_SECONDS)
            while chunk := self._channel.recv_stderr(_CHUNK):
                said += chunk
        self._channel.status_event.wait(_LAST_WORDS_SECONDS)
        status = self._channel.exit_status
        self._channel.close()
        if status == -1:
            return self._lost("its connection was lost, or it was killed")
        last = redact(said.decode("utf-8", "replace")).strip().splitlines()[-1:] or ["it said nothing"]
        return CommandFailed(
            f"{self._name} ended with status {status}: {last[0]}",
            remedy="mend what it complains about, then run the step again",
            host=self._host,
        )

    def _lost(self, why: str) -> Unreachable:
        return Unreachable(f"{self._name} is gone: {why}", remedy="observe the host anew", host=self._host)
