"""What stops a notebook stays stopped: the next cell is one key away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runbook_lib.change import journal
from runbook_lib.errors import GateFailed, GateInconclusive, ParamsError
from runbook_lib.params import Site
from runbook_lib.runner.phase import Phase, open_phase
from runbook_lib.values import Check, Verdict
from runbook_lib.view import tables

SITE = "site: lab\nhosts: {a: {address: 127.0.0.1}}\nssh: {user: u}\n"


def gate(verdict: Verdict, title: str = "configs") -> tables.GateView:
    return tables.checks([Check("n", verdict, "e", "o", None, "mend it")], title)


@pytest.fixture
def phase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Phase[Site]:
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "lab.yaml").write_text(SITE)
    (tmp_path / "outputs" / "c" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outputs" / "c" / "notebooks")  # where JupyterLab puts a kernel
    return open_phase("30_x", Site, site="params/lab.yaml", change_id="c", dry_run=True)


def test_who_opened_it_and_in_which_mode_is_in_the_journal(phase: Phase[Site]) -> None:
    (event,) = journal.read(phase.folder.journal)
    assert (event.phase, event.what, event.detail) == ("30_x", "opened", {"site": "lab", "dry_run": True})


def test_a_site_file_that_is_nowhere_is_told_before_anything_is_made(phase: Phase[Site]) -> None:
    with pytest.raises(ParamsError, match="no such site file"):
        open_phase("30_x", Site, site="params/none.yaml", change_id="d", dry_run=True)
    assert not (phase.folder.root / "d").exists()


@pytest.mark.parametrize(("verdict", "error"), [(Verdict.FAILED, GateFailed), (Verdict.INCONCLUSIVE, GateInconclusive)])
def test_after_a_gate_that_stopped_nothing_is_changed_until_it_lets_pass(
    phase: Phase[Site], verdict: Verdict, error: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    phase.must_not_be_stopped()
    with pytest.raises(error):
        phase.require(gate(verdict))
    assert "configs" in capsys.readouterr().out  # shown, before it stops
    phase.require(gate(Verdict.SUCCESSFUL, "another"))
    with pytest.raises(GateFailed, match=re.escape("nothing was done: gate configs did not let pass")):
        phase.must_not_be_stopped()
    phase.require(gate(Verdict.SUCCESSFUL))
    phase.must_not_be_stopped()
