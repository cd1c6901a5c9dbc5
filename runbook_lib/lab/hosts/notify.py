"""The notification socket of a Type=notify service: ``READY=1`` says that it has started."""

from __future__ import annotations

import asyncio
import socket


class Notifications(asyncio.DatagramProtocol):
    """One socket for one life of a service; in the abstract namespace, which knows no limit of path lengths here."""

    def __init__(self, invocation: str) -> None:
        self.ready = asyncio.Event()
        self._name = f"lab-notify-{invocation}"
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> dict[str, str]:
        """Listen; return the environment that tells the service where."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=f"\0{self._name}", family=socket.AF_UNIX
        )
        return {"NOTIFY_SOCKET": f"@{self._name}"}

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  the protocol hands it over
        """Take one message of ``KEY=value`` lines."""
        if b"READY=1" in data.split(b"\n"):
            self.ready.set()

    def close(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
