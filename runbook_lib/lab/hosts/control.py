"""The socket by which a host's commands reach its supervisor; it lies where systemd's own does."""

from __future__ import annotations

import asyncio
import contextlib
import getopt
import os
import socket

from runbook_lib.lab.hosts.journal import journalctl
from runbook_lib.lab.hosts.supervisor import Supervisor
from runbook_lib.lab.hosts.systemctl import Answer, Systemctl


class Control:
    """Listens for commands and answers them."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._path = supervisor.host.runtime / "systemd" / "private"
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # by the directory's handle: socket paths end at 107 bytes, paths of labs do not
            listener.bind(f"/proc/self/fd/{directory}/{self._path.name}")
        finally:
            os.close(directory)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            argv = (await reader.read()).decode("utf-8", "surrogateescape").split("\0")
            answer = await self._answer(argv)
            out, err = answer.out.encode("utf-8", "surrogateescape"), answer.err.encode("utf-8", "surrogateescape")
            writer.write(f"{answer.status} {len(out)}\n".encode() + out + err)
            await writer.drain()
        writer.close()

    async def _answer(self, argv: list[str]) -> Answer:
        program, *arguments = argv
        try:
            if program == "systemctl":
                return await Systemctl(self._supervisor, arguments).run()
            if program == "journalctl":
                return Answer(*journalctl(self._supervisor.host, arguments))
            return _loginctl(arguments)
        except (getopt.GetoptError, ValueError) as error:
            return Answer(1, err=f"{program}: {error}\n")


def _loginctl(arguments: list[str]) -> Answer:
    """Lingering is what keeps a login's services running without a session; here it is always on."""
    verb = next((word for word in arguments if not word.startswith("-")), "")
    if verb == "enable-linger":
        return Answer()
    if verb == "show-user":
        return Answer(out="yes\n" if "--value" in arguments else "Linger=yes\n")
    return Answer(1, err=f"loginctl: {verb or 'nothing'} is not modelled; show-user and enable-linger are\n")
