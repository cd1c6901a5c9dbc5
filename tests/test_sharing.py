"""How tests share a machine: what stands in one group runs one after the other, whatever the number of workers."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py").read_text()
MARKED = """
import pytest
@pytest.mark.{mark}
@pytest.mark.parametrize("number", range(8))
def test_one_after_the_other(number): pass
"""


@pytest.mark.parametrize("mark", ["xdist_group('fed')", "bots"])
def test_a_group_of_tests_has_one_worker(mark: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = bots: starts bots")
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text(MARKED.format(mark=mark))
    run = [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", "."]
    said = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    workers = re.findall(r"\[(gw\d)\] .*PASSED", said)
    assert len(workers) == 16, said
    assert len(set(workers)) == 1
