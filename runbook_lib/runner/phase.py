"""What a notebook holds while it runs: the site, the fleet, the change's folder, and the results of earlier phases."""

from __future__ import annotations

import atexit
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from IPython.display import display

from runbook_lib.change.journal import Journal
from runbook_lib.errors import GateError, GateFailed, ParamsError, RecordError
from runbook_lib.fleet import Fleet
from runbook_lib.gates import judge, require
from runbook_lib.params import Site, load, project_root
from runbook_lib.record import scraps
from runbook_lib.record.by_hand import OPENED
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner import interrupted
from runbook_lib.values import Check
from runbook_lib.view import progress, tables
from runbook_lib.view.charts import Chart
from runbook_lib.view.rendered import RenderedAs

S = TypeVar("S", bound=Site)


@dataclass(frozen=True)
class Phase(RenderedAs, Generic[S]):
    """One phase of one change. Made by `open_phase`, shown as its own facts.

    ``started``: unix seconds; ``stopped_by``: gates of this notebook that did not let pass when they were last judged.
    """

    name: str
    site: S
    site_file: Path
    folder: ChangeFolder
    fleet: Fleet
    journal: Journal
    dry_run: bool
    started: float
    report: progress.Reporter
    stopped_by: set[str] = field(default_factory=set)

    def shown(self) -> tables.Table:
        """Show it as its own facts."""
        return tables.facts(
            {
                "change": self.folder.change_id,
                "phase": self.name,
                "site": f"{self.site.site} ({self.site_file.name})",
                "hosts": ", ".join(self.site.hosts),
                "mode": "dry run: nothing is changed" if self.dry_run else "changes are carried out",
                "record": f"outputs/{self.folder.change_id}",
            }
        )

    def earlier(self, phase: str, name: str) -> Any:  # noqa: ANN401 - any JSON
        """Return what an earlier phase of this change kept under a name.

        Raises RecordError when that phase has not been run to its end.
        """
        path = self.folder.notebooks / f"{phase}.ipynb"
        if not path.exists():
            raise RecordError(
                f"phase {phase} of change {self.folder.change_id} was not run", remedy=f"run {phase} first"
            )
        kept = scraps.read(path)
        if name not in kept:
            raise RecordError(
                f"phase {phase} of change {self.folder.change_id} kept no {name}",
                remedy=f"run {phase} to its end, and save it if it is run by hand",
            )
        return kept[name]

    def keep(self, name: str, value: Any) -> None:  # noqa: ANN401 - any JSON
        """Glue a result into this notebook, for later phases and for the record."""
        scraps.glue(name, value)

    def chart(self, name: str, chart: Chart) -> Chart:
        """Keep a chart in the record, and return it to be shown."""
        scraps.keep_chart(self.folder, name, chart)
        return chart

    def gate(self, name: str, checks: Sequence[Check]) -> tables.GateView:
        """Keep a gate's checks in the record; `require` then stops if they do not hold."""
        self.keep(f"gate_{name}", checks)
        self.journal.write("gate", gate=name, verdict=str(judge(checks)))
        return tables.checks(checks, name.replace("_", " "))

    def require(self, gate: tables.GateView) -> tables.GateView:
        """Go on only if every check of the gate succeeded; return the gate to be shown.

        Raises GateFailed or GateInconclusive, after the checks were shown: whoever is stopped sees by what.
        """
        try:
            require(gate.checks, gate.title)
        except GateError:
            self.stopped_by.add(gate.title)
            display(gate)  # type: ignore[no-untyped-call]  # IPython's own
            raise
        self.stopped_by.discard(gate.title)
        return gate

    def must_not_be_stopped(self) -> None:
        """Refuse to change anything after a gate has stopped this notebook: by hand, the next cell is one key away.

        Raises GateFailed; the way on is the gate itself, judged again.
        """
        if self.stopped_by:
            raise GateFailed(
                f"nothing was done: gate {', '.join(sorted(self.stopped_by))} did not let pass",
                remedy="mend what it names, then run the cells from there again",
            )


def open_phase(name: str, model: type[S], *, site: str, change_id: str, dry_run: bool) -> Phase[S]:
    """Open one phase for a notebook.

    ``site``: the site file, absolute, or relative to the current directory or one above it. ``change_id``: names the
    folder in ``outputs/``. Raises ParamsError before anything is touched.
    """
    interrupted.tell_in_one_line()
    site_file = _find(Path(site))
    params = load(site_file, model)
    folder = ChangeFolder(project_root(site_file) / "outputs", change_id)
    folder.create()
    journal = Journal(folder.journal, name)
    journal.write(OPENED, site=params.site, dry_run=dry_run)
    fleet = Fleet.of(params)
    atexit.register(fleet.close)  # with the kernel: no cell of a notebook comes last for certain
    return Phase(
        name=name,
        site=params,
        site_file=site_file,
        folder=folder,
        fleet=fleet,
        journal=journal,
        dry_run=dry_run,
        started=time.time(),
        report=progress.reporter(),
    )


def _find(site: Path) -> Path:
    """Look for a relative site file from the current directory upwards: a notebook's own directory is notebooks/."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / site).is_file():
            return folder / site
    raise ParamsError(f"{site}: no such site file", remedy="name one of params/*.yaml")
