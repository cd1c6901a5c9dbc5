"""Runs a change's notebooks and draws up its record, whatever happens; shared by `run`, `rollback` and `rehearse`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.change import control, holds
from runbook_lib.change.control import Control
from runbook_lib.change.journal import Event, Journal
from runbook_lib.change.locks import RUN
from runbook_lib.commands import terminal
from runbook_lib.commands.at_work import Listening, Work, stopping, undisturbed
from runbook_lib.commands.chosen import Chosen
from runbook_lib.errors import (
    NO_SESSION,
    Aborted,
    GateFailed,
    GateInconclusive,
    Held,
    HostError,
    Locked,
    RunbookError,
    Stopped,
)
from runbook_lib.record import statement
from runbook_lib.record.assemble import Ending, Record, assemble
from runbook_lib.record.by_hand import began_at, is_rolled_back
from runbook_lib.runner.run import Kernels, NotebookRun, run
from runbook_lib.runner.standing import is_in_earnest, next_step
from runbook_lib.values import Verdict

CUT_OFF = "cut off by the operator, maybe in the middle of a step"
OPEN = (GateInconclusive, Held, Stopped, Aborted, Locked)
"""What stops a run without anything having failed."""
WAITING = (Held, Stopped, Aborted)
"""What somebody decided: only they, or somebody like them, can say how to go on."""


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
    undoes = [*job.notebooks] == [work.chosen.runbook.rollback]
    with nullcontext() if job.dry_run else work.hosts(skipping=(HostError,) if undoes else NO_SESSION):
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
        with undisturbed():
            record = _draw_up(journal, work, told)
    return Outcome(chosen, record, told.stopped)


def give_up(work: Work, reason: str) -> Outcome:
    """Write down that a change which nobody runs is aborted, who says so and why, and draw its record up again.

    Raises ParamsError, before anything is written, without a reason.
    """
    chosen = work.chosen
    journal = Journal(chosen.folder.journal, "runbook")
    word = control.request(journal, "abort", reason=reason)
    dry_run = not is_in_earnest(journal.events())
    told = _Told(chosen, Job((), word.at, dry_run=dry_run, resume=True, left_out=chosen.left_out()))
    told.stop(Aborted, f"aborted by {word.by}: {word.detail['reason']}")
    with undisturbed():
        return Outcome(chosen, _draw_up(journal, work, told), told.stopped)


def _draw_up(journal: Journal, work: Work, told: _Told) -> Record:
    def last_words(record: Record) -> None:
        journal.write("ended", run=work.holder.run, verdict=record.verdict, why=record.sentence, error=told.error)

    return assemble(work.chosen.folder, told.ending(journal.events()), last_words)


def _begin(journal: Journal, work: Work, job: Job) -> int:
    """Write down what is about to happen and what was allowed beforehand; return the number of the first event."""
    names = [path.stem for path in job.notebooks]
    began = journal.write(
        "run",
        run=work.holder.run,
        pid=os.getpid(),
        notebooks=names,
        resume=job.resume,
        dry_run=job.dry_run,
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
    """Run the notebooks, as long as nobody asks for an end; yield how each ended. Without any, there is just a record.

    So it is where an earlier run was cut off after its last notebook, before it had drawn one up.
    """
    chosen = work.chosen
    if not job.notebooks:
        return
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
        why = ended.error or ""
        if ended.kind in WAITING:
            why = why.partition(" -> ")[0]  # how to go on is told at the end, as it is to be typed
        self.stop(ended.kind, why)
        terminal.done(_verdict(ended.kind), f"{spent}: {why}")

    def stop(self, kind: type[RunbookError], why: str) -> None:
        """Something stopped it."""
        self.stopped, self._why = kind, why

    @property
    def error(self) -> str | None:
        """Name of the kind of what stopped it."""
        return self.stopped.__name__ if self.stopped is not None else None

    def ending(self, events: Sequence[Event]) -> Ending:
        """Return it for the record; what waits for somebody says in its sentence how to go on."""
        manifest, rolled_back = self._chosen.runbook.manifest, is_rolled_back(events)
        if self.stopped in WAITING:
            then = next_step(self._chosen.change_id, events, manifest.rollback, self.error)
            self._why = f"{self._why.partition(' -> ')[0]} -> {then}"
        return Ending(
            manifest.title,
            self._chosen.site.site,
            began_at(events) if self._job.resume else self._job.started,
            time.time(),
            dry_run=self._job.dry_run,
            stopped_by=_verdict(self.stopped) if self.stopped is not None else None,
            why=self._why,
            not_run=(*self._left, *self._job.left_out),
            rollback=manifest.rollback,
            rolled_back=rolled_back,
        )


def _verdict(kind: type[RunbookError]) -> Verdict:
    return Verdict.INCONCLUSIVE if issubclass(kind, OPEN) else Verdict.FAILED


def conclude(outcome: Outcome, *, over: bool = False) -> None:
    """Print the verdict line, where the record lies and what to do next; exit as what stopped the run says.

    A gate that did not let pass in an earlier run counts, too. ``over``: there is no fleet any more to do anything on.
    """
    chosen, stopped = outcome.chosen, outcome.stopped
    _tell(chosen, outcome.record.verdict, outcome.record.sentence)
    if stopped not in WAITING and not over:  # the sentence of what waits says it
        error = stopped.__name__ if stopped is not None else None
        rollback = chosen.runbook.manifest.rollback
        terminal.note(f"next: {next_step(chosen.change_id, chosen.events(), rollback, error)}")
    if stopped is not None:
        raise SystemExit(stopped.exit_code)
    if outcome.record.verdict is Verdict.FAILED:
        raise SystemExit(GateFailed.exit_code)


def recall(chosen: Chosen) -> None:
    """Say once more how a change ended of which nothing is left to do; exit as it says."""
    predicate = statement.read(chosen.folder)["predicate"]
    terminal.note("every notebook ran to its end; nothing was done now")
    _tell(chosen, Verdict(predicate["verdict"]), predicate["sentence"])
    if predicate["verdict"] == Verdict.FAILED:
        raise SystemExit(GateFailed.exit_code)


def _tell(chosen: Chosen, verdict: Verdict, sentence: str) -> None:
    terminal.verdict(verdict, sentence)
    terminal.note(f"report: {chosen.folder.report}")
    terminal.note(f"record: {chosen.folder.record}")
