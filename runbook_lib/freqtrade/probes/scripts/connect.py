"""Connect to another host several times and say how long it took.

Arguments: address, port, times, echo (whether something answers there), patience (seconds to wait for a listener).
"""

import os
import socket
import time
from typing import Any


def connect(address: str, port: int, echo: bool) -> tuple[float, float]:
    """Return milliseconds until connected and until a byte was answered (0 if nothing answers there)."""
    begun = time.perf_counter()
    with socket.create_connection((address, port), timeout=3) as line:
        connected = time.perf_counter()
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not echo:
            return (connected - begun) * 1000, 0.0
        asked = time.perf_counter()
        line.sendall(b"?")
        if not line.recv(16):
            raise ConnectionError("connected, but closed without an answer")
        return (connected - begun) * 1000, (time.perf_counter() - asked) * 1000


def series(address: str, port: int, times: int, echo: bool, patience: float) -> dict[str, Any]:
    """Connect ``times`` times; a listener may still be starting, so the first refusals are waited out."""
    connects: list[float] = []
    echoes: list[float] = []
    end = time.monotonic() + patience
    while len(connects) < times:
        try:
            connected, answered = connect(address, port, echo)
        except OSError as error:
            if not connects and time.monotonic() < end:
                time.sleep(0.1)
                continue
            words = os.strerror(error.errno) if error.errno else str(error)
            return {"connect_ms": connects, "echo_ms": echoes, "error": words}
        connects.append(round(connected, 4))
        if echo:
            echoes.append(round(answered, 4))
    return {"connect_ms": connects, "echo_ms": echoes, "error": ""}


def main(arguments: dict[str, Any]) -> dict[str, Any]:
    """Connect as asked."""
    return series(**arguments)
