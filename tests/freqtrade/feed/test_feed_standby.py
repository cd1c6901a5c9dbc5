import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.freqtrade.feed.candle.series import Candles, Key
from runbook_lib.freqtrade.feed.candle.store import MOST_CANDLES, CandleStore
from runbook_lib.freqtrade.feed.candle.times import OVERLAP, Window
from runbook_lib.freqtrade.feed.candle.wire import Want
from runbook_lib.freqtrade.feed.exchange.asked import Asked
from runbook_lib.freqtrade.feed.exchange.budget import Need
from runbook_lib.freqtrade.feed.peers.kept import Kept, Series
from runbook_lib.freqtrade.feed.peers.outlook import Outlook
from runbook_lib.freqtrade.feed.peers.standby import CLOCK_SECONDS, LOOK_SECONDS, PAUSE_SECONDS, Standby
from runbook_lib.freqtrade.feed.reasons import Reason

STEP = 60_000
FORMING = 30_000_000 * STEP
MINE, THEIRS = Key("A/X", "5m", "spot"), Key("B/X", "1m", "spot")
FIVE = 5 * STEP
FORMING_5M = FORMING // FIVE * FIVE


def rows(first: int, last: int, step: int = STEP) -> list[list[float]]:
    return [[date, 1.0, 2.0, 0.5, 1.5, 3.0] for date in range(first, last + 1, step)]


@dataclass
class Bench:
    """Standby of "m", which owns A/X, beside "b", which owns B/X. ``theirs``: what b answers, one after the other."""

    now: float = FORMING / 1000 + 3
    theirs: list[list[list[float]] | Reason] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    said: list[tuple[Any, ...]] = field(default_factory=list)
    listed: int = 0
    errors: list[Exception] = field(default_factory=list)
    wrong: bool = False
    most: int = MOST_CANDLES
    latency: float = 0.0

    def __post_init__(self) -> None:
        self.store = CandleStore(self.most)
        guard: Any = SimpleNamespace(state="closed")
        self.outlook = Outlook(self.store, guard, lambda: self.wrong, "1m", "spot", 35.0, 12.0, lambda: self.now)
        self.outlook.own_pairs = frozenset({"A/X"})
        self.peer = SimpleNamespace(name="b", trouble=None, owns=frozenset({"B/X"}), held=())
        peers: Any = (self.peer,)
        self.series = Series("m", 2.0, self.store, self.outlook, peers, lambda _pair: True, clock=lambda: self.now)
        notes: Any = SimpleNamespace(
            own=lambda key, *_: self.said.append(("own", key)),
            take_over=lambda *args: self.said.append(("take over", *args)),
            give_back=lambda name: self.said.append(("give back", name)),
        )
        direct: Any = SimpleNamespace(ask=self._exchange)
        self.standby = Standby(self.series, self, direct, notes, 10.0, {"x": 1})

    async def answer(
        self, _key: Key, window: Window, *, only: Collection[str] | None = None, patience: float | None = None
    ) -> list[list[float]] | Reason:
        assert (only, patience) == (None, 10.0)
        self.windows.append(window)
        return self.theirs.pop(0) if self.theirs else Reason.MISSING

    async def _exchange(self, asked: Asked, need: Need) -> list[list[float]]:
        self.asked.append(asked)
        self.needs.append(need)
        self.now += self.latency
        if len(self.asked) > 100:
            raise OSError("it asks for ever")
        if self.errors:
            raise self.errors.pop(0)
        assert asked.window is not None
        last = asked.window.last + (asked.window.step if asked.since is None else 0)
        return rows(max(asked.window.first, self.listed), last, asked.window.step)

    def want(self, key: Key, since: int) -> None:
        self.series.want(Want(key, since, FORMING - STEP))

    async def look(self) -> None:
        self.standby.look()
        await asyncio.gather(*[kept.task for kept in self.series._kept.values() if kept.task])


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_consumers_want_of_its_own_pairs_it_downloads(bench: Bench) -> None:
    bench.want(MINE, FORMING - 50 * FIVE)
    await bench.look()
    assert len(bench.windows) == 1, "the other one might have kept it"
    assert (bench.asked[0].since, bench.asked[0].limit, bench.asked[0].params) == (None, 1000, {"x": 1})
    assert bench.needs == [Need.MORE]
    assert bench.store.newest(MINE) == FORMING_5M - FIVE, "what is forming is none of it"
    assert bench.said == [("own", MINE)]


async def test_what_its_bot_has_yet_to_load_itself_comes_first(bench: Bench) -> None:
    bench.outlook.beat()
    bench.want(MINE, FORMING - 50 * FIVE)
    await bench.look()
    assert not bench.asked
    bench.store.put(MINE._replace(timeframe="1m"), Candles.of(rows(FORMING - 9 * STEP, FORMING - STEP)))
    await bench.look()
    assert bench.needs == [Need.MORE]


async def test_a_bot_that_loads_nothing_holds_nobody_up(bench: Bench) -> None:
    bench.outlook.beat()
    bench.want(MINE, FORMING - 50 * FIVE)
    bench.now += 34
    bench.outlook.beat()
    await bench.look()
    assert not bench.asked
    bench.now += 1
    await bench.look()
    assert bench.needs == [Need.MORE]


async def test_in_step_it_asks_nobody_else_and_only_for_what_is_new(bench: Bench) -> None:
    bench.want(MINE, FORMING - 50 * FIVE)
    bench.store.put(MINE, Candles.of(rows(FORMING_5M - 60 * FIVE, FORMING_5M - 2 * FIVE, FIVE)))
    await bench.look()
    assert not bench.windows
    assert (bench.asked[0].enough, bench.needs) == (OVERLAP + 3, [Need.LIVE])


async def test_once_it_has_everything_it_does_nothing(bench: Bench) -> None:
    bench.want(MINE, FORMING - 50 * FIVE)
    await bench.look()
    await bench.look()
    assert len(bench.asked) == 1


async def test_what_another_sees_to_it_has_from_that_one(bench: Bench) -> None:
    bench.peer.held = (THEIRS,)
    bench.theirs = [rows(FORMING - 999 * STEP, FORMING - STEP)]
    await bench.look()
    assert (bench.windows[0].first, bench.windows[0].last) == (FORMING - 999 * STEP, FORMING - STEP)
    assert len(bench.store.get(THEIRS)) == 999
    assert not bench.asked
    bench.now += 60
    bench.theirs = [rows(FORMING - 6 * STEP, FORMING)]
    await bench.look()
    assert bench.windows[1].first == FORMING - STEP - OVERLAP * STEP, "corrections come with it"
    assert not bench.said


@pytest.mark.parametrize("reason", [Reason.SHORT, Reason.HOLE])
async def test_fewer_candles_than_wanted_are_no_reason_to_download(bench: Bench, reason: Reason) -> None:
    bench.peer.held = (THEIRS,)
    bench.theirs = [reason, reason, rows(FORMING - STEP, FORMING - STEP)]
    await bench.look()
    assert [(FORMING - window.first) // STEP for window in bench.windows] == [999, OVERLAP + 1, 1]
    assert bench.store.newest(THEIRS) == FORMING - STEP
    assert not bench.asked


async def test_who_does_not_deliver_is_replaced_and_gets_it_back_once(bench: Bench) -> None:
    bench.peer.held = (THEIRS,)
    bench.theirs = [Reason.DEAD]
    await bench.look()
    assert bench.needs == [Need.FIRST]
    bench.now += 60
    bench.theirs = [Reason.LATE]
    await bench.look()
    assert bench.needs == [Need.FIRST, Need.LIVE]
    assert [words for words in bench.said if words[0] != "own"] == [("take over", "b", 1, 1), ("take over", "b", 1, 2)]
    for _ in range(2):
        bench.now += 60
        bench.theirs = [rows(FORMING - 9 * STEP, FORMING + 3 * STEP)]
        await bench.look()
    assert bench.said[-1] == ("give back", "b")
    assert bench.said.count(("give back", "b")) == 1


async def test_a_series_that_is_dropped_is_given_back(bench: Bench) -> None:
    bench.want(THEIRS, FORMING - 5 * STEP)
    await bench.look()
    assert ("take over", "b", 1, 1) in bench.said
    bench.now += 3600
    await bench.look()
    assert bench.said[-1] == ("give back", "b")
    assert not bench.store.series()


async def test_older_candles_come_page_by_page_and_without_a_hole(bench: Bench) -> None:
    bench.want(MINE, FORMING_5M - 2500 * FIVE)
    await bench.look()
    assert bench.needs == [Need.MORE, Need.HISTORY, Need.HISTORY]
    assert [asked.limit for asked in bench.asked] == [1000, 1000, 501]
    assert bench.store.get(MINE).dates.tolist() == list(range(FORMING_5M - 2500 * FIVE, FORMING_5M, FIVE))


async def test_a_candle_that_closes_meanwhile_comes_before_the_older_ones(bench: Bench) -> None:
    bench.latency = 160.0
    bench.want(MINE, FORMING_5M - 2500 * FIVE)
    await bench.look()
    assert bench.needs == [Need.MORE, Need.HISTORY, Need.LIVE, Need.HISTORY, Need.LIVE]
    assert bench.store.get(MINE).dates.tolist() == list(range(FORMING_5M - 2500 * FIVE, FORMING_5M + 2 * FIVE, FIVE))


async def test_where_the_exchange_begins_it_ends(bench: Bench) -> None:
    bench.listed = FORMING_5M - 1200 * FIVE
    bench.want(MINE, FORMING_5M - 4000 * FIVE)
    await bench.look()
    await bench.look()
    assert len(bench.asked) == 2
    assert int(bench.store.get(MINE).dates[0]) == bench.listed


async def test_what_the_store_drops_is_not_downloaded_again_and_again() -> None:
    bench = Bench(most=1500)
    bench.want(MINE, FORMING_5M - 2500 * FIVE)
    await bench.look()
    assert [asked.limit for asked in bench.asked] == [1000, 501]
    for _ in range(30):
        bench.now += FIVE / 1000
        bench.want(MINE, FORMING - 50 * FIVE)
        await bench.look()
        assert not bench.series.brings(MINE, peer=False), "nobody is told that older ones are coming"
    assert bench.needs[2:] == [Need.LIVE] * 30
    assert len(bench.store.get(MINE)) == 1500


async def test_a_page_that_changes_nothing_is_the_last(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.want(MINE, FORMING_5M - 2500 * FIVE)
    bench.store.put(MINE, Candles.of(rows(FORMING_5M - 60 * FIVE, FORMING_5M - FIVE, FIVE)))
    monkeypatch.setattr(bench.store, "put", lambda *_: None)
    await bench.look()
    assert bench.needs == [Need.HISTORY]
    await bench.look()
    assert bench.needs == [Need.HISTORY], "it is tried again after a pause"


async def test_a_newer_candle_that_comes_while_it_counts_leaves_nothing_odd_to_ask_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(most=1000)
    bench.want(MINE, FORMING_5M - 1000 * FIVE)
    bench.store.put(MINE, Candles.of(rows(FORMING_5M - 999 * FIVE, FORMING_5M - FIVE, FIVE)))
    ((_, kept),) = bench.series.missing()
    shallow = bench.series.shallow

    def just_before(key: Key, kept: Kept) -> bool:
        was = shallow(key, kept)
        bench.store.put(MINE, Candles.of(rows(FORMING_5M, FORMING_5M)))
        return was

    monkeypatch.setattr(bench.series, "shallow", just_before)
    await bench.standby._download_older(MINE, kept)
    assert [asked.limit for asked in bench.asked] == [1]
    assert len(bench.store.get(MINE)) == 1000


async def test_older_candles_of_a_dead_one_are_downloaded_in_its_place(bench: Bench) -> None:
    bench.peer.trouble = Reason.DEAD
    bench.want(THEIRS, FORMING - 2500 * STEP)
    await bench.look()
    bench.want(THEIRS, FORMING - 2500 * STEP)  # who waits for them goes on asking
    await bench.look()
    assert [asked.limit for asked in bench.asked] == [1000, 1000, 501]
    assert len(bench.store.get(THEIRS)) == 2500
    assert bench.said[-2] == ("take over", "b", 1, 3)


async def test_after_an_absence_that_is_too_long_no_hole_is_left(bench: Bench) -> None:
    bench.want(MINE, FORMING - 50 * FIVE)
    bench.store.put(MINE, Candles.of(rows(FORMING_5M - 3000 * FIVE, FORMING_5M - 2000 * FIVE, FIVE)))
    await bench.look()
    dates = bench.store.get(MINE).dates.tolist()
    assert dates == list(range(dates[0], FORMING_5M, FIVE))


async def test_what_failed_is_tried_again_less_and_less_often(bench: Bench) -> None:
    bench.want(MINE, FORMING - 50 * FIVE)
    bench.errors = [OSError("cut"), OSError("cut"), OSError("cut")]
    at = []
    begun = bench.now
    while bench.errors or len(at) < 4:
        before = len(bench.asked)
        await bench.look()
        at += [bench.now - begun] * (len(bench.asked) - before)
        bench.now += LOOK_SECONDS
    assert at == [0.0, PAUSE_SECONDS, 3 * PAUSE_SECONDS, 7 * PAUSE_SECONDS]
    assert bench.store.newest(MINE) == FORMING_5M - FIVE


async def test_what_a_wrong_clock_took_for_settled_is_not_kept(bench: Bench) -> None:
    bench.want(MINE, FORMING - 50 * FIVE)
    bench.wrong = True
    await bench.look()
    assert not bench.store.series()


async def test_while_the_clock_is_wrong_the_exchange_is_asked_now_and_then_whether_it_still_is(bench: Bench) -> None:
    bench.want(MINE, FORMING - 50 * FIVE)
    bench.want(MINE._replace(timeframe="1h"), FORMING - 50 * FIVE)
    bench.wrong, begun = True, bench.now
    while bench.now < begun + 2.5 * CLOCK_SECONDS:
        await bench.look()
        bench.now += LOOK_SECONDS
    assert len(bench.asked) == 3
    with bench.outlook.asking_exchange(THEIRS):
        pass  # its bot has asked, so it is told the time in any case
    bench.now += 0.9 * CLOCK_SECONDS
    await bench.look()
    assert len(bench.asked) == 3
    bench.wrong = False
    await bench.look()
    assert {asked.timeframe for asked in bench.asked[3:]} == {"5m", "1h"}


async def test_an_error_is_said_once_and_ends_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    rounds = 0

    async def sleep(_seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise asyncio.CancelledError

    bench.peer.held = None  # as nothing can be that was read off the wire
    bench.standby.sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        await bench.standby.run()
    assert caplog.text.count("error in the standby (said once)") == 1
