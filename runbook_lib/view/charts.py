"""The charts of a migration: before and after, what differs where, how values spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from runbook_lib.redaction import redact
from runbook_lib.view import style
from runbook_lib.view.canvas import number, sheet
from runbook_lib.view.chart import Chart
from runbook_lib.view.quantiles import Quantiles

__all__ = ["Chart", "bars", "before_after", "change", "heatmap", "spread"]

_BAR: Final = 0.38  # of the space of one host
_NARROWEST: Final = 5.6  # inches; room for a title on one line
_PANEL_ROWS: Final = 60  # a longer heatmap goes on beside itself
_DOTS: Final = 300  # per group; of more values every so-manieth is drawn, in order of size, ends included


def bars(title: str, unit: str, values: Mapping[str, float]) -> Chart:
    """Draw one bar per host; the total is computed here."""
    told = f"{number(sum(values.values()))} {unit}"
    with sheet(f"{title}: {told}", 0.9 + 0.3 * max(len(values), 1)) as drawing:
        axes = drawing.axes
        longest = max([*values.values(), 0.0]) or 1.0
        axes.barh(range(len(values)), list(values.values()), 0.7, color=style.AFTER, linewidth=0)
        for place, length in enumerate(values.values()):
            axes.text(length + longest * 0.008, place, number(length), va="center", fontsize=8)
        _lay_out(axes, values, longest, unit)
        drawing.alt = f"{title}: {told}. {'; '.join(f'{host}: {number(value)}' for host, value in values.items())}."
    return drawing.chart


def before_after(title: str, unit: str, before: Mapping[str, float], after: Mapping[str, float]) -> Chart:
    """Draw two bars per host. The totals in the title, and how far they fell, are computed here."""
    hosts = list(dict.fromkeys([*before, *after]))
    told = change(sum(before.values()), sum(after.values()), unit)
    with sheet(f"{title}: {told}", 0.9 + 0.46 * max(len(hosts), 1)) as drawing:
        axes = drawing.axes
        longest = max([*before.values(), *after.values(), 0.0]) or 1.0
        for offset, values, colour, hatch in (
            (-_BAR / 2, before, style.BEFORE, style.HATCH),
            (_BAR / 2, after, style.AFTER, ""),
        ):
            places = [place + offset for place, host in enumerate(hosts) if host in values]
            lengths = [values[host] for host in hosts if host in values]
            axes.barh(places, lengths, _BAR * 0.92, color=colour, hatch=hatch, edgecolor=style.PAPER, linewidth=0)
            for place, length in zip(places, lengths, strict=True):
                axes.text(length + longest * 0.008, place, number(length), va="center", fontsize=8)
        _lay_out(axes, hosts, longest, unit)
        handles = [
            Patch(facecolor=style.BEFORE, hatch=style.HATCH, edgecolor=style.PAPER, linewidth=0, label="before"),
            Patch(facecolor=style.AFTER, label="after"),
        ]
        drawing.figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=8.5)
        each = "; ".join(f"{host}: {_maybe(before, host)} before, {_maybe(after, host)} after" for host in hosts)
        drawing.alt = f"{title}: {told}. {each}."
    return drawing.chart


def heatmap(
    title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]], unit: str
) -> Chart:
    """Draw a count per row and column (pair x host). Zero stays white; everything else stands out and is numbered."""
    if len(counts) != len(rows) or any(len(line) != len(columns) for line in counts):
        raise ValueError(f"{title}: counts are not {len(rows)} rows of {len(columns)}")
    flat = [count for line in counts for count in line]
    told = f"{number(sum(flat))} {unit} in {sum(count > 0 for count in flat)} of {len(flat)} places"
    panels = max(1, math.ceil(len(rows) / _PANEL_ROWS))
    length = max(3, math.ceil(len(rows) / panels))
    width = min(style.CHART_WIDTH, max(_NARROWEST, panels * (1.5 + 0.7 * len(columns))))
    with sheet(f"{title}: {told}", 0.8 + 0.17 * length, width, panels=panels) as drawing:
        for index, axes in enumerate(drawing.panels):
            part = slice(index * length, (index + 1) * length)
            _heat(axes, rows[part], columns, counts[part], max(flat, default=0))
            axes.set_ylim(length, 0)
        worst = sorted(
            (
                (count, f"{row}, {column}: {count}")
                for row, line in zip(rows, counts, strict=True)
                for column, count in zip(columns, line, strict=True)
                if count
            ),
            reverse=True,
        )
        drawing.alt = f"{title}: {told}. " + ("; ".join(word for _, word in worst[:12]) or "Every place is zero") + "."
    return drawing.chart


def spread(title: str, unit: str, groups: Mapping[str, Iterable[float]], limit: float | None = None) -> Chart:
    """Draw the values of every group as dots, the middle half as a box; p50, p95 and their number are written out."""
    values = {name: [v for v in map(float, group) if math.isfinite(v)] for name, group in groups.items()}
    with sheet(title, 1.0 + 0.44 * max(len(values), 1)) as drawing:
        axes = drawing.axes
        most = max([v for group in values.values() for v in group] + [limit or 0.0]) or 1.0
        words = []
        for place, (name, group) in enumerate(values.items()):
            told = _strip(axes, place, group, limit)
            axes.text(1.015, place, told, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
            words.append(f"{name}: {told}")
        if limit is not None:
            axes.axvline(limit, color=style.ALARM, linewidth=1.4, linestyle="--")
            axes.text(
                limit,
                1.0,
                f"limit {number(limit)} ",
                transform=axes.get_xaxis_transform(),
                ha="right" if limit > most / 2 else "left",
                va="bottom",
                fontsize=8,
                color=style.ALARM,
            )
        axes.set_yticks(range(len(values)), [redact(name) for name in values])
        axes.set_ylim(max(len(values), 1) - 0.5, -0.5)
        axes.set_xlim(left=0 if all(v >= 0 for group in values.values() for v in group) else None, right=most * 1.04)
        axes.set_xlabel(redact(unit))
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", linewidth=0.6)
        bound = f" Limit {number(limit)}." if limit is not None else ""
        drawing.alt = f"{title}, in {unit}. {'; '.join(words)}.{bound}"
    return drawing.chart


def change(before: float, after: float, unit: str) -> str:
    """Say two totals and how far the second is from the first."""
    told = f"{number(before)} → {number(after)} {unit}"
    if not before:
        return told
    percent = (after - before) / before * 100
    return f"{told}, {'−' if percent < 0 else '+' if percent > 0 else '±'}{abs(percent):.3g}\u202f%"


def _lay_out(axes: Axes, hosts: Iterable[str], longest: float, unit: str) -> None:
    """Name the hosts downwards, and leave room for the numbers at the ends of the bars."""
    names = [redact(host) for host in hosts]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, longest * 1.09)
    axes.set_xlabel(redact(unit))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.6)


def _heat(axes: Axes, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]], most: int) -> None:
    """Draw one panel of a heatmap."""
    bands = [[_band(count, most) for count in line] for line in counts]
    if rows and columns:
        axes.pcolormesh(
            bands, cmap=ListedColormap(style.BANDS), vmin=-0.5, vmax=3.5, edgecolors=style.GRID, linewidth=0.5
        )
    for y, line in enumerate(counts):
        for x, count in enumerate(line):
            if count:
                ink = style.ON_DEEP if bands[y][x] == len(style.BANDS) - 1 else style.ON_PALE
                axes.text(x + 0.5, y + 0.53, number(count), ha="center", va="center", fontsize=7, color=ink)
    axes.set_yticks([y + 0.5 for y in range(len(rows))], [redact(row) for row in rows], fontsize=7.5)
    axes.set_xticks([x + 0.5 for x in range(len(columns))], [redact(column) for column in columns], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xlim(0, max(len(columns), 1))
    for side in axes.spines.values():
        side.set_visible(False)


def _strip(axes: Axes, place: int, values: Sequence[float], limit: float | None) -> str:
    """Draw one group and say its figures."""
    told = Quantiles.of(values)
    if told is None:
        return "no values"
    over = limit if limit is not None else math.inf
    for marker, colour, alpha, kept in (
        ("o", style.AFTER, 0.45, _thin(sorted(v for v in values if v <= over))),
        ("x", style.ALARM, 0.9, _thin(sorted(v for v in values if v > over))),
    ):
        heights = [place + 0.26 * _jitter(index) for index in range(len(kept))]
        axes.plot(kept, heights, marker, color=colour, markersize=3, alpha=alpha, markeredgewidth=0.8)
    axes.barh(place, told.p75 - told.p25, 0.6, left=told.p25, color="none", edgecolor=style.INK, linewidth=0.9)
    axes.plot([told.p50, told.p50], [place - 0.3, place + 0.3], color=style.INK, linewidth=2)
    return f"p50 {number(told.p50)}, p95 {number(told.p95)}, max {number(told.maximum)} (n {told.count})"


def _thin(ordered: Sequence[float]) -> list[float]:
    if len(ordered) <= _DOTS:
        return list(ordered)
    return [ordered[round(step * (len(ordered) - 1) / (_DOTS - 1))] for step in range(_DOTS)]


def _jitter(index: int) -> float:
    """Spread dots between -1 and 1, the same way every time (golden ratio)."""
    return 2 * (index * 0.6180339887498949 % 1) - 1


def _maybe(values: Mapping[str, float], host: str) -> str:
    return number(values[host]) if host in values else "not measured"


def _band(count: int, most: int) -> int:
    """Zero is a band of its own; the others are thirds of the largest on a logarithmic scale."""
    if count <= 0:
        return 0
    return 3 if most <= 1 else 1 + min(2, int(3 * math.log(count) / math.log(most + 1)))
