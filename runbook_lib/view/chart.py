"""A finished picture: sharp in a notebook, scalable in the report, described in words for those who cannot see it."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.view import style

_WHOLE_PAGE_RULE = re.compile(r"<style[^>]*>.*?</style>", re.DOTALL)
_LOCAL_NAME = re.compile(r'(\bid="|href="#|url\(#)')
_ROOT = re.compile(r"<svg\b[^>]*>", re.DOTALL)
_SIZE = re.compile(r'\s(?:width|height)="[^"]*"')
_WIDTH = re.compile(r'\swidth="([\d.]+)pt"')


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as SVG and as PNG (at `style.PNG_SCALE` pixels per pixel shown)."""

    title: str
    alt: str
    svg: str = field(repr=False)
    png: bytes = field(repr=False)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:  # noqa: ANN401, ARG002 - IPython's protocol
        width = int.from_bytes(self.png[16:20], "big") // style.PNG_SCALE  # the image header's own width
        bundle = {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.alt}
        return bundle, {"image/png": {"width": width, "alt": self.alt}}

    def __str__(self) -> str:
        return self.alt

    def inline(self, prefix: str) -> str:
        """Return the SVG for inclusion in a page: ids unique to ``prefix``, colours that follow the page's theme."""
        return inline(self.svg, prefix)


def describe(svg: str, title: str, alt: str) -> str:
    """Write title and description into a bare SVG, for readers of the file and for screen readers."""
    start = svg.index("<svg")
    head = _ROOT.match(svg, start)
    if head is None:
        raise ValueError("no svg element")
    words = f"\n <title>{html.escape(title)}</title>\n <desc>{html.escape(alt)}</desc>"
    return svg[start : head.end()] + words + svg[head.end() :]


def described(svg: str) -> tuple[str, str]:
    """Read title and description back."""
    found = (re.search(rf"<{tag}>(.*?)</{tag}>", svg, re.DOTALL) for tag in ("title", "desc"))
    title, alt = (html.unescape(match.group(1)) if match else "" for match in found)
    return title, alt


def inline(svg: str, prefix: str) -> str:
    """Fit one SVG into a page that holds several."""
    title, alt = described(svg)
    text = _WHOLE_PAGE_RULE.sub("", svg)  # matplotlib's rule names every element of the page
    text = _LOCAL_NAME.sub(rf"\g<1>{prefix}-", text)
    for colour, role in style.THEMED.items():
        text = text.replace(f": {colour}", f": var(--rb-{role}, {colour})")
    root = _ROOT.search(text)
    if root is None:
        raise ValueError("no svg element")
    opened = _SIZE.sub("", root.group(0))[:-1]
    label = html.escape(f"{title}. {alt}", quote=True)
    width = _WIDTH.search(root.group(0))
    points = float(width.group(1)) if width else style.CHART_WIDTH * 72
    rules = f"stroke-linejoin:round;stroke-linecap:butt;max-width:{points * 1.55:.0f}px;min-width:{points:.0f}px"
    return f'{opened} role="img" aria-label="{label}" style="{rules}">' + text[root.end() :]
