import re

import pandas as pd
import pytest

from runbook_lib.values import Check, Claim, Verdict
from runbook_lib.view import tables
from runbook_lib.view.tables import FOLD_OVER, SHOWN, Table


def check(verdict: Verdict, name: str = "clock", host: str | None = "75", remedy: str = "set it") -> Check:
    return Check(name, verdict, "wanted", "seen", host, remedy)


def test_numbers_stand_right_and_words_left() -> None:
    html = Table("t", ("host", "age, s"), [("75", 1.5), ("no", None)])._repr_html_()
    heads = re.findall(r"<th[^>]*text-align:(\w+)[^>]*>([^<]+)", html)
    assert heads == [("left", "host"), ("right", "age, s")]


def test_align_given_beats_the_values() -> None:
    assert "text-align:left" in Table("t", ("n",), [(1,)], align=("left",)).html()


def test_text_form_is_aligned_and_says_title_and_note() -> None:
    lines = str(Table("calls", ("host", "n"), [("75", 5), ("120", 110)], note="per candle")).splitlines()
    assert lines == ["calls", "  host    n", "    75    5", "   120  110", "  per candle"]


def test_a_row_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 values"):
        Table("t", ("a", "b"), [(1,)])
    with pytest.raises(ValueError, match="2 values"):
        Table("t", ("a", "b"), [(1, 2)], align=("left",))


def test_long_tables_fold_and_lose_no_row() -> None:
    rows = [(f"pair{n}",) for n in range(FOLD_OVER + 1)]
    html = Table("t", ("pair",), rows).html()
    assert html.index("<details>") > html.index(f"pair{SHOWN - 1}<")
    assert all(f">pair{n}<" in html for n in range(len(rows)))
    assert "<details>" not in Table("t", ("pair",), rows[:-1]).html()
    assert f"{len(rows) - SHOWN} more of {len(rows)} rows" in str(Table("t", ("pair",), rows))


def test_an_empty_table_says_so() -> None:
    assert "nothing to show" in Table("t", ("a",), [])._repr_html_()
    assert "nothing to show" in str(Table("t", ("a",), []))


def test_markup_and_secrets_do_not_pass() -> None:
    html = Table("<b>", ("<i>",), [("token=hunter2hunter2 ?token=hunter2hunter2",)], note="<u>")._repr_html_()
    assert not re.search(r"<[biu]>", html)
    assert "?token=hunter2" not in html


def test_checks_show_the_verdict_first_then_what_failed() -> None:
    view = tables.checks([check(Verdict.SUCCESSFUL, "fine"), check(Verdict.FAILED, "broken")], "Preflight")
    assert view.verdict is Verdict.FAILED
    html = view._repr_html_()
    assert html.index("✗ Failed") < html.index("Preflight") < html.index("broken") < html.index("fine")
    assert html.index("<details>") < html.index("fine")
    assert "1 failed, 1 passed" in html
    text = str(view)
    assert text.startswith("✗ Failed  Preflight: 1 failed, 1 passed")
    assert text.index("broken") < text.index("fine")


def test_the_remedy_is_shown_only_where_something_is_wrong() -> None:
    assert "what to do" not in tables.checks([check(Verdict.SUCCESSFUL)], "g")._repr_html_()
    assert "set it" in tables.checks([check(Verdict.INCONCLUSIVE)], "g")._repr_html_()


def test_a_gate_without_checks_is_inconclusive() -> None:
    view = tables.checks([], "g")
    assert view.verdict is Verdict.INCONCLUSIVE
    assert "nothing was checked" in view._repr_html_()


def test_claims_keep_their_order() -> None:
    made = [Claim(f"C{n}", "claim", "e", "o", "x.svg", verdict) for n, verdict in enumerate(Verdict, 1)]
    assert [row[0] for row in tables.claims(made).rows] == ["C1", "C2", "C3"]
    assert "✗ Failed" in tables.claims(made)._repr_html_()


def test_facts_have_no_head() -> None:
    html = tables.facts({"site": "lab", "hosts": 6})._repr_html_()
    assert "<thead>" not in html
    assert ">lab<" in html


def test_a_frame_keeps_a_named_index_and_says_nothing_for_what_is_missing() -> None:
    frame = pd.DataFrame({"n": [1.0, None]}, index=pd.Index(["75", "120"], name="host"))
    table = tables.from_frame(frame, "t")
    assert table.columns == ("host", "n")
    assert table.rows == (("75", 1.0), ("120", None))
    assert tables.from_frame(pd.DataFrame({"n": [1]})).columns == ("n",)
