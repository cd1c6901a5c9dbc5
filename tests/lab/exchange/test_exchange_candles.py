from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.lab.exchange.candles import (
    LARGEST,
    LISTED,
    MINUTE_MS,
    Candles,
    Lateness,
    after,
    aggregate,
    first_unsettled,
    minutes,
    seen,
    settles_ms,
)
from runbook_lib.lab.exchange.markets import Market, market

LATE = Lateness(0.3, 1.5)
MARKETS = st.builds(lambda seed, name: market(seed, f"{name}/USDT"), st.integers(0, 2**40), st.sampled_from("ABCDEFGH"))
MINUTES = st.integers(LISTED, LISTED + 10_000_000)


def same(one: Candles, other: Candles) -> bool:
    return one.lists() == other.lists()


@given(MARKETS, MINUTES, st.integers(1, 200), st.data())
def test_a_minute_is_the_same_however_it_is_asked_for(m: Market, first: int, count: int, data: st.DataObject) -> None:
    block = minutes(m, first, count)
    at = data.draw(st.integers(0, count - 1))
    assert same(block[at : at + 1], minutes(m, first + at, 1))


@given(MARKETS, MINUTES)
def test_candles_follow_each_other_and_enclose_their_prices(m: Market, first: int) -> None:
    c = minutes(m, first, 300)
    assert (c.open[1:] == c.close[:-1]).all()
    assert (c.high >= np.maximum(c.open, c.close)).all()
    assert (c.low <= np.minimum(c.open, c.close)).all()
    assert (c.low >= 1).all()
    assert (c.volume >= 1).all()
    assert (c.volume <= 1 << LARGEST).all()
    assert (c.taker <= c.volume).all()
    # what was paid lies between the cheapest and the dearest price, for all and for takers alone
    assert (c.quote >= c.low * c.volume).all()
    assert (c.quote <= c.high * c.volume).all()


def test_volumes_are_sometimes_tiny_and_sometimes_huge() -> None:
    volume = minutes(market(1, "BTC/USDT"), LISTED, 5000).volume
    assert (volume == 1).sum() > 10
    assert (volume > 1 << (LARGEST - 4)).sum() > 10
    assert len(set(volume.tolist())) > 1000


def test_seeds_and_pairs_differ() -> None:
    drawn = [minutes(market(seed, pair), LISTED, 50).lists() for seed in (1, 2) for pair in ("A/USDT", "B/USDT")]
    assert all(drawn.count(one) == 1 for one in drawn)


@given(MARKETS, MINUTES, st.sampled_from([3, 5, 15, 60, 240]), st.integers(1, 5))
def test_aggregation_is_what_a_loop_over_the_minutes_says(m: Market, at: int, size: int, count: int) -> None:
    first = at // size * size
    whole = aggregate(minutes(m, first, size * count), size)
    for number in range(count):
        part = minutes(m, first + number * size, size)
        opened, high, low, closed, *sums = (column[number] for column in whole.lists())
        assert (opened, high, low, closed) == (
            part.lists()[0][0],
            max(part.lists()[1]),
            min(part.lists()[2]),
            part.lists()[3][-1],
        )
        assert sums == [sum(column) for column in part.lists()[4:]]


@given(MARKETS, MINUTES)
def test_aggregating_twice_is_aggregating_once(m: Market, at: int) -> None:
    first = at // 60 * 60
    hour = minutes(m, first, 60)
    assert same(aggregate(aggregate(hour, 5), 12), aggregate(hour, 60))


@settings(max_examples=20)
@given(MARKETS, MINUTES)
def test_a_forming_candle_only_grows_and_ends_as_the_settled_one(m: Market, minute: int) -> None:
    settled = minutes(m, minute, 1)
    shown = [after(m, minute, second, settled) for second in range(61)]
    assert same(shown[60], settled)
    for before, now in pairwise(shown):
        assert now.high[0] >= before.high[0]
        assert now.low[0] <= before.low[0]
        assert now.volume[0] >= before.volume[0]
    for one in shown:
        assert settled.low[0] <= one.low[0] <= one.close[0] <= one.high[0] <= settled.high[0]
        assert one.open[0] == settled.open[0]


def late_minute(m: Market) -> int:
    return next(i for i in range(LISTED, LISTED + 1000) if settles_ms(m, i, LATE) > (i + 1) * MINUTE_MS)


@given(MARKETS)
def test_a_late_candle_lacks_its_last_trades_until_it_settles(m: Market) -> None:
    minute = late_minute(m)
    settled, until = minutes(m, minute, 1), settles_ms(m, minute, LATE)
    assert (minute + 1) * MINUTE_MS < until <= (minute + 1) * MINUTE_MS + 1500
    early = seen(m, minute, until - 1, LATE)[:1]
    assert early.volume[0] < settled.volume[0]
    assert settled.low[0] <= early.low[0] <= early.high[0] <= settled.high[0]
    assert same(seen(m, minute, until, LATE)[:1], settled)
    assert same(seen(m, minute, until + 10 * MINUTE_MS, LATE)[:1], settled)
    assert first_unsettled(m, until - 1, LATE) == minute
    assert first_unsettled(m, until, LATE) == minute + 1


def test_late_candles_mostly_close_elsewhere() -> None:
    m = market(3, "BTC/USDT")
    late = [i for i in range(LISTED, LISTED + 1000) if settles_ms(m, i, LATE) > (i + 1) * MINUTE_MS]
    assert len(late) == pytest.approx(300, abs=60)
    moved = [i for i in late if seen(m, i, (i + 1) * MINUTE_MS, LATE).close[0] != minutes(m, i, 1).close[0]]
    assert len(moved) > 0.85 * len(late)  # the rest did not move at all in their last seconds


@pytest.mark.parametrize("late", [Lateness(0.0, 1.5), Lateness(0.3, 0.0)])
def test_without_lateness_candles_settle_at_their_close(late: Lateness) -> None:
    m = market(3, "BTC/USDT")
    assert all(settles_ms(m, i, late) <= (i + 1) * MINUTE_MS for i in range(LISTED, LISTED + 200))


def test_lateness_of_more_than_a_minute_keeps_several_candles_open() -> None:
    m, late = market(3, "BTC/USDT"), Lateness(1.0, 150.0)
    now = (LISTED + 100) * MINUTE_MS
    first = first_unsettled(m, now, late)
    assert LISTED + 97 <= first < LISTED + 100
    assert len(seen(m, LISTED, now, late)) == 101
    assert replace(late, share=0.0).minutes == 3
