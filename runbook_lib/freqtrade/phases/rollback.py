"""Phase 90: everything undone, and shown to be: the hosts read again, the feeders measured as in the baseline."""

from __future__ import annotations

from contextlib import suppress

from runbook_lib.errors import RecordError
from runbook_lib.freqtrade import bots, figures
from runbook_lib.freqtrade import claims as plan_claims
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import measured
from runbook_lib.freqtrade.phases.measured import Shown
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.gates import equal, holds
from runbook_lib.gates.checks import number
from runbook_lib.record.plain import claims as read_claims
from runbook_lib.runner import undoing
from runbook_lib.runner.phase import Phase
from runbook_lib.runner.undoing import Undoing
from runbook_lib.values import Check
from runbook_lib.view.charts import Chart
from runbook_lib.view.tables import GateView, Table


def done(phase: Phase[FreqtradeSite]) -> Table:
    """Show what this change has done."""
    return undoing.done(phase)


def plan(phase: Phase[FreqtradeSite]) -> Undoing:
    """Compare every host that was touched with what it was."""
    return undoing.plan(phase)


def decide(phase: Phase[FreqtradeSite], plan: Undoing) -> Undoing:
    """Ask what is to become of files that somebody edited since."""
    return undoing.decide(phase, plan)


def fit(phase: Phase[FreqtradeSite], plan: Undoing) -> GateView:
    """Judge whether everything can go back."""
    return phase.gate("can_go_back", undoing.fit(phase, plan))


def apply(phase: Phase[FreqtradeSite], plan: Undoing) -> Table:
    """Undo it: consumers first, then producers."""
    return undoing.apply(phase, plan)


def restored(phase: Phase[FreqtradeSite]) -> GateView:
    """Judge whether the hosts are as they were, and wait until the feeders hold fresh candles."""
    checks = undoing.restored(phase)
    phase.keep("restored", checks)
    phase.keep("claims", _claims(phase, checks))
    if phase.dry_run:
        return phase.gate("restored", checks)
    ready = bots.await_ready(phase.fleet, phase.site, bots.feeders(phase.site), phase.report)
    return phase.gate("restored", [*checks, *ready])


def _claims(phase: Phase[FreqtradeSite], checks: list[Check]) -> object:
    """Return the claims as they stood, with what this proves of the last: that all of it can be undone."""
    found = tuple(plan_claims.unproven())
    for judged in ("60_validate", "70_failover_drill"):  # the second knows what the first found
        with suppress(RecordError):
            found = read_claims(phase.earlier(judged, "claims"))
    safety = [] if phase.dry_run else [*plan_claims.safe(phase.journal.events()), *checks]
    return [plan_claims.of_safety(safety) if claim.id == "C9" else claim for claim in found]


def measure(phase: Phase[FreqtradeSite]) -> Shown:
    """Measure the feeders, by the code that measured the baseline; hosts that were producers are watched too."""
    quiet = {host: bots.without_log(bot) for host, bot in bots.producers(phase.site).items()}
    return measured.take(phase, "undone", {**bots.feeders(phase.site), **quiet})


def chart(phase: Phase[FreqtradeSite], shown: Shown) -> Chart:
    """Draw the feeders' requests before the change and now."""
    before = _baseline(phase)
    now = shown.measured.reading
    phase.keep("headline", ["undone_requests"])
    return phase.chart(
        "undone_requests",
        measured.before_after(phase.site, "Kline streams, before and undone", "open", before.streams, now.streams)
        if phase.site.freqtrade.enable_ws
        else measured.before_after(
            phase.site, "Candle requests, before and undone", "per candle", before.per_candle, now.per_candle
        ),
    )


def gate(phase: Phase[FreqtradeSite], shown: Shown) -> GateView:
    """Judge whether the feeders ask the exchange again as they did before."""
    site, before, now = phase.site, _baseline(phase), shown.measured.reading
    remedy = "look at the feeder's journal: it should download all of its pairs again"
    if site.freqtrade.enable_ws:
        checks = [
            equal("kline streams", now.streams.get(host), before.streams.get(host, 0), host=host, remedy=remedy)
            for host in site.consumers
        ]
    else:
        checks = [
            equal("candle requests per candle", now.per_candle.get(host), per_candle, host=host, remedy=remedy)
            for host, per_candle in before.per_candle.items()
        ]
    back = (
        f"{number(now.streams_total)} kline streams"
        if site.freqtrade.enable_ws
        else f"{number(now.fleet_per_candle)} candle requests per candle"
    )
    phase.keep("sentence", f"rolled back: every file and service as before, {back} again")
    phase.keep("figures", figures.figures(before, now, list(site.consumers)))
    phase.keep("figure_units", list(figures.TOLD.items()))
    return phase.gate("rolled_back", [*checks, *_quiet(site, now)])


def _quiet(site: FreqtradeSite, now: Reading) -> list[Check]:
    return [
        holds(
            "no producer left",
            passed=not now.candle_requests.get(host),
            expected="no candle request",
            observed=f"{number(now.candle_requests.get(host, 0))} candle requests",
            host=host,
            remedy="see with `systemctl status` whether its service still runs",
        )
        for host in site.producers
    ]


def _baseline(phase: Phase[FreqtradeSite]) -> Reading:
    return Reading.model_validate(phase.earlier("20_baseline", "reading"))
