"""What was measured, as a table for people and as JSON for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from measuring import Measured, Outage

from runbook_lib.view.quantiles import Quantiles

NONE = "—"


@dataclass(frozen=True, slots=True)
class Column:
    """One fleet's figures under its title."""

    title: str
    figures: Measured


def markdown(columns: Mapping[str, Column], notes: list[str]) -> str:
    """Write the table: one row a figure, one column a fleet; ``notes`` stand below it."""
    rows: list[tuple[str, Callable[[Measured], str]]] = [
        ("candle requests per candle, whole fleet", lambda m: number(sum(m.requests.values()) / m.candles)),
        ("request weight in the busiest minute, busiest source", lambda m: number(max(m.weight_peak.values()))),
        ("requests refused (403, 418, 429)", lambda m: number(m.rejected)),
        ("a candle's close until a bot has analysed it, p50 / p95", lambda m: quantiles(m.ages)),
        ("candles that a bot did not have 40 s after their close", lambda m: number(m.late)),
        ("cells that differ from the exchange's settled values", lambda m: f"{m.differing:,} of {m.cells:,}"),
        ("candles missing", lambda m: number(m.missing)),
        ("processor time per candle, whole fleet", lambda m: seconds(sum(m.processor_seconds.values()) / m.candles)),
        (
            "processor time per candle, of which shared",
            lambda m: seconds(sum(_shared(m, m.processor_seconds)) / m.candles) if m.shared else NONE,
        ),
        ("memory, whole fleet", lambda m: megabytes(sum(m.memory_bytes.values()))),
        ("memory, of which shared", lambda m: megabytes(sum(_shared(m, m.memory_bytes))) if m.shared else NONE),
        ("what is shared dies for a candle: bots that miss it", outages),
    ]
    lines = [
        "| | " + " | ".join(column.title for column in columns.values()) + " |",
        "|---" * (len(columns) + 1) + "|",
        *(f"| {what} | " + " | ".join(tell(c.figures) for c in columns.values()) + " |" for what, tell in rows),
    ]
    return "\n".join([*lines, *(f"\n{note}" for note in notes), ""])


def document(columns: Mapping[str, Column], notes: list[str], settings: Mapping[str, object]) -> str:
    """Write everything that was measured as JSON, each age included."""
    fleets = {name: {"title": column.title, **asdict(column.figures)} for name, column in columns.items()}
    return json.dumps({"settings": dict(settings), "fleets": fleets, "notes": notes}, indent=1) + "\n"


def number(value: float) -> str:
    """Write a count; a fraction of one is shown as such."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def seconds(value: float) -> str:
    """Write a span of time."""
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"


def megabytes(value: float) -> str:
    """Write a size in memory."""
    return f"{value / 1e6:,.0f} MB"


def quantiles(ages: list[float]) -> str:
    """Write the median and the 95th percentile."""
    found = Quantiles.of(ages)
    return NONE if found is None else f"{found.p50:.1f} / {found.p95:.1f} s"


def outages(figures: Measured) -> str:
    """Write who missed a candle when which part died."""
    return "; ".join(_outage(one) for one in figures.outages) or "nothing is shared"


def _outage(one: Outage) -> str:
    age = f", the others' age {quantiles(one.ages)}" if one.bots_that_missed and one.ages else ""
    whole = "" if one.bots_that_missed or not one.ages else f", age {quantiles(one.ages)}"
    return f"{one.what}: {one.bots_that_missed} of {len(one.missed)}{age}{whole}"


def _shared(figures: Measured, by_host: Mapping[str, float]) -> list[float]:
    return [by_host[host] for host in figures.shared]
