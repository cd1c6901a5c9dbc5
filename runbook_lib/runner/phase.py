"""What a notebook holds while it runs: the site, the fleet, the change's folder, and the results of earlier phases."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from IPython.display import display

from runbook_lib.change import saved
from runbook_lib.change.control import Control
from runbook_lib.change.decisions import Decision
from runbook_lib.change.journal import Event, Journal
from runbook_lib.change.locks import Holder, change_lock, host_locks
from runbook_lib.change.origin import Standing
from runbook_lib.change.plan import HostPlan
from runbook_lib.errors import (
    NO_SESSION,
    GateError,
    GateFailed,
    Held,
    HostError,
    ParamsError,
    RecordError,
    StalePlan,
)
from runbook_lib.fleet import Fleet
from runbook_lib.gates import judge, require
from runbook_lib.params import Site, load, project_root
from runbook_lib.record import scraps
from runbook_lib.record.by_hand import OPENED
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner import history, hold, interrupted, lifeline
from runbook_lib.runner.history import Earlier
from runbook_lib.runner.hold import HoldView
from runbook_lib.runner.runbook import MANIFEST, Manifest, read_manifest
from runbook_lib.values import Check
from runbook_lib.view import progress, tables
from runbook_lib.view.charts import Chart
from runbook_lib.view.rendered import RenderedAs

S = TypeVar("S", bound=Site)
MayStep = Callable[[str], None]
"""Comes back when the next step on a host may begin: as `Phase.check` does, and with the host's lock still held.

Raises Unreachable if the lock was lost, or could not be had.
"""


@dataclass(frozen=True)
class Phase(RenderedAs, Generic[S]):
    """One phase of one change. Made by `open_phase`, shown as its own facts.

    ``started``: unix seconds; ``done_before``: the last time that it was gone through in earnest; ``stopped_by``: gates
    and hold points of this notebook that did not let pass when they were last asked.
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
    control: Control
    done_before: Earlier | None = None
    stopped_by: set[str] = field(default_factory=set)

    def shown(self) -> tables.Table:
        """Show it as its own facts."""
        before = {"done before": str(self.done_before)} if self.done_before is not None else {}
        return tables.facts(
            {
                "change": self.folder.change_id,
                "phase": self.name,
                "site": f"{self.site.site} ({self.site_file.name})",
                "hosts": ", ".join(self.site.hosts),
                "mode": "dry run: nothing is changed" if self.dry_run else "changes are carried out",
                **before,
                "record": f"outputs/{self.folder.change_id}",
            }
        )

    def check(self) -> None:
        """Come back when the next step may begin: not before a pause is over.

        Raises Aborted or Stopped if that is what somebody asked for.
        """
        self.control.check()

    def hold(self, name: str) -> HoldView:
        """Go on only if a hold point of the runbook is approved: asked here in JupyterLab, beforehand headless.

        Raises Held as long as it is not, and Aborted if that is the answer.
        """
        asked = f"hold point {name}"
        try:
            view = hold.pass_(self.journal, name, self._manifest().question(name), dry_run=self.dry_run)
        except Held:
            self.stopped_by.add(asked)
            raise
        self.stopped_by.discard(asked)
        return view

    def decide(self, host: str, path: str, now: Standing) -> Decision | None:
        """Return what is to become of a file that somebody edited since: asked here in JupyterLab, beforehand headless.

        ``now``: what was shown of it. None as long as nobody has decided on that.
        """
        return hold.decide(self.journal, host, path, now, dry_run=self.dry_run)

    @contextmanager
    def apply_lock(
        self, hosts: Iterable[str] | None = None, *, skipping: tuple[type[HostError], ...] = NO_SESSION
    ) -> Iterator[MayStep]:
        """Hold the change and its hosts, or those named, while they are changed; a dry run changes nothing.

        ``skipping``: what keeps one host from being locked, and no other; see `host_locks`.

        Yield what is called before each step on a host. What the run of this notebook holds already is shared with it.
        Raises Locked if somebody else is at work.
        """
        if self.dry_run:
            yield lambda _host: self.check()
            return
        holder = Holder.here(self.folder.change_id, f"notebook {self.name}")
        with (
            change_lock(self.folder.lock, holder),
            host_locks(self.fleet, hosts or self.site.hosts, holder, skipping=skipping) as locks,
            interrupted.after_the_step(self.journal, self.check, self.fleet.close),
        ):
            for line in locks.told():
                self.report.done(line)

            def may_step(host: str) -> None:
                try:
                    self.check()
                finally:  # what ends a run may take one more step, and not without the lock either
                    locks.still_held(host)

            yield may_step

    @contextmanager
    def telling_stale_plans(self) -> Iterator[None]:
        """Write down that a plan no longer fits: what was approved by it counts no more, by hand either."""
        try:
            yield
        except StalePlan as error:
            self.journal.write("stale", error.host, why=error.what)
            raise

    def must_fit(self, name: str, plans: Mapping[str, HostPlan], made: int | None = None) -> None:
        """Refuse a plan if one was saved under this name and hosts had changed since when it was made.

        ``made``: number of the journal's last event by then; what was done later by this plan does not count. Raises
        StalePlan, which says what changed.
        """
        path, events = self.folder.plans / f"{name}.json", self.journal.events()
        told = next(
            (each for each in reversed(events) if (each.what, each.detail.get("plan")) == ("planned", name)), None
        )
        if told is not None and told.detail["digest"] != saved.digest(path):
            changes = ["it is not the plan that the journal tells of"]
        else:
            changes = saved.compare(path, plans, events[:made]) if path.exists() else []
        if changes:
            raise StalePlan(
                f"the saved plan of {name} no longer fits: {'; '.join(changes)}",
                remedy=f"`runbook plan --change {self.folder.change_id} --only {name}`, and read the diff again",
            )

    def _manifest(self) -> Manifest:
        """Read the manifest that is kept with the change; a notebook that is run where it lies finds it beside it."""
        return read_manifest(self.folder.runbook if self.folder.runbook.exists() else Path.cwd() / MANIFEST)

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
        """Keep a gate's checks in the record; `require` then stops if they do not hold.

        Raises Aborted or Stopped if that is what was asked for: a check whose wait was ended by it tells of no failure.
        """
        self.check()
        self.keep(f"gate_{name}", checks)
        told = [[check.name, check.host, str(check.verdict), check.expected, check.observed] for check in checks]
        self.journal.write("gate", gate=name, verdict=str(judge(checks)), checks=told)
        return tables.checks(checks, name.replace("_", " "))

    def require(self, gate: tables.GateView) -> tables.GateView:
        """Go on only if every check of the gate succeeded; return the gate to be shown.

        Raises GateFailed or GateInconclusive, after the checks were shown: whoever is stopped sees by what.
        """
        try:
            require(gate.checks, gate.title)
        except GateError:
            self.stopped_by.add(f"gate {gate.title}")
            display(gate)  # type: ignore[no-untyped-call]  # IPython's own
            raise
        self.stopped_by.discard(f"gate {gate.title}")
        return gate

    def must_not_be_stopped(self) -> None:
        """Refuse to change anything after something has stopped this notebook: by hand, the next cell is one key away.

        Raises GateFailed; the way on is the gate or the hold point itself, asked again.
        """
        if self.stopped_by:
            raise GateFailed(
                f"nothing was done: {', '.join(sorted(self.stopped_by))} did not let pass",
                remedy="answer or mend it and run its cell again, or this notebook from its first cell",
            )


def open_phase(name: str, model: type[S], *, site: str, change_id: str, dry_run: bool) -> Phase[S]:
    """Open one phase for a notebook.

    ``site``: the site file, absolute, or relative to the current directory or one above it. ``change_id``: names the
    folder in ``outputs/``. Raises ParamsError before anything is touched.
    """
    lifeline.hold_on_to_runner()
    interrupted.tell_in_one_line()
    return _open(name, model, site, change_id, "dry run" if dry_run else "in earnest")


def look(name: str, model: type[S], *, site: str, change_id: str) -> Phase[S]:
    """Open one phase outside its notebook, only to plan it: a dry run that the journal does not take for the phase."""
    return _open(name, model, site, change_id, "look")


def _open(
    name: str, model: type[S], site: str, change_id: str, how: Literal["in earnest", "dry run", "look"]
) -> Phase[S]:
    dry_run = how != "in earnest"
    site_file = _find(Path(site))
    params = load(site_file, model)
    folder = ChangeFolder(project_root(site_file) / "outputs", change_id)
    folder.create()
    journal = Journal(folder.journal, name)
    events = journal.events()
    history.require_same_site(events, params.site, change_id)
    opened = journal.write(OPENED, site=params.site, dry_run=dry_run) if how != "look" else None
    report = progress.reporter()
    control = Control(journal, _begun(events, opened), report)
    fleet = Fleet.of(params)
    atexit.register(fleet.close)  # with the kernel: no cell of a notebook comes last for certain
    control.check()
    return Phase(
        name=name,
        site=params,
        site_file=site_file,
        folder=folder,
        fleet=fleet,
        journal=journal,
        dry_run=dry_run,
        started=time.time(),
        report=control.watching(report),
        control=control,
        done_before=history.earlier(events, name),
    )


def _begun(events: Sequence[Event], opened: Event | None) -> int:
    """Return the number of the event since when words of others count: that of its run, else its own opening."""
    run = lifeline.this_run()
    mine = (event.number for event in reversed(events) if event.what == "run" and run and event.detail["run"] == run)
    return next(mine, opened.number if opened is not None else len(events))


def _find(site: Path) -> Path:
    """Look for a relative site file from the current directory upwards: a notebook's own directory is notebooks/."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / site).is_file():
            return folder / site
    raise ParamsError(f"{site}: no such site file", remedy="name one of params/*.yaml")
