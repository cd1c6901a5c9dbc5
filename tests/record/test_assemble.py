"""The verdict of a whole change, and a record that is valid however the run ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.record import scraps, statement
from runbook_lib.record.assemble import Ending, Record, assemble
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.values import Verdict
from runbook_lib.view import charts

GOOD, OPEN, BAD = Verdict.SUCCESSFUL, Verdict.INCONCLUSIVE, Verdict.FAILED
Write = Callable[..., Path]
Draw = Callable[..., Record]


def check(verdict: Verdict) -> dict[str, Any]:
    return {"name": "n", "verdict": verdict, "expected": "e", "observed": "o", "host": None, "remedy": ""}


def claim(id_: str, verdict: Verdict) -> dict[str, Any]:
    return {"id": id_, "claim": "c", "expected": "e", "observed": "o", "evidence": "v", "verdict": verdict}


@pytest.fixture
def folder(tmp_path: Path) -> ChangeFolder:
    made = ChangeFolder(tmp_path, "2025-11-23-lab").create()
    made.site.write_text("site: lab\n")
    return made


@pytest.fixture
def ran(notebook: Write, make: SimpleNamespace, folder: ChangeFolder) -> Callable[..., Path]:
    """Put an executed notebook into the folder: ``ran("10_a", gate_x=[...])``; scraps by name."""

    def put(name: str, *cells: Any, **kept: Any) -> Path:
        glued = [make.scrap(key, value) for key, value in kept.items()]
        return notebook(make.code("x", *glued), *cells, name=name, directory=folder.notebooks)

    return put


@pytest.fixture
def draw(folder: ChangeFolder) -> Draw:
    """Draw the record up; whatever it says, it has to be valid and to agree with its page."""

    def up(**told: Any) -> Record:
        record = assemble(folder, Ending("Shared feed", "lab", 1_763_920_000.0, 1_763_920_743.26, **told))
        assert statement.check(folder) == []
        predicate = statement.read(folder)["predicate"]
        assert (predicate["verdict"], predicate["sentence"]) == (record.verdict, record.sentence)
        assert f"{record.verdict}" in folder.report.read_text(encoding="utf-8")
        return record

    return up


@pytest.mark.parametrize(
    ("gates", "verdict"),
    [
        ([GOOD], GOOD),
        ([GOOD, GOOD], GOOD),
        ([GOOD, OPEN], OPEN),
        ([OPEN, BAD, GOOD], BAD),
        ([], OPEN),
    ],
)
def test_the_worst_gate_of_any_notebook_decides(
    ran: Callable[..., Path], draw: Draw, gates: list[Verdict], verdict: Verdict
) -> None:
    for number, found in enumerate(gates):
        ran(f"{number + 1}0_n", gate_all=[check(GOOD), check(found)])
    assert draw().verdict is verdict


def test_a_gate_counts_by_its_name_alone(ran: Callable[..., Path], draw: Draw) -> None:
    ran("10_n", gate_ready=[check(GOOD)], gate_data=[check(GOOD)], checks=[check(BAD)])
    assert draw().verdict is GOOD


def test_a_dry_run_proves_nothing(ran: Callable[..., Path], draw: Draw, folder: ChangeFolder) -> None:
    ran("10_n", gate_ready=[check(GOOD)])
    record = draw(dry_run=True)
    assert record.verdict is OPEN
    assert record.sentence == "dry run: everything was planned, nothing was changed"
    assert statement.read(folder)["predicate"]["dry_run"] is True


def test_a_dry_run_that_a_gate_stops_has_failed(ran: Callable[..., Path], draw: Draw) -> None:
    ran("10_n", gate_ready=[check(BAD)])
    assert draw(dry_run=True, stopped_by=BAD, why="clock").verdict is BAD


def test_what_was_not_run_leaves_the_whole_open(ran: Callable[..., Path], draw: Draw, folder: ChangeFolder) -> None:
    ran("10_n", gate_ready=[check(GOOD)])
    record = draw(not_run=("20_m", "30_o"))
    assert record.verdict is OPEN
    assert record.sentence == "1 of 3 notebooks ran to their end"
    assert statement.read(folder)["predicate"]["not_run"] == ["20_m", "30_o"]
    assert "30_o was not run" in folder.report.read_text(encoding="utf-8")


def test_a_failed_gate_outweighs_what_was_not_run(ran: Callable[..., Path], draw: Draw) -> None:
    ran("10_n", gate_ready=[check(BAD)])
    assert draw(not_run=("20_m",)).verdict is BAD


@pytest.mark.parametrize("by", [OPEN, BAD])
def test_what_stopped_the_run_decides_and_is_told(
    ran: Callable[..., Path], draw: Draw, make: SimpleNamespace, by: Verdict
) -> None:
    ran("10_n", make.code("y", make.error("GateFailed", "clock"), status="failed"), gate_ready=[check(GOOD)])
    record = draw(stopped_by=by, why="gate ready: clock", not_run=("20_m",))
    assert (record.verdict, record.sentence) == (by, "gate ready: clock")


def test_a_notebook_that_broke_without_a_word_has_failed(
    ran: Callable[..., Path], draw: Draw, make: SimpleNamespace, folder: ChangeFolder
) -> None:
    ran("10_n", make.code("y", make.error("KeyError", "'x'"), status="failed"), gate_ready=[check(GOOD)])
    assert draw().verdict is BAD
    assert "10_n: KeyError: &#39;x&#39;" in folder.report.read_text(encoding="utf-8")


def test_an_interrupted_run_keeps_a_valid_record(
    ran: Callable[..., Path], draw: Draw, make: SimpleNamespace, folder: ChangeFolder
) -> None:
    ran("10_n", gate_ready=[check(GOOD)])
    ran("20_m", make.code("y", status="running"), make.code("z", status="pending"))
    record = draw(stopped_by=OPEN, why="stopped by the operator", not_run=("20_m", "30_o"))
    assert (record.verdict, record.sentence) == (OPEN, "stopped by the operator")
    assert {subject["name"] for subject in statement.read(folder)["subject"]} == {
        "notebooks/10_n.ipynb",
        "notebooks/20_m.ipynb",
        "report.html",
        "site.yaml",
    }


def test_notebooks_that_were_laid_out_and_never_run_leave_the_whole_open(
    ran: Callable[..., Path], draw: Draw, make: SimpleNamespace, notebook: Write, folder: ChangeFolder
) -> None:
    ran("10_n", gate_ready=[check(GOOD)])
    notebook(make.code("x", status="pending"), name="20_m", directory=folder.notebooks)
    record = draw()
    assert record.verdict is OPEN
    assert record.sentence == "1 of 2 notebooks ran to their end"


def test_a_run_that_did_nothing_is_inconclusive(draw: Draw) -> None:
    record = draw(not_run=("10_n",))
    assert (record.verdict, record.claims) == (OPEN, ())
    assert record.figures == {"elapsed_seconds": 743.3}


def test_a_later_notebooks_scrap_replaces_an_earlier_ones(
    ran: Callable[..., Path], draw: Draw, folder: ChangeFolder
) -> None:
    scraps.keep_chart(folder, "requests", charts.before_after("Requests", "n", {"75": 2}, {"75": 1}))
    ran("10_n", claims=[claim("C1", OPEN), claim("C2", OPEN)], figures={"calls_before": 1}, sentence="early")
    ran(
        "60_m",
        claims=[claim("C1", GOOD)],
        figures={"calls_before": 440, "calls_after": 110, "rejected_after": None},
        figure_units=[["calls", "per candle"]],
        headline=["requests"],
        sentence="calls fell",
        gate_all=[check(GOOD)],
    )
    record = draw()
    assert [(told.id, told.verdict) for told in record.claims] == [("C1", GOOD)]
    assert record.sentence == "calls fell"
    assert record.figures == {
        "calls_before": 440, "calls_after": 110, "rejected_after": None, "elapsed_seconds": 743.3
    }  # fmt: skip
    page = folder.report.read_text(encoding="utf-8")
    assert "per candle" in page
    assert "<svg" in page


def test_the_record_says_which_change_where_and_when(
    ran: Callable[..., Path], draw: Draw, folder: ChangeFolder
) -> None:
    ran("10_n", gate_ready=[check(GOOD)])
    draw()
    predicate = json.loads(folder.record.read_text())["predicate"]
    assert (predicate["change_id"], predicate["site"]) == ("2025-11-23-lab", "lab")
    assert (predicate["started"], predicate["ended"][:19]) == ("2025-11-23T17:46:40+00:00", "2025-11-23T17:59:03")
    assert predicate["gates"] == {"gate_ready": [check(GOOD)]}


def test_drawn_up_again_it_covers_what_has_come_since(
    ran: Callable[..., Path], draw: Draw, folder: ChangeFolder
) -> None:
    ran("10_n", gate_ready=[check(GOOD)])
    draw(not_run=("20_m",))
    ran("20_m", gate_ready=[check(GOOD)])
    assert statement.check(folder) == ["notebooks/20_m.ipynb: added"]
    assert draw().verdict is GOOD


def test_a_change_that_was_rolled_back_is_told_by_its_rollback_alone(ran: Callable[..., Path], draw: Draw) -> None:
    ran("40_b", gate_x=[check(BAD)], sentence="forward", claims=[claim("C1", GOOD)], figures={"calls_after": 110})
    ran("90_back", gate_y=[check(GOOD)], sentence="all is as it was", figures={"calls_after": 440})
    record = draw(rollback="90_back", rolled_back=True)
    assert (record.verdict, record.sentence, record.claims) == (GOOD, "all is as it was", ())
    assert record.figures["calls_after"] == 440
    assert draw(rollback="90_back").verdict is BAD


def test_a_rollback_that_kept_no_gate_proves_nothing(ran: Callable[..., Path], draw: Draw) -> None:
    ran("40_b", gate_x=[check(GOOD)])
    ran("90_back")
    record = draw(rollback="90_back", rolled_back=True)
    assert (record.verdict, record.sentence) == (OPEN, "rolled back: everything that this change did was undone")


def test_a_rollback_that_was_only_laid_out_is_missed_by_nobody(
    ran: Callable[..., Path], draw: Draw, notebook: Write, make: SimpleNamespace, folder: ChangeFolder
) -> None:
    ran("40_b", gate_x=[check(GOOD)])
    notebook(make.code("x", status="pending"), name="90_back", directory=folder.notebooks)
    assert draw(rollback="90_back").verdict is GOOD
    assert draw().verdict is OPEN


def test_last_words_are_heard_before_digests_are_taken(ran: Callable[..., Path], folder: ChangeFolder) -> None:
    ran("10_a", gate_x=[check(GOOD)])
    heard: list[Record] = []

    def last_words(record: Record) -> None:
        heard.append(record)
        folder.journal.write_text("ended\n")

    record = assemble(folder, Ending("t", "lab", 1.0, 2.0), last_words)
    assert heard == [record]
    assert statement.check(folder) == []
