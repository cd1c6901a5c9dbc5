"""How a change ended that was stepped through by hand, told by what it left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from runbook_lib.change.journal import Journal
from runbook_lib.errors import RecordError
from runbook_lib.record import by_hand, statement
from runbook_lib.record.assemble import assemble
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.values import Verdict

GOOD = {"name": "n", "verdict": "Successful", "expected": "e", "observed": "o", "host": None, "remedy": ""}


@pytest.fixture
def folder(tmp_path: Path) -> ChangeFolder:
    return ChangeFolder(tmp_path, "by-hand").create()


@pytest.fixture
def step(folder: ChangeFolder, notebook: Callable[..., Path]) -> Callable[..., None]:
    """Lay one notebook out as JupyterLab saves it, with no word of papermill; it was opened ``at`` (unix seconds)."""

    def put(name: str, *cells: Any, at: float | None = None, dry_run: bool = False, saved: float = 1_000.0) -> None:
        path = notebook(*cells, name=name, directory=folder.notebooks)
        told = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat's own
        for cell in told.cells:
            cell.metadata.pop("papermill", None)
        nbformat.write(told, path)  # type: ignore[no-untyped-call]  # nbformat's own
        os.utime(path, (saved, saved))
        if at is not None:
            Journal(folder.journal, name, clock=lambda: at).write(by_hand.OPENED, site="lab", dry_run=dry_run)

    return put


@pytest.fixture
def cells(make: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(
        gate=make.code("x", make.scrap("gate_a", [GOOD])),
        open=make.code("y", make.error("GateInconclusive", "gate b: too little")),
        bad=make.code("y", make.error("GateFailed", "gate b: 3 differ")),
        halted=make.code("y", make.error("KeyboardInterrupt", "stopped")),
        broke=make.code("y", make.error("KeyError", "'x'")),
        pending=make.code("z", status="pending"),
        last=make.code("z", status="pending"),
    )


def test_every_notebook_run_is_a_whole_change(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder
) -> None:
    step("10_a", cells.gate, at=100.0, saved=150.0)
    step("20_b", cells.gate, at=200.0, saved=300.0)
    ended = by_hand.ending(folder, "Title")
    assert (ended.title, ended.site, ended.started, ended.ended) == ("Title", "lab", 100.0, 300.0)
    assert (ended.stopped_by, ended.why, ended.not_run, ended.dry_run) == (None, "", (), False)
    record = assemble(folder, ended)
    assert record.verdict is Verdict.SUCCESSFUL
    assert statement.check(folder) == []


def test_what_was_only_laid_out_was_not_run(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder
) -> None:
    step("10_a", cells.gate, at=100.0)
    step("20_b", cells.pending, cells.last)
    ended = by_hand.ending(folder, "Title")
    assert (ended.not_run, ended.stopped_by) == (("20_b",), None)
    assert assemble(folder, ended).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("last", "verdict", "why"),
    [
        ("bad", Verdict.FAILED, "gate b: 3 differ"),
        ("open", Verdict.INCONCLUSIVE, "gate b: too little"),
        ("broke", Verdict.FAILED, "KeyError: 'x'"),
        ("halted", Verdict.INCONCLUSIVE, "KeyboardInterrupt: stopped"),
        ("pending", Verdict.INCONCLUSIVE, "20_b was not run to its end, or not saved"),
    ],
)
def test_the_cell_that_stopped_it_is_told(
    request: pytest.FixtureRequest, folder: ChangeFolder, last: str, verdict: Verdict, why: str
) -> None:
    step, cells = request.getfixturevalue("step"), request.getfixturevalue("cells")
    step("10_a", cells.gate, at=100.0)
    step("20_b", cells.gate, getattr(cells, last), cells.last, at=200.0)
    step("30_c", cells.last)
    ended = by_hand.ending(folder, "Title")
    assert (ended.stopped_by, ended.why, ended.not_run) == (verdict, why, ("30_c",))
    record = assemble(folder, ended)
    assert (record.verdict, record.sentence) == (verdict, why)


@pytest.mark.parametrize(("modes", "dry"), [((True, True), True), ((True, False), False), ((False, False), False)])
def test_one_phase_that_changed_something_makes_it_no_dry_run(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder, modes: tuple[bool, bool], dry: bool
) -> None:
    for number, mode in enumerate(modes, 1):
        step(f"{number}0_a", cells.gate, at=100.0, dry_run=mode)
    assert by_hand.ending(folder, "Title").dry_run is dry


def test_a_change_that_nobody_began_has_no_ending(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder
) -> None:
    step("10_a", cells.pending)
    with pytest.raises(RecordError, match="none of its notebooks was run"):
        by_hand.ending(folder, "Title")


def test_a_journal_that_was_touched_is_refused(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder
) -> None:
    step("10_a", cells.gate, at=100.0)
    folder.journal.write_text(folder.journal.read_text().replace("100.0", "50.0"))
    with pytest.raises(RecordError, match="chain is broken"):
        by_hand.ending(folder, "Title")


def test_a_notebook_of_the_runbook_that_is_not_there_was_not_run(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder
) -> None:
    step("10_a", cells.gate, at=100.0)
    ended = by_hand.ending(folder, "Title", notebooks=("10_a", "20_b"), rollback="90_back")
    assert ended.not_run == ("20_b",)
    assert assemble(folder, ended).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", ["Held", "Stopped", "Aborted", "Locked"])
def test_what_somebody_decided_has_not_failed(
    step: Callable[..., None], make: SimpleNamespace, folder: ChangeFolder, name: str
) -> None:
    step("10_a", make.code("y", make.error(name, "waits -> go on")), at=100.0)
    ended = by_hand.ending(folder, "Title")
    assert (ended.stopped_by, ended.why) == (Verdict.INCONCLUSIVE, "waits -> go on")


def test_what_was_rolled_back_is_told_by_the_rollback(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder
) -> None:
    step("10_a", cells.gate, at=100.0)
    step("20_b", cells.bad, at=200.0)
    Journal(folder.journal, "20_b").write("intent", "a")
    step("90_back", cells.gate, at=300.0)
    told = {"notebooks": ("10_a", "20_b", "30_c"), "rollback": "90_back"}
    assert by_hand.ending(folder, "Title", **told).stopped_by is Verdict.FAILED
    Journal(folder.journal, "90_back").write("rolled back")
    ended = by_hand.ending(folder, "Title", **told)
    assert (ended.rolled_back, ended.stopped_by, ended.not_run) == (True, None, ())
    assert assemble(folder, ended).verdict is Verdict.SUCCESSFUL
    Journal(folder.journal, "20_b").write("intent", "a")
    assert not by_hand.ending(folder, "Title", **told).rolled_back


def test_a_change_begins_when_it_is_carried_out_not_when_it_is_planned(
    step: Callable[..., None], cells: SimpleNamespace, folder: ChangeFolder
) -> None:
    Journal(folder.journal, "10_a", clock=lambda: 50.0).write("planned", plan="10_a", digest="d")
    step("10_a", cells.gate, at=100.0)
    assert by_hand.ending(folder, "Title").started == 100.0
