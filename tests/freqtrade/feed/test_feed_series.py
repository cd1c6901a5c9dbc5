import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.freqtrade.feed.candle.series import NONE, Candles, Key, Row

DATES = st.lists(st.integers(0, 30).map(lambda minute: minute * 60_000), max_size=30)


def rows(dates: list[int], value: float) -> list[Row]:
    return [[date, *[date + value] * 5] for date in dates]


def test_a_series_says_what_it_is() -> None:
    assert str(Key("BTC/USDT", "5m", "spot")) == "BTC/USDT 5m"


def test_rows_come_back_as_they_were() -> None:
    told = [[60_000, 1.0, 2.0, 0.5, 1.5, 10.0], [120_000, 1.5, 1.6, 1.4, 1.5, 0.0]]
    assert Candles.of(told).rows() == told
    assert Candles.of([]).rows() == []


def test_of_a_candle_that_comes_twice_the_last_word_counts() -> None:
    assert Candles.of([*rows([60_000, 120_000], 0.0), *rows([60_000], 0.5)]).rows() == [
        *rows([60_000], 0.5),
        *rows([120_000], 0.0),
    ]


@pytest.mark.parametrize(
    ("dates", "shape", "words"),
    [([1, 2], (1, 5), "2 dates"), ([1], (1, 4), "1 dates"), ([2, 1], (2, 5), "rise"), ([1, 1], (2, 5), "rise")],
)
def test_what_is_no_series_is_refused(dates: list[int], shape: tuple[int, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Candles(np.array(dates, np.int64), np.zeros(shape))


def test_the_newest_of_none_is_none() -> None:
    assert NONE.newest is None
    assert Candles.of(rows([60_000, 120_000], 0.0)).newest == 120_000


@given(DATES, DATES)
def test_joined_are_all_candles_of_both_and_the_later_word_counts(old: list[int], new: list[int]) -> None:
    joined = Candles.of(rows(old, 0.25)).joined(Candles.of(rows(new, 0.5)))
    assert joined.dates.tolist() == sorted({*old, *new})
    assert joined.rows() == [rows([int(date)], 0.5 if date in new else 0.25)[0] for date in joined.dates]


@given(DATES, st.integers(-1, 31), st.integers(-1, 31))
def test_between_two_dates_are_those_and_what_lies_between(dates: list[int], first: int, last: int) -> None:
    between = Candles.of(rows(dates, 0.0)).between(first * 60_000, last * 60_000)
    assert between.dates.tolist() == [date for date in sorted(set(dates)) if first <= date / 60_000 <= last]
