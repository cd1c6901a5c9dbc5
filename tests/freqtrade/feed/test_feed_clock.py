import random
from email.utils import formatdate

import pytest

from runbook_lib.freqtrade.feed.exchange.clock import KEPT_SECONDS, ClockCheck, date_of, instant

NOON = 1_790_000_000.0


def answers(offset: float, *, count: int, round_trip: float = 0.1, seed: int = 1) -> ClockCheck:
    """Let a host whose clock is ``offset`` seconds ahead of the exchange's see some answers."""
    check, rng = ClockCheck(), random.Random(seed)
    for number in range(count):
        see(check, offset, NOON + number * 7 + rng.random(), round_trip, rng.random())
    return check


def see(check: ClockCheck, offset: float, at: float, round_trip: float = 0.1, share: float = 0.5) -> None:
    date = formatdate(int(at + round_trip * share), usegmt=True)
    check.saw({"date": date}, at + offset, at + round_trip + offset)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("offset", [-3600.0, -2.0, -0.4, 0.0, 0.4, 2.0, 3600.0])
def test_the_bounds_hold_the_offset_and_grow_narrow(offset: float, seed: int) -> None:
    for count in (2, 5, 60):
        check = answers(offset, count=count, seed=seed)
        least, most = check.bounds
        assert least <= offset <= most
        assert abs(check.offset_seconds) <= abs(offset)
    assert most - least < 0.3
    assert check.wrong is (abs(offset) > 1.5)


def test_never_calls_a_right_clock_wrong_however_slow_the_answers() -> None:
    for seed in range(200):
        assert answers(1.4, count=30, round_trip=5.0, seed=seed).wrong is False
        assert answers(-1.4, count=30, round_trip=5.0, seed=seed).wrong is False


@pytest.mark.parametrize("seed", range(4))
def test_waits_for_the_exchanges_clock_as_long_as_its_own_is_ahead(seed: int) -> None:
    for count in (5, 60):
        assert 2.0 <= answers(2.0, count=count, seed=seed).wait_seconds < 3.2
        assert 0.0 <= answers(0.4, count=count, seed=seed).wait_seconds <= 0.4
        for right_or_behind in (0.0, -0.4, -3600.0):
            assert answers(right_or_behind, count=count, seed=seed).wait_seconds == 0.0
        assert answers(3600.0, count=count, seed=seed).wait_seconds == 0.0, "the bot would stand still"


def test_one_answer_is_not_enough() -> None:
    check = answers(5.0, count=1)
    assert (check.wrong, check.offset_seconds) == (False, 0.0)
    see(check, 5.0, NOON + 10)
    assert check.wrong


def test_a_clock_that_is_set_is_noticed_both_ways() -> None:
    check = answers(0.0, count=50)
    see(check, 30.0, NOON + 351)
    assert not check.wrong, "one answer may come from a server whose own clock is wrong"
    see(check, 30.0, NOON + 352)
    assert check.wrong
    see(check, 0.0, NOON + 353)
    see(check, 0.0, NOON + 354)
    assert (check.wrong, check.offset_seconds) == (False, 0.0)


def test_a_clock_that_drifts_is_followed() -> None:
    check = ClockCheck()
    for number in range(200):
        see(check, number * 0.02, NOON + 60 * number + number % 7 / 7)
    least, most = check.bounds
    assert least <= 199 * 0.02 <= most
    assert check.wrong


def test_what_was_learned_long_ago_is_forgotten() -> None:
    check = answers(0.0, count=60)
    least, most = check.bounds
    assert most - least < 0.3
    later = NOON + 420 + KEPT_SECONDS
    see(check, 0.0, later)
    see(check, 0.0, later)
    least, most = check.bounds
    assert most - least > 1, "a clock drifts"


def test_a_clock_set_while_a_call_was_under_way_says_nothing() -> None:
    check = answers(0.0, count=5)
    before = check.bounds
    check.saw({"date": formatdate(NOON + 40, usegmt=True)}, NOON + 40, NOON - 9_000)
    assert check.bounds == before


@pytest.mark.parametrize(
    ("headers", "made"),
    [
        ({"date": "Mon, 21 Sep 2026 14:13:20 GMT"}, NOON),
        ({"date": "Mon, 21 Sep 2026 14:13:20 GMT", "age": "30"}, None),
        ({"date": "yesterday"}, None),
        ({"date": ""}, None),
        ({}, None),
    ],
)
def test_reads_the_date(headers: dict[str, str], made: float | None) -> None:
    assert date_of(headers) == made


def test_a_date_without_a_zone_is_gmt() -> None:
    assert instant("Mon, 21 Sep 2026 14:13:20 -0000") == NOON
