"""`runbook pause|go|abort`: what one terminal says to a run in another; abort also to a run that has ended open."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib.change import control
from runbook_lib.change.journal import Journal
from runbook_lib.commands import options, terminal
from runbook_lib.commands.at_work import at_work
from runbook_lib.commands.chosen import Chosen, change_folder
from runbook_lib.commands.execute import give_up
from runbook_lib.commands.status import standing_of
from runbook_lib.errors import ParamsError
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.standing import AT_REST, LIVE, Standing, State
from runbook_lib.values import Verdict


@click.command()
@options.site
@options.change
@click.option("--why", default="", help="for whoever sees it waiting")
def pause(site: Path, change_id: str, why: str) -> None:
    """Hold a run before its next step; `runbook go` lets it go on."""
    folder = change_folder(site, change_id).require()
    now = _require_run(folder, "pause")
    if now.state is State.PAUSED:
        raise ParamsError(f"change {change_id} is paused already: {now.said}", remedy=now.then)
    _request(folder, "pause", why=why)
    terminal.done(Verdict.SUCCESSFUL, f"change {change_id} pauses before its next step")
    terminal.note(f"next: `runbook go --change {change_id}` goes on")


@click.command()
@options.site
@options.change
def go(site: Path, change_id: str) -> None:
    """Let a paused run go on."""
    folder = change_folder(site, change_id).require()
    now = _require_run(folder, "go on with")
    if now.state is not State.PAUSED:
        raise ParamsError(f"change {change_id} is {now.state}, not paused: {now.said}", remedy=now.then)
    _request(folder, "go")
    terminal.done(Verdict.SUCCESSFUL, f"change {change_id} goes on")


@click.command()
@options.site
@options.change
@options.runbook
@click.option("--reason", required=True, help="for the record: why the change is given up")
def abort(site: Path, change_id: str, runbook: Path, reason: str) -> None:
    """Give a change up, for a reason; what was done so far stays until it is rolled back.

    A run ends before its next step. Of a change that is held, was stopped or cut off, the record says so at once.
    """
    folder = change_folder(site, change_id).require()
    if standing_of(folder).state in AT_REST:
        with at_work(Chosen.of(runbook, site, change_id)) as work:
            record = give_up(work, reason).record
        terminal.verdict(record.verdict, record.sentence)
        terminal.note("what was approved counts no more: who goes on is asked again")
        return
    _require_run(folder, "abort")
    _request(folder, "abort", reason=reason)
    terminal.done(Verdict.SUCCESSFUL, f"change {change_id} ends before its next step")
    terminal.note(f"next: `runbook status --change {change_id}`")


def _require_run(folder: ChangeFolder, what: str) -> Standing:
    """Refuse when nobody would hear it: the word would wait in the journal for a run of another day."""
    now = standing_of(folder)
    if now.state not in LIVE:
        raise ParamsError(f"nothing to {what}: change {folder.change_id} is {now.state}: {now.said}", remedy=now.then)
    return now


def _request(folder: ChangeFolder, word: control.Word, **detail: str) -> None:
    control.request(Journal(folder.journal, "terminal"), word, **detail)
