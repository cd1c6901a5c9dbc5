"""`runbook report`: where a change's report lies, what it says, and whether its files are as they were recorded."""

from __future__ import annotations

from pathlib import Path

import click

from runbook_lib.commands import terminal
from runbook_lib.commands.execute import change_folder
from runbook_lib.commands.wiring import LAB_SITE
from runbook_lib.errors import RecordError
from runbook_lib.record import statement
from runbook_lib.values import Verdict


@click.command()
@click.option("--site", type=click.Path(path_type=Path), default=LAB_SITE, show_default=True, help="site file")
@click.option("--change", "change_id", required=True, help="change id: the folder below outputs/")
def report(site: Path, change_id: str) -> None:
    """Say how a change ended, claim by claim; refuse a record whose files were touched since."""
    folder = change_folder(site, change_id).require()
    problems = statement.check(folder)
    if problems:
        raise RecordError(f"change {change_id}: {'; '.join(problems)}", remedy="do not rely on this record")
    predicate = statement.read(folder)["predicate"]
    for claim in predicate["claims"]:
        terminal.done(Verdict(claim["verdict"]), f"{claim['id']} {claim['claim']}: {claim['observed']}")
    terminal.verdict(Verdict(predicate["verdict"]), predicate["sentence"])
    terminal.console.print(f"  report: {folder.report}")
