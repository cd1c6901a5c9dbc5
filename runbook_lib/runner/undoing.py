"""How a notebook undoes its change: told by its journal, last phase first; edits made since are never overwritten.

A host out of reach keeps no other from being put back; until it was reached and is as before, nothing is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from runbook_lib.change.decisions import Decided, decided, found
from runbook_lib.change.engine import Applied
from runbook_lib.change.journal import Event
from runbook_lib.change.origin import standing
from runbook_lib.change.resources import SeenFile, is_binary, text_of
from runbook_lib.change.rollback import Rollback
from runbook_lib.change.rollout import batches
from runbook_lib.change.undo import differences, origins
from runbook_lib.change.undo_plan import Conflict, FileUndo, UndoPlan
from runbook_lib.errors import NO_SESSION, ApplyFailed, HostError, RunbookError, Unreachable
from runbook_lib.fleet import Session
from runbook_lib.gates import holds, reported
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check, FleetResult, HostResult, Verdict
from runbook_lib.view import diffs, tables
from runbook_lib.view.progress import Waiting
from runbook_lib.view.rendered import RenderedAs, Shown, Together

T = TypeVar("T")

ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class Undoing(RenderedAs):
    """What will be undone, host by host, in that order: those of the last phase first.

    ``unreached``: hosts that this change touched and that could not be looked at, and why; they are left alone.
    """

    plans: Mapping[str, UndoPlan]
    unreached: Mapping[str, RunbookError] = field(default_factory=dict)

    @property
    def conflicts(self) -> list[tuple[str, Conflict]]:
        """Host and file of every edit that somebody made since, and that waits for a decision."""
        return [(host, conflict) for host, plan in self.plans.items() for conflict in plan.conflicts]

    def shown(self) -> Shown:
        """Show it as diffs and steps; before them who is out of reach, and what somebody edited since."""
        return Together((*self._out_of_reach(), *self._edits(), diffs.plan("Rollback", self._files(), self._steps())))

    def _out_of_reach(self) -> list[Shown]:
        if not self.unreached:
            return []
        title = "Out of reach, and not put back now; the other hosts are"
        return [tables.Table(title, ("host", "why"), [(host, error.what) for host, error in self.unreached.items()])]

    def _edits(self) -> list[Shown]:
        """Show what somebody edited against what we wrote."""
        if not self.conflicts:
            return []
        edits = [_diff(host, edit.path, edit.ours, edit.now) for host, edit in self.conflicts]
        waiting = ", ".join(dict.fromkeys(host for host, _ in self.conflicts))
        title = f"Edited by somebody since, and not overwritten; nothing is undone on {waiting} until that is decided"
        return [diffs.plan(title, edits)]

    def _files(self) -> list[diffs.FileDiff]:
        return [
            _diff(host, step.path, step.now, step.before)
            for host, plan in self.plans.items()
            for step in plan.files
            if not step.in_place
        ]

    def _steps(self) -> list[diffs.Step]:
        return [
            diffs.Step(host, step.describe())
            for host, plan in self.plans.items()
            for step in plan.steps
            if not isinstance(step, FileUndo) or step.in_place
        ]


def _diff(host: str, path: str, now: SeenFile, then: SeenFile) -> diffs.FileDiff:
    binary = is_binary(now.content) or is_binary(then.content)
    return diffs.FileDiff(host, path, text_of(now.content), text_of(then.content), _mode(now), _mode(then), binary)


def _mode(seen: SeenFile) -> int | None:
    return seen.state.mode if seen.state.exists else None


def done(phase: Phase[Any]) -> tables.Table:
    """Show every step that this change has announced, and what came of it."""
    rows = []
    for event in phase.journal.events():
        if event.what in {"intent", "undo"}:
            rows.append([event.phase, event.host, event.detail["act"], event.detail["key"], "cut off"])
        elif event.what in {"done", "undone", "failed", "undo failed"}:
            row = next(row for row in reversed(rows) if (row[1], row[3]) == (event.host, event.detail["key"]))
            row[4] = f"{event.what}: {event.detail['why']}" if "why" in event.detail else event.what
    shown = [(phase, host, act, came) for phase, host, act, _, came in rows]
    return tables.Table("Steps of this change", ("phase", "host", "step", "result"), shown)


def plan(phase: Phase[Any]) -> Undoing:
    """Compare every host that this change touched with what it was; touches nothing.

    What somebody edited since goes into the journal as it was found: what is decided on it is about that. Raises
    ApplyFailed when this change has touched no host, and the first host's error when none can be reached.
    """
    events = phase.journal.events()
    touched = origins(events)
    if not touched:
        raise ApplyFailed("this change has touched no host", remedy="there is nothing to undo")
    rollback = _rollback(phase)
    with Waiting(f"{len(touched)} hosts to be compared with what they were", phase.report):
        plans: FleetResult[UndoPlan] = _on_each(
            phase,
            lambda session: rollback.plan(session, touched[session.name], decided(events, session.name)),
            touched,
        )
    unreached = {each.host: each.error for each in plans.failed if isinstance(each.error, HostError)}
    reached = tuple(each for each in plans.values() if each.host not in unreached)
    made = FleetResult(reached or plans.results).unwrap()
    for host, its in made.items():
        known = found(events, host)
        for path, now in its.edits.items():
            if path not in known or known[path] != now:
                phase.journal.write("edited", host, path=path, now=now)
    return Undoing({host: made[host] for group in _last_first(events, made) for host in group}, unreached)


def _on_each(phase: Phase[Any], look: Callable[[Session], T], touched: Collection[str]) -> FleetResult[T]:
    """Look at every host that was touched; one that the site file names no more is as one that does not answer."""
    gone = [host for host in touched if host not in phase.site.hosts]
    looked = phase.fleet.on_all(look, [host for host in touched if host not in gone])
    lost: list[HostResult[T]] = [HostResult(host, error=_no_more(host, phase.site_file)) for host in gone]
    return FleetResult((*looked.values(), *lost))


def _no_more(host: str, site_file: Path) -> Unreachable:
    return Unreachable(
        f"{site_file.name} names it no more", remedy="write it in again for as long as it has to go back", host=host
    )


def _last_first(events: list[Event], touched: Mapping[str, object]) -> list[list[str]]:
    """Group hosts by the phase that touched each first; the group of the last phase, and its last host, come first."""
    groups: dict[str, dict[str, None]] = {}
    seen: set[str] = set()
    for event in events:
        if event.what == "intent" and event.host is not None and event.host in touched and event.host not in seen:
            seen.add(event.host)
            groups.setdefault(event.phase, {})[event.host] = None
    return [list(reversed(hosts)) for hosts in reversed(groups.values())]


def decide(phase: Phase[Any], undoing: Undoing) -> Undoing:
    """Have every edit that somebody made since decided upon; return the plan that follows. Undecided ones stay open."""
    answers = [phase.decide(host, edit.path, standing(edit.now.state)) for host, edit in undoing.conflicts]
    return plan(phase) if any(answers) else undoing


def fit(phase: Phase[Any], undoing: Undoing) -> list[Check]:
    """Check that every file can go back, or was decided upon; say which hosts are out of reach, and let it go on."""
    name = f"runbook rollback --change {phase.folder.change_id}"
    checks = [
        holds(
            "the others go back without it",
            passed=True,
            expected="a host out of reach keeps no other from going back",
            observed=f"out of reach, not put back now: {error.what}; the rollback ends as failed until it is",
            host=host,
        )
        for host, error in undoing.unreached.items()
    ]
    for host, plan in undoing.plans.items():
        wrong = [conflict.describe() for conflict in plan.conflicts] + [f"{path}: original gone" for path in plan.lost]
        path = plan.conflicts[0].path if plan.conflicts else "PATH"
        checks.append(
            holds(
                "can go back",
                passed=not wrong,
                expected="originals kept, no edit since that nobody has decided on",
                observed="; ".join(wrong) or "yes",
                host=host,
                remedy=f"read the difference above, then decide: `{name} --overwrite {host}:{path}`, or --keep instead",
            )
        )
    return checks


def apply(phase: Phase[Any], undoing: Undoing) -> tables.Table:
    """Undo it, the last phase's hosts first, in batches. A host that cannot be put back does not keep others from it.

    Hosts that were out of reach when it was planned are left alone. Raises the first host's error after all others were
    tried; StalePlan if one has changed since it was planned.
    """
    phase.must_not_be_stopped()
    if phase.dry_run:
        return _table(undoing, {}, "dry run")
    results: dict[str, FleetResult[Applied]] = {}
    with phase.telling_stale_plans(), phase.apply_lock(undoing.plans, skipping=(HostError,)) as may_step:

        def put_back(session: Session) -> Applied:
            rollback = Rollback(phase.journal, phase.site.units, partial(may_step, session.name))
            return rollback.apply(session, undoing.plans[session.name])

        for group in _last_first(phase.journal.events(), undoing.plans):
            for batch in batches(group, phase.site.rollout.batch):
                phase.check()
                with Waiting(f"{', '.join(batch)} to be put back", phase.report):
                    done = phase.fleet.on_all(put_back, batch)
                results |= dict.fromkeys(batch, done)
    FleetResult(tuple(results[host][host] for host in undoing.plans)).unwrap()
    return _table(undoing, {host: results[host][host].changed for host in undoing.plans}, "put back")


def _table(undoing: Undoing, changed: Mapping[str, bool], word: str) -> tables.Table:
    rows = [
        (host, word if changed.get(host, True) else "was as before already", "; ".join(plan.describe()) or "none")
        for host, plan in undoing.plans.items()
    ]
    rows += [(host, "out of reach: not put back", "none") for host in undoing.unreached]
    return tables.Table("Undone", ("host", "result", "steps"), rows)


def restored(phase: Phase[Any]) -> list[Check]:
    """Read every host again and hold it against what it was; say so in the journal if all of it is back.

    A file that somebody edited and decided to keep is as decided, unless it was edited again; a directory that somebody
    has put something in stays, and is named. What nothing takes back fails.
    """
    if phase.dry_run:
        return [holds("dry run", passed=True, expected="nothing is changed", observed="nothing was changed")]
    events = phase.journal.events()
    whole = origins(events, whole=True)
    rollback = _rollback(phase)

    def look(session: Session) -> Check:
        origin = whole[session.name]
        seen, said = rollback.observe(session, origin), decided(events, session.name, spent=True)
        kept = {
            path
            for path in origin.files.keys() & said.keys()
            if said[path] == Decided("keep", standing(seen.files[path].state))
        }
        as_decided = tuple(f"{path} is " for path in kept)
        left = [line for line in differences(origin, seen) if not line.startswith(as_decided)]
        return _as_before(session.name, left, sorted(origin.made.keys() & seen.leaves))

    with Waiting(f"{len(whole)} hosts to be compared with what they were", phase.report):
        looked = _on_each(phase, look, whole)
    checks = [
        result.unwrap() if result.error is None else _not_seen(host, result.error, phase.folder.change_id)
        for host, result in looked.items()
    ]
    if all(check.verdict is Verdict.SUCCESSFUL for check in checks):
        phase.journal.write(ROLLED_BACK)
    return checks


_AS_BEFORE = "every file, mode and service as before this change"
_RUN_AGAIN = "run the rollback again from its start: it undoes what is left; an edit made since waits for a decision"


def _not_seen(host: str, error: RunbookError, change: str) -> Check:
    """Fail for a host that could not be looked at: as long as nobody has seen it as it was, it is not."""
    if not isinstance(error, NO_SESSION):
        return reported("as it was before", error, expected=_AS_BEFORE, host=host)
    return holds(
        "as it was before",
        passed=False,
        expected=_AS_BEFORE,
        observed=f"out of reach: {error.what}",
        host=host,
        remedy=f"bring the host back, then `runbook rollback --change {change}` again: it undoes what is left there",
    )


def _as_before(host: str, left: list[str], stays: list[str]) -> Check:
    not_ours = f"; {', '.join(stays)} stays: something else is in it" if stays else ""
    observed = ("; ".join(left) or "yes, to the byte") + not_ours
    return holds(
        "as it was before", passed=not left, expected=_AS_BEFORE, observed=observed, host=host, remedy=_RUN_AGAIN
    )


def _rollback(phase: Phase[Any]) -> Rollback:
    return Rollback(phase.journal, phase.site.units)
