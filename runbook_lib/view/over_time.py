"""Charts over time: how values move, and who contributed how much; spans in which something was so are shaded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from runbook_lib.redaction import redact
from runbook_lib.view import style
from runbook_lib.view.canvas import number, sheet
from runbook_lib.view.chart import Chart

_HEIGHT: Final = 3.1  # inches
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_HATCHES: Final = ("", style.HATCH, "..", "xx", "--", "++")
_EDGE: Final = 0.5  # points
_NEAR: Final = 3.0  # times the highest value: a limit above that is not drawn, but said
_HEADROOM: Final = 1.16  # of the highest value: words on shaded spans stand there


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something was so; seconds as on the chart's axis."""

    begin: float
    end: float
    words: str


def lines(  # noqa: PLR0913 - all that is on one chart
    title: str,
    unit: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    axis: str = "seconds since the start",
    spans: Iterable[Span] = (),
    limit: float | None = None,
) -> Chart:
    """Draw values over time (seconds). One that is not finite is a cross at the top: it never came."""
    shaded = tuple(spans)
    known = [value for points in series.values() for _, value in points if math.isfinite(value)]
    all_came = all(math.isfinite(value) for points in series.values() for _, value in points)
    near = limit is not None and not (all_came and known and limit > _NEAR * max(known))
    top = max([*known, (limit or 0.0) if near else 0.0]) or 1.0
    with sheet(title, _HEIGHT) as drawing:
        axes = drawing.axes
        for index, (name, points) in enumerate(series.items()):
            axes.plot(
                [at for at, _ in points],
                [value if math.isfinite(value) else math.nan for _, value in points],
                color=style.SERIES[index % len(style.SERIES)],
                linestyle=style.DASHES[index % len(style.DASHES)],
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=4,
                linewidth=1.4,
                label=redact(name),
            )
            never = [at for at, value in points if not math.isfinite(value)]
            axes.plot(never, [top] * len(never), "x", color=style.ALARM, markersize=8, markeredgewidth=2)
        if limit is not None:
            _limit(axes, limit, near=near)
        _finish(axes, axis, unit, top, shaded)
        if series:
            drawing.figure.legend(loc="outside lower center", ncols=min(6, len(series)), fontsize=8.5)
        told = "; ".join(f"{name}: {_told(points)}" for name, points in series.items())
        drawing.alt = f"{title}, in {unit}. {told}.{_words(shaded)}"
    return drawing.chart


def stacks(  # noqa: PLR0913 - all that is on one chart
    title: str,
    unit: str,
    at: Sequence[float],
    parts: Mapping[str, Sequence[float]],
    *,
    width: float,
    axis: str = "seconds since the start",
    spans: Iterable[Span] = (),
    limit: float | None = None,
) -> Chart:
    """Draw one bar of ``width`` seconds for each time in ``at``, made up of the parts; its total stands above it."""
    if any(len(values) != len(at) for values in parts.values()):
        raise ValueError(f"{title}: a part has not {len(at)} values")
    shaded = tuple(spans)
    totals = [sum(values) for values in zip(*parts.values(), strict=True)] if parts else [0.0] * len(at)
    top = max([*totals, limit or 0.0]) or 1.0
    with sheet(title, _HEIGHT) as drawing:
        axes = drawing.axes
        below = [0.0] * len(at)
        handles = []
        for index, (name, values) in enumerate(parts.items()):
            colour, hatch = style.SERIES[index % len(style.SERIES)], _HATCHES[index % len(_HATCHES)]
            axes.bar(at, values, width, bottom=below, color=colour, hatch=hatch, edgecolor=style.PAPER, linewidth=_EDGE)
            below = [bottom + value for bottom, value in zip(below, values, strict=True)]
            label = redact(name)
            handles.append(Patch(facecolor=colour, hatch=hatch, edgecolor=style.PAPER, linewidth=_EDGE, label=label))
        for place, total in zip(at, totals, strict=True):
            axes.text(place, total + top * 0.015, number(total), ha="center", va="bottom", fontsize=8)
        if limit is not None:
            axes.axhline(limit, color=style.INK, linewidth=1, linestyle=":")
        _finish(axes, axis, unit, top, shaded)
        if handles:
            drawing.figure.legend(handles=handles, loc="outside lower center", ncols=min(6, len(handles)), fontsize=8.5)
        told = "; ".join(f"{name}: {', '.join(map(number, values))}" for name, values in parts.items())
        drawing.alt = f"{title}, in {unit}, at {', '.join(map(number, at))} s. {told}.{_words(shaded)}"
    return drawing.chart


def _limit(axes: Axes, limit: float, *, near: bool) -> None:
    """Draw a limit, or say that it is far above: to its scale nothing could be told apart."""
    if near:
        axes.axhline(limit, color=style.ALARM, linewidth=1.2, linestyle="--")
    words = f"limit {number(limit)}" if near else f"limit {number(limit)}, above this chart"
    place = axes.get_yaxis_transform() if near else axes.transAxes
    axes.text(1.0, limit if near else 1.01, words, transform=place, ha="right", va="bottom", fontsize=8)


def _finish(axes: Axes, axis: str, unit: str, top: float, spans: Sequence[Span]) -> None:
    """Shade the spans, name the axes, leave room at the top."""
    for span in spans:
        axes.axvspan(span.begin, span.end, color=style.GRID, alpha=0.75, linewidth=0, zorder=0)
        middle = (span.begin + span.end) / 2
        place = axes.get_xaxis_transform()
        axes.text(middle, 0.985, redact(span.words), transform=place, ha="center", va="top", fontsize=8)
    axes.set_ylim(0, top * _HEADROOM)
    axes.set_xlabel(redact(axis))
    axes.set_ylabel(redact(unit))
    axes.grid(axis="y", linewidth=0.6)


def _told(points: Sequence[tuple[float, float]]) -> str:
    """Say every value, in order: a course has few."""
    return ", ".join(number(value) if math.isfinite(value) else "never" for _, value in points) or "no values"


def _words(spans: Sequence[Span]) -> str:
    return "".join(f" {span.words} from {number(span.begin)} to {number(span.end)} s." for span in spans)
