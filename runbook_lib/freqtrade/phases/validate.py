"""Phase 60: the fleet measured again, held against the baseline and against the plan's claims. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from runbook_lib.freqtrade import bots, figures
from runbook_lib.freqtrade import claims as plan_claims
from runbook_lib.freqtrade.measure import Counts, count
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import measured
from runbook_lib.freqtrade.phases.measured import Shown
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.gates import at_least, at_most, below, equal, fell_by, no_later
from runbook_lib.gates.checks import number
from runbook_lib.record.plain import checks as read_checks
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check
from runbook_lib.view import charts, tables
from runbook_lib.view.charts import Chart
from runbook_lib.view.rendered import RenderedAs
from runbook_lib.view.tables import GateView, Table

PROMISED = 0.75
PER_CANDLE = "candle_requests_per_candle"


@dataclass(frozen=True, slots=True)
class Effect(RenderedAs):
    """Before and after, side by side, and every check that follows from them."""

    before: Reading
    after: Reading
    figures: dict[str, float | None]
    requests: tuple[Check, ...]
    weight: tuple[Check, ...]
    data: tuple[Check, ...]
    delay: tuple[Check, ...]
    latency: tuple[Check, ...]
    soundness: tuple[Check, ...]
    during: Table
    requests_chart: Chart
    weight_chart: Chart
    delay_chart: Chart

    @property
    def checks(self) -> list[Check]:
        """All checks."""
        return [*self.requests, *self.weight, *self.data, *self.delay, *self.latency, *self.soundness]

    def shown(self) -> Table:
        """Show it as a table."""
        rows = [
            (name.replace("_", " "), unit, self.figures[f"{name}_before"], self.figures[f"{name}_after"])
            for name, unit in figures.UNITS.items()
        ]
        return Table("Figures", ("figure", "unit", "before", "after"), rows)


def ready(phase: Phase[FreqtradeSite]) -> GateView:
    """Wait until all bots run and hold fresh candles."""
    return phase.gate("bots_ready", bots.await_ready(phase.fleet, phase.site, _all(phase.site), phase.report))


def _all(site: FreqtradeSite) -> dict[str, bots.Bot]:
    return {**bots.producers(site), **bots.feeders(site)}


def measure(phase: Phase[FreqtradeSite]) -> Shown:
    """Measure consumers and producers."""
    return measured.take(phase, "after", _all(phase.site))


def compare(phase: Phase[FreqtradeSite], shown: Shown) -> Effect:
    """Hold the baseline of this change against what was measured now."""
    site = phase.site
    before = Reading.model_validate(phase.earlier("20_baseline", "reading"))
    after = shown.measured.reading
    during = count(phase.fleet, site, _all(site), since=before.until, until=after.since)
    found = figures.figures(before, after, list(site.consumers))
    found["candle_requests_during_change"] = sum(during.best.candle_requests.values())
    found["other_requests_during_change"] = sum(during.other_calls.values())
    phase.keep("figures", found)
    phase.keep("figure_units", list(figures.TOLD.items()))
    phase.keep("sentence", _sentence(site, found))
    phase.keep("headline", ["before_after_requests", "candles_before", "candles_after", "before_after_delay"])
    return Effect(
        before,
        after,
        found,
        requests=tuple(_requests(site, before, after)),
        weight=tuple(_weight(site, after)),
        data=tuple(_data(site, after)),
        delay=tuple(_delay(site, before, after)),
        latency=tuple(_latency(site, after)),
        soundness=tuple(measured.soundness(site, shown.measured)),
        during=_during(during, after.since - before.until),
        requests_chart=phase.chart(
            "before_after_requests",
            measured.before_after(site, "Kline streams", "open", before.streams, after.streams)
            if site.freqtrade.enable_ws
            else measured.before_after(site, "Candle requests", "per candle", before.per_candle, after.per_candle),
        ),
        weight_chart=phase.chart(
            "before_after_weight",
            measured.before_after(site, "Request weight", "per minute", before.weight_peak, after.weight_peak),
        ),
        delay_chart=phase.chart(
            "before_after_delay",
            charts.spread(
                "From a candle's close until the bot had analysed it",
                "seconds",
                {"before": before.all_delays, "after": after.all_delays},
            ),
        ),
    )


def _during(counts: Counts, seconds: float) -> Table:
    """Show what the change itself cost the exchange: bots that start load markets and history."""
    endpoints = list(counts.other_calls)
    rows = [
        (host, requests, *(counts.best.other_calls[host].get(name, 0) for name in endpoints))
        for host, requests in counts.best.candle_requests.items()
    ]
    note = f"Calls in the {seconds / 60:.0f} minutes between the two measurements, counted by {counts.best.meter}."
    return Table("While the fleet was changed", ("host", "candle requests", *endpoints), rows, note)


def _sentence(site: FreqtradeSite, found: dict[str, float | None]) -> str:
    """Say the figure that the plan promised first."""
    name, words = (
        ("kline_streams", "kline streams") if site.freqtrade.enable_ws else (PER_CANDLE, "candle requests per candle")
    )
    told = charts.change(found[f"{name}_before"] or 0, found[f"{name}_after"] or 0, words)
    cells, wrong = found["compared_cells"], found["mismatching_cells_after"]
    return f"{told}; {number(wrong)} of {number(cells)} cells differ from the exchange"


def _requests(site: FreqtradeSite, before: Reading, after: Reading) -> Sequence[Check]:
    remedy = "see which host still asks, and its feed's state on that host"
    if site.freqtrade.enable_ws:
        fall = fell_by("kline streams", before.streams_total, after.streams_total, PROMISED, remedy=remedy)
    else:
        fall = fell_by(
            "candle requests per candle", before.fleet_per_candle, after.fleet_per_candle, PROMISED, remedy=remedy
        )
    return [
        fall,
        *(
            equal("candle requests of a consumer", after.candle_requests[host], 0, host=host, remedy=remedy)
            for host in site.consumers
        ),
        *(
            equal("kline streams of a consumer", after.streams[host], 0, host=host, remedy=remedy)
            for host in site.consumers
            if host in after.streams
        ),
    ]


def _weight(site: FreqtradeSite, after: Reading) -> Sequence[Check]:
    limit = site.gates.weight_share * site.exchange.weight_per_minute
    return [
        *(
            at_most("peak weight per minute", weight, limit, host=host, remedy="fewer pairs, or one more address")
            for host, weight in after.weight_peak.items()
        ),
        equal(
            "requests refused (403, 418, 429)", after.rejected_total, 0, remedy="wait until the ban ends; find out why"
        ),
    ]


def _data(site: FreqtradeSite, after: Reading) -> Sequence[Check]:
    remedy = "the table of differences names pair, candle and value"
    return [
        at_least("cells compared", after.cells, site.gates.minimum_cells, too_little_is_inconclusive=True),
        equal("cells that differ from the exchange", after.mismatching, 0, remedy=remedy),
        equal("candles missing", after.missing, 0, remedy=remedy),
        *(
            at_most("age of the newest candle", age, site.gates.candle_age_seconds, unit="s", host=host, remedy=remedy)
            for host, age in after.newest_age.items()
        ),
    ]


def _per_bot(reading: Reading) -> list[float]:
    """Return each bot's median delay, of those that have any."""
    return [median(delays) for delays in reading.delays.values() if delays]


def _delay(site: FreqtradeSite, before: Reading, after: Reading) -> Sequence[Check]:
    """Check that bots analyse a closed candle no later than before, but for what the feed may cost.

    What is counted is one bot: its median over the pairs of the newest candle. Pairs are no values of their own, since
    a bot fetches and analyses them one after the other; 4 bots are 4 values, not 440. And all bots are read at one
    candle, so the test speaks of bots, not of other candles: the margin must leave room for how candles vary.
    """
    return [
        no_later(
            "delay from a candle's close until a bot had analysed it",
            _per_bot(before),
            _per_bot(after),
            site.gates.delay_margin_seconds,
            unit="s",
            alpha=site.gates.significance,
            effect=site.gates.effect_size,
            minimum=site.gates.minimum_bots,
            remedy="look at the producers' load and at the way from them to the slowest bot",
        )
    ]


def _latency(site: FreqtradeSite, after: Reading) -> Sequence[Check]:
    """Check that every route's usual round trip is under the limit. What is counted is one TCP connect.

    All of a route's connects come within a moment: the test speaks of the route at that time of day.
    """
    return [
        below(
            f"median round trip {route}",
            values,
            site.gates.latency_milliseconds,
            unit="ms",
            alpha=site.gates.significance,
            remedy="look at the network between the two",
        )
        for route, values in after.latency_ms.items()
    ]


def claims(phase: Phase[FreqtradeSite], effect: Effect) -> Table:
    """Give every claim of the plan its verdict."""
    start = read_checks(phase.earlier("40_consumers", "start"))
    found = plan_claims.judged(
        phase.site,
        effect.before,
        effect.after,
        effect=effect.requests,
        weight=effect.weight,
        data=effect.data,
        latency=effect.latency,
        start=start,
        safety=plan_claims.safe(phase.journal.events()),
    )
    phase.keep("claims", found)
    return tables.claims(found)


def gate(phase: Phase[FreqtradeSite], effect: Effect) -> GateView:
    """Judge the migration: every promise that this runbook can prove is kept."""
    return phase.gate("validate", effect.checks)
