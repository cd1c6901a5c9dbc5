"""A record is told claim by claim as long as nobody touched it, and not at all otherwise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from runbook_lib.record.assemble import Ending, assemble
from runbook_lib.record.folder import ChangeFolder

Runbook = Callable[..., Any]


@pytest.fixture
def change(project: Path) -> ChangeFolder:
    folder = ChangeFolder(project / "outputs", "2025-11-23-lab").create()
    folder.keep(project / "params/lab.yaml", project / "notebooks/runbook.yaml")
    scraps: dict[str, Any] = {
        "claims": [
            {"id": "C1", "claim": "calls fall", "expected": "−75 %", "observed": "440 → 110", "evidence": "60",
             "verdict": "Successful"},
            {"id": "C4", "claim": "addresses rotate", "expected": "x", "observed": "not built", "evidence": "none",
             "verdict": "Inconclusive"},
        ],
        "sentence": "calls fell by 75 %",
        "gate_all": [{"name": "n", "verdict": "Successful", "expected": "e", "observed": "o", "host": None,
                      "remedy": ""}],
    }  # fmt: skip
    shown = [
        nbformat.v4.new_output(
            "display_data",
            {"application/scrapbook.scrap.json+json": {"name": name, "data": value, "encoder": "json", "version": 1}},
            metadata={"scrapbook": {"name": name}},
        )
        for name, value in scraps.items()
    ]
    cell = nbformat.v4.new_code_cell("x", execution_count=1, outputs=shown)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), folder.notebooks / "60_validate.ipynb")
    assemble(folder, Ending("Shared feed", "lab", 1_763_920_000.0, 1_763_920_743.0))
    return folder


def test_a_whole_record_is_told(change: ChangeFolder, runbook: Runbook) -> None:
    ended = runbook("report", "--change", change.change_id)
    assert ended.code == 0
    assert "C1 calls fall: 440 → 110" in ended.out
    assert "C4 addresses rotate: not built" in ended.out
    assert "Successful: calls fell by 75 %" in ended.out
    assert "report.html" in ended.out


def edit(folder: ChangeFolder) -> str:
    path = folder.notebooks / "60_validate.ipynb"
    path.write_text(path.read_text().replace("110", "111"))
    return "notebooks/60_validate.ipynb: touched"


def remove(folder: ChangeFolder) -> str:
    folder.report.unlink()
    return "report.html: missing"


def add(folder: ChangeFolder) -> str:
    (folder.charts / "x.svg").touch()
    return "charts/x.svg: added"


def forge(folder: ChangeFolder) -> str:
    folder.record.write_text(folder.record.read_text().replace("Inconclusive", "Splendid"))
    return "record.json: $.predicate.claims[1].verdict"


@pytest.mark.parametrize("touch", [edit, remove, add, forge])
def test_a_touched_record_is_refused_and_the_touch_named(
    change: ChangeFolder, runbook: Runbook, touch: Callable[[ChangeFolder], str]
) -> None:
    said = touch(change)
    ended = runbook("report", "--change", change.change_id)
    assert ended.code == 9
    assert said in ended.err
    assert "do not rely on this record" in ended.err
    assert "calls fell" not in ended.out


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("change_id", "code", "said"), [("none", 9, "no such change"), ("../params", 2, "change id '../params'")]
)
def test_a_change_that_is_none_is_refused(runbook: Runbook, change_id: str, code: int, said: str) -> None:
    ended = runbook("report", "--change", change_id)
    assert ended.code == code
    assert said in ended.err
