import pytest

from runbook_lib.freqtrade.feed.arrivals import GONE_CANDLES, GONE_SECONDS, Arrivals
from runbook_lib.freqtrade.feed.candle.series import Key

STEP = 60_000
FORMING = 1_000 * STEP
BTC = Key("BTC/USDT", "1m", "spot")


class Clock:
    def __init__(self) -> None:
        self.now = FORMING / 1000 + 3.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arrivals(clock: Clock) -> Arrivals:
    return Arrivals(clock)


def test_the_age_is_that_of_the_newest_candle_when_it_came(arrivals: Arrivals, clock: Clock) -> None:
    arrivals.came(BTC, FORMING - STEP, STEP)
    clock.now += 20
    arrivals.came(BTC, FORMING - STEP, STEP)
    arrivals.came(BTC, FORMING - 9 * STEP, STEP)
    assert arrivals.newest == {"BTC/USDT 1m": FORMING - STEP}
    assert arrivals.age == {"BTC/USDT 1m": 3.25}


def test_a_series_that_nobody_wants_any_more_is_forgotten(arrivals: Arrivals, clock: Clock) -> None:
    arrivals.came(BTC, FORMING - STEP, STEP)
    clock.now += GONE_SECONDS + GONE_CANDLES * 60
    arrivals.forget()
    assert arrivals.newest
    clock.now += 1
    arrivals.forget()
    assert arrivals.newest == arrivals.age == {}


def test_one_that_is_wanted_is_told_of_however_old_it_gets(arrivals: Arrivals, clock: Clock) -> None:
    arrivals.came(BTC, FORMING - STEP, STEP)
    for _ in range(100):
        clock.now += 60
        arrivals.want([BTC, Key("ETH/USDT", "1m", "spot")])
        arrivals.forget()
    assert arrivals.newest == {"BTC/USDT 1m": FORMING - STEP}
