"""A verdict at a glance: a word and a shape, so that nobody needs to see the colour."""

from __future__ import annotations

from typing import Final

from runbook_lib.values import Verdict
from runbook_lib.view import style

SHAPES: Final = {Verdict.SUCCESSFUL: "✓", Verdict.INCONCLUSIVE: "?", Verdict.FAILED: "✗"}
_STYLES: Final = {Verdict.SUCCESSFUL: style.GOOD, Verdict.INCONCLUSIVE: style.OPEN, Verdict.FAILED: style.BAD}


def text(verdict: Verdict) -> str:
    """Return shape and word, for a terminal."""
    return f"{SHAPES[verdict]} {verdict.value}"


def html(verdict: Verdict) -> str:
    """Return shape and word, for a page; the class lets a page print it otherwise."""
    return f'<span class="rb-{verdict.value.lower()}" style="{_STYLES[verdict]}">{text(verdict)}</span>'
