"""One measurement as a notebook shows it: figures first, then charts, then what differs, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.freqtrade import bots, measure
from runbook_lib.freqtrade.meters import FleetMeter, agreement
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.gates import at_least, equal, holds
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check
from runbook_lib.view import charts, tables
from runbook_lib.view.charts import Chart
from runbook_lib.view.rendered import RenderedAs
from runbook_lib.view.tables import Table

DIFFERENCES_SHOWN = 200
NOT_LOGGED = ("ping", "stream")
"""What the exchange counts and no bot logs: our own looks at the weight, and websocket connections."""


@dataclass(frozen=True, slots=True)
class Shown(RenderedAs):
    """A measurement and its pictures."""

    measured: measure.Measured
    requests_chart: Chart
    candles_chart: Chart
    differences: Table

    def shown(self) -> Table:
        """Show it as a table."""
        reading = self.measured.reading
        rows = [
            (
                host,
                per_candle,
                reading.streams.get(host),
                reading.weight_peak.get(host),
                reading.rejected.get(host, 0),
                reading.newest_age.get(host),
            )
            for host, per_candle in reading.per_candle.items()
        ]
        heads = (
            "host",
            "candle requests per candle",
            "kline streams",
            "peak weight per minute",
            "refused (403/418/429)",
            "newest candle (s since its close)",
        )
        others = ", ".join(f"{name} {count}" for name, count in reading.other_calls.items()) or "none"
        note = (
            f"Counted by {reading.meter} over {reading.candles} candles. Other calls of the bots: {others}. "
            f"The measurement itself cost weight {self.measured.asked} from this machine, for the settled candles, "
            f"and {reading.own_pings} pings from the hosts, which are part of their weight."
        )
        return Table("The fleet, measured", heads, rows, note)


def take(phase: Phase[FreqtradeSite], when: str, who: dict[str, bots.Bot]) -> Shown:
    """Measure, draw, and keep both for later phases. ``when``: before or after."""
    feeders = bots.feeders(phase.site)
    found = measure.measure(phase.fleet, phase.site, who, feeders, phase.report, candles=phase.site.gates.candles)
    phase.keep("reading", found.reading.model_dump())
    mismatches = found.comparison.mismatches
    detail = found.comparison.detail.head(DIFFERENCES_SHOWN)
    left = len(found.comparison.detail) + found.comparison.left_out - len(detail)
    return Shown(
        found,
        requests_chart=phase.chart(
            f"requests_{when}",
            charts.bars(f"Candle requests {when}", "requests per candle", found.reading.per_candle),
        ),
        candles_chart=phase.chart(
            f"candles_{when}",
            charts.heatmap(
                f"Cells that differ from the exchange, {when}",
                [str(pair) for pair in mismatches.index],
                [str(host) for host in mismatches.columns],
                mismatches.to_numpy().tolist(),
                "cells",
            ),
        ),
        differences=tables.from_frame(detail, "Cells that differ", f"and {left} more" if left else "", exact=True),
    )


def before_after(
    site: FreqtradeSite, title: str, unit: str, before: Mapping[str, float | None], after: Mapping[str, float | None]
) -> Chart:
    """Draw both by host, in the order of the inventory: what an earlier notebook kept comes back sorted by name."""
    drawn = [
        {host: value for host in site.hosts if (value := values.get(host)) is not None} for values in (before, after)
    ]
    return charts.before_after(title, unit, *drawn)


def soundness(site: FreqtradeSite, found: measure.Measured) -> list[Check]:
    """Check that a measurement may be relied on: enough data, and meters that agree."""
    checks = [
        at_least(
            "cells compared",
            found.reading.cells,
            site.gates.minimum_cells,
            too_little_is_inconclusive=True,
            remedy="let the bots gather more history, then measure again",
        ),
        *(
            holds(
                "request log covers the whole time",
                whole,
                expected="yes",
                observed="yes" if whole else "it begins later",
                host=host,
                remedy="measure again: the bot was restarted, or its log was cut",
            )
            for host, whole in found.counts.whole.items()
        ),
    ]
    called = found.counts if any(found.counts.best.candle_requests.values()) else found.ever
    if called.exchange is not None:
        checks.append(agreement(called.bots, called.exchange, ignore=NOT_LOGGED))
    if found.counts.exchange is not None:
        checks += _weights_agree(found, found.counts.exchange)
    return checks


def _weights_agree(found: measure.Measured, exchange: FleetMeter) -> Sequence[Check]:
    return [
        equal(
            "weight read from the host is what the exchange counted",
            seen,
            exchange.weight_peak.get(host) or 0,
            host=host,
            remedy="the host's calls leave by another address than it seems",
        )
        for host, seen in found.reading.weight_peak.items()
    ]
