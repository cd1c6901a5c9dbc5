"""`runbook open`: a change's notebooks laid out in its folder, with its parameters, to be run by hand in JupyterLab."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib.commands import options, terminal
from runbook_lib.commands.chosen import Chosen
from runbook_lib.runner.run import lay_out
from runbook_lib.values import Verdict


@click.command("open")
@options.site
@options.change
@options.runbook
@click.option("--dry-run", is_flag=True, help="plan and show everything, change nothing")
def open_change(site: Path, change_id: str, runbook: Path, *, dry_run: bool) -> None:
    """Lay a change's notebooks out for JupyterLab; those that are there already stay as they are."""
    chosen = Chosen.of(runbook, site, change_id)
    chosen.keep()
    rollback = chosen.runbook.rollback
    notebooks = [*chosen.runbook.notebooks, *([rollback] if rollback is not None and not dry_run else [])]
    laid = lay_out(notebooks, chosen.folder.notebooks, chosen.parameters(dry_run=dry_run))
    terminal.done(Verdict.SUCCESSFUL, f"{len(laid)} notebooks laid out in {chosen.folder.notebooks}")
