import pytest

from runbook_lib.freqtrade.feed.candle.times import OVERLAP, timeframe_ms, window

STEP = 60_000
NOW = 1_000 * 60 + 7.5  # 7.5 s into the candle that opens at 1000 minutes
FORMING = 1_000 * STEP


@pytest.mark.parametrize(
    ("timeframe", "step"),
    [("1m", 60_000), ("5m", 300_000), ("4h", 14_400_000), ("1d", 86_400_000)]
    + [(odd, None) for odd in ("1w", "1M", "3d", "7m", "0m", "m", "", "1s", "-1m")],
)
def test_length_of_a_candle(timeframe: str, step: int | None) -> None:
    assert timeframe_ms(timeframe) == step


def test_without_a_start_the_forming_candle_is_one_of_the_limit() -> None:
    asked = window(now=NOW, step=STEP, since=None, limit=1000)
    assert asked.closed == 999
    assert asked.last == FORMING - STEP
    assert asked.with_forming
    assert asked.touches_newest


def test_a_start_between_two_candles_begins_with_the_later() -> None:
    asked = window(now=NOW, step=STEP, since=FORMING - 10 * STEP + 1, limit=1000)
    assert asked.first == FORMING - 9 * STEP
    assert asked.last == FORMING - STEP
    assert asked.with_forming


def test_history_that_ends_before_now_never_waits() -> None:
    asked = window(now=NOW, step=STEP, since=FORMING - 10 * STEP, limit=5)
    assert (asked.first, asked.last) == (FORMING - 10 * STEP, FORMING - 6 * STEP)
    assert not asked.with_forming
    assert not asked.touches_newest
    assert asked.settled_at(2.0) == 0


def test_history_up_to_the_newest_closed_candle_waits_for_it_to_settle() -> None:
    asked = window(now=NOW, step=STEP, since=FORMING - 10 * STEP, limit=10)
    assert not asked.with_forming
    assert asked.settled_at(2.0) == FORMING / 1000 + 2.0


def test_a_start_in_the_forming_candle_asks_for_nothing_closed() -> None:
    asked = window(now=NOW, step=STEP, since=FORMING, limit=1000)
    assert asked.last < asked.first
    assert asked.closed == 0
    assert asked.with_forming
    assert not asked.touches_newest


def test_a_start_in_the_future_asks_for_nothing() -> None:
    asked = window(now=NOW, step=STEP, since=FORMING + 1, limit=1000)
    assert asked.closed == 0
    assert not asked.with_forming


@pytest.mark.parametrize("behind", [1, 2, 300])
def test_who_holds_candles_is_given_what_is_new_and_a_few_again(behind: int) -> None:
    asked = window(now=NOW, step=STEP, since=None, limit=1000, held_to=FORMING - behind * STEP)
    assert asked.first == FORMING - (behind + OVERLAP) * STEP
    assert asked.last == FORMING - STEP


def test_who_holds_too_old_candles_is_given_all() -> None:
    asked = window(now=NOW, step=STEP, since=None, limit=1000, held_to=FORMING - 2000 * STEP)
    assert asked == window(now=NOW, step=STEP, since=None, limit=1000)


def test_who_holds_candles_of_the_future_is_still_given_the_newest() -> None:
    asked = window(now=NOW, step=STEP, since=None, limit=1000, held_to=FORMING + 9 * STEP)
    assert asked.first == FORMING - (1 + OVERLAP) * STEP


def test_who_names_a_start_is_given_all_from_there() -> None:
    asked = window(now=NOW, step=STEP, since=FORMING - 100 * STEP, limit=1000, held_to=FORMING - STEP)
    assert asked.first == FORMING - 100 * STEP
