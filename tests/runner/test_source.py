"""Notebooks are generated: the same source gives the same bytes, and what an operator ran is not in them."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from runbook_lib.runner.source import generate

SOURCE = """\
# ---
# jupyter:
#   kernelspec: {display_name: Mine, language: python, name: mine}
# ---

# %% [markdown]
# # 10 · Größe

# %% tags=["parameters"]
site = "a"

# %%
phase

# %%
phase
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "10_x.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def cells(text: str) -> list[dict[str, Any]]:
    return list(json.loads(text)["cells"])


def test_twice_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    text = generate(source)
    elsewhere = tmp_path / "other.py"
    elsewhere.write_text(SOURCE, encoding="utf-8")
    assert generate(source) == text == generate(elsewhere)
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert "Größe" in text


def test_it_is_a_notebook_of_the_format_that_papermill_reads(source: Path) -> None:
    notebook = nbformat.reads(generate(source), as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code", "code"]
    assert notebook.cells[1].metadata.tags == ["parameters"]


def test_it_names_one_kernel_and_no_machine(source: Path) -> None:
    assert json.loads(generate(source))["metadata"] == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def test_ids_are_unique_also_of_equal_cells(source: Path) -> None:
    ids = [cell["id"] for cell in cells(generate(source))]
    assert len(set(ids)) == 4
    assert ids[3] == f"{ids[2]}-2"


def test_an_id_stays_as_long_as_its_cells_text_does(source: Path) -> None:
    before = [cell["id"] for cell in cells(generate(source))]
    source.write_text(SOURCE.replace('site = "a"', 'site = "b"'), encoding="utf-8")
    after = [cell["id"] for cell in cells(generate(source))]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True, True]
    source.write_text(SOURCE.replace("# %% tags", "# %% [markdown]\n# More.\n\n# %% tags"), encoding="utf-8")
    grown = [cell["id"] for cell in cells(generate(source))]
    assert [grown[0], *grown[2:]] == before


def test_prose_and_code_of_the_same_text_are_two_cells(source: Path) -> None:
    source.write_text("# %% [markdown]\n# phase\n\n# %%\nphase\n", encoding="utf-8")
    one, other = (cell["id"] for cell in cells(generate(source)))
    assert one.partition("-")[0] != other.partition("-")[0]


def test_nothing_that_was_run_is_in_it(source: Path) -> None:
    code = [cell for cell in cells(generate(source)) if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * 3
