"""`runbook rehearse`: the whole migration, on real freqtrade, in a lab that is started and ended with it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from runbook_lib import lab as labs
from runbook_lib.commands import terminal
from runbook_lib.commands.execute import change_folder, conclude, execute
from runbook_lib.commands.wiring import LAB_SITE, NOTEBOOKS, lab_of, lab_settings, load_site, narrowed
from runbook_lib.params import project_root
from runbook_lib.runner.run import notebooks_in
from runbook_lib.values import Verdict


@click.command()
@click.option(
    "--site", type=click.Path(path_type=Path), default=LAB_SITE, show_default=True, help="site file with a lab"
)
@click.option("--change", "change_id", help="change id  [default: lab-DATE-TIME]")
@click.option("--pairs", type=click.IntRange(min=1), help="only so many pairs of each producer: a quick rehearsal")
@click.option("--websockets", is_flag=True, help="feeders and producers use kline streams (freqtrade.enable_ws)")
def rehearse(site: Path, change_id: str | None, pairs: int | None, *, websockets: bool) -> None:
    """Rehearse the migration: start the lab, run every notebook, end the lab, give a verdict."""
    started = time.time()
    change = change_id or f"lab-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder = change_folder(site, change)
    root = project_root(site)
    if pairs is not None or websockets:
        site = narrowed(site, folder.create().path / "rehearsed-site.yaml", pairs=pairs, websockets=websockets)
    params = load_site(site)
    notebooks = notebooks_in(root / NOTEBOOKS)
    lab = lab_of(params).directory
    with terminal.waiting("lab") as waits:
        labs.up(lab_settings(params), report=waits, with_parent=True)
    try:
        terminal.done(
            Verdict.SUCCESSFUL,
            f"lab: {len(params.hosts)} hosts, {len(params.consumers)} feeders, {len(params.pairs)} pairs",
        )
        record, stopped = execute(params, site, change, notebooks, dry_run=False, started=started)
    finally:
        labs.down(lab, keep=True)
    conclude(record, stopped, folder)
