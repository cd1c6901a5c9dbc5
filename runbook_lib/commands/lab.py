"""`runbook lab up|down|status`: the lab alone, for stepping through the notebooks by hand."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib import lab as labs
from runbook_lib.commands import options, terminal
from runbook_lib.commands.wiring import lab_of, lab_settings, load_site
from runbook_lib.errors import LabError
from runbook_lib.values import Verdict


@click.group()
def lab() -> None:
    """Start, end or look at the embedded lab: six hosts and an exchange on loopback."""


@lab.command()
@options.site
def up(site: Path) -> None:
    """Start the lab; its feeders begin to download as their operator left them."""
    params = load_site(site)
    with terminal.waiting("lab") as waits:
        now = labs.up(lab_settings(params), report=waits, with_parent=False)
    terminal.done(Verdict.SUCCESSFUL, f"lab runs (process {now.pid}), files in {now.directory}")


@lab.command()
@options.site
@click.option("--keep", is_flag=True, help="keep the hosts' files")
def down(site: Path, *, keep: bool) -> None:
    """End the lab and every bot in it."""
    directory = lab_of(load_site(site)).directory
    was = labs.down(directory, keep=keep)
    terminal.done(Verdict.SUCCESSFUL, "lab ended" if was else "no lab was running")


@lab.command()
@options.site
def status(site: Path) -> None:
    """Say whether the lab runs; exit status 10 if it does not."""
    now = labs.status(lab_of(load_site(site)).directory)
    if not now.answers:
        raise LabError(f"no lab answers for {now.directory}", remedy="start it with `runbook lab up`")
    terminal.done(Verdict.SUCCESSFUL, f"lab runs (process {now.pid}), files in {now.directory}")
