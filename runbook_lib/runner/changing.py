"""What a notebook does to its fleet: shows a plan, carries it out batch by batch, puts back a host that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from runbook_lib.change.engine import Applied, Engine
from runbook_lib.change.plan import Act, FileStep, HostPlan, Step, UnitStep
from runbook_lib.change.resources import Wanted, is_binary, text_of
from runbook_lib.change.rollback import Rollback
from runbook_lib.change.rollout import Attempt, batches, roll_out
from runbook_lib.errors import Aborted, RunbookError, StalePlan, Stopped
from runbook_lib.fleet import Session
from runbook_lib.gates import holds, judge, reported
from runbook_lib.runner.phase import MayStep, Phase
from runbook_lib.values import Check, FleetResult, HostResult, Verdict
from runbook_lib.view import diffs, tables
from runbook_lib.view.progress import Waiting
from runbook_lib.view.rendered import RenderedAs

Up = Callable[[tuple[str, ...]], Sequence[Check]]
"""Looks whether hosts that were changed came up well, and waits as long as it must; its checks name their hosts."""
UP: Final = "up"
"""The event that says a host was changed, or found as it should be, and was seen well."""
ENDS_THE_RUN: Final = (Stopped, Aborted, StalePlan)
"""What one host must not swallow: it is meant for all of them."""


@dataclass(frozen=True, slots=True)
class Planned(RenderedAs):
    """What will be done to some hosts, in this order. ``name``: of the phase, under which the plan is saved.

    ``made``: number of the journal's last event when hosts were looked at for it; None: not known.
    """

    title: str
    name: str
    wanted: Mapping[str, Wanted]
    plans: Mapping[str, HostPlan]
    made: int | None = None

    @property
    def empty(self) -> bool:
        """Whether every host is already as it should be."""
        return all(plan.empty for plan in self.plans.values())

    def shown(self) -> diffs.PlanView:
        """Show it as diffs and steps."""
        files = [
            diffs.FileDiff(
                host,
                step.wanted.path,
                text_of(step.before.content),
                text_of(step.wanted.content),
                step.before.state.mode if step.before.state.exists else None,
                step.wanted.mode,
                is_binary(step.before.content) or is_binary(step.wanted.content),
            )
            for host, plan in self.plans.items()
            for step in plan.files
        ]
        steps = [
            diffs.Step(host, step.describe(), _why(plan, step))
            for host, plan in self.plans.items()
            for step in plan.steps
            if not isinstance(step, FileStep)
        ]
        return diffs.plan(self.title, files, steps)


def _why(plan: HostPlan, step: Step) -> str:
    if not isinstance(step, UnitStep) or Act.RESTART not in step.acts:
        return ""
    return "what it reads changes" if plan.files or plan.commands else "it still runs with what was there before"


@dataclass(frozen=True, slots=True)
class Rollout(RenderedAs):
    """All hosts of a roll-out, in the order in which they were reached."""

    attempts: tuple[Attempt, ...]

    @property
    def checks(self) -> list[Check]:
        """Every host's checks; a host that was not reached has one that says so."""
        return [check for attempt in self.attempts for check in attempt.checks or (_unreached(attempt.host),)]

    def shown(self) -> tables.Table:
        """Show it as a table."""
        rows = [
            (attempt.host, attempt.result, None if attempt.seconds is None else round(attempt.seconds, 1))
            for attempt in self.attempts
        ]
        return tables.Table("Roll-out", ("host", "result", "after (s)"), rows)


def _unreached(host: str) -> Check:
    return holds(
        "reached",
        passed=False,
        expected="changed",
        observed="not reached: the roll-out stopped before it",
        host=host,
        remedy="mend the host that failed, then run this phase again: it reaches the failed and the unreached",
    )


def plan(phase: Phase[Any], title: str, wanted: Mapping[str, Wanted]) -> Planned:
    """Compare what hosts should have with what they have; touches nothing."""
    made = len(phase.journal.events())
    engine = Engine(phase.journal, phase.site.units)
    with Waiting(f"{len(wanted)} hosts to be compared", phase.report):
        plans = phase.fleet.on_all(lambda session: engine.plan(session, wanted[session.name]), wanted).unwrap()
    return Planned(title, phase.name, wanted, {host: plans[host] for host in wanted}, made)


def change_all(  # noqa: PLR0913 - one roll-out
    phase: Phase[Any], planned: Planned, up: Up, *, hosts: Sequence[str], size: int, budget: int = 0
) -> Rollout:
    """Change hosts, ``size`` at a time; more than ``budget`` that fail stop it, and the rest is not touched.

    A host that cannot be changed, or is not well afterwards, is put back as it was. In a dry run nothing is done.
    Raises StalePlan, before anything is touched, if a host or a saved plan is no longer as it was when it was planned.
    """
    phase.must_not_be_stopped()
    if phase.dry_run:
        return Rollout(tuple(Attempt(host, "dry run", checks=(dry(),)) for host in hosts))
    with phase.telling_stale_plans(), phase.apply_lock(hosts) as may_step:
        phase.must_fit(planned.name, planned.plans, planned.made)  # all of it: what was saved is one plan

        def work(batch: tuple[str, ...]) -> Sequence[Attempt]:
            return _batch(phase, planned, up, batch, may_step)

        return Rollout(roll_out(batches(hosts, size), work, budget=budget, journal=phase.journal, check=phase.check))


def dry() -> Check:
    """Return the one check of a dry run: it holds because nothing was done."""
    return holds("dry run", passed=True, expected="nothing is changed", observed="nothing was changed")


def _batch(phase: Phase[Any], planned: Planned, up: Up, batch: tuple[str, ...], may_step: MayStep) -> Sequence[Attempt]:
    """Change some hosts at the same time, look how they came up, and put back those that did not."""

    def change(session: Session) -> Applied:
        engine = Engine(phase.journal, phase.site.units, partial(may_step, session.name))
        return engine.apply(session, planned.plans[session.name], planned.wanted[session.name])

    began = time.monotonic()
    with Waiting(f"{', '.join(batch)} to be changed", phase.report):
        results = phase.fleet.on_all(change, batch)
    if (end := _end_of_run(results)) is not None:
        _put_back_failed(phase, results, time.monotonic() - began, may_step)
        raise end
    changed = tuple(host for host in batch if not results[host].failed)
    try:
        looked = up(changed) if changed else ()
    except Exception:
        _put_back_failed(phase, results, time.monotonic() - began, may_step)
        raise
    seconds = time.monotonic() - began
    attempts = {
        host: _judged(results[host], tuple(check for check in looked if check.host == host), seconds) for host in batch
    }
    for host in batch:
        if not attempts[host].failed and _first_step(phase, host) is not None:
            phase.journal.write(UP, host)
    put_back = _put_back_all(phase, [attempts[host] for host in batch if attempts[host].failed], may_step)
    if put_back:
        phase.check()  # nobody was asked meanwhile
    return [put_back.get(host, attempts[host]) for host in batch]


def _end_of_run(results: FleetResult[Any]) -> RunbookError | None:
    return next((result.error for result in results.failed if isinstance(result.error, ENDS_THE_RUN)), None)


def _put_back_failed(phase: Phase[Any], results: FleetResult[Applied], seconds: float, may_step: MayStep) -> None:
    """Leave no host with what it failed with although the run ends, for another's sake."""
    failed = [each for each in results.failed if not isinstance(each.error, ENDS_THE_RUN)]
    _put_back_all(phase, [_judged(each, (), seconds) for each in failed], may_step)


def _put_back_all(phase: Phase[Any], failed: Iterable[Attempt], may_step: MayStep) -> dict[str, Attempt]:
    """Put back every host that has anything to be put back; return what became of those, by host.

    Nobody is asked whether to go on: a run ends after the step in hand, and here that takes the host back, too.
    """
    touched = {each.host: each for each in failed if _first_step(phase, each.host) is not None}

    def locked(host: str) -> None:
        with suppress(Stopped, Aborted):
            may_step(host)

    done = phase.fleet.on_all(lambda session: _put_back(phase, session, touched[session.name], locked), touched)
    return {host: done[host].unwrap() for host in touched}


def _judged(result: HostResult[Applied], looked: tuple[Check, ...], seconds: float) -> Attempt:
    if result.error is not None:
        check = reported("changed", result.error, expected="every step done and verified", host=result.host)
        return Attempt(result.host, "failed", seconds, (check,), result.error)
    if judge(looked) is not Verdict.SUCCESSFUL:
        return Attempt(result.host, "failed", seconds, looked)
    return Attempt(result.host, "changed" if result.changed else "already as it should be", seconds, looked)


def _first_step(phase: Phase[Any], host: str) -> int | None:
    """Return the number of the event that began this phase's work on a host since it was last seen well, if any.

    What a host was half-way through an attempt that was cut off is no place to go back to; what it was when an earlier
    attempt had brought it up is. Event ``host`` comes before the first step, and tells what goes with them.
    """
    mine = [event for event in phase.journal.events() if event.host == host and event.phase == phase.name]
    well = max((event.number for event in mine if event.what == UP), default=0)
    return next((event.number for event in mine if event.number > well and event.what in {"host", "intent"}), None)


def _put_back(phase: Phase[Any], session: Session, failed: Attempt, may_step: MayStep) -> Attempt:
    """Undo what this phase has done to a host."""
    bad = [check for check in failed.checks if check.verdict is not Verdict.SUCCESSFUL]
    why = "; ".join(f"{check.name}: {check.observed}" for check in bad)
    since = (_first_step(phase, session.name) or 1) - 1
    try:
        Rollback(phase.journal, phase.site.units, partial(may_step, session.name)).put_back(session, since, why)
    except RunbookError as error:
        check = reported("put back", error, expected="as it was before this phase", host=session.name)
        return replace(failed, checks=(*failed.checks, check))
    return replace(failed, result="failed, and put back as it was")
