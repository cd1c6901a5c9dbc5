import pytest

from runbook_lib.freqtrade.feed.candle.times import Window, window
from runbook_lib.freqtrade.feed.exchange.early import early_seconds, settled_rows

STEP = 60_000
FORMING = 30_000_000 * STEP
OPEN = FORMING / 1000
LIVE = window(now=OPEN + 5, step=STEP, since=None, limit=4)


def row(back: int, close: float = 1.0) -> list[float]:
    return [FORMING - back * STEP, 1.0, 1.0, 1.0, close, 5.0]


ROWS = [row(3), row(2, close=7.0), row(1), row(0)]
PLACEHOLDER = [FORMING, 7.0, 7.0, 7.0, 7.0, 0.0]
"""What stands for the candle that the asker takes for the forming one, after the candle that closed at 7."""


@pytest.mark.parametrize("made_at", [None, OPEN + 1, OPEN + 2, OPEN + 59, OPEN + 90])
def test_an_answer_in_time_is_handed_on_as_it_is(made_at: float | None) -> None:
    assert settled_rows(ROWS, LIVE, made_at, 2.0) == ROWS
    assert early_seconds(LIVE, made_at, 2.0) == 0.0


@pytest.mark.parametrize(("before", "wait"), [(0, 2), (1, 3), (45, 47), (58, 60)])
def test_what_had_not_settled_as_it_was_made_is_dropped(before: int, wait: int) -> None:
    assert settled_rows(ROWS, LIVE, OPEN - before, 2.0) == [row(3), row(2, close=7.0), PLACEHOLDER]
    assert early_seconds(LIVE, OPEN - before, 2.0) == wait


def test_by_a_clock_that_is_far_ahead_nothing_may_be_left() -> None:
    assert settled_rows(ROWS, LIVE, OPEN - 3_600, 2.0) == []
    assert early_seconds(LIVE, OPEN - 3_600, 2.0) == 3_602


def test_however_short_the_settling_a_candle_has_closed() -> None:
    assert settled_rows(ROWS, LIVE, OPEN, 0.0) == ROWS
    assert settled_rows(ROWS, LIVE, OPEN - 1, 0.0) == [row(3), row(2, close=7.0), PLACEHOLDER]


def test_what_only_the_answer_closed_is_not_handed_on() -> None:
    assert settled_rows([*ROWS, row(-1)], LIVE, OPEN + 60, 2.0) == ROWS


def history(last: int) -> Window:
    return window(now=OPEN + 5, step=STEP, since=FORMING - 9 * STEP, limit=10 - last)


def test_older_history_has_settled_whoever_is_ahead() -> None:
    assert settled_rows(ROWS[:2], history(last=2), OPEN - 10, 2.0) == ROWS[:2]
    assert early_seconds(history(last=2), OPEN - 10, 2.0) == 0.0


def test_history_up_to_the_newest_candle_has_no_forming_one() -> None:
    assert settled_rows(ROWS[:3], history(last=1), OPEN - 10, 2.0) == ROWS[:2]
    assert settled_rows(ROWS, history(last=0), OPEN - 10, 2.0) == [*ROWS[:2], PLACEHOLDER]
    assert early_seconds(history(last=1), OPEN - 10, 2.0) == 12
