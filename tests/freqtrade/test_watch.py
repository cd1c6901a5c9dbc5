"""The fleet followed candle by candle, on a clock that the test turns; what feeds say is played, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import Stopped, Unreachable
from runbook_lib.fleet.fanout import fan_out
from runbook_lib.freqtrade import bots, feed_state
from runbook_lib.freqtrade.bots import Standing
from runbook_lib.freqtrade.feed_state import Event, FeedReport, Takeover
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.probes import BotState
from runbook_lib.freqtrade.watch import Watch
from runbook_lib.params import load
from runbook_lib.values import FleetResult, Progress
from runbook_lib.view.progress import Silent

SITE = load(Path(__file__).parents[2] / "params" / "lab.yaml", FreqtradeSite)
KEYS = [f"{pair} 1m" for pair in SITE.pairs]
CLOSED = 6_000.0  # a candle closes; the next one 60 s later


def report(**changed: Any) -> FeedReport:
    usual = {"started": 0.0, "state": "serving", "served": 1, "own_requests": 0, "fallbacks": {}, "by_producer": {}}
    return FeedReport(**{**usual, **changed})


def holding(opened: float, age: float, **but: int) -> FeedReport:
    """Hold the candle that opened then in every pair, ``age`` seconds old; ``but``: of some pairs another one (ms)."""
    newest = {key: round(opened * 1000) for key in KEYS}
    newest |= {f"{name}/USDT 1m": value for name, value in but.items()}
    return report(newest=newest, age=dict.fromkeys(KEYS, 1.0) | {KEYS[-1]: age})


class Session:
    def __init__(self, name: str) -> None:
        self.name = name


class Fleet:
    """Hosts that answer what the test has laid out; the time goes on only when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, start: float) -> None:
        self.now = start
        self.reads: list[tuple[float, str]] = []
        self.says: Callable[[str, float], FeedReport | Exception] = lambda _host, _now: report()
        self.ready = True
        monkeypatch.setattr(feed_state, "read", self._read)
        monkeypatch.setattr(bots, "standing", self._standing)

    def watch(self, report: Any = None) -> Watch:
        fleet: Any = self
        return Watch(fleet, SITE, report or Silent(), clock=lambda: self.now, sleep=self._sleep)

    def on_all(self, task: Callable[[Any], Any], hosts: Iterable[str]) -> FleetResult[Any]:
        return fan_out(task, list(hosts), Session, parallel=1)  # type: ignore[arg-type]  # a name is all that is asked

    def _sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def _read(self, session: Any, _site: object) -> FeedReport:
        self.reads.append((self.now, session.name))
        said = self.says(session.name, self.now)
        if isinstance(said, Exception):
            raise said
        return said

    def _standing(self, *_: object) -> Standing:
        return Standing(BotState("73", "running", last_process=1.0 if self.ready else None), ())


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(monkeypatch, CLOSED - 20)


def arrives(at: dict[str, float]) -> Callable[[str, float], FeedReport]:
    """Let each consumer have the candle so many seconds after its close."""

    def says(host: str, now: float) -> FeedReport:
        late = at.get(host, 5.0)
        return holding(CLOSED - 60, late) if now >= CLOSED + late else holding(CLOSED - 120, 4.0)

    return says


def test_the_age_is_that_of_the_last_pair_and_each_consumers_own(fleet: Fleet) -> None:
    fleet.says = arrives({"120": 12.5})
    assert fleet.watch().candle(CLOSED) == {"75": 5.0, "120": 12.5, "121": 5.0, "124": 5.0}


def test_nobody_is_asked_before_the_candle_has_settled_and_nobody_twice(fleet: Fleet) -> None:
    fleet.says = arrives({"120": 12.5})
    fleet.watch().candle(CLOSED)
    assert min(at for at, _ in fleet.reads) == CLOSED + SITE.feed.settle_seconds
    assert fleet.now < CLOSED + 12.5 + 2.5, "it ends when all have it"
    last = [host for at, host in fleet.reads if at > CLOSED + 7.5]
    assert set(last) == {"120"}


@pytest.mark.parametrize(
    "lacking",
    [
        holding(CLOSED - 60, 5.0, BTC=round((CLOSED - 120) * 1000)),  # one pair an older candle
        report(newest={}, age={}),
        Unreachable("no answer", host="120"),
    ],
)
def test_a_consumer_that_lacks_one_pair_or_does_not_answer_has_no_age(fleet: Fleet, lacking: Any) -> None:
    fleet.says = lambda host, _now: lacking if host == "120" else holding(CLOSED - 60, 5.0)
    assert fleet.watch().candle(CLOSED) == {"75": 5.0, "120": None, "121": 5.0, "124": 5.0}
    assert fleet.now == pytest.approx(CLOSED + 54), "it waits as long as a candle may take, and ends before the next"


def test_quiet_is_the_middle_of_a_candle_that_everybody_has(fleet: Fleet) -> None:
    fleet.now = CLOSED + 30
    fleet.says = arrives({})
    assert fleet.watch().quiet()[0] == CLOSED
    assert fleet.now == CLOSED + 30, "no boundary is waited for without need"


def test_short_of_the_next_close_nothing_is_begun(fleet: Fleet) -> None:
    fleet.now = CLOSED - 5
    fleet.says = lambda _host, now: holding(now // 60 * 60 - 60, 5.0)
    closed, ages = fleet.watch().quiet()
    assert closed == CLOSED
    assert CLOSED + 2 <= fleet.now < CLOSED + 10
    assert set(ages.values()) == {5.0}


def test_a_fleet_that_is_always_late_is_not_waited_for_for_ever(fleet: Fleet) -> None:
    fleet.says = lambda _host, _now: report(newest={}, age={})
    closed, ages = fleet.watch().quiet()
    assert set(ages.values()) == {None}
    assert closed == CLOSED + 60


def test_a_takeover_is_the_other_producers_word(fleet: Fleet) -> None:
    taken = report(takeover={"producer-73": Takeover(6_002.5, 55, 55)})
    fleet.says = lambda host, _now: taken if host == "108" else report()
    assert fleet.watch().takeover("73") == 6_002.5
    assert [host for _, host in fleet.reads] == ["108"], "who is down is not asked: what lies there is from before"
    fleet.says = lambda _host, _now: report()
    assert fleet.watch().takeover("73") is None


def test_a_producer_runs_when_it_is_ready(fleet: Fleet) -> None:
    assert fleet.watch().runs("73")
    fleet.ready = False
    assert not fleet.watch().runs("73")


def test_pairs_are_given_back_when_nobody_stands_in(fleet: Fleet) -> None:
    watch = fleet.watch()
    assert watch.given_back("73")
    fleet.says = lambda _host, _now: report(takeover={"producer-73": Takeover(1.0, 55, 55)})
    assert not watch.given_back("73")
    fleet.says = lambda _host, _now: Unreachable("no answer")
    assert not watch.given_back("73"), "who stands in is not known"


def test_events_are_told_in_order_and_only_those_of_the_drill(fleet: Fleet) -> None:
    told = {
        "108": report(events=(Event(5.0, "old"), Event(12.0, "takes over from producer-73"))),
        "75": report(events=(Event(11.0, "producer-73: alive -> dead"),)),
    }
    fleet.says = lambda host, _now: told.get(host, Unreachable("no answer"))
    assert fleet.watch().events(10.0) == [
        (11.0, "75", "producer-73: alive -> dead"),
        (12.0, "108", "takes over from producer-73"),
    ]


def test_a_stop_ends_the_wait(fleet: Fleet) -> None:
    class Stopping(Silent):
        def report(self, progress: Progress) -> None:
            raise Stopped(progress.what, remedy="")

    with pytest.raises(Stopped):
        fleet.watch(Stopping()).candle(CLOSED)
