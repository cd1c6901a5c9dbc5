"""The whole exchange, asked over real sockets, at a time of our own."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from runbook_lib.errors import LabError
from runbook_lib.lab.exchange import Exchange, ExchangeSettings
from runbook_lib.lab.exchange.candles import LISTED, MINUTE_MS, Lateness, settles_ms
from runbook_lib.lab.exchange.markets import markets

START = (LISTED + 1_000_000) * 60 + 30.0
PAIRS = ("BTC/USDT", "ETH/USDT", "PEPE/USDT")
HOSTS = {"73": "127.0.9.173", "75": "127.0.9.175"}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Lab:
    def __init__(
        self, exchange: Exchange, settings: ExchangeSettings, clock: Clock, client: aiohttp.ClientSession
    ) -> None:
        self.exchange, self.settings, self.clock, self.client = exchange, settings, clock, client

    def url(self, host: str, path: str) -> str:
        return f"http://{HOSTS[host]}:{self.settings.port}/{path}"

    async def get(self, path: str, host: str = "73") -> tuple[int, Any, Any]:
        async with self.client.get(self.url(host, f"api/v3/{path}")) as answer:
            text = await answer.text()
            body = json.loads(text) if answer.content_type == "application/json" and not text.startswith("<") else text
            return answer.status, body, answer.headers

    async def admin(self, path: str, method: str = "GET", body: object = None) -> Any:
        url = f"http://127.0.0.1:{self.settings.admin_port}/{path}"
        async with self.client.request(method, url, json=body) as answer:
            return await answer.json()

    async def counts(self, host: str = "73") -> Any:
        return (await self.admin("counts"))["sources"][host]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    clock = Clock()
    settings = ExchangeSettings(3, PAIRS, HOSTS, free_port(HOSTS["73"]), free_port("127.0.0.1"), weight_per_minute=200)
    async with Exchange(settings, clock) as exchange, aiohttp.ClientSession() as client:
        yield Lab(exchange, settings, clock, client)


KLINES = "klines?symbol=BTCUSDT&interval=1m"


async def test_every_request_is_counted_for_the_address_it_came_to(lab: Lab) -> None:
    for host, times in (("73", 3), ("75", 2)):
        for _ in range(times):
            assert (await lab.get(KLINES + "&limit=2", host))[0] == 200
    await lab.get("time", "75")
    assert (await lab.counts("73"))["requests"] == {"klines": 3}
    assert (await lab.counts("75"))["requests"] == {"klines": 2, "time": 1}
    assert (await lab.counts("75"))["weight_by_minute"] == {str(int(START) // 60): 5}
    entries = await lab.admin("requests?source=75")
    assert [(e["endpoint"], e["symbol"], e["used"]) for e in entries] == [
        ("klines", "BTCUSDT", 2),
        ("klines", "BTCUSDT", 4),
        ("time", "", 5),
    ]


async def test_the_exchanges_own_figure_is_in_every_answer(lab: Lab) -> None:
    for path, used, status in (("ping", 1, 200), ("exchangeInfo", 21, 200), ("klines?symbol=NO", 23, 400)):
        got, _, headers = await lab.get(path)
        assert (got, headers["x-mbx-used-weight-1m"], headers["x-mbx-used-weight"]) == (status, str(used), str(used))


async def test_klines_select_as_binance_does(lab: Lab) -> None:
    now = int(START) // 60
    span = 5 * MINUTE_MS
    for query, first, count in (
        ("limit=3", now - 2, 3),
        ("", now - 499, 500),
        ("limit=5000", now - 999, 1000),
        (f"startTime={(now - 9) * MINUTE_MS}", now - 9, 10),
        (f"startTime={(now - 9) * MINUTE_MS + 1}&limit=4", now - 8, 4),
        (f"endTime={(now - 9) * MINUTE_MS}&limit=4", now - 12, 4),
        (f"endTime={(now - 9) * MINUTE_MS - 1}&limit=4", now - 13, 4),
        (f"startTime={(now - 9) * MINUTE_MS}&endTime={(now - 7) * MINUTE_MS}", now - 9, 3),
        ("startTime=0&limit=2", LISTED, 2),
        (f"startTime={(now + 9) * MINUTE_MS}", 0, 0),
        ("endTime=1000", 0, 0),
    ):
        status, rows, _ = await lab.get(f"{KLINES}&{query}")
        assert status == 200
        assert [row[0] for row in rows] == [(first + i) * MINUTE_MS for i in range(count)], query
    _, rows, _ = await lab.get("klines?symbol=BTCUSDT&interval=5m&limit=2")
    assert [row[0] for row in rows] == [now * MINUTE_MS // span * span - span, now * MINUTE_MS // span * span]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("klines?symbol=NOPE&interval=1m", 400, -1121),
        ("klines?interval=1m", 400, -1102),
        ("klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("klines?symbol=BTCUSDT&interval=1m&limit=x", 400, -1100),
        ("ticker/price?symbols=BTCUSDT", 400, -1100),
        ("nothing", 404, -1000),
    ],
)
async def test_nonsense_is_refused_in_binances_words_and_counted(lab: Lab, path: str, status: int, code: int) -> None:
    got, body, _ = await lab.get(path)
    assert (got, body["code"]) == (status, code)
    assert (await lab.counts())["statuses"] == {str(status): 1}


async def test_markets_tickers_and_books_agree_with_the_candles(lab: Lab) -> None:
    _, info, _ = await lab.get("exchangeInfo")
    assert [s["symbol"] for s in info["symbols"]] == ["BTCUSDT", "ETHUSDT", "PEPEUSDT"]
    assert info["rateLimits"][0]["limit"] == 200
    _, rows, _ = await lab.get(KLINES + "&limit=1")
    _, price, _ = await lab.get("ticker/price?symbol=BTCUSDT")
    _, day, _ = await lab.get("ticker/24hr?symbol=BTCUSDT")
    assert rows[0][4] == price["price"] == day["lastPrice"]
    _, both, _ = await lab.get('ticker/bookTicker?symbols=["BTCUSDT","ETHUSDT"]')
    _, book, _ = await lab.get("depth?symbol=BTCUSDT&limit=5")
    assert [book["bids"][0][0], book["asks"][0][0]] == [both[0]["bidPrice"], both[0]["askPrice"]]
    assert float(both[0]["bidPrice"]) < float(both[0]["askPrice"])
    assert len(both) == 2


async def test_futures_have_no_markets(lab: Lab) -> None:
    for family in ("fapi", "dapi"):
        async with lab.client.get(lab.url("73", f"{family}/v1/exchangeInfo")) as answer:
            assert (await answer.json())["symbols"] == []
    counts = await lab.counts()
    assert counts["requests"] == {"fapi/exchangeInfo": 1, "dapi/exchangeInfo": 1}
    assert counts["weight_by_minute"] == {str(int(START) // 60): 0}


async def test_over_the_limit_comes_429_then_418_then_time_heals(lab: Lab) -> None:
    statuses = []
    for _ in range(22):
        status, _, headers = await lab.get("exchangeInfo")
        statuses.append(status)
    assert statuses == [200] * 10 + [429] * 10 + [418] * 2
    assert headers["Retry-After"] == "120"
    assert (await lab.get("ping", "75"))[0] == 200
    lab.clock.now += 121
    assert (await lab.get("ping"))[0] == 200
    counts = await lab.counts()
    assert counts["statuses"] == {"200": 11, "429": 10, "418": 2}
    # the banned request after the one that brought the ban is no longer charged
    assert counts["weight_by_minute"] == {str(int(START) // 60): 21 * 20, str(int(START) // 60 + 2): 1}
    assert [e["used"] for e in await lab.admin("requests?source=73")][-3:] == [420, 420, 1]


async def test_settled_truth_is_what_is_shown_once_settled_and_counts_for_nobody(lab: Lab) -> None:
    lab.clock.now = START + 45  # past the minute's end and any lateness
    _, rows, _ = await lab.get(KLINES + "&limit=6")
    truth = await lab.admin("settled?symbol=BTCUSDT&interval=1m&limit=5")
    assert truth == rows[:-1]
    early = await lab.admin(f"settled?symbol=BTCUSDT&interval=1m&limit=2&end_ms={truth[2][6] + 1}")
    assert early == truth[1:3]
    assert "error" in await lab.admin("settled?symbol=NO&interval=1m")
    assert (await lab.counts())["requests"] == {"klines": 1}


async def test_the_unsettled_candle_is_no_truth_yet(lab: Lab) -> None:
    market = markets(3, PAIRS)["BTCUSDT"]
    late = Lateness(0.3, 1.5)
    minute = next(
        i for i in range(LISTED + 10, LISTED + 999) if settles_ms(market, i, late) > (i + 1) * MINUTE_MS + 100
    )
    lab.clock.now = (minute + 1) * 60 + 0.05
    _, rows, _ = await lab.get(KLINES + "&limit=2")
    assert rows[0][0] == minute * MINUTE_MS
    assert (await lab.admin("settled?symbol=BTCUSDT&interval=1m&limit=1"))[0][0] == (minute - 1) * MINUTE_MS
    lab.clock.now += 1.5
    settled = await lab.admin("settled?symbol=BTCUSDT&interval=1m&limit=1")
    assert settled[0][0] == minute * MINUTE_MS
    assert float(settled[0][5]) > float(rows[0][5])


async def test_faults_refuse_cut_and_delay_whom_they_are_meant_for(lab: Lab) -> None:
    added = await lab.admin("faults", "POST", {"source": "73", "endpoint": "klines", "status": 403, "count": 1})
    assert [fault["id"] for fault in await lab.admin("faults")] == [added["id"]]
    assert (await lab.get(KLINES, "75"))[0] == 200
    assert (await lab.get(KLINES))[0] == 403
    assert (await lab.get(KLINES))[0] == 200
    await lab.admin("faults", "POST", {"endpoint": "time", "status": 429, "retry_after": 17})
    status, _, headers = await lab.get("time")
    assert (status, headers["Retry-After"]) == (429, "17")
    await lab.admin("faults", "POST", {"endpoint": "ping", "drop": True})
    with pytest.raises(aiohttp.ClientError):
        await lab.get("ping")
    await lab.admin("faults", "POST", {"endpoint": "depth", "delay_seconds": 0.05})
    started = asyncio.get_running_loop().time()
    assert (await lab.get("depth?symbol=BTCUSDT"))[0] == 200
    assert asyncio.get_running_loop().time() - started >= 0.05
    assert await lab.admin("faults", "DELETE") == {"ended": 3}
    assert (await lab.get("ping"))[0] == 200
    assert "unknown source" in (await lab.admin("faults", "POST", {"source": "x", "status": 403}))["error"]
    assert "object" in (await lab.admin("faults", "POST", [1]))["error"]
    # one 403, one 429, and the cut connections (a client may try a cut request again)
    statuses = (await lab.counts())["statuses"]
    assert (statuses["403"], statuses["429"]) == (1, 1)
    assert statuses["0"] >= 1


async def test_health_and_bad_numbers(lab: Lab) -> None:
    health = await lab.admin("health")
    assert health == {"ok": True, "time_ms": int(START * 1000), "pairs": 3, "sources": ["73", "75"]}
    async with lab.client.get(f"http://127.0.0.1:{lab.settings.admin_port}/counts?since_ms=x") as answer:
        assert answer.status == 400


async def test_a_port_that_is_taken_is_named_and_nothing_stays_open(lab: Lab) -> None:
    second = Exchange(lab.settings)
    with pytest.raises(LabError, match=rf"127\.0\.9\.173:{lab.settings.port}"):
        await second.start()
    settings = ExchangeSettings(3, PAIRS, {"73": "127.0.9.180"}, lab.settings.port, lab.settings.admin_port)
    with pytest.raises(LabError, match=f"127.0.0.1:{lab.settings.admin_port}"):
        await Exchange(settings).start()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.9.180", lab.settings.port))


def test_two_hosts_at_one_address_are_refused() -> None:
    with pytest.raises(LabError, match="share one address"):
        Exchange(ExchangeSettings(1, PAIRS, {"a": "127.0.0.1", "b": "127.0.0.1"}, 1, 2))
