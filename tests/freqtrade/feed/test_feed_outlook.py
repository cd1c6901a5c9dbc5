from dataclasses import dataclass

import pytest

from runbook_lib.freqtrade.feed.candle.series import Candles, Key
from runbook_lib.freqtrade.feed.candle.store import CandleStore
from runbook_lib.freqtrade.feed.candle.times import window
from runbook_lib.freqtrade.feed.peers.outlook import (
    BEHIND,
    BLOCKED,
    FOREIGN,
    LACKING,
    STILL,
    UNANSWERED,
    UNCLOSED,
    UNHELD,
    Outlook,
)

STEP = 60_000
FORMING = 30_000_000 * STEP
OWN, OTHER = Key("BTC/USDT", "1m", "spot"), Key("ETH/USDT", "5m", "spot")


@dataclass
class Breaker:
    state: str = "closed"


class Bench:
    def __init__(self) -> None:
        self.now, self.store, self.breaker = FORMING / 1000 + 3, CandleStore(), Breaker()
        self.outlook = Outlook(self.store, self.breaker, lambda: False, "1m", "spot", 35.0, 12.0, lambda: self.now)
        self.outlook.own_pairs = frozenset({"BTC/USDT"})
        self.outlook.beat()

    def hold(self, key: Key, date: int) -> None:
        self.store.put(key, Candles.of([[date, 1.0, 1.0, 1.0, 1.0, 1.0]]))

    def why(
        self,
        key: Key = OWN,
        need: int = FORMING - STEP,
        *,
        kept: bool = False,
        blocked: bool = False,
        peer: bool = True,
    ) -> str:
        return self.outlook.why_not(key, need, kept=kept, blocked=blocked, peer=peer)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_bot_in_step_that_lives_will_have_its_next_candle(bench: Bench) -> None:
    bench.hold(OWN, FORMING - 2 * STEP)
    assert not bench.why()


def test_one_that_is_not_in_step_promises_nothing(bench: Bench) -> None:
    assert bench.why() == BEHIND
    bench.hold(OWN, FORMING - 3 * STEP)
    assert bench.why() == BEHIND


def test_a_consumer_may_wait_for_a_bot_that_has_just_begun_but_no_producer_that_it_will_ask(bench: Bench) -> None:
    assert bench.why(peer=True) == BEHIND
    assert not bench.why(peer=False)
    bench.now += 36
    assert bench.why(peer=False) == STILL


def test_a_bot_that_stands_still_is_not_waited_for(bench: Bench) -> None:
    bench.hold(OWN, FORMING - 2 * STEP)
    bench.now += 36
    assert bench.why(peer=False) == STILL
    bench.outlook.beat()
    assert not bench.why(peer=False)


@pytest.mark.parametrize("key", [OWN, OTHER])
def test_a_candle_that_is_late_may_have_been_seen_to_by_another_producer(bench: Bench, key: Key) -> None:
    step = STEP if key is OWN else 5 * STEP
    forming = FORMING // step * step
    bench.now = forming / 1000 + 11
    bench.hold(key, forming - 2 * step)
    assert bench.outlook.in_step(key)
    assert not bench.why(key, forming - step, kept=key is OTHER)
    bench.now += 2
    assert not bench.outlook.in_step(key)
    assert bench.why(key, forming - step, kept=key is OTHER) == BEHIND
    bench.hold(key, forming - step)
    assert bench.outlook.in_step(key)


def test_what_is_being_downloaded_comes_whatever_was_before(bench: Bench) -> None:
    with bench.outlook.asking_exchange(OWN):
        with bench.outlook.asking_exchange(OWN):
            pass
        assert not bench.why()
    assert bench.why() == BEHIND


def test_a_download_that_failed_takes_the_promise_back_until_one_succeeds(bench: Bench) -> None:
    bench.hold(OWN, FORMING - 2 * STEP)
    with pytest.raises(OSError, match="cut"), bench.outlook.asking_exchange(OWN):
        raise OSError("cut")
    assert bench.why() == UNANSWERED
    bench.now += 60
    bench.hold(OWN, FORMING - STEP)
    bench.outlook.beat()
    assert not bench.why(need=FORMING), "another candle, another try"
    with bench.outlook.asking_exchange(OWN):
        pass
    assert not bench.why(need=FORMING - STEP)


def test_a_candle_that_the_exchange_lacks_is_not_promised_and_leaves_it_in_step(bench: Bench) -> None:
    bench.hold(OWN, FORMING - 4 * STEP)
    asked = window(now=bench.now, step=STEP, since=None, limit=9)
    bench.outlook.looked(OWN, asked, bench.store.get(OWN).rows())
    assert bench.why() == LACKING
    assert bench.outlook.in_step(OWN)
    assert bench.outlook.known_to(OWN) == FORMING - STEP
    bench.now += 60
    bench.outlook.beat()
    assert not bench.why(need=FORMING), "the next one may come"
    bench.outlook.looked(OWN, asked, [[FORMING - STEP, 1.0, 1.0, 1.0, 1.0, 1.0]])
    assert bench.outlook.lacking_for(OWN, FORMING) is None


def test_a_look_by_a_clock_that_was_wrong_is_none(bench: Bench) -> None:
    bench.hold(OWN, FORMING - 2 * STEP)
    bench.now += 3600
    bench.outlook.looked(OWN, window(now=bench.now, step=STEP, since=None, limit=9), ())
    bench.now -= 3600
    assert not bench.why()
    assert bench.outlook.known_to(OWN) == FORMING - 2 * STEP
    bench.outlook.clock_wrong = lambda: True
    bench.outlook.looked(OWN, window(now=bench.now, step=STEP, since=None, limit=9), ())
    assert bench.outlook.lacking_for(OWN, FORMING - STEP) is None


def test_a_series_that_the_standby_keeps_comes_while_it_is_in_step(bench: Bench) -> None:
    need = FORMING // (5 * STEP) * 5 * STEP - 5 * STEP
    assert bench.why(OTHER, need) == UNHELD
    assert bench.why(OTHER, need, kept=True) == BEHIND
    bench.hold(OTHER, need - 5 * STEP)
    assert not bench.why(OTHER, need, kept=True)


def test_a_standby_needs_no_bot_that_lives(bench: Bench) -> None:
    need = FORMING // (5 * STEP) * 5 * STEP
    bench.hold(OTHER, need - 5 * STEP)
    bench.now = need / 1000 + 303
    assert not bench.why(OTHER, need, kept=True)


def test_nothing_comes_while_the_exchange_refuses(bench: Bench) -> None:
    bench.hold(OWN, FORMING - 2 * STEP)
    assert bench.why(blocked=True) == BLOCKED
    assert not bench.outlook.blocked()
    bench.breaker.state = "half-open"
    assert bench.outlook.blocked()


def test_a_candle_of_the_future_is_not_promised(bench: Bench) -> None:
    bench.hold(OWN, FORMING - STEP)
    assert bench.why(need=FORMING + STEP) == UNCLOSED
    assert not bench.why(need=FORMING), "the asker's clock may be a little ahead"


def test_a_week_is_none_of_our_timeframes(bench: Bench) -> None:
    assert bench.why(Key("BTC/USDT", "1w", "spot")) == FOREIGN


def test_own_is_what_the_bot_itself_downloads(bench: Bench) -> None:
    assert bench.outlook.own(OWN)
    assert not bench.outlook.own(OWN._replace(timeframe="5m"))
    assert not bench.outlook.own(OWN._replace(candle_type="mark"))
    assert not bench.outlook.own(OTHER)
