"""`runbook run`: the notebooks of a change, headless."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from runbook_lib.commands import options
from runbook_lib.commands.at_work import at_work
from runbook_lib.commands.chosen import Chosen
from runbook_lib.commands.execute import Job, conclude, execute, recall
from runbook_lib.errors import ParamsError
from runbook_lib.runner import resume as resuming
from runbook_lib.runner.runbook import holds_in


@click.command()
@options.site
@options.change
@options.runbook
@click.option("--only", multiple=True, metavar="NOTEBOOK", help="run just this one (10_preflight ...); many times")
@click.option("--dry-run", is_flag=True, help="plan and show everything, change nothing")
@click.option("--resume", is_flag=True, help="go on with the first notebook that did not run to its end")
@options.approve
def run(  # noqa: PLR0913 - click hands over what was typed
    site: Path,
    change_id: str,
    runbook: Path,
    only: tuple[str, ...],
    approve: tuple[str, ...],
    *,
    dry_run: bool,
    resume: bool,
) -> None:
    """Run a change's notebooks in order; stop at the first gate or hold point that does not let pass."""
    started = time.time()
    chosen = Chosen.of(runbook, site, change_id)
    asked = _asked(chosen, only, dry_run=dry_run)
    if resume and (only or dry_run):
        raise ParamsError("--resume goes with neither --only nor --dry-run", remedy="leave one of them out")
    if approve and dry_run:  # it would let the next run in earnest pass: a dry run shows what there is to approve
        raise ParamsError("--approve does not go with --dry-run", remedy="leave it out: a dry run asks nobody")
    approved = chosen.holds(approve, chosen.runbook.notebooks if resume else asked)
    if resume:
        chosen.folder.require()
    chosen.require_lab()
    with at_work(chosen) as work:
        if resume:
            notebooks = resuming.remaining(chosen.folder, chosen.events(), chosen.runbook)
            if not notebooks and chosen.is_intact():
                recall(chosen)
                return
            approved = tuple(hold for hold in approved if hold in holds_in(*notebooks))  # the others are behind it
        else:
            resuming.require_new(chosen.change_id, chosen.events(), chosen.runbook, again=bool(only) and not dry_run)
            resuming.require_in_time(asked if not dry_run else [], chosen.events(), chosen.runbook)
            notebooks = asked
        left_out = chosen.left_out(notebooks)
        job = Job(notebooks, started, dry_run=dry_run, resume=resume, left_out=left_out, approve=approved)
        outcome = execute(work, job)
    conclude(outcome)


def _asked(chosen: Chosen, only: Sequence[str], *, dry_run: bool) -> list[Path]:
    """Return the notebooks that are asked for; a dry run leaves some out."""
    book = chosen.runbook
    unknown = sorted(set(only) - set(book.names))
    if book.rollback is not None and book.rollback.stem in unknown:
        raise ParamsError(f"{book.rollback.stem} undoes a change", remedy="use `runbook rollback`")
    if unknown:
        raise ParamsError(f"no notebook {', '.join(unknown)}", remedy=f"there are {', '.join(book.names)}")
    without = book.manifest.needs_a_change if dry_run else []
    asked = [path for path in book.notebooks if (not only or path.stem in only) and path.stem not in without]
    if not asked:
        raise ParamsError("nothing to run", remedy=f"a dry run leaves out {', '.join(without)}")
    return asked
