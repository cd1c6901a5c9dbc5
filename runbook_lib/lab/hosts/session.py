"""One command or shell of an SSH session, as a real process."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import PIPE, Process

import asyncssh

from runbook_lib.lab.hosts.processes import send_group
from runbook_lib.lab.hosts.settings import HostSettings

CHUNK = 256 * 1024
GRACE_SECONDS = 1.0

Session = asyncssh.SSHServerProcess[bytes]


async def run_session(host: HostSettings, session: Session) -> None:
    """Run what the client asked for; when its channel or connection closes first, end the whole process group."""
    argv = ["/bin/sh", "-c", session.command] if session.command is not None else ["/bin/sh"]
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=host.home,
        env=host.environment(),
        start_new_session=True,
        limit=CHUNK,
    )
    work = asyncio.create_task(_carry(session, process))
    closed = asyncio.create_task(session.wait_closed())
    try:
        await asyncio.wait({work, closed}, return_when=asyncio.FIRST_COMPLETED)
        if work.done() and work.exception() is None:
            _report(session, process)
    finally:
        closed.cancel()
        if not work.done() or work.exception() is not None:
            await _end(process)
        work.cancel()
        await asyncio.gather(work, closed, return_exceptions=True)


async def _carry(session: Session, process: Process) -> None:
    """Move bytes both ways until the process has ended and all it wrote is sent."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise RuntimeError("pipes were asked for")
    stdin = asyncio.create_task(_feed(session, process, process.stdin))
    try:
        await asyncio.gather(_drain(process.stdout, session.stdout), _drain(process.stderr, session.stderr))
        await process.wait()
    finally:
        stdin.cancel()
        await asyncio.gather(stdin, return_exceptions=True)


async def _drain(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()


async def _feed(session: Session, process: Process, target: asyncio.StreamWriter) -> None:
    """Pass on input and signals. A process that stopped reading must not stop its own output: that is no error."""
    try:
        while True:
            try:
                data = await session.stdin.read(CHUNK)
            except asyncssh.BreakReceived:
                send_group(process.pid, signal.SIGINT)
                continue
            except asyncssh.SignalReceived as received:
                number = getattr(signal, f"SIG{received.signal}", None)
                if number is not None:
                    send_group(process.pid, number)
                continue
            if not data:
                break
            target.write(data)
            await target.drain()
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        target.close()


def _report(session: Session, process: Process) -> None:
    if process.returncode is not None and process.returncode < 0:
        session.exit_with_signal(signal.Signals(-process.returncode).name.removeprefix("SIG"))
    else:
        session.exit(process.returncode or 0)


async def _end(process: Process) -> None:
    send_group(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        pass
    finally:
        send_group(process.pid, signal.SIGKILL)
        await process.wait()
