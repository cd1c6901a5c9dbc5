from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from written import Written, written

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.parse import read_config

NEAR = (
    '{"a": 1, // x\n "b": [1,2,], /* c */ "c": {"d": "e\\n\\u00e9//",},}',
    '{"a":-0.5e3,"b":true,"c":null,"x":NaN,"y":-Infinity}\n// end',
    '/* a */{"s":"\\ud83d\\ude00","t":"é","u":"\\/","v":1E5}',
    '{"a":{"b":[[],{},[{}]]},"a":2}',
)
RAPIDJSON = """
import json, rapidjson, sys
def read(text):
    try:
        return repr(rapidjson.loads(text, parse_mode=rapidjson.PM_COMMENTS | rapidjson.PM_TRAILING_COMMAS))
    except rapidjson.JSONDecodeError:
        return None
print(json.dumps([read(text) for text in json.loads(%r)]))
"""


@settings(deadline=None, max_examples=50)  # the machine may be busy
@given(written())
def test_reads_what_was_written_and_finds_every_comment(config: Written) -> None:
    read = read_config(config.text)
    assert json.dumps(read.data) == json.dumps(config.data)
    assert list(read.comments) == config.comments


@settings(deadline=None, max_examples=50)  # the machine may be busy
@given(written())
def test_every_member_stands_where_it_says(config: Written) -> None:
    for member in read_config(config.text).root.members or ():
        assert config.text[member.start :].startswith('"')
        assert (
            read_config('{"x":' + config.text[member.value.start : member.value.end] + "}").data["x"]
            == member.value.data
        )


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("{'a': 1}", 1, "single quotes"),
        ("{\n  a: 1\n}", 2, "a key in double quotes"),
        ('{\n  "a": 1\n  "b": 2\n}', 3, "a comma or }"),
        ('{\n  # no\n  "a": 1\n}', 2, "use //"),
        ('{"a": 1,\n "b" 2}', 2, "a colon"),
        ('{"a": \n', 2, "the file ends"),
        ('{"a": 01}', 1, "a comma or }"),
        ('{"a": +1}', 1, "a value"),
        ('{"a": 0x10}', 1, "a comma or }"),
        ('{"a": ,}', 1, "a value"),
        ("{,}", 1, "a key"),
        ('{"a": [1,,]}', 1, "a value"),
        ('{"a": "x\ny"}', 1, "a string that is not right"),
        ('{"a": "\\ud800"}', 1, "surrogate"),
        ("{}\n{}", 2, "after the end"),
        ("{} /* never\nclosed", 1, "does not end"),
        ("{} /*/", 1, "does not end"),
        ("[1]", 1, "begins with {"),
        ("\ufeff{}", 1, "byte order mark"),
        ("", 1, "the file ends"),
        ('{"a":\0 1}', 1, "NUL"),
    ],
)
def test_refuses_with_the_line_what_freqtrade_would_not_read(text: str, line: int, says: str) -> None:
    with pytest.raises(ParamsError) as refused:
        read_config(text, where="bot.json")
    assert refused.value.what.startswith(f"bot.json:{line}: ")
    assert says in refused.value.what


def test_an_error_never_quotes_the_file() -> None:
    with pytest.raises(ParamsError) as refused:
        read_config('{"password": "hunter2xyz" "ws_token": 1}')
    assert "hunter2xyz" not in str(refused.value)
    with pytest.raises(ParamsError) as refused:
        read_config('{"password": "hunter2xyz')
    assert "hunter2xyz" not in str(refused.value)


def test_nesting_without_end_is_an_error_not_a_crash() -> None:
    with pytest.raises(ParamsError, match="nested too deeply"):
        read_config('{"a":' * 100_000)


def test_what_a_reader_should_know_is_found() -> None:
    read = read_config('{"add_config_files": ["secret.json"],\n "a": 1,\n "a": 2}')
    assert read.data["a"] == 2
    assert [finding.split(":")[0] for finding in read.findings] == ["line 3", "add_config_files"]


@pytest.mark.bots
def test_agrees_with_freqtrade_s_own_parser_on_thousands_of_damaged_configs(by_freqtrade: Callable[..., str]) -> None:
    seeded = random.Random(20251123)
    texts = [_damaged(seeded) for _ in range(3000)]
    theirs = json.loads(by_freqtrade(RAPIDJSON % json.dumps(texts)))
    readable = 0
    for text, their in zip(texts, theirs, strict=True):
        if their is not None and not their.startswith("{"):
            continue  # rapidjson reads bare values, too; a config is an object
        try:
            ours = repr(read_config(text).data)
        except ParamsError:
            ours = None
        assert ours == their, text
        readable += their is not None
    assert 500 < readable < 2500


def _damaged(seeded: random.Random) -> str:
    text = list(seeded.choice(NEAR))
    for _ in range(seeded.randint(0, 3)):
        at = seeded.randrange(len(text))
        text[at : at + seeded.randint(0, 1)] = seeded.choice(
            "{}[],:\"'/*\n\r\t \\ud0019.eE+-truefalsnN#aI\x01\xa0\ufeff\x0b"
        )
    return "".join(text)
