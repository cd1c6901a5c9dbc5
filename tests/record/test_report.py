import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runbook_lib.errors import RecordError
from runbook_lib.record import report, statement
from runbook_lib.record.executed import Output
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.record.report import Figure, Report, Section
from runbook_lib.values import Claim, Verdict
from runbook_lib.view import charts, tables

STARTED = datetime(2025, 11, 23, 18, 30, tzinfo=UTC)
CHART = charts.before_after("Requests", "per candle", {"75": 110}, {"75": 0})
FILES = {"charts/requests.svg": "a" * 64, "notebooks/60_validate.ipynb": "b" * 64}
CLAIMS = (
    Claim(
        "C1",
        "fewer <b>calls</b>",
        "110",
        "110",
        "notebooks/60_validate.ipynb, table in 60_validate, charts/requests.svg.",
        Verdict.FAILED,
    ),
    Claim("C2", "low risk", "", "", "charts/none.svg", Verdict.SUCCESSFUL),
)
REPORT = Report(
    "Shared feed",
    "2025-11-23-lab",
    "lab",
    STARTED,
    STARTED + timedelta(seconds=743),
    Verdict.FAILED,
    "Calls did not fall.",
    CLAIMS,
    (Figure("candle requests", "per candle", 440, 110),),
    (CHART,),
    (Section("60_validate", "60 Validate", Verdict.FAILED, 3.0, (CHART,), "notebooks/60_validate.ipynb"),),
)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "xlink:href", "data", "srcset"):
                self.fetched.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_verdict_stands_before_everything_else() -> None:
    text = report.render(REPORT, FILES)
    places = [
        text.index(word)
        for word in ("✗ Failed", "Calls did not fall.", "440 <span", "<svg", "fewer &lt;b", "<h2>Files")
    ]
    assert places == sorted(places)
    assert "12 min 23 s" in text


def test_the_page_fetches_and_runs_nothing() -> None:
    picture = Output("png", CHART.png)
    section = replace(
        REPORT.sections[0], items=(CHART, picture, Output("html", "<img src=https://example.org/x><p>hi"))
    )
    page = Page(report.render(replace(REPORT, sections=(section,)), FILES))
    assert page.fetched
    assert all(target.startswith(("#", "data:image/png;base64,")) for target in page.fetched)
    assert not page.tags & {"script", "link", "iframe", "object"}
    assert "hi" in page.text


def test_ids_are_unique_although_a_chart_stands_twice() -> None:
    page = Page(report.render(REPORT, FILES))
    assert len(page.ids) == len(set(page.ids))
    assert {"C1", "60_validate"} <= set(page.ids)


def test_evidence_links_to_what_is_in_the_record_and_to_nothing_else() -> None:
    page = Page(report.render(REPORT, FILES))
    assert page.links.count("#60_validate") == 2
    assert "charts/requests.svg" in page.links
    assert "charts/none.svg" not in page.links
    assert "charts/none.svg" in page.text


def test_the_figures_at_the_top_are_the_first_that_say_something() -> None:
    still, nothing, unknown = Figure("still", "n", 3, 3), Figure("nothing", "n", 0, 0), Figure("unknown", "n", None, 3)
    moved = tuple(Figure(f"moved {n}", "n", 4, 3) for n in range(5))
    assert replace(REPORT, figures=(nothing, still, unknown, *moved)).tiles == (still, *moved[:3])
    assert replace(REPORT, figures=(unknown, nothing)).tiles == ()
    page = report.render(replace(REPORT, figures=(unknown,)), {})
    assert 'class="tile"' not in page  # a change that was stopped before anything was measured
    assert "unknown" in page


def test_change_is_computed() -> None:
    assert Figure("n", "u", 440, 110).change == "\u221275\u202f%"
    assert Figure("n", "u", 440, 550).change == "+25\u202f%"
    assert Figure("n", "u", 3, 3).change == "unchanged"
    assert Figure("n", "u", 4000, 4001).change == "+< 0.1\u202f%"
    assert Figure("n", "u", 0, 3).change == ""
    assert Figure("n", "u", None, 3).change == ""


def test_markup_is_escaped_and_secrets_are_masked() -> None:
    bad = replace(
        REPORT,
        sentence="<script>x</script> ?token=hunter2hunter2",
        problems=('"password": "hunter2hunter2"',),
        leftovers=("<i>left</i>",),
        sections=(
            replace(REPORT.sections[0], items=(Output("log", "?token=hunter2hunter2\n"), Output("error", "<u>"))),
        ),
    )
    text = report.render(bad, FILES)
    assert "hunter2" not in text
    assert not re.search(r"<script|<i>|<u>", text)


def test_the_records_of_a_cell_are_shown_and_long_logs_fold() -> None:
    items = (tables.facts({"pairs": 110}), Output("log", "line\n" * 20), Output("text", "waited 42 s"))
    text = report.render(replace(REPORT, sections=(replace(REPORT.sections[0], items=items),)), FILES)
    assert ">110</td>" in text
    assert "log, 20 lines" in text
    assert '<pre class="text">waited 42 s</pre>' in text


def test_phases_that_did_not_succeed_are_open() -> None:
    assert re.search(r'id="60_validate" open', report.render(REPORT, FILES))
    fine = replace(REPORT.sections[0], verdict=Verdict.SUCCESSFUL)
    assert not re.search(r'id="60_validate" open', report.render(replace(REPORT, sections=(fine,)), FILES))


def test_a_chart_that_would_run_something_is_refused() -> None:
    for bad in ("<script>x</script>", '<g onload="x"/>', '<image href="https://example.org"/>'):
        chart = replace(CHART, svg=CHART.svg.replace("</svg>", f"{bad}</svg>"))
        with pytest.raises(RecordError, match="run or fetch"):
            report.render(replace(REPORT, charts=(chart,)), FILES)


def test_a_bare_report_still_renders() -> None:
    bare = Report("t", "c", "lab", STARTED, STARTED, Verdict.INCONCLUSIVE, "Nothing was measured.")
    page = Page(report.render(bare, {}))
    assert "Nothing was measured." in page.text
    assert "Inconclusive" in page.text


def test_the_page_lies_in_the_record_and_names_its_files(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    change.journal.write_text("{}\n")
    report.write(change, REPORT)
    report.write(change, REPORT)
    page = Page(change.report.read_text(encoding="utf-8"))
    digests = statement.digests(change)
    assert digests["journal.jsonl"] in page.text
    assert digests["report.html"] not in page.text
    assert "journal.jsonl" in page.links
    assert "report.html" not in page.links
