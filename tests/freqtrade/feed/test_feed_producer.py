from time import time as clock
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from runbook_lib.freqtrade.feed import CandleProducer
from runbook_lib.freqtrade.feed.bits import BITS, VALUES
from runbook_lib.freqtrade.feed.hook import Asked, fetch_settled
from runbook_lib.freqtrade.feed.producer import SettledFetch
from runbook_lib.freqtrade.feed.stream import SettledStream
from runbook_lib.freqtrade.feed.times import OVERLAP

STEP = 60_000
FORMING = 1_000 * STEP
OPEN = FORMING / 1000


class Time:
    def __init__(self, now: float) -> None:
        self.now = now

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def ask(now: float, since: int | None = None, limit: int = 10) -> tuple[float, list[list[float]]]:
    """Return when the exchange was asked, in seconds after the candle's open, and the answer."""
    time = Time(now)
    at: list[float] = []

    async def exchange(*_args: Any) -> list[list[float]]:
        at.append(time.now - OPEN)
        return [[FORMING - STEP, 1.0], [FORMING, 2.0], [FORMING + STEP, 3.0]]

    asked = Asked("BTC/USDT", "1m", since, limit, {}, now)
    rows = await fetch_settled(exchange, asked, 2.0, time.clock, time.sleep)
    return at[0], rows


async def test_the_newest_candle_is_not_asked_for_before_it_has_settled() -> None:
    assert (await ask(OPEN + 0.5))[0] == pytest.approx(2.0)


async def test_later_it_is_asked_for_at_once() -> None:
    assert (await ask(OPEN + 7))[0] == 7


async def test_history_does_not_wait() -> None:
    assert (await ask(OPEN + 0.5, since=FORMING - 100 * STEP))[0] == 0.5


async def test_an_answer_from_beyond_the_close_loses_the_candle_that_has_just_begun() -> None:
    assert (await ask(OPEN + 59.9))[1] == [[FORMING - STEP, 1.0], [FORMING, 2.0]]


async def test_who_holds_candles_asks_for_the_few_that_are_new() -> None:
    asked_for: list[tuple[Any, ...]] = []

    async def exchange_answers(*args: Any) -> list[list[float]]:
        asked_for.append(args)
        return []

    now = int(clock() * 1000) // STEP * STEP
    held = {"BTC/USDT": pd.DataFrame({"date": pd.to_datetime([now - 2 * STEP], unit="ms", utc=True)})}
    exchange: Any = SimpleNamespace(
        klines=lambda key, copy: held.get(key[0], pd.DataFrame()),  # noqa: ARG005 - freqtrade's signature
        get_option=lambda _name, default: default,
    )
    fetch = SettledFetch(exchange_answers, exchange, 0, "spot")
    await fetch("BTC/USDT", "1m", None, 1000, {})
    await fetch("BTC/USDT", "1m", None, 1000, {"price": "mark"})
    await fetch("ETH/USDT", "1m", None, 1000, {})
    assert 2 + OVERLAP <= asked_for[0][3] <= 3 + OVERLAP
    assert [args[3] for args in asked_for[1:]] == [1000, 1000]


class Base:
    started = False

    def bot_start(self, **_kwargs: object) -> None:
        self.started = True


class Producing(CandleProducer, Base):
    pass


def a_bot(**feed: Any) -> tuple[Producing, SimpleNamespace]:
    exchange = SimpleNamespace(
        _api_async=SimpleNamespace(fetch_ohlcv="original"), _exchange_ws=SimpleNamespace(get_ohlcv="original")
    )
    strategy = Producing()
    strategy.config, strategy.dp = {"candle_feed": feed}, SimpleNamespace(_exchange=exchange)
    return strategy, exchange


def test_a_producer_takes_the_place_of_both_candle_sources() -> None:
    strategy, exchange = a_bot(settle_seconds=3)
    strategy.bot_start()
    assert strategy.started
    assert isinstance(exchange._api_async.fetch_ohlcv, SettledFetch)
    assert isinstance(exchange._exchange_ws.get_ohlcv, SettledStream)


def test_a_producer_with_a_wrong_setting_does_not_start() -> None:
    strategy, _ = a_bot(settle=3)
    with pytest.raises(ValueError, match="settle"):
        strategy.bot_start()


def test_a_producer_trades_nothing_and_adds_the_bits_alone() -> None:
    frame = pd.DataFrame({name: [1.5] for name in VALUES} | {"date": pd.to_datetime([0], unit="ms", utc=True)})
    strategy, _ = a_bot()
    frame = strategy.populate_indicators(frame, {})
    frame = strategy.populate_exit_trend(strategy.populate_entry_trend(frame, {}), {})
    assert sorted(frame.columns) == sorted([*VALUES, *BITS, "date"])
