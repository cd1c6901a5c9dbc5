"""A local port that leads through a host to a place only that host can reach."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

_CHUNK = 1 << 16  # bytes
_OPEN_SECONDS = 10


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
            except (paramiko.SSHException, OSError, EOFError):
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
    open_ends: dict[socket.socket | paramiko.Channel, socket.socket | paramiko.Channel] = {near: far, far: near}
    while open_ends:
        for end in select.select(list(open_ends), [], [])[0]:
            data = end.recv(_CHUNK)
            other = open_ends[end]
            if data:
                other.sendall(data)
                continue
            del open_ends[end]
            if isinstance(other, socket.socket):
                other.shutdown(socket.SHUT_WR)
            else:
                other.shutdown_write()
