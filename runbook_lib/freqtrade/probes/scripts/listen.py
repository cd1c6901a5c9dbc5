"""Answer TCP connections for a while, so that other hosts can see whether and how fast they reach this one.

Arguments: address, port, seconds (0: only say whether the port is free), connections (end after so many).
"""

import errno
import os
import socket
import time
from typing import Any


def listen(address: str, port: int, seconds: float, connections: int) -> dict[str, Any]:
    """Serve one connection after the other: read a byte, answer a line."""
    end = time.monotonic() + seconds
    served = 0
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((address, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            return {"free": False, "taken": taken, "served": 0, "error": os.strerror(error.errno or 0)}
        if not seconds:
            return {"free": True, "taken": False, "served": 0, "error": ""}
        door.listen(64)
        while served < connections and time.monotonic() < end:
            door.settimeout(max(0.01, end - time.monotonic()))
            try:
                guest = door.accept()[0]
                with guest:
                    guest.settimeout(2)
                    guest.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if guest.recv(1):
                        guest.sendall(b"here\n")
                        served += 1
            except OSError:  # a guest that left, or the end of the time
                continue
    return {"free": True, "taken": False, "served": served, "error": ""}


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Listen as asked."""
    return listen(**arguments)
