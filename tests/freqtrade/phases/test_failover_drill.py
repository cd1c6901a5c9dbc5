"""The drill as its notebook has it: nothing is killed in vain, and what is shown and claimed is what was seen."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from phase_double import PhaseDouble
from test_drill import ASKED, GOOD, candle

from runbook_lib.change.resources import Unit
from runbook_lib.errors import ChangeError, GateFailed, RecordError
from runbook_lib.freqtrade import claims as plan_claims
from runbook_lib.freqtrade.drill import Course, Stage
from runbook_lib.freqtrade.phases import failover_drill
from runbook_lib.freqtrade.phases.failover_drill import Drill
from runbook_lib.record.plain import plain
from runbook_lib.runner.changing import Rollout
from runbook_lib.values import Check, Verdict
from runbook_lib.view.tables import Table

NOTHING = Table("", ("",), ())
HELD = Check("bot ready", Verdict.SUCCESSFUL, "e", "o", "75")
SICK = Check("bot ready", Verdict.FAILED, "e", "o", "73")


class Drilling(PhaseDouble):
    """``told``: what 60_validate kept; ``charts``: what was kept of them; ``locked``: whether it is."""

    def __init__(self, told: dict[str, Any] | None = None, *, dry_run: bool = False) -> None:
        super().__init__(dry_run=dry_run)
        self.told = told or {}
        self.charts: dict[str, Any] = {}
        self.locked = False
        self.checked: list[str] = []

    def earlier(self, phase: str, name: str) -> Any:
        assert phase == "60_validate"
        if name not in self.told:
            raise RecordError("was not run", remedy="run it first")
        return self.told[name]

    def chart(self, name: str, chart: Any) -> Any:
        self.charts[name] = chart
        return chart

    @contextmanager
    def apply_lock(self) -> Any:
        self.locked = True
        yield self.may_step
        self.locked = False

    def may_step(self, host: str) -> None:
        assert self.locked
        self.checked.append(host)


def drill(course: Course | None = GOOD, ready: tuple[Check, ...] = (HELD,)) -> Drill:
    return Drill(course, ready, NOTHING, NOTHING)


def carried_out(monkeypatch: pytest.MonkeyPatch, phase: Drilling) -> Drill:
    """Go through the cell of the drill; what happens on hosts is played."""

    def carry_out(_phase: object, _watch: object) -> Any:
        assert phase.locked
        assert phase.checked == ["73", "108"]
        return GOOD, None, [(GOOD.one.killed + 32.54, "108", "takes over from producer-73")]

    monkeypatch.setattr(failover_drill.drilling, "carry_out", carry_out)
    monkeypatch.setattr(failover_drill.bots, "await_ready", lambda *_: [HELD])
    monkeypatch.setattr(failover_drill, "_differences", lambda _comparison: NOTHING)
    given: Any = phase
    return failover_drill.drill(given)


def test_what_an_earlier_drill_left_down_is_planned_to_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: dict[str, Any] = {}
    monkeypatch.setattr(failover_drill.changing, "plan", lambda _phase, _title, wanted: planned.update(wanted))
    phase: Any = Drilling()
    failover_drill.plan(phase)
    assert list(planned) == ["73", "108"]
    for wanted in planned.values():
        assert wanted.resources == (Unit("freqtrade-producer.service", settle_seconds=5.0),)


def test_nothing_is_taken_from_a_fleet_that_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover_drill.bots, "await_ready", lambda *_: [HELD])
    phase: Any = Drilling()
    whole: Any = SimpleNamespace(checks=[HELD])
    assert failover_drill.ready(phase, whole).verdict is Verdict.SUCCESSFUL
    down: Any = SimpleNamespace(checks=[SICK])
    assert failover_drill.ready(phase, down).verdict is Verdict.FAILED
    monkeypatch.setattr(failover_drill.bots, "await_ready", lambda *_: [SICK])
    assert failover_drill.ready(phase, whole).verdict is Verdict.FAILED


def test_a_dry_run_kills_nothing_and_proves_nothing() -> None:
    phase: Any = Drilling(dry_run=True)  # any use of its fleet fails
    assert failover_drill.ready(phase, Rollout(())).verdict is Verdict.SUCCESSFUL
    found = failover_drill.drill(phase)
    assert "kills nothing" in str(found)
    assert failover_drill.gate(phase, found).verdict is Verdict.SUCCESSFUL
    failover_drill.claims(phase, found)
    assert {claim.verdict for claim in phase.kept["claims"]} == {Verdict.INCONCLUSIVE}
    failover_drill.ages(phase, found)
    failover_drill.requests(phase, found)
    assert "course" not in phase.kept


def test_a_notebook_that_was_stopped_kills_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    phase = Drilling()

    def stopped() -> None:
        raise GateFailed("nothing was done", remedy="")

    monkeypatch.setattr(phase, "must_not_be_stopped", stopped)
    with pytest.raises(GateFailed):
        carried_out(monkeypatch, phase)
    assert not phase.locked


def test_a_lone_producer_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    phase = Drilling()
    lone = {"73": phase.site.producers["73"]}
    phase.site = phase.site.model_copy(update={"producers": lone})
    with pytest.raises(ChangeError, match="no other producer"):
        carried_out(monkeypatch, phase)


def test_what_was_kept_before_stays_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"figures": {"latency_ms_after": 0.2}, "figure_units": [["latency_ms", "ms"]], "headline": ["candles_after"]}
    phase = Drilling(told)
    found = carried_out(monkeypatch, phase)
    assert phase.kept["figures"]["latency_ms_after"] == 0.2
    assert phase.kept["figures"]["takeover_seconds"] == 32.5
    assert [name for name, _ in phase.kept["figure_units"]][:2] == ["latency_ms", "takeover_seconds"]
    assert phase.kept["headline"] == ["candles_after", "failover_age", "failover_requests"]
    assert plain(phase.kept["course"])["candles"][0]["stage"] == "before"
    assert "32.5" in str(found.events)
    assert "takes over from producer-73" in str(found.events)


def test_a_drill_alone_keeps_its_own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    phase = Drilling()
    carried_out(monkeypatch, phase)
    assert phase.kept["headline"] == ["failover_age", "failover_requests"]
    assert phase.kept["figures"]["drill_late_candles"] == 0


def test_it_is_shown_candle_by_candle() -> None:
    shown = str(drill())
    assert "killed at 00:00:30 UTC, started again after 110 s, and had its pairs back 15 s after that" in shown
    assert "one down" in shown
    assert "all down" in shown
    assert "never had its pairs back" in str(drill(replace(GOOD, owned=None)))


def test_charts_tell_every_candle_and_who_was_down() -> None:
    phase: Any = Drilling()
    ages = failover_drill.ages(phase, drill())
    assert "consumer 75: 6.5, 6.5, 6.5, 6.5, 9" in ages.alt
    assert "73 down from 0 to 110 s." in ages.alt
    assert "all down from 170 to 240 s." in ages.alt
    asked = failover_drill.requests(phase, drill())
    assert "producer 73: 55, 0, 0, 55, 0; producer 108: 55, 110, 110, 55, 0; 4 consumers: 0, 0, 0, 0, 440" in asked.alt
    assert list(phase.charts) == ["failover_age", "failover_requests"]
    never = replace(GOOD, candles=(*GOOD.candles[:-1], candle(4, Stage.ALL_DOWN, ASKED, h75=None)))
    assert "consumer 75: 6.5, 6.5, 6.5, 6.5, never" in failover_drill.ages(phase, drill(never)).alt


def claimed(phase: Any, course: Course) -> dict[str, Verdict]:
    failover_drill.claims(phase, drill(course))
    return {claim.id: claim.verdict for claim in phase.kept["claims"]}


def validated() -> list[Any]:
    return [plain(replace(claim, verdict=Verdict.SUCCESSFUL)) for claim in plan_claims.unproven()]


def test_the_drill_speaks_for_its_two_claims_and_leaves_the_others() -> None:
    phase: Any = Drilling({"claims": validated()})
    assert set(claimed(phase, GOOD).values()) == {Verdict.SUCCESSFUL}
    assert list(claimed(phase, GOOD)) == list(plan_claims.PLAN)
    lost = claimed(phase, replace(GOOD, missing=1))
    assert [name for name, verdict in lost.items() if verdict is not Verdict.SUCCESSFUL] == ["C5"]
    unfed = replace(GOOD, candles=(*GOOD.candles[:-1], candle(4, Stage.ALL_DOWN, {})))
    assert [name for name, verdict in claimed(phase, unfed).items() if verdict is Verdict.FAILED] == ["C8"]


def test_a_fallback_that_was_not_drilled_is_claimed_by_nobody() -> None:
    phase: Any = Drilling({"claims": validated()})
    one_only = replace(GOOD, candles=GOOD.candles[:-1], all_down=None)
    assert claimed(phase, one_only)["C8"] is Verdict.INCONCLUSIVE
    assert failover_drill.gate(phase, drill(one_only)).verdict is Verdict.SUCCESSFUL, "and it does not fail the drill"


def test_the_gate_is_that_of_all_checks() -> None:
    phase: Any = Drilling()
    assert failover_drill.gate(phase, drill()).verdict is Verdict.SUCCESSFUL
    assert failover_drill.gate(phase, drill(replace(GOOD, repeated=1))).verdict is Verdict.FAILED
    assert failover_drill.gate(phase, drill(ready=(SICK,))).verdict is Verdict.FAILED
    unfed = replace(GOOD, candles=(*GOOD.candles[:-1], candle(4, Stage.ALL_DOWN, {})))
    assert failover_drill.gate(phase, drill(unfed)).verdict is Verdict.FAILED
