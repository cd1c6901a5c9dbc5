"""The roll-out goes one consumer at a time and stops at the first that does not come up well."""

from __future__ import annotations

import pytest
from phase_double import PhaseDouble

from runbook_lib.freqtrade.candles import CandleSet
from runbook_lib.freqtrade.feed_state import FeedReport
from runbook_lib.freqtrade.phases import consumers
from runbook_lib.freqtrade.phases.consumers import Step
from runbook_lib.freqtrade.phases.planned import Planned
from runbook_lib.gates import equal, holds
from runbook_lib.values import Verdict


def planned(phase: PhaseDouble) -> Planned:
    hosts = dict.fromkeys(phase.site.consumers)
    return Planned("Consumers", hosts, {}, {})  # type: ignore[arg-type]  # only the order of hosts counts here


def roll_out(monkeypatch: pytest.MonkeyPatch, bad: str | None) -> tuple[consumers.Rollout, list[str]]:
    touched: list[str] = []

    def change(_phase: object, _plan: object, host: str) -> Step:
        touched.append(host)
        asked = 3 if host == bad else 0
        return Step(host, "changed", checks=(equal("own candle requests since start", asked, 0, host=host),))

    monkeypatch.setattr(consumers, "_change", change)
    phase = PhaseDouble()
    return consumers.apply(phase, planned(phase)), touched  # type: ignore[arg-type]  # a double


def test_all_are_reached_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rollout, touched = roll_out(monkeypatch, None)
    assert touched == ["75", "120", "121", "124"]
    phase = PhaseDouble()
    assert consumers.gate(phase, rollout).verdict is Verdict.SUCCESSFUL  # type: ignore[arg-type]  # a double
    assert [check.host for check in phase.kept["start"]] == touched


@pytest.mark.parametrize(("bad", "reached"), [("75", 1), ("120", 2), ("124", 4)])
def test_the_first_that_is_not_well_is_the_last_touched(
    monkeypatch: pytest.MonkeyPatch, bad: str, reached: int
) -> None:
    rollout, touched = roll_out(monkeypatch, bad)
    assert len(touched) == reached
    gate = consumers.gate(PhaseDouble(), rollout)  # type: ignore[arg-type]  # a double
    failed = [check.host for check in gate.checks if check.verdict is Verdict.FAILED]
    assert failed == ["75", "120", "121", "124"][reached - 1 :]


def test_a_dry_run_touches_nothing() -> None:
    phase = PhaseDouble(dry_run=True)
    rollout = consumers.apply(phase, planned(phase))  # type: ignore[arg-type]  # a double: any use of hosts fails
    assert {step.result for step in rollout.steps} == {"dry run"}


def test_an_inconclusive_check_stops_the_roll_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    touched = []

    def change(_phase: object, _plan: object, host: str) -> Step:
        touched.append(host)
        return Step(host, "changed", checks=(holds("fed", None, expected="yes", observed="no answer", host=host),))

    monkeypatch.setattr(consumers, "_change", change)
    consumers.apply(PhaseDouble(), planned(PhaseDouble()))  # type: ignore[arg-type]  # a double
    assert touched == ["75"]


@pytest.mark.parametrize(
    ("began", "verdict"), [(None, Verdict.SUCCESSFUL), (101.9, Verdict.SUCCESSFUL), (103.0, Verdict.FAILED)]
)
def test_counts_of_an_older_start_are_no_proof(began: float | None, verdict: Verdict) -> None:
    report = FeedReport(started=100.0, state="serving", served=9, own_requests=0, fallbacks={}, by_producer={})
    checks = consumers._start("75", report, CandleSet("75", {}), began)
    assert checks[0].verdict is verdict
