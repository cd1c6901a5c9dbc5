"""All producers are changed at once, and what their gate says follows from how each came up."""

from __future__ import annotations

from typing import Any

import pytest
from phase_double import PhaseDouble, host_plan

from runbook_lib.change.rollout import Attempt
from runbook_lib.freqtrade.phases import producers
from runbook_lib.gates import equal
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.values import Check, Verdict

NOT_ASKED: Any = None


def planned() -> Planned:
    plans = {host: host_plan(host) for host in ("73", "108")}
    return Planned("Producers", "30_producers", dict.fromkeys(plans, NOT_ASKED), plans)


def test_all_are_changed_at_once_and_none_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def change_all(_phase: object, _plan: object, up: Any, **how: Any) -> Rollout:
        asked.update(how)
        up(("108",))
        return Rollout(())

    waited: list[dict[str, Any]] = []
    phase: Any = PhaseDouble()
    monkeypatch.setattr(producers.changing, "change_all", change_all)
    monkeypatch.setattr(producers.bots, "await_ready", lambda _fleet, _site, who, _report: waited.append(who) or [])
    producers.apply(phase, planned())
    assert asked == {"hosts": ["73", "108"], "size": 2}  # the budget is left at none
    assert [list(who) for who in waited] == [["108"]]  # only those that were changed are waited for


@pytest.mark.parametrize(
    ("pids", "verdict"), [((7, 8), Verdict.SUCCESSFUL), ((7, 0), Verdict.FAILED), ((7, None), Verdict.FAILED)]
)
def test_the_gate_says_how_each_came_up_and_whether_consumers_reach_it(
    monkeypatch: pytest.MonkeyPatch, pids: tuple[int | None, ...], verdict: Verdict
) -> None:
    reached = Check("reachable", Verdict.SUCCESSFUL, "e", "o")
    monkeypatch.setattr(producers, "_reachable", lambda _phase: [reached])
    attempts = [
        Attempt(host, "not reached")
        if pid is None
        else Attempt(host, "changed", 1.0, (equal("runs", bool(pid), True, host=host),))
        for host, pid in zip(("73", "108"), pids, strict=True)
    ]
    phase: Any = PhaseDouble()
    gate = producers.gate(phase, Rollout(tuple(attempts)))
    assert gate.verdict is verdict
    assert [check.host for check in gate.checks] == ["73", "108", None]


def test_a_dry_run_asks_no_producer_for_anything() -> None:
    phase: Any = PhaseDouble(dry_run=True)  # without a fleet
    rollout = producers.apply(phase, planned())
    assert producers.gate(phase, rollout).verdict is Verdict.SUCCESSFUL
    assert [check.name for check in producers.serving(phase)] == ["dry run"]
