"""Runs a change's notebooks and draws up its record, whatever happens; shared by `run` and `rehearse`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.commands import terminal
from runbook_lib.errors import GateFailed, GateInconclusive
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.params import project_root
from runbook_lib.record.assemble import Ending, Record, assemble
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.run import NotebookRun, run
from runbook_lib.values import Verdict

TITLE = "From four downloading feeders to two data producers"
STOPPED = "stopped by the operator"


def change_folder(site_file: Path, change_id: str) -> ChangeFolder:
    """Return the folder that a change's record is kept in."""
    return ChangeFolder(project_root(site_file) / "outputs", change_id)


def notebook_parameters(site_file: Path, change_id: str, *, dry_run: bool) -> dict[str, str | bool]:
    """Return what the notebooks are told. The site file is named from the project's root, which they run in."""
    site = site_file.resolve().relative_to(project_root(site_file))
    return {"site": str(site), "change_id": change_id, "dry_run": dry_run}


def execute(  # noqa: PLR0913 - one run
    site: FreqtradeSite,
    site_file: Path,
    change_id: str,
    notebooks: Sequence[Path],
    *,
    dry_run: bool,
    started: float,
    left_out: Sequence[str] = (),
) -> tuple[Record, NotebookRun | None]:
    """Run the notebooks in order; return the record, and the notebook that stopped the run, if one did.

    The record is drawn up from what was executed also when the run is interrupted. ``left_out``: notebooks of the
    runbook that are not asked for now and have not been run either: without them nothing whole is proven.
    """
    folder = change_folder(site_file, change_id).create()
    folder.keep_site(site_file)
    folder.set_aside((path.stem for path in notebooks), f"{datetime.fromtimestamp(started, UTC):%Y%m%d-%H%M%S}")
    parameters = notebook_parameters(site_file, change_id, dry_run=dry_run)
    ending = Ending(TITLE, site.site, started, started, dry_run=dry_run, not_run=tuple(path.stem for path in notebooks))
    stopped: NotebookRun | None = None
    try:
        with terminal.waiting(notebooks[0].stem) as waits:
            for ended in run(
                notebooks, folder.notebooks, parameters, cwd=project_root(site_file), listener=waits.message
            ):
                verdict = _show(ended)
                ending = replace(ending, not_run=tuple(name for name in ending.not_run if name != ended.name))
                if not ended.passed:
                    stopped = ended
                    ending = replace(ending, stopped_by=verdict, why=ended.error or "")
                elif ending.not_run:
                    waits.begin(ending.not_run[0])
    except KeyboardInterrupt:
        ending = replace(ending, stopped_by=Verdict.INCONCLUSIVE, why=STOPPED)
        raise
    finally:
        record = assemble(folder, replace(ending, ended=time.time(), not_run=(*ending.not_run, *left_out)))
    return record, stopped


def _show(ended: NotebookRun) -> Verdict:
    if ended.passed:
        terminal.done(Verdict.SUCCESSFUL, f"{ended.name} ({ended.seconds:.0f} s)")
        return Verdict.SUCCESSFUL
    verdict = Verdict.INCONCLUSIVE if ended.kind is GateInconclusive else Verdict.FAILED
    terminal.done(verdict, f"{ended.name} ({ended.seconds:.0f} s): {ended.error}")
    return verdict


def conclude(record: Record, stopped: NotebookRun | None, folder: ChangeFolder) -> None:
    """Print the verdict line and where the record lies; exit as what stopped the run says, or a gate run earlier."""
    terminal.verdict(record.verdict, record.sentence)
    terminal.console.print(f"  report: {folder.report}\n  record: {folder.record}")
    if stopped is not None:
        raise SystemExit(stopped.kind.exit_code)
    if record.verdict is Verdict.FAILED:
        raise SystemExit(GateFailed.exit_code)
