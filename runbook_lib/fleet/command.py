"""One command over an open connection: everything it says is drained, its status awaited, its time bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import paramiko

from runbook_lib.values import CommandResult

_CHUNK = 1 << 20  # bytes
_STUCK_SECONDS = 0.5
_LOST = (paramiko.SSHException, OSError, EOFError)  # what paramiko raises when a channel or a connection ends


class TimeIsUp(Exception):
    """The deadline has passed; the channel was closed, what runs on the host may run on."""


class ConnectionLost(Exception):
    """The connection ended before the command's status came; how far the command got is not known."""


def execute(transport: paramiko.Transport, command: str, stdin: bytes, seconds: float) -> CommandResult:
    """Run ``command`` and return what it said and its status, whatever that is.

    Raises TimeIsUp after ``seconds`` of wall clock, ConnectionLost when there is no status to be had.
    """
    began = time.monotonic()
    expired = threading.Event()
    channel = _open(transport, seconds)

    def expire() -> None:
        expired.set()
        with suppress(*_LOST):
            channel.close()  # wakes everybody who waits for it, paramiko's own waits without a time limit, too

    watch = threading.Timer(max(0.0, began + seconds - time.monotonic()), expire)
    stdout, stderr = bytearray(), bytearray()
    listener = threading.Thread(target=_drain, args=(channel.recv_stderr, stderr), daemon=True)
    feeder = threading.Thread(target=_feed, args=(channel, stdin), daemon=True)
    watch.daemon = True
    watch.start()
    try:
        channel.exec_command(command)
        listener.start()
        feeder.start()
        _drain(channel.recv, stdout)
        status = channel.recv_exit_status()
        listener.join()
    except _LOST as error:
        if not expired.is_set():
            raise ConnectionLost(str(error) or "connection closed") from error
    finally:
        watch.cancel()
        with suppress(*_LOST):
            channel.close()
    if expired.is_set():
        if feeder.is_alive():
            feeder.join(_STUCK_SECONDS)
        if feeder.is_alive():
            transport.close()  # not even this can be sent: the next command shall have a new connection
        raise TimeIsUp
    if status == -1 and not _alive(transport):
        raise ConnectionLost("connection closed")
    return CommandResult(status, bytes(stdout), bytes(stderr), time.monotonic() - began)


def _open(transport: paramiko.Transport, seconds: float) -> paramiko.Channel:
    try:
        return transport.open_session(timeout=seconds)
    except _LOST as error:
        if transport.is_active() and "Timeout" in str(error):
            transport.close()  # it cannot even open a channel: the next command shall have a new one
            raise TimeIsUp from error
        raise ConnectionLost(str(error) or "connection closed") from error


def _drain(receive: Callable[[int], bytes], into: bytearray) -> None:
    while chunk := receive(_CHUNK):
        into += chunk


def _feed(channel: paramiko.Channel, stdin: bytes) -> None:
    try:
        if stdin:
            channel.sendall(memoryview(stdin))  # type: ignore[arg-type]  # bytes would be copied for every packet
        channel.shutdown_write()
    except _LOST:
        pass  # the command ended without reading it all, or the connection did: the status tells


def _alive(transport: paramiko.Transport) -> bool:
    """Tell a lost connection from a command that ended by a signal, for which paramiko knows no status either."""
    try:
        transport.open_session(timeout=5).close()
    except _LOST:
        return False
    return True
