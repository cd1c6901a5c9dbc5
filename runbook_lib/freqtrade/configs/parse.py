"""A bot's config as freqtrade reads it: JSON with comments and trailing commas, and nothing else that JSON5 allows.

freqtrade parses with rapidjson (PM_COMMENTS and PM_TRAILING_COMMAS). This reader takes the same dialect and keeps what
an editor needs and a plain parser throws away: where every value stands in the text, and where the comments are.
Errors name the line and never quote the text, which holds the operator's secrets.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.errors import ParamsError

_STRING = json.JSONDecoder()
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}
_HINTS = {
    "'": "single quotes, which freqtrade does not read; use double quotes",
    "#": "a # comment, which freqtrade does not read; use //",
    "\ufeff": "a byte order mark, which freqtrade does not read; save the file as plain UTF-8",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One ``"key": value`` of an object. ``start``: offset of the key's opening quote."""

    key: str
    start: int
    value: Node


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it stands: ``text[start:end]``. ``members`` is None for anything but an object."""

    start: int
    end: int
    data: Any
    members: tuple[Member, ...] | None = None
    trailing_comma: bool = False

    def member(self, key: str) -> Member | None:
        """Return the member that counts: of a key named twice, freqtrade takes the last."""
        return next((member for member in reversed(self.members or ()) if member.key == key), None)


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A config that freqtrade can read; its comments, in order; ``findings``: what a reader should know of it."""

    text: str
    root: Node
    comments: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def data(self) -> dict[str, Any]:
        """The config as plain data, as freqtrade would see it."""
        data: dict[str, Any] = self.root.data
        return data


def read_config(text: str, *, where: str = "config") -> ConfigText:
    """Read ``text``; ``where`` names the file in errors.

    Raises ParamsError with the line of the first thing that freqtrade would not read.
    """
    reader = _Reader(text, where)
    if "\0" in text:
        raise reader.wrong(text.index("\0"), "a NUL character, at which freqtrade would stop reading")
    try:
        root = reader.value(reader.gap(0))
    except RecursionError:
        raise ParamsError(f"{where}: nested too deeply to be a bot's config", remedy="check the file") from None
    end = reader.gap(root.end)
    if end != len(text):
        raise reader.wrong(end, "something after the end of the config")
    if root.members is None:
        raise reader.wrong(root.start, "not an object; a bot's config begins with {")
    if "add_config_files" in root.data:
        reader.findings.append("add_config_files: settings also come from other files, which were not read here")
    return ConfigText(text, root, tuple(reader.comments), tuple(reader.findings))


@dataclass(slots=True)
class _Reader:
    """Recursive descent over one text; every method takes an offset and says how far it came."""

    text: str
    where: str
    comments: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def wrong(self, at: int, what: str) -> ParamsError:
        return ParamsError(f"{self.where}:{self.line(at)}: {what}", remedy="mend the file by hand first")

    def unexpected(self, at: int, wanted: str) -> ParamsError:
        if at >= len(self.text):
            return self.wrong(at, f"the file ends where {wanted} should stand")
        hint = _HINTS.get(self.text[at])
        return self.wrong(at, f"{hint or 'something else'} where {wanted} should stand")

    def gap(self, at: int) -> int:
        """Skip white space and comments."""
        while True:
            at = self._space(at)
            if self.text.startswith("//", at):
                end = self.text.find("\n", at)
                end = len(self.text) if end < 0 else end
            elif self.text.startswith("/*", at):
                end = self.text.find("*/", at + 2) + 2
                if end < 2:
                    raise self.wrong(at, "a comment that does not end")
            else:
                return at
            self.comments.append(self.text[at:end].rstrip("\r"))
            at = end

    def _space(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int) -> Node:
        first = self.text[at : at + 1]
        if first == "{":
            return self._object(at)
        if first == "[":
            return self._array(at)
        if first == '"':
            text, end = self._string(at)
            return Node(at, end, text)
        for word, data in _WORDS.items():
            if self.text.startswith(word, at):
                return Node(at, at + len(word), data)
        if number := _NUMBER.match(self.text, at):
            whole, fraction, exponent = number.groups()
            data = float(number.group()) if fraction or exponent else int(whole)
            return Node(at, number.end(), data)
        raise self.unexpected(at, "a value")

    def _string(self, at: int) -> tuple[str, int]:
        try:
            string, end = _STRING.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            raise self.wrong(error.pos, f"a string that is not right: {error.msg.lower()}") from None
        if _HALF_A_PAIR.search(string):
            raise self.wrong(at, "a string with half of a surrogate pair")
        return string, end

    def _array(self, at: int) -> Node:
        start, items = at, list[Any]()
        at = self.gap(at + 1)
        while self.text[at : at + 1] != "]":
            item = self.value(at)
            items.append(item.data)
            at, _ = self._comma(item.end, "]")
        return Node(start, at + 1, items)

    def _object(self, at: int) -> Node:
        start, members, comma = at, list[Member](), False
        at = self.gap(at + 1)
        while self.text[at : at + 1] != "}":
            key_at = at
            if self.text[at : at + 1] != '"':
                raise self.unexpected(at, "a key in double quotes")
            key, at = self._string(at)
            at = self.gap(at)
            if self.text[at : at + 1] != ":":
                raise self.unexpected(at, "a colon")
            value = self.value(self.gap(at + 1))
            if any(member.key == key for member in members):
                self.findings.append(f"line {self.line(key_at)}: {key} is named twice; freqtrade takes the last")
            members.append(Member(key, key_at, value))
            at, comma = self._comma(value.end, "}")
        data = {member.key: member.value.data for member in members}
        return Node(start, at + 1, data, tuple(members), comma)

    def _comma(self, at: int, closing: str) -> tuple[int, bool]:
        """Pass the comma after an element, or stop at the closing bracket; say whether there was a comma."""
        at = self.gap(at)
        if self.text[at : at + 1] == ",":
            return self.gap(at + 1), True
        if self.text[at : at + 1] != closing:
            raise self.unexpected(at, f"a comma or {closing}")
        return at, False
