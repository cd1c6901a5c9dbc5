"""One setting of an existing config, changed by splicing the text: every other byte stays as the operator wrote it.

Indentation, line ends and trailing commas of the new text follow what stands around it.
"""

from __future__ import annotations

import json
from typing import Any

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.parse import ConfigText, Node, read_config

_DEFAULT_INDENT = "    "


def put(text: str, path: tuple[str, ...], value: object) -> str:
    """Return ``text`` with the setting at ``path`` being ``value``; the very same text if it is already.

    A missing setting is added at the end of its object, a present one is replaced where it stands.
    Raises ParamsError if freqtrade could not read the text, or if the path leads through something else than objects.
    """
    config = read_config(text)
    node = config.root
    for depth, key in enumerate(path):
        if node.members is None:
            raise ParamsError(f"{'.'.join(path[:depth])} is not an object", remedy="mend the config by hand first")
        member = node.member(key)
        if member is None:
            for outer in reversed(path[depth + 1 :]):
                value = {outer: value}
            return _insert(config, node, key, value)
        if depth == len(path) - 1:
            return text if same(member.value.data, value) else _replace(config, member.start, member.value, value)
        node = member.value
    raise ValueError("a path names at least one key")


def same(one: object, other: object) -> bool:
    """Equal as JSON: the order of keys does not matter, but 1, 1.0 and true are three things."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _replace(config: ConfigText, key_at: int, old: Node, value: object) -> str:
    indent = _indent_of(config.text, key_at)
    new = _render(config, value, indent)
    return config.text[: old.start] + new + config.text[old.end :]


def _insert(config: ConfigText, owner: Node, key: str, value: object) -> str:
    text, brace = config.text, owner.end - 1
    members = owner.members or ()
    line = text.rfind("\n", 0, brace) + 1
    if line <= owner.start or text[line:brace].strip():
        at = len(text[:brace].rstrip())
        before = "" if not members else " " if owner.trailing_comma else ", "
        after = "," if owner.trailing_comma else ""
        return f"{text[:at]}{before}{_member(config, key, value, None)}{after}{text[at:]}"
    indent = _indent_of(text, members[-1].start) if members else None
    if indent is None:
        indent = text[line:brace] + _indent_unit(config)
    after = "," if owner.trailing_comma else ""
    new = f"{indent}{_member(config, key, value, indent)}{after}{_newline(text)}"
    if members and not owner.trailing_comma:
        end = members[-1].value.end
        return f"{text[:end]},{text[end:line]}{new}{text[line:]}"
    return text[:line] + new + text[line:]


def _member(config: ConfigText, key: str, value: object, indent: str | None) -> str:
    return f"{json.dumps(key)}: {_render(config, value, indent)}"


def _render(config: ConfigText, value: Any, indent: str | None) -> str:  # noqa: ANN401 - any JSON value
    """Write ``value``; ``indent`` is that of the line it begins on, None where the operator writes in one line."""
    if indent is None:
        return json.dumps(value)
    lines = json.dumps(value, indent=_indent_unit(config)).split("\n")
    return f"{_newline(config.text)}{indent}".join(lines)


def _indent_of(text: str, at: int) -> str | None:
    """Return the white space before ``at`` if nothing else stands before it on its line."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if not before.strip() and "\n" in text[:at] else None


def _indent_unit(config: ConfigText) -> str:
    """Return what the operator indents by: what stands before the first setting of the file."""
    members = config.root.members
    return (_indent_of(config.text, members[0].start) if members else None) or _DEFAULT_INDENT


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
