"""`runbook lab up|down|status`: the lab alone, for stepping through the notebooks by hand."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib import lab as labs
from runbook_lib.commands import terminal
from runbook_lib.commands.wiring import LAB_SITE, lab_of, lab_settings, load_site
from runbook_lib.errors import LabError
from runbook_lib.values import Verdict

site_option = click.option(
    "--site", type=click.Path(path_type=Path), default=LAB_SITE, show_default=True, help="site file with a lab section"
)


@click.group()
def lab() -> None:
    """Start, end or look at the embedded lab: six hosts and an exchange on loopback."""


@lab.command()
@site_option
def up(site: Path) -> None:
    """Start the lab; its feeders begin to download as their operator left them."""
    params = load_site(site)
    with terminal.waiting("lab") as waits:
        now = labs.up(lab_settings(params), report=waits, with_parent=False)
    terminal.done(Verdict.SUCCESSFUL, f"lab runs (process {now.pid}), files in {now.directory}")


@lab.command()
@site_option
@click.option("--keep", is_flag=True, help="keep the hosts' files")
def down(site: Path, *, keep: bool) -> None:
    """End the lab and every bot in it."""
    directory = lab_of(load_site(site)).directory
    was = labs.down(directory, keep=keep)
    terminal.done(Verdict.SUCCESSFUL, "lab ended" if was else "no lab was running")


@lab.command()
@site_option
def status(site: Path) -> None:
    """Say whether the lab runs; exit status 10 if it does not."""
    now = labs.status(lab_of(load_site(site)).directory)
    if not now.answers:
        raise LabError(f"no lab answers for {now.directory}", remedy="start it with `runbook lab up`")
    terminal.done(Verdict.SUCCESSFUL, f"lab runs (process {now.pid}), files in {now.directory}")
