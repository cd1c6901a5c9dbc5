"""A matplotlib figure in our style -> Chart, the same bytes for the same values. No pyplot, no global state kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runbook_lib.redaction import redact
from runbook_lib.view import style
from runbook_lib.view.chart import Chart, describe

_UNDATED = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(slots=True)
class Sheet:
    """One figure being drawn; ``chart`` is there once its ``with`` block has ended."""

    figure: Figure
    panels: tuple[Axes, ...]
    title: str
    alt: str = ""
    _chart: Chart | None = field(default=None, init=False)

    @property
    def axes(self) -> Axes:
        """The first panel; most charts have no other."""
        return self.panels[0]

    @property
    def chart(self) -> Chart:
        """The finished picture."""
        if self._chart is None:
            raise RuntimeError("the chart is still being drawn")
        return self._chart

    def finish(self) -> None:
        """Draw both forms."""
        title, alt = redact(self.title), redact(self.alt)
        svg, png = io.StringIO(), io.BytesIO()
        self.figure.savefig(svg, format="svg", metadata=_UNDATED)
        self.figure.savefig(png, format="png", metadata={"Software": None}, dpi=style.SHOWN_DPI * style.PNG_SCALE)
        self._chart = Chart(title, alt, describe(svg.getvalue(), title, alt), png.getvalue())


@contextmanager
def sheet(title: str, height: float, width: float = style.CHART_WIDTH, *, panels: int = 1) -> Iterator[Sheet]:
    """Open a figure of ``width`` x ``height`` inches with panels side by side and a title over all of them."""
    with mpl.rc_context(style.RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        drawing = Sheet(figure, tuple(figure.subplots(1, panels, squeeze=False)[0]), title)
        yield drawing
        figure.suptitle(redact(drawing.title), x=0.01, ha="left", fontsize=10.5, fontweight="bold", wrap=True)
        drawing.finish()


def number(value: float) -> str:
    """Write a value on a chart: whole if it is whole, else three significant digits."""
    if value == round(value) and abs(value) < 1e15:
        return f"{round(value):,}".replace(",", "\u2009")
    return f"{value:.3g}"
