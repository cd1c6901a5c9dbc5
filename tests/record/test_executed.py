from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from runbook_lib.errors import RecordError, RunError
from runbook_lib.record import executed

Write = Callable[..., Path]


def test_a_completed_notebook(notebook: Write, make: SimpleNamespace) -> None:
    path = notebook(
        make.code("observe()", make.shown(text_html="<b>x</b>", text_plain="x")), make.code("measure()", seconds=2.5)
    )
    told = executed.read(path)
    assert told.title == "20 Baseline"
    assert told.name == "20_baseline"
    assert told.completed
    assert told.seconds == 3.5
    assert told.require() is told
    assert told.cells[0].outputs == (executed.Output("html", "<b>x</b>"),)


def test_a_failed_cell_names_its_error(notebook: Write, make: SimpleNamespace) -> None:
    told = executed.read(notebook(make.code("gate()", make.error("GateFailed", "clock: off\nmore"), status="failed")))
    assert not told.completed
    assert told.error == "GateFailed: clock: off"
    assert told.cells[0].outputs == (executed.Output("error", "GateFailed: clock: off\nmore"),)
    with pytest.raises(RunError, match="GateFailed: clock: off"):
        told.require()


def test_a_pending_cell_is_no_success(notebook: Write, make: SimpleNamespace) -> None:
    told = executed.read(notebook(make.code("a"), make.code("b", status="pending")))
    assert not told.completed
    assert told.error == ""
    with pytest.raises(RunError, match=f"cell {told.cells[1].id} did not complete"):
        told.require()


def test_a_notebook_without_code_did_not_run(notebook: Write) -> None:
    assert not executed.read(notebook()).completed


def test_a_notebook_run_by_hand_is_judged_by_its_counts(notebook: Write) -> None:
    ran, not_run = nbformat.v4.new_code_cell("a", execution_count=1), nbformat.v4.new_code_cell("b")
    assert executed.read(notebook(ran)).completed
    assert executed.read(notebook(ran)).seconds is None
    assert not executed.read(notebook(ran, not_run)).completed


def test_banners_and_empty_cells_are_left_out(notebook: Write, make: SimpleNamespace) -> None:
    banner = make.code("# failed here")
    banner.metadata["tags"] = ["papermill-error-cell-tag"]
    told = executed.read(notebook(banner, nbformat.v4.new_code_cell("  "), make.code("a")))
    assert [cell.source for cell in told.cells] == ["a"]


def test_outputs_take_their_best_form_and_scraps_are_none(notebook: Write, make: SimpleNamespace) -> None:
    stream = {"output_type": "stream", "name": "stderr", "text": "\x1b[1mwaiting\x1b[0m\n"}
    told = executed.read(
        notebook(make.code("a", make.png(b"PNG"), stream, make.scrap("n", 1), make.shown(text_plain="waited 42 s")))
    )
    assert told.cells[0].outputs == (
        executed.Output("png", b"PNG"),
        executed.Output("log", "waiting\n"),
        executed.Output("text", "waited 42 s"),
    )


def test_files_that_are_no_notebooks_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such executed notebook"):
        executed.read(tmp_path / "x.ipynb")
    for text in ("", "{", "[]", '{"cells": 3}'):
        (tmp_path / "x.ipynb").write_text(text)
        with pytest.raises(RecordError, match="no readable notebook"):
            executed.read(tmp_path / "x.ipynb")


def test_a_folder_is_read_in_order(notebook: Write, tmp_path: Path, make: SimpleNamespace) -> None:
    for name in ("30_b", "10_a"):
        notebook(make.code("a"), name=name)
    assert [told.name for told in executed.read_folder(tmp_path)] == ["10_a", "30_b"]
