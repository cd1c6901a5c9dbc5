"""Whether what was measured is a baseline to compare with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from phase_double import PhaseDouble
from test_validate import FEEDERS, reading

from runbook_lib.freqtrade.phases import baseline, measured
from runbook_lib.values import Verdict


@pytest.mark.parametrize(
    ("enable_ws", "requests", "streams", "verdict"),
    [
        (False, 330, {}, Verdict.SUCCESSFUL),
        (False, 0, {}, Verdict.FAILED),
        (True, 0, dict.fromkeys(FEEDERS, 110), Verdict.SUCCESSFUL),
        (True, 330, dict.fromkeys(FEEDERS, 0), Verdict.FAILED),
        (True, 330, {}, None),  # a real exchange tells nobody how many streams are open: nothing to judge by
    ],
)
def test_feeders_ask_for_candles(
    monkeypatch: pytest.MonkeyPatch, enable_ws: bool, requests: int, streams: dict[str, int], verdict: Verdict | None
) -> None:
    monkeypatch.setattr(measured, "soundness", lambda *_: [])
    lab = PhaseDouble().site
    site = lab.model_copy(update={"freqtrade": lab.freqtrade.model_copy(update={"enable_ws": enable_ws})})
    seen = reading(dict.fromkeys(FEEDERS, requests), streams=streams)
    phase: Any = PhaseDouble(site)
    shown: Any = SimpleNamespace(measured=SimpleNamespace(reading=seen))
    found = [check.verdict for check in baseline.gate(phase, shown).checks]
    assert found == ([] if verdict is None else [verdict])


def test_no_baseline_is_taken_of_what_comes_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline.bots, "await_ready", lambda *_: [])
    phase: Any = PhaseDouble()
    phase.journal = SimpleNamespace(events=list)
    assert [check.verdict for check in baseline.ready(phase).checks] == [Verdict.SUCCESSFUL]
    step = SimpleNamespace(what="intent", phase="30_producers")
    phase.journal = SimpleNamespace(events=lambda: [step, step])
    found = baseline.ready(phase).checks
    assert [check.verdict for check in found] == [Verdict.FAILED]
    assert found[0].observed == "2 steps, the first in 30_producers"
