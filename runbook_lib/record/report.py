"""The page for people: one HTML file that fetches nothing. What it shows is handed in; it judges nothing itself."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from runbook_lib.errors import RecordError
from runbook_lib.record import statement
from runbook_lib.record.clean import clean
from runbook_lib.record.executed import Output
from runbook_lib.record.folder import ChangeFolder, write_bytes
from runbook_lib.redaction import redact
from runbook_lib.values import Claim, Verdict
from runbook_lib.view import badge, cells, style
from runbook_lib.view.chart import Chart
from runbook_lib.view.progress import duration
from runbook_lib.view.rendered import Shown
from runbook_lib.view.tables import fold

_RUNS_OR_FETCHES: Final = re.compile(
    r"""<(?:script|foreignObject|iframe)\b|\bon\w+\s*=|href\s*=\s*["'](?!#)""", re.IGNORECASE
)
_LEAST_PERCENT: Final = 0.1  # a smaller change is not told more exactly
_LOG_SHOWN: Final = 6  # lines; a longer log is folded


Item = Chart | Output | Shown


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure before and after, in ``unit``; None: not measured."""

    name: str
    unit: str
    before: float | None
    after: float | None

    @property
    def change(self) -> str:
        """How far the second is from the first; computed, never handed in."""
        if self.before is None or self.after is None:
            return ""
        if self.before == self.after:
            return "unchanged"
        if not self.before:
            return ""
        percent = (self.after - self.before) / self.before * 100
        sign = "+" if percent > 0 else "−"
        if abs(percent) < _LEAST_PERCENT:
            return f"{sign}< {_LEAST_PERCENT}\u202f%"
        return f"{sign}{cells.rounded(float(f'{abs(percent):.3g}'))}\u202f%"


@dataclass(frozen=True, slots=True)
class Section:
    """One phase: ``name`` is its anchor (60_validate), ``source`` its file in the folder, ``seconds`` its duration."""

    name: str
    title: str
    verdict: Verdict
    seconds: float | None = None
    items: tuple[Item, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page says. Times are aware datetimes; ``charts`` are the pictures at the top."""

    title: str
    change_id: str
    site: str
    started: datetime
    ended: datetime
    verdict: Verdict
    sentence: str
    claims: tuple[Claim, ...] = ()
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    sections: tuple[Section, ...] = ()
    leftovers: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def tiles(self) -> tuple[Figure, ...]:
        """The first figures that there was a before of, at most four; what was nothing and is nothing is left out."""
        return tuple(figure for figure in self.figures if figure.change and (figure.before or figure.after))[:4]


def write(folder: ChangeFolder, report: Report) -> None:
    """Write report.html about the folder as it is now."""
    files = {name: digest for name, digest in statement.digests(folder).items() if name != folder.report.name}
    write_bytes(folder.report, render(report, files).encode())


def render(report: Report, files: Mapping[str, str]) -> str:
    """Return the page. ``files``: name -> SHA-256 of what lies beside it."""
    page = _environment().get_template("report.html.j2")
    counts = ", ".join(f"{count} {verdict.value}" for verdict, count in _counts(report.claims).items())
    return page.render(report=report, files=files, drawn=_Drawn(report, files), counts=counts)


class _Drawn:
    """What the template asks for in HTML; numbers the pictures, so that ids stay unique on the page."""

    def __init__(self, report: Report, files: Mapping[str, str]) -> None:
        self._count = 0
        self._targets = {name: name for name in files}
        for section in report.sections:
            self._targets |= {name: f"#{section.name}" for name in (section.source, section.name) if name}

    def item(self, item: Item) -> Markup:
        if isinstance(item, Chart):
            return self.chart(item)
        if isinstance(item, Output):
            return Markup(_output(item))  # noqa: S704 - cleaned or escaped right there
        return Markup(clean(item._repr_html_()))  # noqa: S704 - cleaned

    def chart(self, chart: Chart) -> Markup:
        if _RUNS_OR_FETCHES.search(chart.svg.split("<svg", 1)[-1]):
            raise RecordError(f"chart {chart.title!r}: its SVG would run or fetch something", remedy="draw it again")
        self._count += 1
        return Markup(f'<figure class="chart">{chart.inline(f"c{self._count}")}</figure>')  # noqa: S704 - checked above

    def evidence(self, text: str) -> Markup:
        """Make links of the names of files and sections in a claim's evidence."""
        parts = re.split(r"([\w./-]+)", redact(text))
        return Markup("").join(self._link(part) for part in parts)

    def _link(self, part: str) -> str | Markup:
        name = part.rstrip(".")
        if name not in self._targets:
            return part
        breakable = Markup("<wbr>").join(re.split(r"(?<=[/_])", name))
        return Markup('<a href="{}">{}</a>{}').format(self._targets[name], breakable, part[len(name) :])


def _masked(value: object) -> object:
    """Mask what the template writes; what is HTML already was masked when it was drawn."""
    return redact(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _output(output: Output) -> str:
    if isinstance(output.data, bytes):
        data = base64.b64encode(output.data).decode()
        width = int.from_bytes(output.data[16:20], "big") // style.PNG_SCALE  # the image header's own width
        return f'<figure class="chart"><img alt="" width="{width}" src="data:image/png;base64,{data}"></figure>'
    if output.kind == "html":
        return clean(redact(output.data))
    shown = f'<pre class="{output.kind}">{html.escape(redact(output.data.rstrip()))}</pre>'
    lines = output.data.count("\n")
    return fold(f"log, {lines} lines", shown) if output.kind == "log" and lines > _LOG_SHOWN else shown


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("runbook_lib.record", "."),
        autoescape=True,
        finalize=_masked,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "badge": lambda verdict: Markup(badge.html(verdict)),  # noqa: S704 - made of constants
        "number": cells.text,
        "duration": duration,
        "moment": _moment,
    }
    return environment


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _counts(claims: Iterable[Claim]) -> dict[Verdict, int]:
    """Return how many claims ended how, the worst first; verdicts that no claim has are left out."""
    found = [claim.verdict for claim in claims]
    order = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.SUCCESSFUL)
    return {verdict: found.count(verdict) for verdict in order if verdict in found}
