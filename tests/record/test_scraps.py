from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

from runbook_lib.errors import RecordError
from runbook_lib.record import scraps
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.view import charts

Write = Callable[..., Path]
CELL = """
import numpy as np
from runbook_lib.record.scraps import glue
from runbook_lib.values import Check, Progress, Verdict
from runbook_lib.view.progress import Waiting
glue("calls", np.int64(440))
glue("verdict", Verdict.SUCCESSFUL)
glue("number_like", "12")
glue("checks", [Check("clock", Verdict.FAILED, "a", "b")])
glue("figures", {"before": 1.5, "after": None})
with Waiting("3 candles") as waiting:
    waiting.report(Progress("3 candles", None, 1, 3))
    waiting.report(Progress("3 candles", None, 3, 3))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """One real kernel: scrapbook works nowhere else."""
    path = tmp_path_factory.mktemp("kernel") / "20_baseline.ipynb"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    by_file = Config({"KernelManager": {"transport": "ipc", "ip": str(path.with_name("k"))}})
    NotebookClient(book, timeout=60, config=by_file).execute()
    nbformat.write(book, path)
    return path, book.cells[0].outputs


def test_what_is_glued_is_read_back(ran: tuple[Path, list[Any]]) -> None:
    assert scraps.read(ran[0]) == {
        "calls": 440,
        "verdict": "Successful",
        "number_like": "12",
        "checks": [
            {"name": "clock", "verdict": "Failed", "expected": "a", "observed": "b", "host": None, "remedy": ""}
        ],
        "figures": {"before": 1.5, "after": None},
    }


def test_a_wait_leaves_one_short_line(ran: tuple[Path, list[Any]]) -> None:
    shown = [output.data for output in ran[1] if "text/plain" in output.get("data", {})]
    assert shown == [{"text/plain": "waited 0 s for 3 candles"}]


def test_a_folder_is_read_by_the_names_of_its_notebooks(notebook: Write, tmp_path: Path, make: SimpleNamespace) -> None:
    notebook(make.code("a", make.scrap("n", 1)), name="30_b")
    notebook(make.code("a", make.scrap("n", [2])), name="10_a")
    assert list(scraps.read_folder(tmp_path).items()) == [("10_a", {"n": [2]}), ("30_b", {"n": 1})]


def test_what_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such executed notebook"):
        scraps.read(tmp_path / "x.ipynb")
    (tmp_path / "x.ipynb").write_text("{")
    with pytest.raises(RecordError, match="cannot be read"):
        scraps.read(tmp_path / "x.ipynb")


def test_none_bad_names_and_other_places_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordError, match="is None"):
        scraps.glue("calls", None)
    with pytest.raises(RecordError, match="a name is"):
        scraps.glue("Candle calls", 1)
    with pytest.raises(RecordError, match="no notebook"):
        scraps.glue("calls", 1)
    monkeypatch.setattr(scraps, "is_kernel", lambda: True)
    with pytest.raises(RecordError, match="no measurement"):
        scraps.glue("calls", float("nan"))


def test_charts_are_kept_and_read_back(tmp_path: Path) -> None:
    change = ChangeFolder(tmp_path, "c").create()
    chart = charts.before_after("Requests", "n", {"75": 2}, {"75": 1})
    path = scraps.keep_chart(change, "candle_requests", chart)
    assert path == change.charts / "candle_requests.svg"
    assert scraps.read_chart(change, "candle_requests") == chart
    with pytest.raises(RecordError, match="a name is"):
        scraps.keep_chart(change, "../x", chart)
    with pytest.raises(RecordError, match="cannot be read"):
        scraps.read_chart(change, "other")
