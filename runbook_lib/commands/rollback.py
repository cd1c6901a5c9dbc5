"""`runbook rollback`: undoes what a change did, by the notebook that its runbook has for that, headless."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import click

from runbook_lib.commands import options
from runbook_lib.commands.at_work import at_work
from runbook_lib.commands.chosen import Chosen
from runbook_lib.commands.execute import Job, conclude, execute
from runbook_lib.errors import ParamsError


@click.command()
@options.site
@options.change
@options.runbook
@options.approve
@click.option("--overwrite", multiple=True, metavar="HOST:PATH", help="put this file back though it was edited since")
@click.option("--keep", multiple=True, metavar="HOST:PATH", help="leave this file as it was edited since")
def rollback(  # noqa: PLR0913 - click hands over what was typed
    *,
    site: Path,
    change_id: str,
    runbook: Path,
    approve: tuple[str, ...],
    overwrite: tuple[str, ...],
    keep: tuple[str, ...],
) -> None:
    """Undo everything that a change did; run it again to go on with what is still to be undone."""
    started = time.time()
    chosen = Chosen.of(runbook, site, change_id)
    chosen.folder.require()
    notebook = chosen.runbook.rollback
    if notebook is None:
        raise ParamsError(f"runbook {chosen.runbook.directory} has no rollback", remedy="undo the change by hand")
    if not any(event.what == "intent" for event in chosen.events()):
        raise ParamsError(f"change {change_id} has changed nothing", remedy="there is nothing to be undone")
    decisions = _decisions(chosen, overwrite, keep)
    approved = chosen.holds(approve, [notebook])
    chosen.require_lab()
    with at_work(chosen) as work:
        outcome = execute(work, Job([notebook], started, approve=approved, decisions=decisions))
    conclude(outcome)


def _decisions(chosen: Chosen, overwrite: Iterable[str], keep: Iterable[str]) -> list[tuple[str, str, str]]:
    """Return host, path and decision of each file that was named; refuse what cannot be meant."""
    found: dict[tuple[str, str], str] = {}
    for decision, named in (("overwrite", overwrite), ("keep", keep)):
        for word in named:
            host, _, path = word.partition(":")
            if host not in chosen.site.hosts or not path:
                hosts = ", ".join(chosen.site.hosts)
                raise ParamsError(f"--{decision} {word}: no HOST:PATH", remedy=f"the hosts are {hosts}")
            if found.setdefault((host, path), decision) != decision:
                raise ParamsError(f"{word} is to be kept and overwritten", remedy="decide for one")
    return [(host, path, decision) for (host, path), decision in found.items()]
