"""Phase 20: the fleet as it is, measured. Reads; changes nothing."""

from __future__ import annotations

from runbook_lib.freqtrade import bots, figures
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import measured
from runbook_lib.freqtrade.phases.measured import Shown
from runbook_lib.gates import at_least, holds
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check, Verdict
from runbook_lib.view.tables import GateView


def ready(phase: Phase[FreqtradeSite]) -> GateView:
    """Wait until every feeder runs and holds fresh candles."""
    checks = [_unchanged(phase)]
    if checks[0].verdict is Verdict.SUCCESSFUL:
        checks += bots.await_ready(phase.fleet, phase.site, bots.feeders(phase.site), phase.report)
    return phase.gate("feeders_ready", checks)


def _unchanged(phase: Phase[FreqtradeSite]) -> Check:
    """Check that this change has changed nothing yet: a baseline of what comes after would prove anything."""
    steps = [event for event in phase.journal.events() if event.what == "intent"]
    return holds(
        "the fleet as it was",
        passed=not steps,
        expected="no step of this change done",
        observed=f"{len(steps)} steps, the first in {steps[0].phase}" if steps else "none",
        remedy="the baseline that was measured before stays; go on with the next notebook",
    )


def measure(phase: Phase[FreqtradeSite]) -> Shown:
    """Measure the feeders; producers-to-be are watched too, and should ask for nothing."""
    quiet = {host: bots.without_log(bot) for host, bot in bots.producers(phase.site).items()}
    shown = measured.take(phase, "before", {**bots.feeders(phase.site), **quiet})
    before = shown.measured.reading
    phase.keep("figures", figures.figures(before, None, list(phase.site.consumers)))
    return shown


def gate(phase: Phase[FreqtradeSite], shown: Shown) -> GateView:
    """Judge whether this is a baseline to compare with."""
    reading = shown.measured.reading
    checks = measured.soundness(phase.site, shown.measured)
    if not phase.site.freqtrade.enable_ws:
        checks.append(_asked(reading.fleet_per_candle, "requests per candle"))
    elif reading.streams_total is not None:  # a real exchange tells nobody: how far they fall stays open then
        checks.append(_asked(reading.streams_total, "streams"))
    return phase.gate("baseline", checks)


def _asked(count: float, unit: str) -> Check:
    remedy = "look whether the feeders are running, and whether freqtrade.enable_ws in the site file is right"
    return at_least("feeders ask the exchange for candles", count, 1, unit=unit, remedy=remedy)
