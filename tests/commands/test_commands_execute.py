"""What a run says of notebooks that it did not run, or that ran before. The notebooks' kernels are played."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner, Result

from runbook_lib.commands import execute as module
from runbook_lib.commands.run import run
from runbook_lib.record import statement
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.run import NotebookRun

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "params" / "production.example.yaml"


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChangeFolder:
    for folder in ("params", "outputs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "params" / "fleet.yaml").write_text(FLEET.read_text())
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "run", played)
    return ChangeFolder(tmp_path / "outputs", "c")


def played(notebooks: list[Path], output: Path, *_: object, **__: object) -> Iterator[NotebookRun]:
    """Leave a completed notebook with one gate that holds, as a kernel would."""
    gate = [{"name": "n", "verdict": "Successful", "expected": "e", "observed": "o", "host": None, "remedy": ""}]
    scrap = {"name": "gate_all", "data": gate, "encoder": "json", "display": None, "version": 1}
    shown = nbformat.v4.new_output(
        "display_data", {"application/scrapbook.scrap.json+json": scrap}, metadata={"scrapbook": {"name": "gate_all"}}
    )
    for path in notebooks:
        cell = nbformat.v4.new_code_cell("x", execution_count=1, outputs=[shown])
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), output / path.name)
        yield NotebookRun(path.stem, output / path.name, time.time(), 0.1)


def carry_out(*words: str) -> Result:
    return CliRunner().invoke(run, ["--site", "params/fleet.yaml", "--change", "c", *words])


def predicate(change: ChangeFolder) -> Any:
    assert statement.check(change) == []
    return statement.read(change)["predicate"]


def test_one_notebook_alone_proves_nothing_whole(change: ChangeFolder) -> None:
    assert carry_out("--only", "10_preflight").exit_code == 0
    assert predicate(change)["verdict"] == "Inconclusive"
    assert predicate(change)["not_run"] == [
        "20_baseline",
        "30_producers",
        "40_consumers",
        "60_validate",
        "70_failover_drill",
    ]


def test_all_notebooks_one_after_the_other_do(change: ChangeFolder) -> None:
    for name in ("10_preflight", "20_baseline", "30_producers", "40_consumers", "60_validate", "70_failover_drill"):
        assert carry_out("--only", name).exit_code == 0
    assert predicate(change)["verdict"] == "Successful"


def test_a_run_that_stops_takes_nothing_from_the_run_before(
    change: ChangeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert carry_out().exit_code == 0
    monkeypatch.setattr(module, "run", lambda *words, **named: [next(played(*words, **named))])
    carry_out()
    assert predicate(change)["not_run"] == [
        "20_baseline",
        "30_producers",
        "40_consumers",
        "60_validate",
        "70_failover_drill",
    ]
    assert [path.name for path in change.notebooks.iterdir()] == ["10_preflight.ipynb"]
    assert len(list(change.path.glob("earlier/*/*.ipynb"))) == 6


def test_nothing_to_run_is_said(change: ChangeFolder) -> None:
    result = carry_out("--only", "60_validate", "--dry-run")
    assert "nothing to run" in str(result.exception)
    assert not change.path.exists()
