"""`runbook plan`: what a change will do to each host, shown and saved to be held against later; touches no host."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from runbook_lib.change import saved
from runbook_lib.change.journal import Journal
from runbook_lib.commands import options, terminal
from runbook_lib.commands.at_work import Work, at_work
from runbook_lib.commands.chosen import Chosen
from runbook_lib.errors import ParamsError
from runbook_lib.runner import phase
from runbook_lib.runner.standing import standing
from runbook_lib.values import Verdict


@click.command()
@options.site
@click.option("--change", "change_id", help="change id  [default: the site's name, DATE-TIME]")
@options.runbook
@click.option("--only", multiple=True, metavar="NOTEBOOK", help="plan just this one (30_producers ...); many times")
def plan(site: Path, change_id: str | None, runbook: Path, only: tuple[str, ...]) -> None:
    """Show every file as a diff and every unit and restart, host by host; what is applied must still fit it."""
    change = change_id or f"{site.stem.lower()}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    chosen = Chosen.of(runbook, site, change)
    names = _asked(chosen, only)
    chosen.require_lab()
    with at_work(chosen) as work:
        recorded = chosen.is_intact()
        chosen.keep()
        for name in names:
            _plan(work, name)
        if recorded:
            chosen.draw_up()
    now = standing(change, chosen.events(), None, chosen.runbook.manifest.rollback)
    terminal.note(f"next: {now.then}")


def _asked(chosen: Chosen, only: Sequence[str]) -> list[str]:
    known = chosen.runbook.manifest.plans
    unknown = sorted(set(only) - set(known))
    if unknown or not known:
        there_are = ", ".join(known) or "none"
        raise ParamsError(f"no plan of {', '.join(unknown) or 'anything'}", remedy=f"the manifest has: {there_are}")
    return [name for name in known if not only or name in only]


def _plan(work: Work, name: str) -> None:
    chosen = work.chosen
    look = phase.look(name, type(chosen.site), site=str(chosen.site_file), change_id=chosen.change_id)
    with look.fleet:
        made = chosen.runbook.planner(name)(look)
    terminal.say(f"\n{made}\n")
    by = f"{work.holder.by}@{work.holder.machine}"
    digest = saved.save(chosen.folder.path, name, made.plans, by=by, at=time.time())
    Journal(chosen.folder.journal, name).write("planned", plan=name, digest=digest, named=chosen.named)
    terminal.done(Verdict.SUCCESSFUL, f"{name}: saved in {chosen.folder.plans / name}.json; no host was touched")
