import numpy as np
import pytest

from runbook_lib.freqtrade.feed.answers import Reason, take, without_later
from runbook_lib.freqtrade.feed.bits import Candles
from runbook_lib.freqtrade.feed.times import Window, window

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
def test_a_frame_without_the_newest_closed_candle_is_stale(last: int) -> None:
    assert take(held(500, last), asked()) is Reason.STALE


def test_no_candle_at_all_is_stale() -> None:
    assert take(held(1, 2), asked()) is Reason.STALE


def test_a_frame_that_begins_too_late_is_short() -> None:
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


def test_history_is_answered_from_a_frame_that_lags() -> None:
    rows = take(held(500, 5), asked(since=FORMING - 20 * STEP, limit=10))
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == [FORMING - back * STEP for back in range(20, 10, -1)]


def test_only_the_forming_candle_asked_gives_only_the_placeholder() -> None:
    source = held(500, 1)
    assert take(source, asked(since=FORMING)) == [[FORMING, *[source.values[-1, 3]] * 4, 0.0]]


def test_an_answer_that_crossed_a_close_ends_with_the_candle_that_was_forming() -> None:
    rows = [[FORMING - STEP, 1.0], [FORMING, 2.0], [FORMING + STEP, 3.0]]
    assert without_later(rows, FORMING) == rows[:2]
