"""A local port that leads through a host to a place only that host can reach."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

_CHUNK = 1 << 16  # bytes
_OPEN_SECONDS = 10
_LOST = (paramiko.SSHException, OSError, EOFError)


@contextmanager
def forwarded(transport: paramiko.Transport, host: str, port: int) -> Iterator[int]:
    """Listen on a free port of 127.0.0.1 and carry every connection to ``host:port`` as ``transport``'s host sees it.

    A place that cannot be reached shows as a connection that is closed at once.
    """

    class Carry(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                channel = transport.open_channel(
                    "direct-tcpip", (host, port), self.client_address, timeout=_OPEN_SECONDS
                )
            except _LOST:
                return
            with channel:
                _carry(self.request, channel)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Carry) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _carry(near: socket.socket, far: paramiko.Channel) -> None:
    """Copy both ways until both sides have said all they had to say."""
    back = threading.Thread(target=_pump, args=(far, near), daemon=True)
    back.start()
    _pump(near, far)
    back.join()


def _pump(source: socket.socket | paramiko.Channel, target: socket.socket | paramiko.Channel) -> None:
    with suppress(*_LOST):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with suppress(*_LOST):
        target.shutdown(socket.SHUT_WR)
