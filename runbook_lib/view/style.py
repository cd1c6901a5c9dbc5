"""The one place for colours, spacing and chart settings.

Inline styles keep to what JupyterLab lets through in a notebook that is not trusted, and to colours that are readable
on a white and on a dark page: text inherits its colour, backgrounds and rules are translucent.
"""

from __future__ import annotations

from typing import Any, Final

# HTML, as values of style attributes
RULE: Final = "1px solid rgba(128,128,128,0.35)"
BLOCK: Final = "margin:8px 0;max-width:100%;overflow-x:auto"
TITLE: Final = "font-weight:600;margin:0 0 4px 0;text-align:left"
NOTE: Final = "margin:4px 0 0 0;opacity:0.75;font-size:90%"
TABLE: Final = "border-collapse:collapse;margin:0;font-variant-numeric:tabular-nums"
HEAD: Final = f"font-weight:600;padding:3px 10px;border:0;border-bottom:{RULE};vertical-align:bottom"
CELL: Final = f"padding:3px 10px;border:0;border-bottom:{RULE};vertical-align:top"
SUMMARY: Final = "cursor:pointer;margin:4px 0"
CODE: Final = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:90%"

BADGE: Final = "display:inline-block;padding:0 8px;border-radius:9px;font-weight:600;white-space:nowrap;line-height:1.6"
GOOD: Final = f"{BADGE};background-color:#1a7f37;color:#ffffff;border:1px solid #1a7f37"
BAD: Final = f"{BADGE};background-color:#b3261e;color:#ffffff;border:1px solid #b3261e"
OPEN: Final = f"{BADGE};border:1px dashed #b08800;background-color:rgba(212,167,44,0.18)"

KEPT_LINE: Final = ""
ADDED_LINE: Final = "background-color:rgba(46,160,67,0.20)"
REMOVED_LINE: Final = "background-color:rgba(248,81,73,0.20)"
HUNK_LINE: Final = "opacity:0.6"

# Charts. Before is pale and hatched, after dark and plain, so that they differ without colour, too.
INK: Final = "#1f2328"
FAINT: Final = "#8c959f"
GRID: Final = "#d8dee4"
PAPER: Final = "#ffffff"
BEFORE: Final = "#e8a33d"
AFTER: Final = "#1f5fa8"
ALARM: Final = "#b3261e"
BANDS: Final = (PAPER, "#fbe3e0", "#f0a79f", "#b3261f")  # zero, few, more, many: also steps of grey
ON_PALE: Final = "#1f2329"  # words on the second and third band
ON_DEEP: Final = "#fffffe"  # words on the last band
SERIES: Final = ("#1f5fa8", "#e8a33d", "#2f7d4f", "#8250df", "#b3261e", "#57606a")
DASHES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
HATCH: Final = "////"
THEMED: Final = {  # a page may give each of these another colour, as the CSS variable --rb-ROLE; no two are equal
    INK: "ink",
    PAPER: "paper",
    GRID: "grid",
    FAINT: "faint",
    AFTER: "after",
    ALARM: "alarm",
    BANDS[1]: "few",
    BANDS[2]: "more",
    BANDS[3]: "many",
    ON_PALE: "on-pale",
    ON_DEEP: "on-deep",
}

CHART_WIDTH: Final = 7.6  # inches
PNG_SCALE: Final = 2  # image pixels per pixel shown: sharp on dense screens
SHOWN_DPI: Final = 96

RC: Final[Any] = {
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: the same letters on every machine
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar sign is a dollar sign
    "svg.fonttype": "none",
    "svg.hashsalt": "runbook",
}
