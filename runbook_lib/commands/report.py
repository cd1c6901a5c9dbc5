"""`runbook report`: where a change's report lies, what it says, and whether its files are as they were recorded.

A change that was stepped through by hand has no record before somebody asks for it: then it is drawn up here.
"""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib.commands import options, terminal
from runbook_lib.commands.chosen import Chosen, change_folder
from runbook_lib.errors import RecordError
from runbook_lib.record import statement
from runbook_lib.values import Verdict


@click.command()
@options.site
@options.change
@options.runbook
@click.option("--anew", is_flag=True, help="draw the record up again: notebooks were run by hand since")
def report(site: Path, change_id: str, runbook: Path, *, anew: bool) -> None:
    """Say how a change ended, claim by claim; refuse a record whose files were touched since.

    Exit status 0 means that the record can be relied on, whatever its verdict.
    """
    folder = change_folder(site, change_id).require()
    if anew or not folder.record.exists():
        Chosen.of(runbook, site, change_id).draw_up()
    problems = statement.check(folder)
    if problems:
        remedy = "do not rely on this record; --anew draws it up again, if it was you who ran notebooks by hand since"
        raise RecordError(f"change {change_id}: {'; '.join(problems)}", remedy=remedy)
    predicate = statement.read(folder)["predicate"]
    for claim in predicate["claims"]:
        terminal.done(Verdict(claim["verdict"]), f"{claim['id']} {claim['claim']}: {claim['observed']}")
    terminal.verdict(Verdict(predicate["verdict"]), predicate["sentence"])
    terminal.note(f"report: {folder.report}")
