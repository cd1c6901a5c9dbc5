"""Cables between bots, and from a bot to the exchange: cut, nothing passes; mended, what was sent meanwhile arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

Address = tuple[str, int]


class Cable:
    """Carries TCP from one address to another. A cut is as packets lost: no end, no refusal, only silence."""

    def __init__(self, near: Address, far: Address) -> None:
        self.near, self._far = near, far
        self._whole = asyncio.Event()
        self._whole.set()
        self._calls: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Let nothing pass from now on, neither bytes nor their end."""
        self._whole.clear()

    def mend(self) -> None:
        """Let it pass again, first what was sent meanwhile."""
        self._whole.set()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[None]:
        """Carry what comes."""
        server = await asyncio.start_server(self._begin, *self.near)
        try:
            yield
        finally:
            server.close()
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.create_task(self._carry(reader, writer))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._whole.is_set():  # whoever calls now gets no answer, not even that it was heard
                await self._whole.wait()
                return
            far_reader, far_writer = await asyncio.open_connection(*self._far)
            try:
                await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
            finally:
                far_writer.transport.abort()
        except OSError:
            return  # as refused, or reset
        finally:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(65536):
            await self._whole.wait()
            writer.write(sent)
            await writer.drain()
        await self._whole.wait()
        if writer.can_write_eof():
            writer.write_eof()


def cut(cables: Iterable[Cable]) -> None:
    """Cut all of them."""
    for cable in cables:
        cable.cut()


def mend(cables: Iterable[Cable]) -> None:
    """Mend all of them."""
    for cable in cables:
        cable.mend()
