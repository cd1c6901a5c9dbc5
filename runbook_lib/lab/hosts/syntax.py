"""systemd's small languages: unit files, command lines, specifiers, time spans, environment files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "hr": 3600.0, "d": 86400.0}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{3})")
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)\}")


def assignments(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield line number, section, key and value. Keys may repeat; a line that is none of these is a ValueError."""
    section, number = "", 0
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        joined = line
        while joined.endswith("\\"):
            _, more = next(lines, (number, ""))
            if not more.lstrip().startswith(("#", ";")):  # a comment amid a continued line is skipped
                joined = f"{joined[:-1]} {more}"
        stripped = joined.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not section:
            raise ValueError(f"line {number}: neither a section nor an assignment: {stripped!r}")
        yield number, section, key.rstrip(), value.lstrip()


def split(text: str) -> list[str]:
    """Split into words as systemd does: both quotes, C escapes also outside of them."""
    words: list[str] = []
    word: str | None = None
    quote, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            taken, width = _escape(text, at)
            word, at = (word or "") + taken, at + width
        elif quote and char == quote:
            quote = ""
        elif not quote and char in "\"'":
            word, quote = word or "", char
        elif not quote and char.isspace():
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + char
    if quote:
        raise ValueError(f"unbalanced quotes: {text!r}")
    return words if word is None else [*words, word]


def _escape(text: str, at: int) -> tuple[str, int]:
    code = _HEX.match(text, at)
    if code:
        return chr(int(code[3], 8) if code[3] else int(code[1] or code[2], 16)), len(code[0])
    if at >= len(text):
        raise ValueError(f"backslash at the end: {text!r}")
    return _ESCAPES.get(text[at], text[at]), 1


def specifiers(text: str, known: Mapping[str, str]) -> str:
    """Replace ``%h`` and the like; one that is not known is a ValueError."""

    def resolve(match: re.Match[str]) -> str:
        if match[1] not in known:
            raise ValueError(f"specifier %{match[1]} is not modelled")
        return known[match[1]]

    return re.sub(r"%(.)", resolve, text)


def substitute(words: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    """Replace variables of a command line: ``${A}`` within a word, ``$A`` as a word of its own, which is split."""
    result: list[str] = []
    for word in words:
        if re.fullmatch(r"\$\w+", word):
            result += split(environment.get(word[1:], ""))
        else:
            result.append(_VARIABLE.sub(lambda m: environment.get(m[1], "") if m[1] else "$", word))
    return result


def seconds(text: str) -> float:
    """Read a time span: ``5``, ``500ms``, ``1min 30s``, ``infinity``."""
    if text == "infinity":
        return float("inf")
    parts = re.findall(r"([0-9.]+)\s*([a-z]*)", text)
    if not parts or re.sub(r"[0-9.]+\s*[a-z]*|\s", "", text) or any(unit and unit not in _UNITS for _, unit in parts):
        raise ValueError(f"no time span: {text!r}")
    return sum(float(amount) * _UNITS[unit or "s"] for amount, unit in parts)


def environment_file(text: str) -> dict[str, str]:
    """Read an environment file: one ``KEY=value`` a line, quotes and comments allowed, nothing expanded."""
    found: dict[str, str] = {}
    for line in text.replace("\\\n", "").splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith(("#", ";")):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found[key.strip()] = value[1:-1] if quoted else value
    return found
