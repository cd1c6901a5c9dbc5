"""What a notebook may import: a sorted list, each of it there, none of it slow to leave out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import runbook_lib

HEAVY = ("matplotlib", "papermill", "paramiko", "pandas", "numpy", "scrapbook", "IPython", "httpx", "pydantic")
ASK = """
import json, sys
import runbook_lib
loaded = set(sys.modules)
print(json.dumps(sorted(name for name in loaded if name.split(".")[0] == "runbook_lib" or name in {heavy!r})))
"""


def test_the_list_is_sorted_and_says_everything_once() -> None:
    assert runbook_lib.__all__ == sorted(set(runbook_lib.__all__))
    assert dir(runbook_lib) == runbook_lib.__all__


@pytest.mark.parametrize("name", runbook_lib.__all__)
def test_every_name_leads_somewhere(name: str) -> None:
    found = getattr(runbook_lib, name)
    assert callable(found) or found.__name__ == f"runbook_lib.freqtrade.phases.{name}"
    assert found.__doc__


def test_every_phase_that_has_a_notebook_is_in_the_list_and_no_other() -> None:
    verbs = {path.stem[3:] for path in (Path(__file__).parents[1] / "notebooks").glob("*.py")}
    assert verbs | {"open_phase"} == set(runbook_lib.__all__)


def test_any_other_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'planned'"):
        _ = runbook_lib.planned
    with pytest.raises(ImportError):
        exec("from runbook_lib import measured")  # noqa: S102 - what an operator might write


def test_a_mistyped_name_of_an_error_is_no_hidden_module() -> None:
    assert not hasattr(runbook_lib, "os")


def test_importing_the_library_alone_loads_nothing_heavy() -> None:
    asked = [sys.executable, "-c", ASK.format(heavy=HEAVY)]
    told = subprocess.run(asked, capture_output=True, check=True, text=True)
    assert json.loads(told.stdout) == ["runbook_lib"]


def test_reading_a_notebook_builds_no_grammar_of_addresses() -> None:
    asked = [sys.executable, "-c", "import runbook_lib, nbformat, sys; print('lark' in sys.modules)"]
    assert subprocess.run(asked, capture_output=True, check=True, text=True).stdout == "False\n"
