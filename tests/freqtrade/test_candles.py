import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.candles import (
    COLUMNS,
    CandleSet,
    Frame,
    Window,
    analysis_delays,
    common_window,
    compare,
    digest,
    newest_age,
    timeframe_ms,
    ulps,
)

MINUTE = 60_000
PAIRS = ["ADA/USDT", "BTC/USDT", "ETH/USDT"]
WINDOW = Window(10 * MINUTE, 50 * MINUTE)


def frame(seed: int, first: int = 0, count: int = 60) -> Frame:
    """Candles that depend on their date alone, so that frames of any length agree where they overlap."""
    dates = np.arange(first, first + count, dtype=np.int64) * MINUTE
    every = np.random.default_rng(seed).uniform(1e-5, 9e4, (200, 5))
    return Frame(dates, every[first : first + count].copy())


def candle_set(host: str, first: int = 0, count: int = 60) -> CandleSet:
    return CandleSet(host, {pair: frame(seed, first, count) for seed, pair in enumerate(PAIRS)})


def changed(candles: CandleSet, pair: str, row: int, column: int, value: float) -> CandleSet:
    values = candles.frames[pair].ohlcv.copy()
    values[row, column] = value
    return CandleSet(candles.host, {**candles.frames, pair: Frame(candles.frames[pair].dates, values)})


def test_equal_sets_are_identical_and_every_cell_is_counted() -> None:
    result = compare({"a": candle_set("a"), "b": candle_set("b")}, candle_set("exchange"), window=WINDOW)
    assert result.identical
    assert result.cells == 2 * 3 * 40 * 5
    assert result.detail.empty
    assert list(result.mismatches.columns) == ["a", "b"]
    assert list(result.mismatches.index) == PAIRS


@given(
    pair=st.sampled_from(PAIRS),
    row=st.integers(10, 49),
    column=st.integers(0, 4),
    up=st.booleans(),
    host=st.sampled_from(["a", "b", "c"]),
)
@settings(max_examples=50)
def test_one_ulp_anywhere_is_found_and_named(pair: str, row: int, column: int, up: bool, host: str) -> None:
    sets = {name: candle_set(name) for name in "abc"}
    true = float(sets[host].frames[pair].ohlcv[row, column])
    false = math.nextafter(true, math.inf if up else -math.inf)
    sets[host] = changed(sets[host], pair, row, column, false)
    result = compare(sets, candle_set("exchange"), window=WINDOW)
    assert result.mismatching_cells == 1
    assert result.mismatches.loc[pair, host] == 1
    assert not result.identical
    (cell,) = result.detail.to_dict("records")
    assert cell == {
        "pair": pair,
        "host": host,
        "candle": pd.Timestamp(row * MINUTE, unit="ms", tz="UTC"),
        "column": COLUMNS[column],
        "value": false,
        "reference": true,
        "ulps": 1,
    }
    assert result.cells == 3 * 3 * 40 * 5


@given(pair=st.sampled_from(PAIRS), row=st.one_of(st.integers(0, 9), st.integers(50, 59)), column=st.integers(0, 4))
@settings(max_examples=30)
def test_what_lies_outside_the_window_does_not_matter(pair: str, row: int, column: int) -> None:
    result = compare({"a": changed(candle_set("a"), pair, row, column, 1.0)}, candle_set("exchange"), window=WINDOW)
    assert result.identical


@given(order=st.permutations(PAIRS), first=st.integers(0, 10), more=st.integers(0, 100))
@settings(max_examples=30)
def test_order_of_pairs_and_extra_history_do_not_matter(order: list[str], first: int, more: int) -> None:
    held = candle_set("a", first, 50 - first + more)
    shuffled = CandleSet("a", {pair: held.frames[pair] for pair in order})
    assert compare({"a": shuffled}, candle_set("exchange"), window=WINDOW).identical
    assert digest(shuffled, WINDOW) == digest(candle_set("exchange"), WINDOW)


def test_memory_layout_does_not_change_the_digest() -> None:
    one = frame(1)
    other = Frame(one.dates.astype(">i8").astype(np.int64), np.asfortranarray(one.ohlcv))
    assert one.digest == other.digest


@given(gone=st.sets(st.integers(10, 49), min_size=1, max_size=40))
@settings(max_examples=30)
def test_a_hole_is_missing_candles_and_not_a_mismatch(gone: set[int]) -> None:
    whole = candle_set("a")
    keep = np.array([row not in gone for row in range(60)])
    torn = Frame(whole.frames["BTC/USDT"].dates[keep], whole.frames["BTC/USDT"].ohlcv[keep])
    result = compare({"a": CandleSet("a", {**whole.frames, "BTC/USDT": torn})}, candle_set("exchange"), window=WINDOW)
    assert result.missing.loc["BTC/USDT", "a"] == len(gone) == result.missing_candles
    assert result.mismatching_cells == 0
    assert result.cells == (3 * 40 - len(gone)) * 5
    assert not result.identical


def test_a_pair_that_a_host_lacks_is_all_missing_and_an_unknown_one_all_extra() -> None:
    frames = dict(candle_set("a").frames)
    frames["NEW/USDT"] = frames.pop("ETH/USDT")
    result = compare({"a": CandleSet("a", frames)}, candle_set("exchange"), window=WINDOW)
    assert result.missing.loc["ETH/USDT", "a"] == 40
    assert result.extra.loc["NEW/USDT", "a"] == 40
    assert result.extra_candles == 40
    assert not result.identical


def test_nothing_compared_is_not_identical() -> None:
    assert not compare({"a": candle_set("a")}, candle_set("x"), window=Window(0, 0)).identical
    assert not compare({}, candle_set("x"), window=WINDOW).identical


def test_nan_equals_itself_and_minus_zero_is_not_zero() -> None:
    nan = changed(candle_set("x"), "BTC/USDT", 20, 4, math.nan)
    assert compare({"a": nan}, nan, window=WINDOW).identical
    (cell,) = compare({"a": nan}, candle_set("x"), window=WINDOW).detail.to_dict("records")
    assert pd.isna(cell["ulps"])
    zero = changed(candle_set("x"), "BTC/USDT", 20, 4, 0.0)
    (cell,) = compare({"a": changed(zero, "BTC/USDT", 20, 4, -0.0)}, zero, window=WINDOW).detail.to_dict("records")
    assert (cell["ulps"], math.copysign(1, cell["value"])) == (0, -1.0)


def test_detail_is_bounded_and_says_how_much_it_left_out() -> None:
    false = CandleSet("a", {pair: Frame(f.dates, f.ohlcv * 1.5) for pair, f in candle_set("a").frames.items()})
    result = compare({"a": false}, candle_set("exchange"), window=WINDOW, limit=7)
    assert len(result.detail) == 7
    assert result.mismatching_cells == 600
    assert result.left_out == 593


@given(a=st.floats(allow_nan=False), b=st.floats(allow_nan=False))
def test_ulps_counts_the_steps_between_two_floats(a: float, b: float) -> None:
    steps = ulps(a, b)
    assert steps == ulps(b, a)
    assert (steps == 0) == (a == b)
    assert ulps(a, math.nextafter(a, math.inf)) == (0 if a == math.inf else 1)


class TestCommonWindow:
    def test_it_begins_where_the_shortest_history_does_and_ends_at_the_newest_settled_candle(self) -> None:
        window = common_window(
            [candle_set("a", 5), candle_set("b", 8)],
            candle_set("x"),
            timeframe="1m",
            now_ms=40 * MINUTE + 2500,
            settle_ms=2000,
        )
        assert window == Window(8 * MINUTE, 40 * MINUTE)

    def test_a_candle_that_has_not_settled_is_left_out(self) -> None:
        window = common_window(
            [candle_set("a")], candle_set("x"), timeframe="1m", now_ms=40 * MINUTE + 1999, settle_ms=2000
        )
        assert window.end_ms == 39 * MINUTE

    def test_a_host_that_is_behind_does_not_shorten_it(self) -> None:
        late = candle_set("a", 0, 30)
        window = common_window([late], candle_set("x"), timeframe="1m", now_ms=60 * MINUTE)
        assert compare({"a": late}, candle_set("x"), window=window).missing_candles == 3 * 30

    def test_a_young_listing_does_not_shorten_it(self) -> None:
        young = {"NEW/USDT": frame(9, 55, 5)}
        sets = [CandleSet(name, {**candle_set(name).frames, **young}) for name in "ax"]
        window = common_window(sets[:1], sets[1], timeframe="1m", now_ms=60 * MINUTE)
        assert window == Window(0, 60 * MINUTE)
        assert compare({"a": sets[0]}, sets[1], window=window).identical


def test_age_of_the_newest_candle_counts_from_its_close() -> None:
    held = CandleSet("a", {"BTC/USDT": frame(0), "NEW/USDT": frame(0, 0, 0)})
    assert newest_age(held, 61 * MINUTE + 500, "1m") == {"BTC/USDT": 60.5, "NEW/USDT": math.inf}


def test_delay_of_an_analysis_counts_from_the_close_of_the_newest_candle() -> None:
    frames = {"BTC/USDT": frame(0), "NEW/USDT": frame(0, 0, 0), "ETH/USDT": frame(1)}
    held = CandleSet("a", frames, {"BTC/USDT": 60 * MINUTE + 2250, "NEW/USDT": 60 * MINUTE})
    assert analysis_delays(held, "1m") == {"BTC/USDT": 2.25}


def test_timeframes() -> None:
    assert [timeframe_ms(name) for name in ("1m", "15m", "1h", "1d")] == [60_000, 900_000, 3_600_000, 86_400_000]
    for wrong in ("", "m", "5", "0m", "5x", "-1m"):
        with pytest.raises(ParamsError, match="no timeframe"):
            timeframe_ms(wrong)


def test_a_frame_refuses_what_is_none() -> None:
    good = frame(0)
    with pytest.raises(ValueError, match="do not rise"):
        Frame(good.dates[::-1].copy(), good.ohlcv)
    with pytest.raises(ValueError, match="60 dates"):
        Frame(good.dates, good.ohlcv[:, :4])
