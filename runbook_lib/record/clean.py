"""HTML out of notebooks, made fit for a page that must run nothing and fetch nothing: known tags, known attributes."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Final

_TAG: Final = re.compile(
    "b|br|caption|code|col|colgroup|details|div|em|h[1-6]|hr|i|li|ol|p|pre|s|small|span|strong|sub|summary|sup"
    "|table|tbody|td|tfoot|th|thead|tr|u|ul"
)
_VOID: Final = frozenset(("br", "col", "hr"))
_SILENT: Final = frozenset(("script", "style", "template", "iframe", "object", "svg", "math", "noscript", "title"))
_ATTRIBUTES: Final = frozenset(("class", "style", "title", "scope", "colspan", "rowspan", "open"))
_FETCHES: Final = ("url(", "url\\", "expression", "@import", "image(", "image-set", "\\")


def clean(text: str) -> str:
    """Return ``text`` without anything that could run or fetch; what is not closed is closed."""
    cleaner = _Cleaner()
    cleaner.feed(text)
    cleaner.close()
    return "".join([*cleaner.out, *(f"</{tag}>" for tag in reversed(cleaner.open))])


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.open: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self.silent.append(tag)
        if self.silent or not _TAG.fullmatch(tag):
            return
        kept = "".join(f' {name}="{html.escape(value or "")}"' for name, value in attrs if _may_stay(name, value or ""))
        self.out.append(f"<{tag}{kept}>")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.silent:
            if tag == self.silent[-1]:
                self.silent.pop()
            return
        if tag not in self.open:
            return
        while self.open:
            last = self.open.pop()
            self.out.append(f"</{last}>")
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.out.append(html.escape(data, quote=False))


def _may_stay(name: str, value: str) -> bool:
    if name not in _ATTRIBUTES:
        return False
    squeezed = "".join(value.lower().split())
    return name != "style" or not any(word in squeezed for word in _FETCHES)
