import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.freqtrade.feed.candle.answers import take, without_later
from runbook_lib.freqtrade.feed.candle.series import NONE, Candles
from runbook_lib.freqtrade.feed.candle.times import Window, window
from runbook_lib.freqtrade.feed.reasons import Reason

STEP = 60_000
FORMING = 1_000 * STEP
NOW = FORMING / 1000 + 3.0


def held(first: int, last: int) -> Candles:
    """Return candles from ``first`` to ``last`` minutes before the forming one."""
    dates = np.arange(FORMING - first * STEP, FORMING - last * STEP + 1, STEP)
    return Candles(dates, np.column_stack([dates / 7.0 + column for column in range(5)]))


def asked(since: int | None = None, limit: int = 10) -> Window:
    return window(now=NOW, step=STEP, since=since, limit=limit)


def test_answers_the_closed_candles_and_a_placeholder_for_the_forming_one() -> None:
    source = held(500, 1)
    rows = take(source, asked())
    assert isinstance(rows, list)
    assert len(rows) == 10
    assert [row[0] for row in rows] == [FORMING - back * STEP for back in range(9, -1, -1)]
    assert [row[1:] for row in rows[:-1]] == source.values[-9:].tolist()
    assert rows[-1][5] == 0


def test_never_answers_the_producers_own_forming_candle() -> None:
    rows = take(held(500, -2), asked())
    assert isinstance(rows, list)
    assert rows[-1][0] == FORMING
    assert rows[-1][5] == 0
    assert rows[-2][0] == FORMING - STEP


@pytest.mark.parametrize("last", [2, 3, 400])
def test_without_the_newest_closed_candle_it_is_missing(last: int) -> None:
    assert take(held(500, last), asked()) is Reason.MISSING


def test_no_candle_at_all_is_missing() -> None:
    assert take(NONE, asked()) is Reason.MISSING
    assert take(held(0, -3), asked(since=FORMING)) is Reason.MISSING


def test_what_begins_too_late_is_short() -> None:
    assert take(held(8, 1), asked()) is Reason.SHORT
    assert take(held(9, 1), asked()) != Reason.SHORT


def test_a_hole_is_not_handed_on() -> None:
    whole = held(500, 1)
    torn = Candles(np.delete(whole.dates, -5), np.delete(whole.values, -5, axis=0))
    assert take(torn, asked()) is Reason.HOLE


def test_a_candle_between_two_steps_is_not_handed_on() -> None:
    whole = held(500, 1)
    shifted = Candles(whole.dates + 1000, whole.values)
    assert take(shifted, asked()) is Reason.HOLE


def test_history_is_answered_from_what_lags() -> None:
    rows = take(held(500, 5), asked(since=FORMING - 20 * STEP, limit=10))
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == [FORMING - back * STEP for back in range(20, 10, -1)]


def test_only_the_forming_candle_asked_gives_only_the_placeholder() -> None:
    source = held(500, 1)
    assert take(source, asked(since=FORMING)) == [[FORMING, *[source.values[-1, 3]] * 4, 0.0]]
    assert take(held(500, 2), asked(since=FORMING)) == [[FORMING, *[source.values[-2, 3]] * 4, 0.0]]
    assert take(held(500, -9), asked(since=FORMING)) == [[FORMING, *[source.values[-1, 3]] * 4, 0.0]]


def test_an_answer_that_crossed_a_close_ends_with_the_candle_that_was_forming() -> None:
    rows = [[FORMING - STEP, 1.0], [FORMING, 2.0], [FORMING + STEP, 3.0]]
    assert without_later(rows, FORMING) == rows[:2]


@given(
    present=st.lists(st.booleans(), min_size=1, max_size=40),
    off=st.sampled_from([0, 0, 0, 1, 30_000]),
    since=st.none() | st.integers(-3, 40),
    limit=st.integers(1, 30),
)
def test_what_is_taken_is_all_that_was_asked_for_and_nothing_else(
    present: list[bool], off: int, since: int | None, limit: int
) -> None:
    dates = np.array([FORMING + off + (5 - back) * STEP for back, there in enumerate(present) if there][::-1], np.int64)
    source = Candles(dates, np.column_stack([dates / 7.0] * 5))
    request = asked(None if since is None else FORMING - since * STEP, limit)
    rows = take(source, request)
    wanted = list(range(request.first, request.last + 1, STEP))
    if isinstance(rows, Reason):
        assert not set(wanted) <= set(dates.tolist()) or not wanted
    else:
        assert [row[0] for row in rows if row[0] < FORMING] == wanted
        assert all(row[1:] == [row[0] / 7.0] * 5 for row in rows if row[0] < FORMING)
        assert [row[0] for row in rows if row[0] >= FORMING] == [FORMING] * request.with_forming
