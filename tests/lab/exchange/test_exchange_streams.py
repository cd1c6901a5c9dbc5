"""Kline streams over real websockets, at a time of our own."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from runbook_lib.lab.exchange import Exchange, ExchangeSettings
from runbook_lib.lab.exchange.candles import LISTED, MINUTE_MS, Lateness, settles_ms
from runbook_lib.lab.exchange.markets import markets

PAIRS = ("BTC/USDT", "ETH/USDT")
HOST = "127.0.9.183"
MARKET = markets(3, PAIRS)["BTCUSDT"]
LATE_MINUTE = next(
    i
    for i in range(LISTED + 100, LISTED + 5000)
    if settles_ms(MARKET, i, Lateness(0.3, 1.5)) > (i + 1) * MINUTE_MS + 500
)
COLUMNS = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")


class Clock:
    now = LATE_MINUTE * 60 + 30.0

    def __call__(self) -> float:
        return self.now


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Lab:
    def __init__(self, exchange: Exchange, port: int, client: aiohttp.ClientSession, clock: Clock) -> None:
        self.exchange, self.port, self.client, self.clock = exchange, port, client, clock

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        return await self.client.ws_connect(f"ws://{HOST}:{self.port}/ws/0")

    @property
    def counts(self) -> dict[str, Any]:
        return self.exchange.venue.ledger.counts()["h"]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    clock, port = Clock(), free_port(HOST)
    settings = ExchangeSettings(3, PAIRS, {"h": HOST}, port, free_port("127.0.0.1"))
    async with Exchange(settings, clock) as exchange, aiohttp.ClientSession() as client:
        yield Lab(exchange, port, client, clock)


async def ask(ws: aiohttp.ClientWebSocketResponse, method: str, *names: str) -> Any:
    await ws.send_json({"method": method, "params": names, "id": 7})
    while True:
        answer = await receive(ws)
        if "e" not in answer:
            return answer


async def receive(ws: aiohttp.ClientWebSocketResponse) -> Any:
    return json.loads(await asyncio.wait_for(ws.receive_str(), 5))


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the server's own bookkeeping; it has no event to wait for
            await asyncio.sleep(0.01)


async def test_subscriptions_are_counted_while_they_last(lab: Lab) -> None:
    ws = await lab.connect()
    assert await ask(ws, "SUBSCRIBE", "btcusdt@kline_1m", "ethusdt@kline_1m") == {"result": None, "id": 7}
    assert await ask(ws, "SUBSCRIBE", "btcusdt@kline_1m") == {"result": None, "id": 7}
    other = await lab.connect()
    await ask(other, "SUBSCRIBE", "btcusdt@kline_1m")
    assert (lab.counts["streams"], lab.counts["stream_connections"]) == (2, 2)
    assert (await ask(ws, "LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@kline_1m", "ethusdt@kline_1m"]
    await ask(ws, "UNSUBSCRIBE", "ethusdt@kline_1m")
    assert lab.counts["streams"] == 1
    await other.close()
    await until(lambda: lab.counts["stream_connections"] == 1)
    assert lab.counts["streams"] == 1
    await ws.close()
    await until(lambda: lab.counts["stream_connections"] == 0)
    assert lab.counts["streams"] == 0
    assert lab.counts["requests"] == {"stream": 2}
    assert lab.counts["statuses"] == {"101": 2}


async def test_what_is_no_kline_stream_is_refused(lab: Lab) -> None:
    ws = await lab.connect()
    for method, name in (
        ("SUBSCRIBE", "btcusdt@trade"),
        ("SUBSCRIBE", "nope@kline_1m"),
        ("PLEASE", "btcusdt@kline_1m"),
    ):
        assert "error" in await ask(ws, method, name)
    await ws.send_str("[")
    assert (await receive(ws))["error"]["code"] == 3
    assert lab.counts["streams"] == 0


async def test_a_candle_is_closed_only_once_settled_and_before_the_next(lab: Lab) -> None:
    ws = await lab.connect()
    await ask(ws, "SUBSCRIBE", "btcusdt@kline_1m")
    first = (await receive(ws))["k"]
    assert (first["t"], first["x"], first["i"], first["s"]) == (LATE_MINUTE * MINUTE_MS, False, "1m", "BTCUSDT")
    lab.clock.now = (LATE_MINUTE + 1) * 60 + 0.2  # closed, not settled: silence
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ws.receive_str(), 0.4)
    lab.clock.now += 1.5
    closed, following = (await receive(ws))["k"], (await receive(ws))["k"]
    truth = lab.exchange.venue.rows.settled(MARKET, 1, LATE_MINUTE, LATE_MINUTE + 1)
    assert [closed[name] for name in COLUMNS] == json.loads(truth[0])
    assert closed["x"] is True
    assert (following["t"], following["x"], following["o"]) == ((LATE_MINUTE + 1) * MINUTE_MS, False, closed["c"])
    assert lab.counts["stream_messages"] == 3


async def test_a_forming_candle_is_told_every_two_seconds(lab: Lab) -> None:
    ws = await lab.connect()
    await ask(ws, "SUBSCRIBE", "btcusdt@kline_5m")
    before = await receive(ws)
    lab.clock.now += 1.9
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ws.receive_str(), 0.3)
    lab.clock.now += 0.1
    after = await receive(ws)
    assert after["E"] - before["E"] == 2000
    assert float(after["k"]["v"]) > float(before["k"]["v"])


async def test_a_stream_that_slept_through_candles_tells_all_of_them(lab: Lab) -> None:
    ws = await lab.connect()
    await ask(ws, "SUBSCRIBE", "btcusdt@kline_1m")
    await receive(ws)
    lab.clock.now += 180
    told = [(await receive(ws))["k"] for _ in range(4)]
    assert [(k["t"] // MINUTE_MS - LATE_MINUTE, k["x"]) for k in told] == [(0, True), (1, True), (2, True), (3, False)]


async def test_faults_refuse_and_cut_connections(lab: Lab) -> None:
    ws = await lab.connect()
    lab.exchange._streams.cut(lab.exchange.venue.faults.add({"endpoint": "stream", "status": 403}))
    lab.exchange.venue.faults.clear()
    assert (await ask(ws, "LIST_SUBSCRIPTIONS"))["result"] == []  # refusing new connections leaves live ones alone
    async with lab.client.post(
        f"http://127.0.0.1:{lab.exchange._settings.admin_port}/faults",
        json={"source": "h", "endpoint": "stream", "drop": True},
    ) as answer:
        assert answer.status == 200
    assert (await asyncio.wait_for(ws.receive(), 5)).type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE}
    with pytest.raises(aiohttp.ClientError):
        await lab.connect()
    lab.exchange.venue.faults.clear()
    lab.exchange.venue.faults.add({"endpoint": "stream", "status": 403, "count": 1})
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await lab.connect()
    assert not (await lab.connect()).closed


async def test_a_reader_that_hangs_is_cut_off_and_holds_up_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = lab.exchange._streams
    hung, ws = await lab.connect(), await lab.connect()
    await ask(hung, "SUBSCRIBE", "btcusdt@kline_1m")
    await ask(ws, "SUBSCRIBE", "btcusdt@kline_1m")
    clients = {len(client.streams): client for client in streams._clients}
    victim = next(iter(clients.values()))

    async def never(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(victim.socket, "send_str", never)
    for _ in range(6000):
        victim.send("x")
    await until(lambda: lab.counts["stream_connections"] == 1)
    lab.clock.now += 2
    assert lab.counts["streams"] == 1
