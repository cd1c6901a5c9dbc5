from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runbook_lib.freqtrade.feed.candle.series import Key, Row
from runbook_lib.freqtrade.feed.exchange.held import correct

STEP = 60_000
FIRST = 30_000_000 * STEP
KEY = Key("BTC/USDT", "1m", "spot")
COLUMNS = ["date", "open", "high", "low", "close", "volume"]


def row(number: int, *values: float) -> Row:
    return [FIRST + number * STEP, *(values or (10.0, 12.0, 8.0, 11.0, 100.0))]


class Bot:
    """As much of freqtrade's exchange as holds candles. Its frames keep dates in different units, by version."""

    def __init__(self, *rows: Row, unit: str = "ms") -> None:
        frame = pd.DataFrame(rows, columns=COLUMNS)
        frame["date"] = pd.to_datetime(frame["date"], unit="ms", utc=True).dt.as_unit(unit)
        self._klines: dict[Any, pd.DataFrame] = {tuple(KEY): frame}

    def klines(self, key: Any, copy: bool) -> pd.DataFrame:
        assert not copy
        return self._klines.get(key, pd.DataFrame())

    @property
    def frame(self) -> pd.DataFrame:
        return self._klines[tuple(KEY)]

    def rows(self) -> list[Row]:
        return [[int(each[1].timestamp() * 1000), *each[2:]] for each in self.frame.itertuples()]

    def correct(self, *rows: Row, key: Key = KEY, forming: int = FIRST + 99 * STEP) -> int:
        exchange: Any = self
        return correct(exchange, key, list(rows), forming)


REVISED = (10.5, 11.5, 9.0, 11.2, 90.0)


@pytest.mark.parametrize("unit", ["ms", "ns"])
def test_the_bot_holds_what_the_exchange_says_now(unit: str) -> None:
    bot = Bot(*map(row, range(8)), unit=unit)
    before = bot.frame
    assert bot.correct(row(5), row(6, *REVISED), row(7), row(8, 1, 1, 1, 1, 1)) == 1
    assert bot.rows() == [*map(row, range(6)), row(6, *REVISED), row(7)]
    assert bot.frame.dtypes.equals(before.dtypes)
    assert bot.frame.index.equals(before.index)
    assert before.iloc[6, 1] == 10.0, "whoever looks at the old frame sees the old one"


def test_what_is_equal_to_the_last_bit_is_left_alone() -> None:
    bot = Bot(*map(row, range(8)))
    before = bot.frame
    assert bot.correct(row(6), row(7), row(8)) == 0
    assert bot.frame is before
    assert bot.correct(row(6), row(7, 10.0, 12.0, 8.0, np.nextafter(11.0, 12), 100.0)) == 1
    assert bot.rows()[7][4] == np.nextafter(11.0, 12)


def test_a_candle_that_freqtrade_filled_in_gives_way() -> None:
    bot = Bot(row(0), row(1, 11.0, 11.0, 11.0, 11.0, 0.0), row(2))
    assert bot.correct(row(1, *REVISED), row(2)) == 1
    assert bot.rows() == [row(0), row(1, *REVISED), row(2)]


def test_an_answer_with_holes_corrects_what_it_has() -> None:
    bot = Bot(*map(row, range(8)))
    assert bot.correct(row(3, *REVISED), row(5), row(7, *REVISED)) == 2
    assert bot.rows() == [*map(row, range(3)), row(3, *REVISED), *map(row, range(4, 7)), row(7, *REVISED)]


def test_where_there_is_nothing_to_correct() -> None:
    bot = Bot(*map(row, range(3)))
    before = bot.frame
    assert bot.correct() == 0
    assert bot.correct(row(9)) == 0
    assert bot.correct(row(2, *REVISED), forming=FIRST + 2 * STEP) == 0
    assert bot.correct(row(1, *REVISED), key=Key("ETH/USDT", "1m", "spot")) == 0
    assert bot.frame is before
    odd: Any = SimpleNamespace(klines=lambda _key, copy: pd.DataFrame({"funding_rate": [1.0]}))  # noqa: ARG005 - freqtrade's
    assert correct(odd, KEY, [row(1)], FIRST + STEP) == 0
