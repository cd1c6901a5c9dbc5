from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from runbook_lib.freqtrade.feed.candle.series import Key
from runbook_lib.freqtrade.feed.exchange.stream import PATIENCE_SECONDS, SettledStream, final_rows

STEP = 60_000
FORMING = 1_000 * STEP
OPEN = FORMING / 1000


def row(back: int, close: float = 1.0) -> list[float]:
    return [FORMING - back * STEP, close, close, close, close, 5.0]


PLACEHOLDER = [FORMING, 1.0, 1.0, 1.0, 1.0, 0.0]


def test_hands_on_what_is_new_and_closed() -> None:
    cached = [row(4), row(3), row(2), row(1), row(0, close=7.0)]
    assert final_rows(cached, FORMING - 3 * STEP, FORMING, STEP) == [row(2), row(1), PLACEHOLDER]


def test_a_gap_after_what_is_held_is_not_bridged() -> None:
    assert final_rows([row(1), row(0)], FORMING - 3 * STEP, FORMING, STEP) is None


def test_without_the_newest_closed_candle_there_is_nothing() -> None:
    assert final_rows([row(3), row(2)], FORMING - 3 * STEP, FORMING, STEP) is None
    assert final_rows([row(2), row(0)], FORMING - 3 * STEP, FORMING, STEP) is None
    assert final_rows([], None, FORMING, STEP) is None


class Stream:
    """A websocket cache in which things happen at given seconds after the candle's open."""

    def __init__(self, *, held: int = 2) -> None:
        self.now = OPEN + 1.0
        self.cached: list[list[float]] = [row(2), row(1, close=0.5)]
        self.heard = OPEN - 1
        self.events: list[tuple[float, float, list[list[float]]]] = []
        self.rest = 0
        self.kept: list[tuple[Key, list[list[float]]]] = []
        held_frame = pd.DataFrame({"date": pd.to_datetime([FORMING - held * STEP], unit="ms", utc=True)})
        self.exchange = SimpleNamespace(
            klines=lambda _key, copy: held_frame,  # noqa: ARG005 - freqtrade's signature
            _async_get_candle_history=self.ask_exchange,
        )
        self.settled: Any = SettledStream(
            None,  # type: ignore[arg-type]  # only asked for timeframes that the feed does not know
            self,  # type: ignore[arg-type]  # as much of a cache as it may use
            self.exchange,
            2.0,
            lambda key, rows: self.kept.append((key, rows)),
            lambda: self.now,
            self.sleep,
        )

    async def ask_exchange(self, *_args: Any) -> str:
        self.rest += 1
        return "from the exchange"

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def get_ohlcv_with_refresh(self, *_args: Any) -> tuple[list[list[float]], float]:
        for at, heard, cached in self.events:
            if self.now >= OPEN + at:
                self.heard, self.cached = OPEN + heard, cached
        return self.cached, self.heard * 1000

    async def take(self) -> Any:
        return await self.settled("BTC/USDT", "1m", "spot", FORMING)


async def test_takes_the_last_update_that_came_until_it_settled() -> None:
    stream = Stream()
    stream.events = [(0.3, 0.3, [row(2), row(1, 0.8)]), (1.7, 1.7, [row(2), row(1), row(0)])]
    assert await stream.take() == ("BTC/USDT", "1m", "spot", [row(1), PLACEHOLDER], True)
    assert stream.now == pytest.approx(OPEN + 2.0)
    assert stream.rest == 0


async def test_others_are_given_the_closed_candles_alone() -> None:
    stream = Stream(held=3)
    stream.events = [(1.7, 1.7, [row(2), row(1), row(0, close=7.0)])]
    await stream.take()
    assert stream.kept == [(Key("BTC/USDT", "1m", "spot"), [row(2), row(1)])]


async def test_waits_for_a_stream_that_has_not_spoken_since_the_close() -> None:
    stream = Stream()
    stream.events = [(4.0, 4.0, [row(2), row(1), row(0)])]
    *_, rows, drop = await stream.take()
    assert rows == [row(1), PLACEHOLDER]
    assert drop
    assert 4.0 <= stream.now - OPEN <= 4.2


async def test_asks_the_exchange_when_the_stream_stays_silent() -> None:
    stream = Stream()
    assert await stream.take() == "from the exchange"
    assert not stream.kept
    assert 2 + PATIENCE_SECONDS <= stream.now - OPEN <= 2.2 + PATIENCE_SECONDS


async def test_an_update_that_came_just_after_the_close_need_not_be_the_last() -> None:
    stream = Stream()
    stream.events = [
        (0.1, 0.1, [row(2), row(1, 0.8)]),
        (3.4, 3.4, [row(2), row(1)]),
        (3.5, 3.5, [row(2), row(1), row(0)]),
    ]
    *_, rows, _drop = await stream.take()
    assert rows == [row(1), PLACEHOLDER]
    assert stream.rest == 0


async def test_where_no_later_candle_shows_that_one_is_final_the_exchange_is_asked() -> None:
    stream = Stream()
    stream.events = [(0.1, 0.1, [row(2), row(1, 0.8)])]
    assert await stream.take() == "from the exchange"
    assert not stream.kept
    assert 2 + PATIENCE_SECONDS <= stream.now - OPEN <= 2.2 + PATIENCE_SECONDS
    assert stream.rest == 1


async def test_asks_the_exchange_when_the_stream_left_a_gap() -> None:
    stream = Stream(held=3)
    stream.events = [(1.5, 1.5, [row(1), row(0)])]
    assert await stream.take() == "from the exchange"
