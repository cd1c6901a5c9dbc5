import json
import struct
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.freqtrade.feed.bits import BITS, VALUES, NotExact, candles, newest, with_bits

ANY_DOUBLE = st.integers(-(2**63), 2**63 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<q", bits))[0])
PRICE = st.builds(lambda ticks, digits: ticks / 10**digits, st.integers(0, 10**12), st.integers(0, 8))
ROWS = st.lists(st.tuples(*[ANY_DOUBLE | PRICE] * 5), min_size=1, max_size=40)


def frame(rows: list[tuple[float, ...]]) -> pd.DataFrame:
    dates = pd.date_range("2026-01-01", periods=len(rows), freq="1min", tz="UTC")
    return pd.DataFrame(rows, columns=list(VALUES), dtype=float).assign(date=dates)


def over_the_wire(sent: pd.DataFrame) -> pd.DataFrame:
    """Write and read a frame with the very calls of freqtrade's misc.dataframe_to_json and json_to_dataframe."""
    plain = sent.copy()
    plain["date"] = plain["date"].dt.as_unit("ms").astype("int64")
    received = pd.read_json(StringIO(json.loads(json.dumps(plain.to_json(orient="split")))), orient="split")
    received["date"] = pd.to_datetime(received["date"], unit="ms", utc=True)
    return received


def bits_of(rows: list[tuple[float, ...]]) -> list[list[int]]:
    return np.array(rows, dtype=np.float64).view(np.int64).reshape(-1, 5).tolist()


def arrived_bits(received: pd.DataFrame) -> list[list[int]]:
    exact = candles(received).values  # noqa: PD011 - a field of ours, not pandas'
    rows: list[list[int]] = exact.view(np.int64).tolist()
    return rows


@given(ROWS)
@settings(max_examples=25, deadline=None)
def test_every_double_arrives_with_all_its_bits(rows: list[tuple[float, ...]]) -> None:
    assert arrived_bits(over_the_wire(with_bits(frame(rows)))) == bits_of(rows)


@given(st.lists(st.tuples(*[ANY_DOUBLE | PRICE] * 5), min_size=1, max_size=3))
@settings(max_examples=10, deadline=None)
def test_rows_that_arrive_one_by_one_keep_their_bits(rows: list[tuple[float, ...]]) -> None:
    whole = with_bits(frame(rows))
    parts = [over_the_wire(whole.iloc[[row]]) for row in range(len(rows))]
    assert arrived_bits(pd.concat(parts)) == bits_of(rows)


def test_the_plain_columns_lose_bits_on_that_way() -> None:
    # why all this is needed: with this seed the JSON path shifts some small prices
    prices = np.round(np.random.default_rng(1).uniform(1e-6, 1e-5, 500), 8)
    sent = frame([(price,) * 5 for price in prices])
    assert (over_the_wire(sent)["close"].to_numpy() != prices).any()


def test_dates_are_the_opens_in_milliseconds() -> None:
    sent = with_bits(frame([(1.0,) * 5, (2.0,) * 5]))
    start = int(pd.Timestamp("2026-01-01", tz="UTC").timestamp()) * 1000
    assert candles(over_the_wire(sent)).dates.tolist() == [start, start + 60_000]
    assert newest(over_the_wire(sent)) == start + 60_000


def test_an_empty_frame_has_no_newest_candle() -> None:
    assert newest(pd.DataFrame()) is None
    assert newest(frame([])) is None


def test_a_frame_without_bits_is_refused() -> None:
    with pytest.raises(NotExact, match="no column open_bits"):
        candles(frame([(1.0,) * 5]))


def test_bits_that_became_floats_are_refused() -> None:
    # rows with and without bits joined: pandas turns the column into floats, which cannot hold 64 bits
    joined = pd.concat([with_bits(frame([(1.1,) * 5])), frame([(2.2,) * 5])])
    assert joined[BITS[0]].dtype == np.float64
    with pytest.raises(NotExact, match="float64"):
        candles(joined)
