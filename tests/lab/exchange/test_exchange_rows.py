import json
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.lab.exchange import rows as rows_module
from runbook_lib.lab.exchange.candles import LISTED, MINUTE_MS, Lateness, settles_ms
from runbook_lib.lab.exchange.markets import markets
from runbook_lib.lab.exchange.rows import INTERVALS, Rows, encode, listed

LATE = Lateness(0.3, 1.5)
PAIRS = [f"C{i}/USDT" for i in range(30)]
MARKETS = markets(5, PAIRS)
NOW = (LISTED + 500_000) * MINUTE_MS + 30_000


def decoded(raw: list[bytes]) -> list[list[object]]:
    return [json.loads(row) for row in raw]


def test_rows_are_binances_twelve_columns_on_the_tick_and_step() -> None:
    for market in MARKETS.values():
        number = NOW // MINUTE_MS
        for row in decoded(Rows(MARKETS, LATE).shown(market, 1, number - 50, number + 1, NOW)):
            assert len(row) == 12
            assert row[6] == int(str(row[0])) + MINUTE_MS - 1
            tick, step = Decimal(1).scaleb(-market.tick_decimals), Decimal(1).scaleb(-market.step_decimals)
            assert all(Decimal(str(price)) % tick == 0 for price in row[1:5])
            assert all(Decimal(str(row[place])) % step == 0 for place in (5, 9))
            assert all(len(str(row[place]).split(".")[1]) == 8 for place in (1, 2, 3, 4, 5, 7, 9, 10))


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(-3000, 3000), st.integers(0, 1000)), min_size=1, max_size=8), st.sampled_from([1, 5])
)
def test_the_cache_never_shows(asked: list[tuple[int, int]], size: int) -> None:
    market, rows = MARKETS["C3USDT"], Rows(MARKETS, LATE)
    for offset, count in asked:
        first = NOW // (size * MINUTE_MS) - 4000 + offset
        assert rows.settled(market, size, first, first + count) == Rows(MARKETS, LATE).settled(
            market, size, first, first + count
        )


def test_the_cache_stays_small_while_time_goes_on() -> None:
    market, rows, kept = MARKETS["C3USDT"], Rows(MARKETS, LATE), rows_module._KEPT
    first = LISTED + 10
    for step in range(0, 20_000, 500):
        rows.settled(market, 1, first + step, first + step + 1000)
        back = first + max(0, step - 4000)  # just after the oldest are dropped, too
        found = rows.settled(market, 1, back, back + 3)
        assert [json.loads(row)[0] // MINUTE_MS for row in found] == [back, back + 1, back + 2]
    assert len(rows._shelves["C3USDT", 1]._rows) <= 2 * kept


def test_the_forming_candle_comes_last_and_settled_ones_before_it_are_for_ever() -> None:
    market, rows = MARKETS["C1USDT"], Rows(MARKETS, LATE)
    for size in INTERVALS.values():
        span = size * MINUTE_MS
        number = NOW // span
        shown = rows.shown(market, size, number - 3, number + 1000, NOW)
        assert [json.loads(row)[0] for row in shown] == [(number - back) * span for back in (3, 2, 1, 0)]
        assert shown[:-1] == rows.shown(market, size, number - 3, number, NOW + span)
        assert all(before[4] == after[1] for before, after in pairwise(decoded(shown)))


def test_a_late_candle_is_shown_unsettled_and_then_never_again() -> None:
    market, rows = MARKETS["C1USDT"], Rows(MARKETS, LATE)
    minute = next(i for i in range(LISTED + 5, LISTED + 5000) if i % 5 == 4 and settles_ms(market, i, LATE) % 60_000)
    for size in (1, 5):
        number = minute // size
        early = rows.shown(market, size, number, number + 1, settles_ms(market, minute, LATE) - 1)
        settled = rows.shown(market, size, number, number + 1, settles_ms(market, minute, LATE))
        assert early != settled
        assert settled == rows.settled(market, size, number, number + 1)
        assert Decimal(str(decoded(early)[0][5])) < Decimal(str(decoded(settled)[0][5]))


def test_nothing_is_older_than_the_listing() -> None:
    market, rows = MARKETS["C1USDT"], Rows(MARKETS, LATE)
    assert decoded(rows.settled(market, 5, 0, listed(5) + 2))[0][0] == LISTED * MINUTE_MS
    assert rows.settled(market, 5, 0, listed(5)) == []


def test_encoding_of_one_known_candle() -> None:
    market = MARKETS["C1USDT"]
    raw = Rows(MARKETS, LATE).settled(market, 1, LISTED, LISTED + 1)
    assert raw == encode(market, 1, LISTED, rows_module.minutes(market, LISTED, 1))
