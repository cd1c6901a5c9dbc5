"""Runs a change's notebooks and draws up its record, whatever happens; shared by `run`, `rollback` and `rehearse`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.change import holds
from runbook_lib.change.control import Control
from runbook_lib.change.journal import Journal
from runbook_lib.change.locks import RUN
from runbook_lib.commands import terminal
from runbook_lib.commands.at_work import Listening, Work, stopping
from runbook_lib.commands.chosen import Chosen
from runbook_lib.errors import Aborted, GateFailed, GateInconclusive, Held, Locked, RunbookError, Stopped
from runbook_lib.record.assemble import Ending, Record, assemble
from runbook_lib.record.by_hand import is_rolled_back
from runbook_lib.runner.run import Kernels, NotebookRun, run
from runbook_lib.runner.standing import standing
from runbook_lib.values import Verdict

CUT_OFF = "cut off by the operator, maybe in the middle of a step -> --resume goes on, `runbook rollback` undoes"
OPEN = (GateInconclusive, Held, Stopped, Aborted, Locked)
"""What stops a run without anything having failed."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one run is to do. ``started``: unix seconds; ``resume``: it goes on with an earlier one.

    ``left_out``: notebooks of the runbook that are not asked for now and have not been run either: without them nothing
    whole is proven. ``approve``: hold points that are let pass; ``how``: where that was said. ``decisions``: host, path
    and what becomes of a file that was edited since.
    """

    notebooks: Sequence[Path]
    started: float
    dry_run: bool = False
    resume: bool = False
    left_out: Sequence[str] = ()
    approve: Sequence[str] = ()
    how: str = "--approve"
    decisions: Sequence[tuple[str, str, str]] = field(default=())


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. ``stopped``: the kind of what stopped it, None if nothing did."""

    chosen: Chosen
    record: Record
    stopped: type[RunbookError] | None


def execute(work: Work, job: Job) -> Outcome:
    """Run the notebooks in order, and draw the record up from what was executed, also when the run is interrupted."""
    with nullcontext() if job.dry_run else work.hosts():
        return _execute(work, job)


def _execute(work: Work, job: Job) -> Outcome:
    chosen, folder = work.chosen, work.chosen.folder
    chosen.keep()
    journal = Journal(folder.journal, "runbook")
    since = _begin(journal, work, job)
    told = _Told(chosen, job)
    try:
        for ended in _run(journal, since, work, job):
            told.take(ended)
    except (Stopped, Aborted) as error:
        told.stop(type(error), str(error))
    except RunbookError as error:
        told.stop(type(error), str(error))
        raise
    except KeyboardInterrupt:
        told.stop(Stopped, CUT_OFF)
        raise
    finally:
        kind = told.stopped.__name__ if told.stopped is not None else None

        def last_words(record: Record) -> None:
            journal.write("ended", run=work.holder.run, verdict=record.verdict, why=record.sentence, error=kind)

        record = assemble(folder, told.ending(rolled_back=is_rolled_back(journal.events())), last_words)
    return Outcome(chosen, record, told.stopped)


def _begin(journal: Journal, work: Work, job: Job) -> int:
    """Write down what is about to happen and what was allowed beforehand; return the number of the first event."""
    names = [path.stem for path in job.notebooks]
    began = journal.write(
        "run",
        run=work.holder.run,
        pid=os.getpid(),
        notebooks=names,
        resume=job.resume,
        command=work.holder.command,
        named=work.chosen.named,
    )
    for hold in job.approve:
        holds.approve(journal, hold, job.how)
    for host, path, decision in job.decisions:
        journal.write("decided", host, path=path, decision=decision, how=f"--{decision}")
    work.chosen.folder.set_aside(names, f"{datetime.fromtimestamp(job.started, UTC):%Y%m%d-%H%M%S}")
    return began.number


def _run(journal: Journal, since: int, work: Work, job: Job) -> Iterator[NotebookRun]:
    """Run the notebooks, as long as nobody asks for an end; yield how each ended."""
    chosen = work.chosen
    with stopping(journal), terminal.waiting(job.notebooks[0].stem) as waits:
        listening = Listening(waits, work.lock)
        control = Control(journal, since, waits)

        def begin(name: str) -> None:
            listening.begin(name)
            control.check()

        kernels = Kernels(chosen.root, listening, chosen.runbook.environment({**os.environ, RUN: work.holder.run}))
        parameters = chosen.parameters(dry_run=job.dry_run)
        yield from run(job.notebooks, chosen.folder.notebooks, parameters, kernels, begin=begin)


class _Told:
    """What is to be said of a run at its end, gathered while it lasts."""

    def __init__(self, chosen: Chosen, job: Job) -> None:
        self.stopped: type[RunbookError] | None = None
        self._chosen = chosen
        self._job = job
        self._why = ""
        self._left = [path.stem for path in job.notebooks]

    def take(self, ended: NotebookRun) -> None:
        """Say how a notebook ended."""
        self._left.remove(ended.name)
        spent = f"{ended.name} ({ended.seconds:.0f} s)"
        if ended.passed:
            terminal.done(Verdict.SUCCESSFUL, spent)
            return
        terminal.done(_verdict(ended.kind), f"{spent}: {ended.error}")
        self.stop(ended.kind, ended.error or "")

    def stop(self, kind: type[RunbookError], why: str) -> None:
        """Something stopped it."""
        self.stopped, self._why = kind, why

    def ending(self, *, rolled_back: bool) -> Ending:
        """Return it for the record."""
        manifest = self._chosen.runbook.manifest
        return Ending(
            manifest.title,
            self._chosen.site.site,
            self._job.started,
            time.time(),
            dry_run=self._job.dry_run,
            stopped_by=_verdict(self.stopped) if self.stopped is not None else None,
            why=self._why,
            not_run=() if rolled_back else (*self._left, *self._job.left_out),
            rollback=manifest.rollback,
            rolled_back=rolled_back,
        )


def _verdict(kind: type[RunbookError]) -> Verdict:
    return Verdict.INCONCLUSIVE if issubclass(kind, OPEN) else Verdict.FAILED


def conclude(outcome: Outcome) -> None:
    """Print the verdict line, where the record lies and what to do next; exit as what stopped the run says.

    A gate that did not let pass in an earlier run counts, too.
    """
    chosen, record = outcome.chosen, outcome.record
    terminal.verdict(record.verdict, record.sentence)
    terminal.note(f"report: {chosen.folder.report}")
    terminal.note(f"record: {chosen.folder.record}")
    now = standing(chosen.change_id, chosen.events(), None, chosen.runbook.manifest.rollback)
    terminal.note(f"next: {now.then}")
    if outcome.stopped is not None:
        raise SystemExit(outcome.stopped.exit_code)
    if record.verdict is Verdict.FAILED:
        raise SystemExit(GateFailed.exit_code)
