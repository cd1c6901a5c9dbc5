"""The figures that the change record must show, out of two readings. Null where nothing was measured, never a guess."""

from __future__ import annotations

from statistics import median

from runbook_lib.freqtrade.reading import Reading
from runbook_lib.view.quantiles import Quantiles

UNITS = {
    "candle_requests_per_candle": "requests per candle, whole fleet",
    "consumer_candle_requests": "requests per candle, the four consumers",
    "kline_streams": "open streams, whole fleet",
    "weight_per_minute": "request weight in the busiest minute, sum over hosts",
    "weight_per_minute_worst_host": "request weight in the busiest minute, busiest host",
    "other_requests": "requests of bots that are not for candles, whole fleet, whole measurement",
    "rejected": "requests refused with 403, 418 or 429",
    "mismatching_cells": "cells that differ from the exchange's settled values",
    "missing_candles": "candles",
    "candle_delay_p50": "seconds from a candle's close until a bot had analysed it, median",
    "candle_delay_p95": "the same, 95th percentile",
    "newest_candle_age": "seconds since its close when it was read, worst host",
    "latency_ms": "milliseconds, median",
}
"""Name of a figure without _before or _after -> what it counts."""
TOLD = UNITS | {"compared_cells": "cells of candles"}
"""The same, with what the others rest on."""


def figures(before: Reading | None, after: Reading | None, consumers: list[str]) -> dict[str, float | None]:
    """Return every figure by name, those of ``before`` ending in _before, those of ``after`` in _after."""
    found: dict[str, float | None] = {}
    for when, reading in (("before", before), ("after", after)):
        values = _values(reading, consumers) if reading is not None else dict.fromkeys(UNITS)
        found |= {f"{name}_{when}": value for name, value in values.items()}
    return found | {
        "compared_cells_before": before.cells if before is not None else None,
        "compared_cells": after.cells if after is not None else None,
    }


def _values(reading: Reading, consumers: list[str]) -> dict[str, float | None]:
    delays = Quantiles.of(reading.all_delays)
    return {
        "candle_requests_per_candle": reading.fleet_per_candle,
        "consumer_candle_requests": sum(reading.per_candle[host] for host in consumers),
        "kline_streams": reading.streams_total,
        "weight_per_minute": reading.weight_total,
        "weight_per_minute_worst_host": reading.weight_worst,
        "other_requests": sum(reading.other_calls.values()),
        "rejected": reading.rejected_total,
        "mismatching_cells": reading.mismatching,
        "missing_candles": reading.missing,
        "newest_candle_age": max(reading.newest_age.values(), default=None),
        "candle_delay_p50": delays.p50 if delays is not None else None,
        "candle_delay_p95": delays.p95 if delays is not None else None,
        "latency_ms": median(reading.all_latencies_ms) if reading.all_latencies_ms else None,
    }
