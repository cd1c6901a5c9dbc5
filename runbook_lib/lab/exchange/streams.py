"""Kline streams over websockets, by SUBSCRIBE and UNSUBSCRIBE.

A stream tells its forming candle every two seconds, as Binance does, and says that a candle is closed only once it has
settled, before a word of the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from runbook_lib.lab.exchange.candles import MINUTE_MS, Candles, aggregate, minutes, settles_ms
from runbook_lib.lab.exchange.faults import ANY, Fault
from runbook_lib.lab.exchange.ledger import Entry
from runbook_lib.lab.exchange.markets import Market
from runbook_lib.lab.exchange.rest import cut
from runbook_lib.lab.exchange.rows import INTERVALS, encode
from runbook_lib.lab.exchange.venue import Venue

ENDPOINT = "stream"
"""The name that connections are counted, and faulted, under."""
PUSH_MS = 2000
_LOOK_SECONDS = 0.1
_WAITING = 5000
"""Messages that may wait for a slow reader before it is cut off."""
_UNKNOWN = {"code": 2, "msg": "Invalid request: unknown stream or method"}


@dataclass(eq=False, slots=True)
class _Client:
    """One connection. ``outbox``: messages on their way; a reader that hangs must not hold up the others."""

    source: str
    socket: web.WebSocketResponse
    transport: asyncio.Transport
    streams: set[str] = field(default_factory=set)
    outbox: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(_WAITING))

    def send(self, text: str) -> None:
        try:
            self.outbox.put_nowait(text)
        except asyncio.QueueFull:
            self.transport.abort()


@dataclass(eq=False, slots=True)
class _Stream:
    """One kline stream and who reads it. ``number``: the candle it is at; ``push_ms``: when it will speak next."""

    market: Market
    interval: str
    number: int
    push_ms: int
    readers: set[_Client] = field(default_factory=set)

    @property
    def size(self) -> int:
        return INTERVALS[self.interval]


class Streams:
    """All connections and what they are subscribed to."""

    def __init__(self, venue: Venue, source_of: Callable[[web.BaseRequest], str]) -> None:
        self._venue = venue
        self._source_of = source_of
        self._clients: set[_Client] = set()
        self._streams: dict[str, _Stream] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        source, arrived = self._source_of(request), self._venue.now_ms()
        fault = self._venue.faults.hit(source, ENDPOINT)
        if fault and fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        status = 101
        if fault and (fault.drop or fault.status):
            status = 0 if fault.drop else fault.status or 0
        self._venue.ledger.add(Entry(arrived, source, ENDPOINT, "", "", status, 0, 0))
        transport = request.transport
        if transport is None or status == 0:
            return cut(request)
        if status != 101:
            return web.Response(status=status)
        # no compression: on loopback it only costs time
        socket = web.WebSocketResponse(heartbeat=60, compress=False)
        await socket.prepare(request)
        client = _Client(source, socket, transport)
        count = self._venue.ledger.streams[source]
        self._clients.add(client)
        count.connections += 1
        writer = asyncio.create_task(_write(client))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    client.send(json.dumps(self._obey(client, message.data)))
        finally:
            writer.cancel()
            self._clients.discard(client)
            count.connections -= 1
            for name in list(client.streams):
                self._unsubscribe(client, name)
        return socket

    def _obey(self, client: _Client, text: str) -> dict[str, Any]:
        """Do what a message asks for and return the answer to it."""
        try:
            wish = json.loads(text)
            names = [str(name) for name in wish.get("params", [])]
        except (ValueError, AttributeError, TypeError):
            return {"error": {"code": 3, "msg": "Invalid JSON: expected an object"}, "id": None}
        number, method = wish.get("id"), wish.get("method")
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(client.streams), "id": number}
        if method not in {"SUBSCRIBE", "UNSUBSCRIBE"} or not all(map(self._known, names)):
            return {"error": _UNKNOWN, "id": number}
        for name in names:
            if method == "SUBSCRIBE":
                self._subscribe(client, name)
            else:
                self._unsubscribe(client, name)
        return {"result": None, "id": number}

    def _known(self, name: str) -> bool:
        symbol, _, interval = name.partition("@kline_")
        return symbol.upper() in self._venue.markets and interval in INTERVALS

    def _subscribe(self, client: _Client, name: str) -> None:
        if name in client.streams:
            return
        client.streams.add(name)
        self._venue.ledger.streams[client.source].subscribed[name] += 1
        if name not in self._streams:
            symbol, _, interval = name.partition("@kline_")
            now = self._venue.now_ms()
            number = now // (INTERVALS[interval] * MINUTE_MS)
            self._streams[name] = _Stream(self._venue.markets[symbol.upper()], interval, number, now)
        self._streams[name].readers.add(client)

    def _unsubscribe(self, client: _Client, name: str) -> None:
        if name not in client.streams:
            return
        client.streams.discard(name)
        subscribed = self._venue.ledger.streams[client.source].subscribed
        subscribed[name] -= 1
        if not subscribed[name]:
            del subscribed[name]
        stream = self._streams[name]
        stream.readers.discard(client)
        if not stream.readers:
            del self._streams[name]

    async def run(self) -> None:
        """Speak on all streams, for ever."""
        while True:
            for stream in list(self._streams.values()):
                self._speak(stream, self._venue.now_ms())
                await asyncio.sleep(0)  # requests go first
            await asyncio.sleep(_LOOK_SECONDS)

    def _speak(self, stream: _Stream, now: int) -> None:
        """Tell readers of every candle that has settled, or of the forming one if it is time to."""
        span = stream.size * MINUTE_MS
        while now >= (stream.number + 1) * span:
            last_minute = (stream.number + 1) * stream.size - 1
            if now < settles_ms(stream.market, last_minute, self._venue.rows.late):
                return
            whole = minutes(stream.market, stream.number * stream.size, stream.size)
            self._tell(stream, aggregate(whole, stream.size), now, closed=True)
            stream.number += 1
            stream.push_ms = now
        if now >= stream.push_ms:
            stream.push_ms = now + PUSH_MS
            forming = self._venue.rows.changing(stream.market, stream.size, now)
            self._tell(stream, forming[-1:], now, closed=False)

    def _tell(self, stream: _Stream, candle: Candles, now: int, *, closed: bool) -> None:
        row = json.loads(encode(stream.market, stream.size, stream.number, candle)[0])
        names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
        kline = {**dict(zip(names, row, strict=True)), "s": stream.market.symbol, "i": stream.interval, "x": closed}
        text = json.dumps({"e": "kline", "E": now, "s": stream.market.symbol, "k": kline})
        for reader in stream.readers:
            reader.send(text)
            self._venue.ledger.streams[reader.source].sent += 1

    def cut(self, fault: Fault) -> None:
        """Cut the live connections that a new fault means."""
        if fault.drop and fault.endpoint in {ANY, ENDPOINT}:
            for client in self._clients:
                if fault.source in {ANY, client.source}:
                    client.transport.abort()

    async def close(self) -> None:
        """Say goodbye on all connections."""
        for client in list(self._clients):
            await client.socket.close(code=1001, message=b"going away")


async def _write(client: _Client) -> None:
    with contextlib.suppress(ConnectionError):  # the reading side notices as well, and ends the connection
        while True:
            await client.socket.send_str(await client.outbox.get())
