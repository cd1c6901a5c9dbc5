"""`runbook rehearse`: the whole migration, on real freqtrade, in a lab that is started and ended with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from runbook_lib import lab as labs
from runbook_lib.commands import options, terminal
from runbook_lib.commands.at_work import at_work
from runbook_lib.commands.chosen import Chosen, change_folder
from runbook_lib.commands.execute import Job, conclude, execute
from runbook_lib.commands.options import NOTEBOOKS
from runbook_lib.commands.wiring import lab_of, lab_settings, load_site, narrowed
from runbook_lib.params import project_root
from runbook_lib.runner.resume import require_new
from runbook_lib.values import Verdict


@click.command()
@options.site
@click.option("--change", "change_id", help="change id  [default: lab-DATE-TIME]")
@click.option("--pairs", type=click.IntRange(min=1), help="only so many pairs of each producer: a quick rehearsal")
@click.option("--websockets", is_flag=True, help="feeders and producers use kline streams (freqtrade.enable_ws)")
@click.option("--rollback", is_flag=True, help="undo it all at the end, and measure that the fleet is as it was")
def rehearse(site: Path, change_id: str | None, pairs: int | None, *, websockets: bool, rollback: bool) -> None:
    """Rehearse the migration: start the lab, run every notebook, end the lab, give a verdict.

    Nobody is asked at its hold points: in a lab all of them are let pass.
    """
    started = time.time()
    change = change_id or f"lab-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    root = project_root(site)
    if pairs is not None or websockets:
        target = change_folder(site, change).create().path / "rehearsed-site.yaml"
        site = narrowed(site, target, pairs=pairs, websockets=websockets)
    params = load_site(site)
    chosen = Chosen.of(root / NOTEBOOKS, site, change)
    require_new(change, chosen.events(), chosen.runbook, again=False)
    lab = lab_of(params).directory
    with terminal.waiting("lab") as waits:
        labs.up(lab_settings(params), report=waits, with_parent=True)
    try:
        terminal.done(
            Verdict.SUCCESSFUL,
            f"lab: {len(params.hosts)} hosts, {len(params.consumers)} feeders, {len(params.pairs)} pairs",
        )
        with at_work(chosen) as work:
            outcome = execute(work, _job(chosen, chosen.runbook.notebooks, started))
            if rollback and outcome.stopped is None and chosen.runbook.rollback is not None:
                outcome = execute(work, _job(chosen, [chosen.runbook.rollback], started))
    finally:
        labs.down(lab, keep=True)
    conclude(outcome, over=True)


def _job(chosen: Chosen, notebooks: Sequence[Path], started: float) -> Job:
    return Job(notebooks, started, approve=chosen.holds(["all"], notebooks), how="rehearsal")
