from collections.abc import Callable
from typing import Any

import httpx
import pytest

from runbook_lib.errors import HostError, Unreachable
from runbook_lib.freqtrade.candles import Frame
from runbook_lib.freqtrade.market_data import Budget, MarketData, settled_candles
from runbook_lib.values import Progress

MINUTE = 60_000
NOW = 1763917230_500  # 30.5 s into a candle
OPEN = NOW // MINUTE * MINUTE  # of the forming candle
PRICE = "0.00001234"


class Exchange(httpx.MockTransport):
    """Answers klines as Binance does: at most ``limit`` rows from ``startTime``, the forming candle included."""

    def __init__(self, *, listed: int = 0, now: int = NOW) -> None:
        self.asked: list[httpx.URL] = []
        self.listed, self.now, self.used = listed, now, 0
        self.answer: Callable[[int], httpx.Response | None] = lambda _count: None
        super().__init__(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        self.used += 1 if request.url.path.endswith("time") else 2
        headers = {"x-mbx-used-weight-1m": str(self.used)}
        if (other := self.answer(len(self.asked))) is not None:
            return other
        if request.url.path == "/api/v3/time":
            return httpx.Response(200, json={"serverTime": self.now}, headers=headers)
        assert request.url.path == "/api/v3/klines"
        query = {name: int(text) for name, text in request.url.params.items() if text.isdecimal()}
        first = max(-(-query["startTime"] // MINUTE) * MINUTE, self.listed)
        last = min(query["endTime"], self.now)
        opens = range(first, last + 1, MINUTE)[: query["limit"]]
        return httpx.Response(200, json=[row(at) for at in opens], headers=headers)


def row(at: int) -> list[Any]:
    return [at, PRICE, "0.1", "0.30000000", "1e-7", "12345678.12345678", at + MINUTE - 1, "0", 1, "0", "0", "0"]


def fetch(exchange: Exchange, pairs: list[str] | None = None, **more: Any) -> MarketData:
    return settled_candles(
        "https://exchange.test/api/v3", pairs or ["BTC/USDT"], timeframe="1m", transport=exchange, **more
    )


def test_numbers_are_the_floats_nearest_to_the_exchange_s_decimals() -> None:
    frame = fetch(Exchange(), candles=3).candles.frames["BTC/USDT"]
    assert frame.ohlcv.tolist() == [[0.00001234, 0.1, 0.3, 1e-7, 12345678.12345678]] * 3


def test_the_newest_settled_candles_without_the_forming_one() -> None:
    frame = fetch(Exchange(), candles=3).candles.frames["BTC/USDT"]
    assert frame.dates.tolist() == [OPEN - 3 * MINUTE, OPEN - 2 * MINUTE, OPEN - MINUTE]


def test_a_candle_that_may_still_be_revised_is_left_out() -> None:
    soon = fetch(Exchange(now=OPEN + 1999), candles=3, settle_seconds=2).candles.frames["BTC/USDT"]
    assert soon.dates[-1] == OPEN - 2 * MINUTE
    then = fetch(Exchange(now=OPEN + 2000), candles=3, settle_seconds=2).candles.frames["BTC/USDT"]
    assert then.dates[-1] == OPEN - MINUTE


def test_the_forming_candle_is_dropped_even_if_the_exchange_sends_it() -> None:
    exchange = Exchange()
    forming = httpx.Response(200, json=[row(OPEN - MINUTE), row(OPEN)])
    exchange.answer = lambda count: forming if count > 1 else None
    assert fetch(exchange, candles=3).candles.frames["BTC/USDT"].dates.tolist() == [OPEN - MINUTE]


def test_more_than_a_page_is_fetched_in_pages_without_a_seam() -> None:
    exchange = Exchange()
    data = fetch(exchange, candles=2500)
    frame = data.candles.frames["BTC/USDT"]
    assert frame.dates.tolist() == list(range(OPEN - 2500 * MINUTE, OPEN, MINUTE))
    assert len(exchange.asked) == 4
    assert data.weight == 1 + 3 * 2


def test_a_young_listing_has_fewer() -> None:
    frame = fetch(Exchange(listed=OPEN - 5 * MINUTE)).candles.frames["BTC/USDT"]
    assert len(frame) == 5
    assert len(fetch(Exchange(listed=OPEN + MINUTE)).candles.frames["BTC/USDT"]) == 0


def test_every_pair_is_asked_once_in_the_order_given_and_its_cost_is_told() -> None:
    exchange, seen = Exchange(), list[Progress]()
    pairs = [f"P{number}/USDT" for number in range(30)]
    data = fetch(exchange, pairs, candles=2, on_progress=seen.append)
    assert list(data.candles.frames) == pairs
    assert sorted(url.params["symbol"] for url in exchange.asked[1:]) == sorted(p.replace("/", "") for p in pairs)
    assert (data.weight, data.now_ms, data.candles.host, data.candles.cells) == (61, NOW, "exchange", 300)
    assert [(progress.done, progress.total) for progress in seen] == [(number, 30) for number in range(1, 31)]


@pytest.mark.parametrize("status", [403, 418, 429])
def test_the_first_refusal_ends_the_fetch(status: int) -> None:
    exchange = Exchange()
    exchange.answer = lambda count: httpx.Response(status, headers={"Retry-After": "77"}) if count > 5 else None
    with pytest.raises(HostError, match=rf"exchange: klines refused with {status}; .* -> wait 77 s"):
        fetch(exchange, [f"P{number}/USDT" for number in range(200)], candles=2)
    assert len(exchange.asked) < 30


def test_an_unknown_pair_is_named() -> None:
    exchange = Exchange()
    wrong = httpx.Response(400, json={"code": -1121, "msg": "Invalid symbol."})
    exchange.answer = lambda count: wrong if count > 1 else None
    with pytest.raises(HostError, match=r"klines BTCUSDT answers 400: .*Invalid symbol"):
        fetch(exchange)


def test_an_exchange_that_is_not_there() -> None:
    with pytest.raises(Unreachable, match=r"exchange: http://127\.0\.5\.1:9/api/v3/time: .*refused"):
        settled_candles("http://127.0.5.1:9/api/v3", ["BTC/USDT"], timeframe="1m")


class Clock:
    """A clock that waiting moves."""

    def __init__(self) -> None:
        self.now = 6000.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class TestBudget:
    def test_it_waits_for_the_next_minute_when_this_one_is_used_up(self) -> None:
        clock = Clock()
        budget = Budget(10, clock.wait, lambda: clock.now)
        for _ in range(5):
            budget.take(2)
        assert clock.waits == []
        clock.now += 20
        budget.take(2)
        assert clock.waits == [40.5]
        assert budget.spent == 12

    def test_what_others_use_at_the_same_address_counts(self) -> None:
        clock = Clock()
        budget = Budget(100, clock.wait, lambda: clock.now)
        budget.take(2)
        budget.told("99")
        budget.take(2)
        assert clock.waits == [60.5]
        budget.told(None)
        budget.told("no number")
        budget.take(2)
        assert len(clock.waits) == 1

    def test_a_ceiling_under_one_request_does_not_wait_for_ever(self) -> None:
        clock = Clock()
        budget = Budget(1, clock.wait, lambda: clock.now)
        budget.take(2)
        budget.take(2)
        assert clock.waits == [60.5]


def test_waiting_for_the_budget_says_so() -> None:
    seen = list[Progress]()
    waited: list[float] = []
    fetch(Exchange(), ["A/B", "C/D", "E/F"], candles=2, weight_ceiling=4, on_progress=seen.append, wait=waited.append)
    assert waited
    assert any("request weight of this minute (4)" in progress.what and progress.until for progress in seen)


def test_frames_come_as_arrays() -> None:
    frame = fetch(Exchange(), candles=2).candles.frames["BTC/USDT"]
    assert isinstance(frame, Frame)
    assert (str(frame.dates.dtype), str(frame.ohlcv.dtype), frame.ohlcv.shape) == ("int64", "float64", (2, 5))
