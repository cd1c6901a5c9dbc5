"""A folder of notebooks is read as a whole: what its manifest names must be there, before anything is touched."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.params import Site
from runbook_lib.runner.runbook import Runbook, holds_in, notebooks_in

ROOT = Path(__file__).parents[2]
MANIFEST = """\
title: A village
site: runbook_lib.params:Site
rollback: 90_back
needs_a_change: [30_after]
plans: {20_work: "os.path:join"}
holds:
  before_work: May work begin?
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runbook.yaml").write_text(MANIFEST)
    for name in ("20_work", "10_look", "90_back", "30_after"):
        write(tmp_path / f"{name}.ipynb", "phase")
    return tmp_path


def write(path: Path, *cells: str, prose: str = "") -> None:
    made = [nbformat.v4.new_markdown_cell(prose), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)


def test_this_projects_own_runbook_is_one() -> None:
    book = Runbook.load(ROOT / "notebooks")
    assert book.site_model() is FreqtradeSite
    assert book.names == (
        "10_preflight",
        "20_baseline",
        "30_producers",
        "40_consumers",
        "60_validate",
        "70_failover_drill",
    )
    assert book.rollback == ROOT / "notebooks" / "90_rollback.ipynb"
    assert all(callable(book.planner(name)) for name in book.manifest.plans)
    asked = [hold for path in (*book.notebooks, book.rollback) for hold in holds_in(path)]
    assert asked == [*book.manifest.holds]


def test_the_rollback_is_no_part_of_a_forward_run(folder: Path) -> None:
    book = Runbook.load(folder)
    assert book.names == ("10_look", "20_work", "30_after")
    assert book.rollback == folder / "90_back.ipynb"
    assert book.site_model() is Site
    assert book.planner("20_work") is os.path.join
    assert book.manifest.question("before_work") == "May work begin?"


def test_a_runbook_brings_a_module_of_its_own(folder: Path) -> None:
    (folder / "of_this_village.py").write_text("from runbook_lib.params import Site\nclass Village(Site): ...\n")
    edit(folder, "runbook_lib.params:Site", "of_this_village:Village")
    model = Runbook.load(folder).site_model()
    assert (model.__module__, model.__name__) == ("of_this_village", "Village")


def test_its_kernels_find_that_module_first(folder: Path) -> None:
    book = Runbook.load(folder)
    assert book.environment({"A": "b"}) == {"A": "b", "PYTHONPATH": str(folder)}
    assert book.environment({"PYTHONPATH": "/x"})["PYTHONPATH"] == f"{folder}{os.pathsep}/x"


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "runbook.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title: A village", "titel: A village", "runbook.yaml:1: titel: unknown key; did you mean title?"),
        ("site: runbook_lib.params:Site", "site: Site", "runbook.yaml:2: site: "),
        ("rollback: 90_back", "rollback: 91_back", "rollback: no notebook 91_back"),
        ("[30_after]", "[30_before]", "needs_a_change: no notebook 30_before"),
        ("{20_work:", "{21_work:", "plans: no notebook 21_work"),
        ("before_work:", "Before work:", "runbook.yaml:7: holds.Before work"),
    ],
)
def test_a_manifest_that_is_wrong_is_told_where(folder: Path, old: str, new: str, said: str) -> None:
    edit(folder, old, new)
    with pytest.raises(ParamsError) as caught:
        Runbook.load(folder)
    assert said in str(caught.value)
    assert " -> " in str(caught.value)
    assert "site file" not in str(caught.value)


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("no_such_module:Site", "no_such_module:Site cannot be imported: No module named"),
        ("runbook_lib.params:Nobody", "runbook_lib.params:Nobody cannot be imported"),
        ("runbook_lib.params:load", "runbook_lib.params:load is no model of a site"),
    ],
)
def test_a_site_model_that_is_none_is_refused(folder: Path, site: str, said: str) -> None:
    edit(folder, "runbook_lib.params:Site", site)
    with pytest.raises(ParamsError, match=said):
        Runbook.load(folder).site_model()


def test_a_folder_without_a_manifest_or_notebooks_is_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no such manifest -> name a folder"):
        Runbook.load(tmp_path / "none")
    for path in folder.glob("*.ipynb"):
        path.unlink()
    with pytest.raises(ParamsError, match=r"holds no notebook named NN_verb\.ipynb"):
        Runbook.load(folder)


def test_a_hold_point_without_a_question_is_found_before_the_night(folder: Path) -> None:
    write(folder / "20_work.ipynb", 'phase.hold("before_lunch")')
    with pytest.raises(ParamsError, match="20_work holds at before_lunch, which is not there"):
        Runbook.load(folder)


def test_hold_points_are_read_from_code_in_their_order(tmp_path: Path) -> None:
    write(tmp_path / "x.ipynb", 'phase.hold("b")\nphase.hold( "a" )', "phase.hold('b')", prose='phase.hold("c")')
    assert holds_in(tmp_path / "x.ipynb") == ("b", "a")


def test_notebooks_are_found_in_their_order(tmp_path: Path) -> None:
    for name in ("20_b.ipynb", "10_a.ipynb", "10_a.py", "x.ipynb", "100_c.ipynb"):
        (tmp_path / name).touch()
    assert [path.name for path in notebooks_in(tmp_path)] == ["10_a.ipynb", "20_b.ipynb"]
