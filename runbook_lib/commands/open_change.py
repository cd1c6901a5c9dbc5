"""`runbook open`: a change's notebooks laid out in its folder, with its parameters, to be run by hand in JupyterLab."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib.commands import terminal
from runbook_lib.commands.execute import change_folder, notebook_parameters
from runbook_lib.commands.wiring import LAB_SITE, NOTEBOOKS, load_site
from runbook_lib.runner.run import lay_out, notebooks_in
from runbook_lib.values import Verdict


@click.command("open")
@click.option("--site", type=click.Path(path_type=Path), default=LAB_SITE, show_default=True, help="site file")
@click.option("--change", "change_id", required=True, help="change id: names the folder below outputs/")
@click.option("--dry-run", is_flag=True, help="plan and show everything, change nothing")
def open_change(site: Path, change_id: str, *, dry_run: bool) -> None:
    """Lay a change's notebooks out for JupyterLab; those that are there already stay as they are."""
    load_site(site)
    folder = change_folder(site, change_id).create()
    folder.keep_site(site)
    parameters = notebook_parameters(site, change_id, dry_run=dry_run)
    laid = lay_out(notebooks_in(NOTEBOOKS), folder.notebooks, parameters)
    terminal.done(Verdict.SUCCESSFUL, f"{len(laid)} notebooks laid out in {folder.notebooks}")
