"""Phase 20: the fleet as it is, measured. Reads; changes nothing."""

from __future__ import annotations

from runbook_lib.freqtrade import bots, figures
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import measured
from runbook_lib.freqtrade.phases.measured import Shown
from runbook_lib.gates import at_least
from runbook_lib.runner.phase import Phase
from runbook_lib.view.tables import GateView


def ready(phase: Phase[FreqtradeSite]) -> GateView:
    """Wait until every feeder runs and holds fresh candles."""
    checks = bots.await_ready(phase.fleet, phase.site, bots.feeders(phase.site), phase.report)
    return phase.gate("feeders_ready", checks)


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
    by_streams = phase.site.freqtrade.enable_ws
    remedy = "look whether the feeders are running, and whether freqtrade.enable_ws in the site file is right"
    if by_streams and reading.streams_total is None:
        remedy = "only the lab's exchange tells how many streams are open: measure with enable_ws off"
    checks = [
        at_least(
            "feeders ask the exchange for candles",
            reading.streams_total if by_streams else reading.fleet_per_candle,
            1,
            unit="streams" if by_streams else "requests per candle",
            remedy=remedy,
        ),
        *measured.soundness(phase.site, shown.measured),
    ]
    return phase.gate("baseline", checks)
