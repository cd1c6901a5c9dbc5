"""The lab's verbs where no lab runs, and where the site has none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Runbook = Callable[..., Any]
FLEET = ("--site", "params/production.example.yaml")


def test_no_lab_has_a_status_of_its_own(project: Path, runbook: Runbook) -> None:
    ended = runbook("lab", "status")
    assert ended.code == 10
    assert ended.err == f"runbook: no lab answers for {project / '.lab'} -> start it with `runbook lab up`\n"


def test_ending_a_lab_that_does_not_run_is_no_error(project: Path, runbook: Runbook) -> None:
    ended = runbook("lab", "down")
    assert ended.code == 0
    assert "no lab was running" in ended.out
    assert not (project / ".lab").exists()


def test_ending_one_touches_no_directory_that_is_no_lab(project: Path, runbook: Runbook) -> None:
    mine = project / ".lab" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("x")
    assert runbook("lab", "down").code == 0
    assert mine.read_text() == "x"


def test_a_lab_without_freqtrade_is_refused(project: Path, runbook: Runbook) -> None:
    ended = runbook("lab", "up")
    assert ended.code == 10
    assert f"no freqtrade environment at {project / '.venv/freqtrade'}" in ended.err
    assert not (project / ".lab").exists()


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("verb", ["up", "down", "status"])
def test_a_real_fleet_has_no_lab(runbook: Runbook, verb: str) -> None:
    ended = runbook("lab", verb, *FLEET)
    assert ended.code == 10
    assert "site production has no lab" in ended.err
