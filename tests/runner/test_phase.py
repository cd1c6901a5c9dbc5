"""What a notebook holds: what stops it stays stopped, what others say is heard, what was done before is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runbook_lib.change import journal, saved
from runbook_lib.change.control import request
from runbook_lib.change.journal import Journal
from runbook_lib.change.locks import RUN, Holder, HostLocks, change_lock, holder
from runbook_lib.change.plan import HostPlan
from runbook_lib.change.resources import Seen
from runbook_lib.errors import (
    Aborted,
    GateFailed,
    GateInconclusive,
    Held,
    Locked,
    ParamsError,
    StalePlan,
    Stopped,
    Unreachable,
)
from runbook_lib.params import Site
from runbook_lib.runner import phase as module
from runbook_lib.runner.phase import Phase, look, open_phase
from runbook_lib.values import Check, Progress, Verdict
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
    return opened(dry_run=True)


def opened(*, dry_run: bool = False) -> Phase[Site]:
    return open_phase("30_x", Site, site="params/lab.yaml", change_id="c", dry_run=dry_run)


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


def test_a_gates_numbers_are_in_the_journal(phase: Phase[Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.scraps, "glue", lambda *_: None)
    phase.gate(
        "fresh", [Check("age", Verdict.FAILED, "≤ 5 s", "7 s", "a", "wait"), Check("n", Verdict.SUCCESSFUL, "1", "1")]
    )
    assert phase.journal.events()[-1].detail == {
        "gate": "fresh",
        "verdict": "Failed",
        "checks": [["age", "a", "Failed", "≤ 5 s", "7 s"], ["n", None, "Successful", "1", "1"]],
    }


def test_a_check_that_was_stopped_is_no_check_that_failed(phase: Phase[Site]) -> None:
    request(phase.journal, "stop", signal="SIGTERM")
    with pytest.raises(Stopped, match="SIGTERM"):
        phase.gate("watched", [Check("watched", Verdict.FAILED, "3 candles", "SIGTERM: stopped")])
    assert phase.journal.events()[-1].what == "stop"


def test_only_what_is_asked_since_it_was_opened_counts(phase: Phase[Site]) -> None:
    request(phase.journal, "abort", reason="yesterday")
    again = opened()
    again.check()
    request(phase.journal, "abort", reason="it rains")
    with pytest.raises(Aborted, match="it rains"):
        again.check()
    with pytest.raises(Aborted, match="it rains"):
        again.report.report(Progress("3 candles"))


def test_a_kernel_of_a_run_hears_what_was_asked_of_the_run(phase: Phase[Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN, "t0ken")
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    Journal(phase.folder.journal, "runbook").write("run", run="t0ken", pid=1, notebooks=[], resume=False, command="x")
    opened()
    request(phase.journal, "stop", signal="SIGINT")
    with pytest.raises(Stopped, match="SIGINT"):
        opened()


MANIFEST = "title: t\nsite: runbook_lib.params:Site\nholds: {before_x: May x begin?}\n"


def test_a_hold_that_nobody_approved_keeps_the_next_cell_from_changing_anything(phase: Phase[Site]) -> None:
    phase.folder.runbook.write_text(MANIFEST)
    earnest = opened()
    with pytest.raises(Held, match=re.escape("May x begin?")):
        earnest.hold("before_x")
    with pytest.raises(GateFailed, match="nothing was done: hold point before_x did not let pass"):
        earnest.must_not_be_stopped()
    earnest.journal.write("approved", hold="before_x", how="--approve")
    assert earnest.hold("before_x").hold.how == "--approve"
    earnest.must_not_be_stopped()


def test_a_notebook_that_is_run_where_it_lies_finds_the_question_beside_it(phase: Phase[Site]) -> None:
    with pytest.raises(ParamsError, match="no such manifest"):
        phase.hold("before_x")
    Path("runbook.yaml").write_text(MANIFEST)
    assert phase.hold("before_x").hold.question == "May x begin?"
    with pytest.raises(ParamsError, match="before_y: no such hold in this runbook -> there are: before_x"):
        phase.hold("before_y")


def test_what_was_done_before_is_shown(phase: Phase[Site]) -> None:
    assert "done before" not in str(phase)
    earnest = opened()
    earnest.journal.write("done", "a", key="file:x")
    earnest.journal.write("gate", gate="fresh", verdict="Successful", checks=[])
    assert "1 step on a; gate fresh: Successful" in str(opened())


def test_a_look_leaves_no_trace_of_a_phase(phase: Phase[Site]) -> None:
    before = phase.journal.events()
    seen = look("30_x", Site, site="params/lab.yaml", change_id="c")
    assert seen.dry_run
    assert phase.journal.events() == before


def test_a_change_is_not_taken_to_another_site(phase: Phase[Site]) -> None:
    (phase.folder.root.parent / "params" / "other.yaml").write_text(SITE.replace("site: lab", "site: other"))
    before = phase.journal.events()
    with pytest.raises(ParamsError, match="was begun on site lab, not on other"):
        open_phase("30_x", Site, site="params/other.yaml", change_id="c", dry_run=False)
    assert phase.journal.events() == before


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return which hosts were locked; none is connected to."""
    asked: list[tuple[str, ...]] = []

    @contextmanager
    def host_locks(_fleet: object, hosts: Iterable[str], _holder: object, **_how: object) -> Iterator[HostLocks]:
        asked.append(tuple(hosts))
        locks = HostLocks(hosts)
        locks.skipped = {host: Unreachable("no answer", host=host) for host in hosts}
        yield locks

    monkeypatch.setattr(module, "host_locks", host_locks)
    return asked


def test_by_hand_a_change_and_its_hosts_are_locked_while_they_are_changed(
    phase: Phase[Site], locked: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    with phase.apply_lock():
        assert holder(phase.folder.lock) is None  # a dry run changes nothing
    earnest = opened()
    with earnest.apply_lock():
        at_work = holder(phase.folder.lock)
        assert at_work is not None
        assert at_work.command == "notebook 30_x"
    with earnest.apply_lock(["a"]) as may_step, pytest.raises(Unreachable, match="that could not be had: no answer"):
        may_step("a")
    assert "a is not locked, and nothing is done there: no answer" in capsys.readouterr().err
    assert locked == [("a",), ("a",)]
    assert holder(phase.folder.lock) is None


def test_somebody_elses_run_keeps_a_notebook_from_changing_anything(
    phase: Phase[Site], locked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    earnest = opened()
    with change_lock(phase.folder.lock, Holder.here("c", "runbook run", run="t0ken")):
        with pytest.raises(Locked, match="runbook run"), earnest.apply_lock():
            pytest.fail("it went on")
        monkeypatch.setenv(RUN, "t0ken")
        with earnest.apply_lock():
            assert locked == [("a",)]


def test_a_saved_plan_must_still_fit(phase: Phase[Site]) -> None:
    plan = HostPlan("a", (), Seen({}, {}, {}))
    phase.must_fit("30_x", {"a": plan})  # none was saved
    saved.save(phase.folder.path, "30_x", {"a": plan}, by="x", at=0.0)
    phase.must_fit("30_x", {"a": plan})
    with pytest.raises(StalePlan, match="b was no part of it -> `runbook plan --change c --only 30_x`"):
        phase.must_fit("30_x", {"a": plan, "b": plan})
