"""Tables that render themselves: in a notebook cell, in the report, in a terminal."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from runbook_lib.redaction import redact
from runbook_lib.values import Check, Claim, Verdict
from runbook_lib.view import badge, style
from runbook_lib.view.cells import cell, is_number, text
from runbook_lib.view.rendered import Rendered

if TYPE_CHECKING:
    import pandas as pd

Align = Literal["left", "right"]
FOLD_OVER = 24  # rows; a longer table shows its first rows and folds the rest away
SHOWN = 12


@dataclass(frozen=True, slots=True)
class Table(Rendered):
    """Columns with their units in the heads, and rows of values; numbers stand right.

    ``align``: one of left and right per column; without it the values decide. ``exact``: floats keep every digit
    (prices that differ in the last one); otherwise four significant digits are shown.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""
    align: Sequence[Align] | None = None
    exact: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))
        object.__setattr__(self, "align", tuple(self.align) if self.align is not None else None)
        wrong = next((row for row in self.rows if len(row) != len(self.columns)), None)
        if wrong is not None or (self.align is not None and len(self.align) != len(self.columns)):
            raise ValueError(f"table {self.title!r}: a row or align has not {len(self.columns)} values: {wrong}")

    def _repr_html_(self) -> str:
        return _block(self.title, self.html(), self.note)

    def html(self) -> str:
        """Return the rows alone, without title and note."""
        if not self.rows:
            return f'<p style="{style.NOTE}">nothing to show</p>'
        if len(self.rows) <= FOLD_OVER:
            return self._grid(self.rows)
        rest = len(self.rows) - SHOWN
        return self._grid(self.rows[:SHOWN]) + fold(
            f"{rest} more of {len(self.rows)} rows", self._grid(self.rows[SHOWN:])
        )

    def _grid(self, rows: Sequence[Sequence[object]]) -> str:
        sides = self._sides()
        head = "".join(
            f'<th scope="col" style="{style.HEAD};text-align:{side}">{cell(name)}</th>'
            for name, side in zip(self.columns, sides, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="{style.CELL};text-align:{side}{_nowrap(value, side)}">{cell(value, exact=self.exact)}</td>'
                for value, side in zip(row, sides, strict=True)
            )
            + "</tr>"
            for row in rows
        )
        headed = f"<thead><tr>{head}</tr></thead>" if any(self.columns) else ""
        return f'<table style="{style.TABLE}">{headed}<tbody>{body}</tbody></table>'

    def _sides(self) -> Sequence[Align]:
        if self.align is not None:
            return self.align
        return tuple(_side([row[index] for row in self.rows]) for index in range(len(self.columns)))

    def __str__(self) -> str:
        sides = self._sides()
        shown = self.rows if len(self.rows) <= FOLD_OVER else self.rows[:SHOWN]
        lines = [[redact(name) for name in self.columns]] if any(self.columns) else []
        lines += [[text(value, exact=self.exact).replace("\n", " ") for value in row] for row in shown]
        widths = [max(len(line[index]) for line in lines) for index in range(len(self.columns))] if lines else []
        out = [redact(self.title)] if self.title else []
        for line in lines:
            parts = (
                value.rjust(width) if side == "right" else value.ljust(width)
                for value, width, side in zip(line, widths, sides, strict=True)
            )
            out.append(("  " + "  ".join(parts)).rstrip())
        if not self.rows:
            out.append("  nothing to show")
        if len(shown) < len(self.rows):
            out.append(f"  ... {len(self.rows) - len(shown)} more of {len(self.rows)} rows")
        if self.note:
            out.append("  " + redact(self.note))
        return "\n".join(out)


@dataclass(frozen=True, slots=True)
class GateView(Rendered):
    """The checks of a gate: the verdict first, then what failed, then the rest (folded when there is much of it)."""

    title: str
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks; of no checks at all: Inconclusive."""
        return Verdict.worst([check.verdict for check in self.checks])

    @property
    def summary(self) -> str:
        """How many checks ended how, the worst first."""
        if not self.checks:
            return "nothing was checked"
        words = ((Verdict.FAILED, "failed"), (Verdict.INCONCLUSIVE, "inconclusive"), (Verdict.SUCCESSFUL, "passed"))
        counts = [(sum(check.verdict is verdict for check in self.checks), word) for verdict, word in words]
        return ", ".join(f"{count} {word}" for count, word in counts if count)

    def _split(self) -> tuple[Table, Table]:
        order = (Verdict.FAILED, Verdict.INCONCLUSIVE)
        open_ = [check for verdict in order for check in self.checks if check.verdict is verdict]
        passed = [check for check in self.checks if check.verdict is Verdict.SUCCESSFUL]
        return _check_table(open_), _check_table(passed)

    def _repr_html_(self) -> str:
        open_, passed = self._split()
        head = f"{badge.html(self.verdict)} {cell(self.title)}: {self.summary}"
        body = open_.html() if open_.rows else ""
        if passed.rows and (open_.rows or len(passed.rows) > SHOWN):
            body += fold(f"{len(passed.rows)} passed" if open_.rows else "what was checked", passed.html())
        elif passed.rows:
            body += passed.html()
        return f'<div class="rb-gate" style="{style.BLOCK}"><p style="{style.TITLE}">{head}</p>{body}</div>'

    def __str__(self) -> str:
        tables = [str(table) for table in self._split() if table.rows]
        return "\n".join([f"{badge.text(self.verdict)}  {redact(self.title)}: {self.summary}", *tables])


def checks(checks: Iterable[Check], title: str) -> GateView:
    """Show the checks of one gate."""
    return GateView(title, tuple(checks))


def claims(claims: Iterable[Claim], title: str = "Claims of the plan") -> Table:
    """Show claims in the plan's own order."""
    rows = [(c.id, c.claim, c.expected, c.observed, c.verdict, c.evidence) for c in claims]
    return Table(title, ("", "claim", "expected", "observed", "verdict", "evidence"), rows, align=_left(6))


def facts(mapping: Mapping[str, object], title: str = "") -> Table:
    """Show keys and values, without a head."""
    return Table(title, ("", ""), tuple(mapping.items()), align=_left(2))


def from_frame(df: pd.DataFrame, title: str = "", note: str = "", *, exact: bool = False) -> Table:
    """Show a frame; an index that is more than a row number becomes the first columns."""
    numbered = df.index.name is None and df.index.nlevels == 1 and df.index.inferred_type == "integer"
    plain = df if numbered else df.reset_index()
    rows = zip(*(_column(plain.iloc[:, index]) for index in range(plain.shape[1])), strict=True)
    return Table(title, [str(name) for name in plain.columns], tuple(rows), note, exact=exact)


def fold(summary: str, body: str) -> str:
    """Hide ``body`` (HTML) behind a line that opens it; no script is needed."""
    return f'<details><summary style="{style.SUMMARY}">{html.escape(summary)}</summary>{body}</details>'


def _column(values: pd.Series) -> list[object]:
    return [None if missing else value for value, missing in zip(values.tolist(), values.isna().tolist(), strict=True)]


def _check_table(checks: Sequence[Check]) -> Table:
    """Columns that would be empty throughout are left out."""
    columns: dict[str, list[object]] = {
        "": ["✓" if check.verdict is Verdict.SUCCESSFUL else check.verdict for check in checks],
        "host": [check.host or "" for check in checks],
        "check": [check.name for check in checks],
        "expected": [check.expected for check in checks],
        "observed": [check.observed for check in checks],
        "what to do": ["" if check.verdict is Verdict.SUCCESSFUL else check.remedy for check in checks],
    }
    kept = {name: values for name, values in columns.items() if any(values)}
    return Table("", tuple(kept), tuple(zip(*kept.values(), strict=True)), align=_left(len(kept)))


def _left(count: int) -> tuple[Align, ...]:
    return tuple("left" for _ in range(count))


def _side(values: Sequence[object]) -> Align:
    known = [value for value in values if value is not None and value != ""]
    return "right" if known and all(is_number(value) for value in known) else "left"


def _nowrap(value: object, side: Align) -> str:
    return ";white-space:nowrap" if side == "right" or isinstance(value, Verdict) else ""


def _block(title: str, body: str, note: str) -> str:
    head = f'<p style="{style.TITLE}">{cell(title)}</p>' if title else ""
    foot = f'<p style="{style.NOTE}">{cell(note)}</p>' if note else ""
    return f'<div class="rb-table" style="{style.BLOCK}">{head}{body}{foot}</div>'
