from __future__ import annotations

import pytest

from runbook_lib.lab.hosts import syntax


def test_keys_repeat_and_lines_go_on() -> None:
    text = "# note\n[Service]\nExecStart=/bin/a \\\n; a comment amid it\n  --b\nEnvironment=A=1\nEnvironment=B=2\n"
    assert [(section, key, value.split()) for _, section, key, value in syntax.assignments(text)] == [
        ("Service", "ExecStart", ["/bin/a", "--b"]),
        ("Service", "Environment", ["A=1"]),
        ("Service", "Environment", ["B=2"]),
    ]


@pytest.mark.parametrize("text", ["ExecStart=/bin/a", "[Service]\nExecStart /bin/a"])
def test_a_line_that_is_nothing_is_refused_by_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d"):
        list(syntax.assignments(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ('"a b" \'c "d\'', ["a b", 'c "d']),
        (r"a\x20b \t \s", ["a b", "\t", " "]),
        (r'"say \"hi\"" \\', ['say "hi"', "\\"]),
        ('"" x', ["", "x"]),
        (r"\101", ["A"]),
        ("A='x y'z B", ["A=x yz", "B"]),
        ("", []),
    ],
)
def test_words_are_split_as_systemd_does(text: str, words: list[str]) -> None:
    assert syntax.split(text) == words


@pytest.mark.parametrize("text", ["'open", "it's", "end\\"])
def test_broken_quoting_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"quotes|backslash"):
        syntax.split(text)


def test_specifiers() -> None:
    assert (
        syntax.specifiers("%h/x-%n-100%%", {"h": "/home/u", "n": "a.service", "%": "%"}) == "/home/u/x-a.service-100%"
    )
    with pytest.raises(ValueError, match="%j"):
        syntax.specifiers("%j", {})


def test_variables_are_split_only_as_words_of_their_own() -> None:
    words = ("run", "$MANY", "--x=${ONE}", "pay$$5", "${GONE}", "a$MANY")
    assert syntax.substitute(words, {"MANY": "a b", "ONE": "1 2"}) == [
        "run",
        "a",
        "b",
        "--x=1 2",
        "pay$5",
        "",
        "a$MANY",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5), ("500ms", 0.5), ("1min 30s", 90), ("2h", 7200), ("1.5s", 1.5), ("infinity", float("inf"))],
)
def test_time_spans(text: str, expected: float) -> None:
    assert syntax.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "5 lightyears", "-3"])
def test_no_time_span(text: str) -> None:
    with pytest.raises(ValueError, match="time span"):
        syntax.seconds(text)


def test_environment_files() -> None:
    text = "# secret below\nTOKEN=a=b#c\nQUOTED=\"x y\"\nSINGLE='$HOME'\n\n;no=1\nLONG=1\\\n2\nnothing\n"
    expected = {"TOKEN": "a=b#c", "QUOTED": "x y", "SINGLE": "$HOME", "LONG": "12"}
    assert syntax.environment_file(text) == expected
