"""The drill's course: what is down when which candle closes, what is counted, and that all of it comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from phase_double import PhaseDouble

from runbook_lib.change.outage import Outage
from runbook_lib.errors import Stopped
from runbook_lib.freqtrade.candles import CandleSet, Frame
from runbook_lib.freqtrade.drill import Candle, Course, Stage
from runbook_lib.freqtrade.phases import drilling
from runbook_lib.values import FleetResult, HostResult

LENGTH = 60.0
ARRIVES = 10.0  # seconds after its close, everywhere
START = 20.0  # seconds that a producer needs until it has its pairs again


class Lab:
    """A fleet that is played: a clock, who is down, and what was asked of whom."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **gates: Any) -> None:
        double = PhaseDouble()
        changed = double.site.gates.model_copy(update=gates)
        self.site = double.site.model_copy(update={"gates": changed})
        self.phase: Any = PhaseDouble(self.site)
        self.phase.fleet = self
        self.phase.journal = None
        self.length = LENGTH
        self.clock = 6_030.0
        self.log: list[str] = []
        self.down: set[str] = set()
        self.ready_at = 0.0
        self.counted: list[tuple[float, float]] = []
        self.doubled: list[tuple[float, float]] = []
        self.wrong: set[str] = set()  # consumers that lack the newest candle
        self.takes: float | None = 6_062.5
        self.hesitates = 0.0  # seconds until the others say that they gave back
        monkeypatch.setattr(drilling, "outage", self._outage)
        monkeypatch.setattr(drilling, "count", self._count)
        monkeypatch.setattr(drilling, "repeated_downloads", self._repeated)
        monkeypatch.setattr(drilling, "settled_candles", self._settled)
        monkeypatch.setattr(drilling.bots, "newest", self._newest)

    # a fleet
    def __getitem__(self, host: str) -> Any:
        return SimpleNamespace(name=host)

    def on_all(self, task: Callable[[Any], Any], hosts: Iterable[str]) -> FleetResult[Any]:
        return FleetResult(tuple(HostResult(host, task(self[host])) for host in hosts))

    # a watch
    def now(self) -> float:
        return self.clock

    def is_quiet(self, closed: float) -> bool:
        return self.clock < closed + LENGTH - 8

    def quiet(self) -> tuple[float, dict[str, float | None]]:
        return self.clock // LENGTH * LENGTH, self._ages()

    def candle(self, closed: float) -> dict[str, float | None]:
        self.clock = max(self.clock, closed + ARRIVES)
        self.log.append(f"candle {closed:.0f}" + (f", {' and '.join(sorted(self.down))} down" if self.down else ""))
        return self._ages()

    def until(self, _what: str, condition: Callable[[], bool], when: float) -> bool:
        while not condition() and self.clock < when:
            self.clock = min(when, self.clock + 2)
        return condition()

    def runs(self, host: str) -> bool:
        return host not in self.down and self.clock >= self.ready_at

    def given_back(self, host: str) -> bool:
        """With the first candle that closes when it runs."""
        return self.runs(host) and self.clock >= self.ready_at // LENGTH * LENGTH + LENGTH + ARRIVES + self.hesitates

    def takeover(self, host: str) -> float | None:
        return self.takes if host in self.down else None

    def events(self, since: float) -> drilling.Told:
        """Forget what those said who are killed, as a feed does."""
        assert since == 6030
        taken = [(6062.5, "108", "takes over")] if "kill 73 and 108" not in self.log else [(6250.0, "108", "starting")]
        return [(6031.0, "75", "dead"), *taken]

    def _ages(self) -> dict[str, float | None]:
        return dict.fromkeys(self.site.consumers, ARRIVES)

    # what is done and counted
    @contextmanager
    def _outage(self, _journal: object, scope: str, units: Sequence[Any], **_: Any) -> Iterator[Outage]:
        assert scope == self.site.units
        hosts = [session.name for session, _ in units]
        self.log.append(f"kill {' and '.join(hosts)}")
        self.down |= set(hosts)
        times = Outage(dict.fromkeys(hosts, self.clock))
        try:
            yield times
        finally:
            self.log.append(f"start {' and '.join(hosts)}")
            self.down -= set(hosts)
            self.ready_at = self.clock + START
            times.started.update(dict.fromkeys(hosts, self.clock))

    def _count(self, _fleet: object, _site: object, who: Any, *, since: float, until: float) -> Any:
        self.counted.append((since, until))
        hosts = list(reversed(list(who)))
        best = SimpleNamespace(
            candle_requests=dict.fromkeys(hosts, int(since)), by_interval={host: {"1m": 7, "5m": 1} for host in hosts}
        )
        return SimpleNamespace(best=best)

    def _repeated(self, _url: str, hosts: list[str], interval: str, *, since: float, until: float) -> int:
        assert (set(hosts), interval) == ({*self.site.producers, *self.site.consumers}, "1m")
        self.doubled.append((since, until))
        return 1

    def _settled(self, _url: str, pairs: Sequence[str], *, candles: int, **_: Any) -> Any:
        return SimpleNamespace(candles=CandleSet("exchange", {pair: self._frame(candles) for pair in pairs}))

    def _newest(self, session: Any, _site: object, bot: Any, limit: int) -> CandleSet:
        less = 1 if session.name in self.wrong else 0
        return CandleSet(session.name, {pair: self._frame(limit - less, skip=less) for pair in bot.pairs})

    def _frame(self, candles: int, skip: int = 0) -> Frame:
        newest = int(self.clock // LENGTH - 1 - skip) * 60_000
        dates = np.arange(newest - (candles - 1) * 60_000, newest + 1, 60_000, dtype=np.int64)
        return Frame(dates, np.ones((candles, 5)))

    def carry_out(self) -> Course:
        watch: Any = self
        return drilling.carry_out(self.phase, watch)[0]


def stages(course: Course) -> list[tuple[float, Stage]]:
    return [(candle.closed, candle.stage) for candle in course.candles]


def test_one_producer_is_down_for_whole_candles_and_then_all_are_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, drill_candles=2, drill_candles_after=1, drill_both=True)
    course = lab.carry_out()
    assert lab.log == [
        "kill 73",
        "candle 6060, 73 down",
        "candle 6120, 73 down",
        "start 73",
        "candle 6180",
        "kill 73 and 108",
        "candle 6240, 108 and 73 down",
        "start 73 and 108",
    ]
    assert stages(course) == [
        (6000, Stage.BEFORE), (6060, Stage.DOWN), (6120, Stage.DOWN), (6180, Stage.BACK), (6240, Stage.ALL_DOWN),
    ]  # fmt: skip
    assert (course.one.hosts, course.one.killed, course.one.started) == (("73",), 6030, 6130)
    assert (course.takeover, course.owned) == (6062.5, 6190)
    assert course.all_down is not None
    assert (course.all_down.killed, course.all_down.started) == (6190, 6250)
    assert lab.clock - 6030 <= 4.5 * LENGTH, "a rehearsal has no time for more"


def test_production_leaves_one_running_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, drill_both=False)
    course = lab.carry_out()
    assert course.all_down is None
    assert "kill 73 and 108" not in lab.log


def test_candles_count_from_when_it_has_its_pairs_and_those_before_are_followed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("test_drilling.START", 70.0)
    lab = Lab(monkeypatch, drill_candles=1, drill_candles_after=2, drill_both=False)
    course = lab.carry_out()
    assert lab.log[-4:] == ["start 73", "candle 6120", "candle 6180", "candle 6240"]
    assert course.owned == 6190


def test_others_that_do_not_give_back_at_once_have_another_candle(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, drill_candles=1, drill_both=False)
    lab.hesitates = 40.0
    course = lab.carry_out()
    assert lab.log[-3:] == ["start 73", "candle 6120", "candle 6180"]
    assert course.owned == 6190


def test_one_that_never_has_its_pairs_again_ends_it_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_drilling.START", 1e9)
    course = Lab(monkeypatch, drill_candles=1, start_seconds=100, drill_both=False).carry_out()
    assert course.owned is None
    assert [stage for _, stage in stages(course)].count(Stage.BACK) == 2


def test_all_are_not_killed_short_of_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("test_drilling.ARRIVES", 53.0)
    lab = Lab(monkeypatch, drill_candles=1, drill_both=True)
    slow = lab.candle

    def soon(closed: float) -> dict[str, float | None]:
        if closed >= 6240:
            monkeypatch.setattr("test_drilling.ARRIVES", 10.0)
        return slow(closed)

    monkeypatch.setattr(lab, "candle", soon)
    lab.carry_out()
    assert lab.log.index("kill 73 and 108") == lab.log.index("candle 6240") + 1


def test_what_a_feed_said_before_it_was_killed_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, drill_both=True)
    watch: Any = lab
    told = drilling.carry_out(lab.phase, watch)[2]
    assert told == [(6031.0, "75", "dead"), (6062.5, "108", "takes over"), (6250.0, "108", "starting")]


def test_each_candle_is_counted_from_its_close_to_the_next_and_the_last_until_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = Lab(monkeypatch, drill_candles=2, drill_both=True)
    course = lab.carry_out()
    whole = [(6000.0, 6060.0), (6060.0, 6120.0), (6120.0, 6180.0), (6180.0, 6240.0)]
    assert lab.counted == [*whole, (6240.0, 6250.0)]
    assert lab.doubled == whole, "without a producer each consumer asks for itself"
    assert course.repeated == 4
    assert course.candles[1].requests == dict.fromkeys(lab.site.hosts, 6060)
    assert list(course.candles[1].requests) == list(lab.site.hosts)
    assert course.candles[1].downloads == dict.fromkeys(lab.site.hosts, 7)


def test_without_the_exchanges_ledger_nothing_is_claimed_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, drill_both=False)
    exchange = lab.site.exchange.model_copy(update={"admin_url": None})
    lab.site = lab.phase.site = lab.site.model_copy(update={"exchange": exchange})
    assert lab.carry_out().repeated is None


def test_every_candle_of_the_drill_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, drill_candles=2, drill_both=False)
    course = lab.carry_out()
    assert course.cells == 4 * 110 * 4 * 5  # consumers, pairs, candles, values
    assert (course.mismatching, course.missing) == (0, 0)


def test_a_candle_that_a_consumer_lacks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch, drill_both=False)
    lab.wrong = {"120"}
    assert lab.carry_out().missing == 110


def test_a_stop_in_the_middle_brings_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(monkeypatch)

    def stop(_closed: float) -> Candle:
        raise Stopped("SIGTERM", remedy="")

    monkeypatch.setattr(lab, "candle", stop)
    with pytest.raises(Stopped):
        lab.carry_out()
    assert lab.log == ["kill 73", "start 73"]
    assert lab.down == set()
