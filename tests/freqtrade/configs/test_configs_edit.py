from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from written import KEYS, VALUES, Written, written

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.edit import put, same
from runbook_lib.freqtrade.configs.parse import read_config


@settings(deadline=None, max_examples=50)  # the machine may be busy
@given(written(), KEYS, VALUES)
def test_changes_one_setting_and_keeps_every_other_byte(config: Written, key: str, value: Any) -> None:
    text = put(config.text, (key,), value)
    assert json.dumps(read_config(text).data, sort_keys=True) == json.dumps(config.data | {key: value}, sort_keys=True)
    assert put(text, (key,), value) == text
    old = read_config(config.text).root.member(key)
    if old is None:
        _assert_only_added(config.text, text)
        assert list(read_config(text).comments) == config.comments
    elif same(old.value.data, value):
        assert text == config.text
    else:
        assert text.startswith(config.text[: old.value.start])
        assert text.endswith(config.text[old.value.end :])


@settings(deadline=None, max_examples=50)  # the machine may be busy
@given(written(), VALUES)
def test_reaches_into_objects_and_makes_them_where_they_lack(config: Written, value: Any) -> None:
    inner = config.data.get("exchange", {})
    if not isinstance(inner, dict):
        with pytest.raises(ParamsError, match="exchange is not an object"):
            put(config.text, ("exchange", "enable_ws"), value)
        return
    wanted = deepcopy(config.data)
    wanted.setdefault("exchange", {})["enable_ws"] = value
    text = put(config.text, ("exchange", "enable_ws"), value)
    assert same(read_config(text).data, wanted)
    if "enable_ws" not in inner:
        _assert_only_added(config.text, text)


def _assert_only_added(before: str, after: str) -> None:
    """Nothing is gone: the new text stands in one place, and at most a comma stands behind the value before it."""
    if _one_splice(before, after):
        return
    at = _alike(before, after)
    assert after[at] == ","
    assert _one_splice(before[at:], after[at + 1 :])


def _one_splice(before: str, after: str) -> bool:
    return _alike(before, after) + _alike(before[::-1], after[::-1]) >= len(before)


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin with in common."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("{}", "x", '{"x": 1}'),
        ('{"a": 2}', "x", '{"a": 2, "x": 1}'),
        ('{"a": 2,}', "x", '{"a": 2, "x": 1,}'),
        ("{\n}\n", "x", '{\n    "x": 1\n}\n'),
        ('{\n  "a": 2 // why\n  // end\n}', "x", '{\n  "a": 2, // why\n  // end\n  "x": 1\n}'),
        ('{\r\n\t"a": 2,\r\n}\r\n', "x", '{\r\n\t"a": 2,\r\n\t"x": 1,\r\n}\r\n'),
        ('{\n  "o": {\n    "a": 2\n  }\n}', "o.x", '{\n  "o": {\n    "a": 2,\n    "x": 1\n  }\n}'),
        ('{\n  "o": {"a": 2}\n}', "o.x", '{\n  "o": {"a": 2, "x": 1}\n}'),
        ('{\n  "o": {"a": 2 /* c */}\n}', "o.x", '{\n  "o": {"a": 2 /* c */, "x": 1}\n}'),
        ('{\n  "a": 2\n}', "o.x", '{\n  "a": 2,\n  "o": {\n    "x": 1\n  }\n}'),
        ('{"x": 5, /* c */ "y": 6}', "x", '{"x": 1, /* c */ "y": 6}'),
        ('{"x": 5, "x": 6}', "x", '{"x": 5, "x": 1}'),
        ('{"x": true}', "x", '{"x": 1}'),
        ('{"x": 1.0}', "x", '{"x": 1}'),
        ('{ "x" :1 }', "x", '{ "x" :1 }'),
    ],
)
def test_follows_the_layout_around_it(before: str, path: str, after: str) -> None:
    assert put(before, tuple(path.split(".")), 1) == after


def test_a_replaced_section_takes_the_indentation_of_its_line() -> None:
    text = '{\n  "o": {"old": 1}, // kept\n  "z": 0\n}'
    assert put(text, ("o",), {"n": [1]}) == '{\n  "o": {\n    "n": [\n      1\n    ]\n  }, // kept\n  "z": 0\n}'
