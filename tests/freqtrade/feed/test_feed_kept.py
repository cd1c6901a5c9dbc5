from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.freqtrade.feed.candle.series import Candles, Key
from runbook_lib.freqtrade.feed.candle.store import MOST_CANDLES, CandleStore
from runbook_lib.freqtrade.feed.candle.wire import Want
from runbook_lib.freqtrade.feed.peers import kept as module
from runbook_lib.freqtrade.feed.peers.kept import ALIVE_SECONDS, DEEPEST, KEPT_SECONDS, OLDER_SECONDS, Series
from runbook_lib.freqtrade.feed.peers.outlook import Outlook
from runbook_lib.freqtrade.feed.reasons import Reason

STEP = 60_000
FORMING = 30_000_000 * STEP
OWN, THEIRS, NOBODYS = Key("A/X", "1m", "spot"), Key("B/X", "1m", "spot"), Key("N/X", "1m", "spot")


@dataclass
class Peer:
    name: str
    owns: frozenset[str] = frozenset()
    held: tuple[Key, ...] = ()
    trouble: Reason | None = None


class Bench:
    """Producer "m", which owns A/X, beside "b", which owns B/X."""

    def __init__(self, most: int = MOST_CANDLES) -> None:
        self.now, self.store = FORMING / 1000 + 3, CandleStore(most)
        guard: Any = SimpleNamespace(state="closed")
        self.outlook = Outlook(self.store, guard, lambda: False, "1m", "spot", 35.0, 12.0, lambda: self.now)
        self.outlook.own_pairs = frozenset({"A/X"})
        self.peer = Peer("b", frozenset({"B/X"}), (THEIRS,))
        has_market = {"A/X", "B/X", "N/X"}.__contains__
        self.series = Series("m", 2.0, self.store, self.outlook, (self.peer,), has_market, clock=lambda: self.now)
        self.series.looked_at = self.now

    def want(self, key: Key, back: int = 50) -> str:
        return self.series.want(Want(key, FORMING - back * STEP, FORMING - STEP))

    def hold(self, key: Key, first: int, last: int = 1) -> None:
        dates = [FORMING - back * STEP for back in range(last, first + 1)]
        self.store.put(key, Candles.of([[date, 1.0, 1.0, 1.0, 1.0, 1.0] for date in dates]))

    def missing(self) -> set[Key]:
        return {key for key, _ in self.series.missing()}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_owner_sees_to_its_pairs_in_every_timeframe(bench: Bench) -> None:
    assert bench.series.sees_to(OWN) == bench.series.sees_to(OWN._replace(timeframe="5m")) == "m"
    assert bench.series.sees_to(THEIRS) == "b"
    bench.peer.trouble = Reason.DEAD
    assert bench.series.sees_to(THEIRS) == "b", "dead or not, it is that one's business"


def test_where_there_is_no_owner_the_first_by_name_that_lives_sees_to_it(bench: Bench) -> None:
    assert bench.series.sees_to(NOBODYS) == "b"
    bench.peer.trouble = Reason.DEAD
    assert bench.series.sees_to(NOBODYS) == "m"


def test_what_the_others_see_to_is_kept_here_too(bench: Bench) -> None:
    bench.peer.held = (THEIRS, OWN, NOBODYS, Key("B/X", "1w", "spot"), Key("B/X", "1m", "futures"))
    bench.series.follow()
    assert bench.series.held() == [THEIRS, NOBODYS]
    assert bench.missing() == {THEIRS, NOBODYS}


def test_it_is_kept_as_deep_as_a_bot_that_comes_back_will_ask(bench: Bench) -> None:
    bench.series.page = 300
    bench.series.follow()
    ((_, kept),) = bench.series.missing()
    assert kept.since == FORMING - 299 * STEP


def test_one_that_is_in_trouble_is_not_followed_but_what_was_kept_stays(bench: Bench) -> None:
    bench.peer.trouble = Reason.CLOCK
    bench.series.follow()
    assert not bench.series.held()
    bench.peer.trouble = None
    bench.series.follow()
    bench.peer.trouble = Reason.DEAD
    bench.now += KEPT_SECONDS
    bench.series.follow()
    bench.series.forget()
    assert bench.series.held() == [THEIRS]


def test_what_nobody_wants_any_more_is_dropped(bench: Bench) -> None:
    bench.want(NOBODYS)
    bench.hold(NOBODYS, 10)
    bench.now += KEPT_SECONDS + 3 * 60 - 1
    assert not bench.series.forget()
    bench.now += 2
    assert bench.series.forget() == [NOBODYS]
    assert not bench.series.held()
    assert not bench.store.series()


def test_dropping_never_touches_the_bots_own_candles(bench: Bench) -> None:
    bench.want(OWN)
    bench.hold(OWN, 10)
    bench.now += 10_000
    assert bench.series.forget() == [OWN]
    assert bench.store.series() == (OWN,)


def test_wanting_again_keeps_it(bench: Bench) -> None:
    bench.want(NOBODYS)
    bench.now += KEPT_SECONDS
    bench.want(NOBODYS)
    bench.now += KEPT_SECONDS
    assert not bench.series.forget()


def test_what_cannot_be_had_is_not_taken_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "timeframe" in bench.want(OWN._replace(timeframe="1M"))
    assert "market" in bench.want(Key("Q/X", "1m", "spot"))
    monkeypatch.setattr(module, "MOST_SERIES", 1)
    assert not bench.want(NOBODYS)
    assert "too many" in bench.want(THEIRS)
    assert not bench.want(NOBODYS)


def test_a_settled_candle_that_is_not_held_is_missing(bench: Bench) -> None:
    bench.want(NOBODYS, back=5)
    bench.hold(NOBODYS, 5, last=2)
    bench.now = FORMING / 1000 + 1.9
    assert not bench.missing(), "not before it has settled"
    bench.now = FORMING / 1000 + 2.0
    assert bench.missing() == {NOBODYS}
    bench.hold(NOBODYS, 1)
    assert not bench.missing()


def test_the_bots_own_series_is_the_bots_business_but_for_its_depth(bench: Bench) -> None:
    bench.want(OWN, back=5)
    assert not bench.missing()
    bench.hold(OWN, 5, last=4)
    assert not bench.missing()
    bench.want(OWN, back=10)
    assert bench.missing() == {OWN}
    assert bench.series.brings(OWN, peer=False)
    assert bench.series.held() == []


def test_what_lies_too_far_back_is_not_begun_with(bench: Bench) -> None:
    bench.want(NOBODYS, back=DEEPEST + 1)
    (_, kept), *_ = bench.series.missing()
    assert kept.since == FORMING - 999 * STEP
    bench.want(NOBODYS, back=DEEPEST)
    assert kept.since == FORMING - DEEPEST * STEP


def test_a_consumer_waits_for_older_candles_only_if_they_reach_back_far_enough(bench: Bench) -> None:
    bench.hold(OWN, 5)
    bench.want(OWN, back=10)
    assert bench.series.deepens(Want(OWN, FORMING - 10 * STEP, FORMING - STEP))
    assert not bench.series.deepens(Want(OWN, FORMING - 11 * STEP, FORMING - STEP))
    assert not bench.series.deepens(Want(THEIRS, FORMING, FORMING))
    bench.hold(OWN, 10)
    assert not bench.series.deepens(Want(OWN, FORMING - 10 * STEP, FORMING - STEP))


def test_where_the_exchange_has_nothing_older_nobody_waits_for_it(bench: Bench) -> None:
    bench.hold(OWN, 5)
    bench.want(OWN, back=10)
    ((_, kept),) = bench.series.missing()
    kept.begins = True
    assert not bench.missing()
    assert not bench.series.brings(OWN, peer=False)


def test_no_more_is_wanted_than_the_store_can_hold() -> None:
    bench = Bench(most=20)
    bench.hold(OWN, 19)
    bench.want(OWN, back=20)
    assert bench.missing() == {OWN}
    bench.hold(OWN, 20)
    assert not bench.missing()
    for passed in range(1, 50):
        bench.now += 60
        bench.hold(OWN, 1 - passed, last=1 - passed)
        assert not bench.missing(), "the oldest was dropped for the newest, and would be again"
        assert not bench.series.deepens(Want(OWN, FORMING - 20 * STEP, FORMING - STEP))


def test_what_the_store_cannot_hold_is_promised_to_nobody() -> None:
    bench = Bench(most=20)
    bench.hold(OWN, 10)
    bench.want(OWN, back=30)
    assert bench.series.deepens(Want(OWN, FORMING - 20 * STEP, FORMING - STEP))
    assert not bench.series.deepens(Want(OWN, FORMING - 21 * STEP, FORMING - STEP))


def test_older_candles_of_one_in_trouble_are_downloaded_by_the_first_that_lives(bench: Bench) -> None:
    bench.hold(THEIRS, 10)
    bench.want(THEIRS, back=20)
    want = Want(THEIRS, FORMING - 20 * STEP, FORMING - STEP)
    assert not bench.series.deepens(want), "b does"
    bench.peer.trouble = Reason.DEAD
    assert bench.series.deepens(want)
    assert bench.missing() == {THEIRS}
    first = Peer("a")
    bench.series.peers = (bench.peer, first)
    assert not bench.series.deepens(want), "a does"
    first.trouble = Reason.CLOCK
    assert bench.series.deepens(want)


def test_what_was_asked_of_one_in_trouble_long_ago_is_not_downloaded_in_its_place(bench: Bench) -> None:
    bench.hold(THEIRS, 10)
    bench.want(THEIRS, back=20)
    bench.now += OLDER_SECONDS
    bench.hold(THEIRS, 0, last=0)
    bench.peer.trouble = Reason.DEAD
    assert not bench.missing()
    bench.want(THEIRS, back=5)
    assert not bench.missing(), "these are held"
    bench.want(THEIRS, back=15)
    assert bench.missing() == {THEIRS}


def test_a_producer_is_promised_only_what_does_not_come_from_itself(bench: Bench) -> None:
    bench.want(THEIRS)
    bench.want(NOBODYS)
    assert not bench.series.brings(THEIRS, peer=True)
    assert not bench.series.brings(NOBODYS, peer=True), "b sees to it"
    bench.peer.trouble = Reason.DEAD
    assert bench.series.brings(NOBODYS, peer=True)
    ((_, kept),) = [each for each in bench.series.missing() if each[0] == NOBODYS]
    kept.asking = True
    assert not bench.series.brings(NOBODYS, peer=True), "two that ask each other would promise for ever"


def test_a_consumer_is_promised_what_will_come_from_whomever(bench: Bench) -> None:
    bench.want(THEIRS)
    ((_, kept),) = bench.series.missing()
    assert bench.series.brings(THEIRS, peer=False)
    kept.asking = True
    assert bench.series.brings(THEIRS, peer=False)
    kept.not_before = bench.now + 5
    assert not bench.series.brings(THEIRS, peer=False)
    assert not bench.missing()


def test_a_clock_that_is_set_back_makes_no_pause_of_hours(bench: Bench) -> None:
    bench.peer.trouble = Reason.DEAD
    bench.want(NOBODYS)
    ((_, kept),) = bench.series.missing()
    kept.not_before = bench.now + 3600
    assert bench.missing() == {NOBODYS}


def test_one_that_no_longer_looks_round_keeps_nothing(bench: Bench) -> None:
    bench.want(NOBODYS)
    assert bench.series.keeps(NOBODYS)
    bench.now += ALIVE_SECONDS
    assert not bench.series.keeps(NOBODYS)
