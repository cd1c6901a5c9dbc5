"""What is said of the producers that were changed when one could not be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.change.engine import Applied
from runbook_lib.errors import Unreachable
from runbook_lib.freqtrade.phases import producers
from runbook_lib.values import FleetResult, HostResult
from runbook_lib.view.progress import Silent


def carry_out(*results: HostResult[Applied]) -> Any:
    plans = {result.host: SimpleNamespace(describe=lambda: ["start it"]) for result in results}
    plan: Any = SimpleNamespace(wanted=plans, plans=plans)
    phase: Any = SimpleNamespace(
        dry_run=False,
        report=Silent(),
        must_not_be_stopped=lambda: None,
        fleet=SimpleNamespace(on_all=lambda *_: FleetResult(results)),
    )
    return producers.apply(phase, plan)


def test_who_was_changed_is_told_when_another_could_not_be() -> None:
    failed: HostResult[Applied] = HostResult("108", error=Unreachable("no answer", host="108"))
    with pytest.raises(Unreachable, match=r"108: no answer \(changed: 73\)"):
        carry_out(HostResult("73", Applied(changed=True), changed=True), failed)
    with pytest.raises(Unreachable, match=r"108: no answer$"):
        carry_out(HostResult("73", Applied(changed=False)), failed)


def test_each_producer_has_a_row() -> None:
    table = carry_out(HostResult("73", Applied(changed=True), changed=True), HostResult("108", Applied(changed=False)))
    assert [row[:2] for row in table.rows] == [("73", "changed"), ("108", "already as it should be")]
