"""One value -> the text and the HTML of one table cell."""

from __future__ import annotations

import enum
import html
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import singledispatch
from numbers import Integral, Real

from runbook_lib.redaction import redact
from runbook_lib.values import Verdict
from runbook_lib.view import badge

NOTHING = "–"  # noqa: RUF001 - an en dash stands for an empty cell, as in print
_GROUP = "\u202f"  # narrow no-break space, as SI wants between groups of three digits
_NUMBER = re.compile(r"[+\u2212-]?\d[\d.,\u202f ]*( ?%)?")


@singledispatch
def text(value: object, *, exact: bool = False) -> str:  # noqa: ARG001 - only floats have digits to show or to round
    """Return ``value`` as a reader wants it: four significant digits (all of them if ``exact``), secrets masked."""
    return redact(str(value))


@text.register
def _(value: None, *, exact: bool = False) -> str:  # noqa: ARG001
    return NOTHING


@text.register
def _(value: Verdict, *, exact: bool = False) -> str:  # noqa: ARG001
    return badge.text(value)


@text.register
def _(value: enum.Enum, *, exact: bool = False) -> str:
    return text(value.value, exact=exact)


@text.register
def _(value: bool, *, exact: bool = False) -> str:  # noqa: ARG001
    return "yes" if value else "no"


@text.register
def _(value: Integral, *, exact: bool = False) -> str:  # noqa: ARG001
    return grouped(int(value))


@text.register
def _(value: Real, *, exact: bool = False) -> str:
    return repr(float(value)) if exact else rounded(float(value))


@text.register
def _(value: datetime, *, exact: bool = False) -> str:  # noqa: ARG001
    return value.strftime("%Y-%m-%d %H:%M:%S %Z").rstrip()


@text.register
def _(value: bytes, *, exact: bool = False) -> str:  # noqa: ARG001
    return redact(value.decode("utf-8", "backslashreplace"))


@text.register
def _(value: Mapping, *, exact: bool = False) -> str:  # type: ignore[type-arg]  # dispatch needs the bare class
    return redact(", ".join(f"{key}: {text(inner, exact=exact)}" for key, inner in value.items()) or NOTHING)


@text.register(list)
@text.register(tuple)
@text.register(set)
@text.register(frozenset)
def _(value: Iterable[object], *, exact: bool = False) -> str:
    return redact(", ".join(text(inner, exact=exact) for inner in value) or NOTHING)


def grouped(value: int) -> str:
    """Group the digits of large numbers; ports and years stay as they are."""
    return f"{value:,}".replace(",", _GROUP) if abs(value) >= 100_000 else str(value)


def rounded(value: float) -> str:
    """Four significant digits, no exponent where a person would not write one."""
    if not math.isfinite(value):
        return str(value)
    if value and not 1e-6 <= abs(value) < 1e15:
        return f"{value:.3e}"
    decimals = 0 if value == 0 else max(0, 3 - math.floor(math.log10(abs(value))))
    shown = f"{value:.{decimals}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    whole, dot, rest = shown.partition(".")
    return grouped(int(whole)) + dot + rest if abs(value) >= 100_000 else shown


def cell(value: object, *, exact: bool = False) -> str:
    """Return ``value`` as HTML."""
    if isinstance(value, Verdict):
        return badge.html(value)
    return html.escape(text(value, exact=exact)).replace("\n", "<br>")


def is_number(value: object) -> bool:
    """Whether a column of such values is read by comparing digits, and so stands right."""
    if isinstance(value, (bool, Verdict)):
        return False
    if isinstance(value, str):
        return bool(_NUMBER.fullmatch(value.strip()))
    return isinstance(value, Real)
