from html import unescape

import pytest

from runbook_lib.record.clean import clean
from runbook_lib.values import Check, Verdict
from runbook_lib.view import tables
from runbook_lib.view.diffs import FileDiff, Step, plan


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src="https://example.org/x.png">',
        '<p onclick="x()">a</p>',
        "<style>@import url(https://example.org)</style>",
        '<p style="background:url(https://example.org)">a</p>',
        '<p style="background: UR\\L(//example.org)">a</p>',
        '<a href="javascript:x()">a</a>',
        "<iframe src=//example.org></iframe>",
        "<svg><image href='https://example.org'/></svg>",
        "<link rel=stylesheet href=https://example.org>",
        "<svg><script>alert(1)</svg>",
        "<scr<script>ipt>alert(1)</script>",
    ],
)
def test_what_would_run_or_fetch_goes(text: str) -> None:
    cleaned = clean(f"before {text}")
    assert cleaned.startswith("before")
    for word in ("<script", "example.org", "javascript", "onclick", "<img", "<svg", "<iframe", "url("):
        assert word not in cleaned.lower()


def test_our_own_records_pass_unchanged() -> None:
    check = Check("clock <x>", Verdict.FAILED, "0.5 s", "2 s & more", "75", "set it")
    diff = FileDiff("75", "f", "a\n", "b\n" * 100)
    for record in (tables.checks([check] * 30, "g"), plan("p", [diff], [Step("75", "restart", "why")])):
        html = record._repr_html_()
        assert unescape(clean(html)) == unescape(html).replace("<details open>", '<details open="">')


def test_what_is_left_open_is_closed() -> None:
    assert clean("<div><p>a</div>b</p><b>c") == "<div><p>a</p></div>b<b>c</b>"
    assert clean("1 < 2 &amp; <b>3</b>") == "1 &lt; 2 &amp; <b>3</b>"
