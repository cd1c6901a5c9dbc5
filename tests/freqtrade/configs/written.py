"""Draws configs as people write them: any layout, comments anywhere, trailing commas or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

COMMENTS = ("// note\n", '// "strategy": "x", }\n', "/* a */", "/* } , // */", "/* two\n   lines */", "//\n", "/**/")
BLANKS = ("", " ", "\n", "\n    ", "\n\t", "\r\n  ", "  \n\n  ")
KEYS = st.sampled_from(["a", "b", "exchange", "enable_ws", "//", "c d", 'q"', "ä"])
SCALARS = st.one_of(st.integers(-9, 9), st.booleans(), st.none(), st.text(max_size=4, alphabet='a/*",{\\é'))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)
CONFIGS = st.dictionaries(KEYS, VALUES, max_size=5)


@dataclass
class Written:
    """A config, the text that says it, and the comments in that text."""

    data: dict[str, Any]
    text: str = ""
    comments: list[str] = field(default_factory=list)


@st.composite
def written(draw: Callable[..., Any]) -> Written:
    config = Written(draw(CONFIGS))

    def gap() -> str:
        parts = draw(st.lists(st.sampled_from(BLANKS + COMMENTS), max_size=2))
        config.comments += [part.removesuffix("\n") for part in parts if part.startswith("/")]
        return "".join(parts)

    def write(value: Any) -> str:
        if isinstance(value, dict):
            return listed(
                "{", [lambda k=k, v=v: json.dumps(k) + gap() + ":" + gap() + write(v) for k, v in value.items()], "}"
            )
        if isinstance(value, list):
            return listed("[", [lambda v=v: write(v) for v in value], "]")
        return json.dumps(value, ensure_ascii=draw(st.booleans()))

    def listed(first: str, parts: list[Callable[[], str]], last: str) -> str:
        text = first + gap()
        for number, part in enumerate(parts):
            text += part() + gap()
            if number < len(parts) - 1 or draw(st.booleans()):
                text += "," + gap()
        return text + last

    config.text = gap() + write(config.data) + gap()
    return config
