"""Brings a host back to what it was: journalled before each act, verified after it, and resumable at any point."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, assert_never

from runbook_lib.change.decisions import Decided
from runbook_lib.change.engine import Applied, Scope, kept
from runbook_lib.change.journal import Journal
from runbook_lib.change.origin import FileOrigin, Origin, running, standing
from runbook_lib.change.plan import changed_since
from runbook_lib.change.resources import Seen, SeenFile
from runbook_lib.change.settled import said, wait_until_settled
from runbook_lib.change.undo import origins, plan_undo
from runbook_lib.change.undo_plan import (
    CommandUndo,
    DirectoryUndo,
    FileUndo,
    LeafUndo,
    Reload,
    UndoAct,
    UndoPlan,
    UndoStep,
    UnitUndo,
)
from runbook_lib.errors import ApplyFailed, CommandFailed, EditedSince, RunbookError, StalePlan, VerifyFailed
from runbook_lib.fleet import Files, Session, Tasks, Units, UnitState
from runbook_lib.values import FileState

UNDECIDED: Final[Mapping[str, Decided]] = MappingProxyType({})
_LOOK: Final = "look at the host, then run the rollback again: what is back already stays"


class Rollback:
    """Undoes what a change did to hosts.

    ``scope``: whose systemd the units belong to. ``check`` is called before a host is touched and before every step; it
    may wait, or raise to stop. ``settle_seconds``: for how long a unit that ran before has to run again before it
    counts as running.
    """

    def __init__(
        self,
        journal: Journal,
        scope: Scope,
        check: Callable[[], None] = lambda: None,
        *,
        settle_seconds: float = 0.0,
    ) -> None:
        self._journal = journal
        self._scope: Scope = scope
        self._check = check
        self._settle_seconds = settle_seconds

    def observe(self, session: Session, origin: Origin) -> Seen:
        """Look at all that may have to go back; touches nothing."""
        files: dict[str, SeenFile] = {}
        there: frozenset[str] = frozenset()
        for root in (False, True):
            there |= Files(session, sudo=root).existing(
                path for path, by_root in origin.made.items() if by_root is root
            )
            files |= _look(
                Files(session, sudo=root), {path: was for path, was in origin.files.items() if was.root is root}
            )
        return Seen(
            files,
            self._units(session, origin),
            {name: _run(session, command.check, root=command.root) == 0 for name, command in origin.commands.items()},
            there | Files(session).existing(origin.leaves),
        )

    def plan(self, session: Session, origin: Origin, decisions: Mapping[str, Decided] = UNDECIDED) -> UndoPlan:
        """Compare a host with what it was; touches nothing. ``decisions``: by path, for files edited since."""
        return plan_undo(origin, self.observe(session, origin), decisions)

    def apply(self, session: Session, plan: UndoPlan) -> Applied:
        """Do the steps of a plan in order; say whether anything was changed.

        Raises EditedSince and ApplyFailed, before anything of this host is touched, while a file waits for a decision
        or its original is gone; StalePlan if the host has changed since the plan was made. A step that fails is
        journalled as such and ends it; planned again, what is back already has no step any more.
        """
        self._refuse(plan)
        at_work = {name for name, command in plan.origin.commands.items() if command.midway}
        if plan.empty and not at_work:
            return Applied(changed=False)
        self._fence(session, plan.origin)
        fresh = self.plan(session, plan.origin, plan.decisions)
        then, now = (_steady(each.seen, at_work) for each in (plan, fresh))
        if changes := changed_since(then, now):
            raise StalePlan(
                f"the plan no longer fits: {'; '.join(changes)}", remedy="plan the rollback again", host=plan.host
            )
        return self._carry_out(session, fresh)

    def put_back(self, session: Session, since: int, why: str) -> Applied:
        """Undo at once what this host got since event number ``since``, because of ``why``."""
        origin = origins(self._journal.events(), since=since).get(session.name)
        if origin is None:
            return Applied(changed=False)
        self._check()
        self._journal.write("put back", session.name, why=why)
        self._fence(session, origin)
        plan = self.plan(session, origin)
        self._refuse(plan)
        return self._carry_out(session, plan)

    def _carry_out(self, session: Session, plan: UndoPlan) -> Applied:
        restarts = [step.name for step in plan.steps if isinstance(step, UnitUndo) and step.last]
        for step in plan.steps:
            self._check()
            told = {"kind": step.key.partition(":")[0], "key": step.key, "act": step.describe()}
            self._journal.write(
                "undo", session.name, **told, since=plan.origin.since, **_target(step, restarts, self._scope)
            )
            try:
                self._do(session, step)
            except RunbookError as error:
                self._journal.write("undo failed", session.name, **told, why=error.what)
                error.host = error.host or session.name
                raise
            self._journal.write("undone", session.name, **told)
        return Applied(changed=not plan.empty)

    def _refuse(self, plan: UndoPlan) -> None:
        if plan.conflicts:
            raise EditedSince(
                f"nothing was undone here: {'; '.join(conflict.describe() for conflict in plan.conflicts)}",
                remedy="look at the difference and decide: `runbook rollback` with --overwrite HOST:PATH, or --keep",
                host=plan.host,
            )
        if plan.lost:
            raise ApplyFailed(
                f"nothing was undone here: the original of {', '.join(plan.lost)} is gone from .runbook",
                remedy="put the file back by hand, or decide to keep it as it is",
                host=plan.host,
            )

    def _fence(self, session: Session, origin: Origin) -> None:
        """See to it that no command and no write that was given up can still come through, and sweep up after it."""
        for root in (False, True):
            midway = [path for path, was in origin.files.items() if was.midway and was.root is root]
            if midway:
                self._check()
                Files(session, sudo=root).sweep(midway)
            commands = [name for name, was in origin.commands.items() if was.midway and was.root is root]
            if commands:
                self._check()
                Tasks(session, sudo=root).end(commands)

    def _units(self, session: Session, origin: Origin) -> dict[str, UnitState]:
        scopes = dict.fromkeys(origin.owed, self._scope) | {
            name: was.scope or self._scope for name, was in origin.units.items()
        }
        seen: dict[str, UnitState] = {}
        for scope in sorted(set(scopes.values())):
            seen |= Units(session, scope).observe([name for name, its in scopes.items() if its == scope])
        return seen

    def _do(self, session: Session, step: UndoStep) -> None:
        match step:
            case FileUndo():
                _put_back(session, step)
            case LeafUndo(path=path):
                Files(session).remove_tree(path)
            case DirectoryUndo(path=path, root=root):
                Files(session, sudo=root).remove_directory(path)
            case CommandUndo():
                _undo(session, step)
            case Reload():
                Units(session, self._scope).daemon_reload()
            case UnitUndo():
                self._bring_back(session, step)
            case _:
                assert_never(step)

    def _bring_back(self, session: Session, step: UnitUndo) -> None:
        name, was = step.name, step.origin
        units = Units(session, was.scope or self._scope)
        acts = {
            UndoAct.STOP: units.stop,
            UndoAct.FORGET: units.reset_failed,
            UndoAct.DISABLE: units.disable,
            UndoAct.ENABLE: units.enable,
            UndoAct.START: units.start,
            UndoAct.RESTART: units.restart,
        }
        for act in step.acts:
            if act in {UndoAct.START, UndoAct.RESTART} and _failing(units.observe([name])[name]):
                units.reset_failed(name)  # or systemd, having seen it fail often, would not start it even as it was
            try:
                acts[act](name)
            except CommandFailed as error:
                raise ApplyFailed(f"{error.what}{said(units, name)}", remedy=_LOOK, host=session.name) from error
            if act is UndoAct.STOP and _failing(units.observe([name])[name]):
                units.reset_failed(name)  # it ended badly; that is no state it was in before
        if not step.last:
            return
        if was.active == "active" and was.enabled:
            wait_until_settled(units, session.name, name, self._settle_seconds)
            return
        now = units.observe([name])[name]
        if (running(now.active), now.enabled) != (was.ran, was.enabled):
            raise VerifyFailed(
                f"{name} is {now.active}{'' if now.enabled else ', not enabled'}{said(units, name)}",
                remedy=_LOOK,
                host=session.name,
            )


def _steady(seen: Seen, at_work: Collection[str]) -> Seen:
    """Leave out what may change by itself: a failing unit is never twice the same, a command may have just ended."""
    return replace(seen, units={}, commands={name: so for name, so in seen.commands.items() if name not in at_work})


def _target(step: UndoStep, restarts: list[str], scope: Scope) -> dict[str, Any]:
    """Tell what a step goes back to: what is closed by it, and what it makes others owe."""
    match step:
        case FileUndo(path=path, origin=file):
            sha256, mode = file.before or (None, None)
            return {"path": path, "to": sha256, "mode_to": mode, "restarts": restarts}
        case UnitUndo(name=name, origin=was, acts=acts, last=last):
            to = {"active": was.active, "enabled": was.enabled}
            return {"unit": name, "to": to, "acts": list(acts), "scope": was.scope or scope, "last": last}
        case CommandUndo(name=name):
            return {"name": name, "restarts": restarts}
        case LeafUndo(path=path) | DirectoryUndo(path=path):
            return {"path": path}
        case Reload():
            return {}
        case _:
            assert_never(step)


def _failing(unit: UnitState) -> bool:
    """Whether it fails, or failed a moment ago and is up between two failures: systemd counts its starts."""
    return unit.active == "failed" or unit.sub.startswith("auto-restart") or unit.restarts > 0


def _look(files: Files, wanted: Mapping[str, FileOrigin]) -> dict[str, SeenFile]:
    """Look at files, and at what the host keeps of them; what is to be shown, and only that, is read."""
    places = [place for was in wanted.values() for place in (*was.places, was.latest) if place is not None]
    if not wanted:
        return {}
    states = files.stat_all([*wanted, *places])
    shown: set[str | None] = set()
    for path, announced in wanted.items():
        was = announced.kept_by(lambda place: standing(states[place]))
        if standing(states[path]) != was.before:
            shown |= {path, was.original}
            shown |= set() if standing(states[path]) in was.written else {was.latest}
    return {
        path: SeenFile(state, files.read(path) if state.exists and path in shown else None)
        for path, state in states.items()
    }


def _put_back(session: Session, step: FileUndo) -> None:
    files, path, original = Files(session, sudo=step.origin.root), step.path, step.origin.original
    states = files.stat_all([path] if original is None else [path, original])
    now = states[path]
    if standing(now) == step.origin.before:
        return  # what a write left beside it was swept up before the first step
    if standing(now) != standing(step.now.state):
        raise EditedSince(
            f"{path} was edited in this very moment",
            remedy="plan the rollback again, look at the difference and decide",
            host=session.name,
        )
    if original is None:
        files.remove(path)
    elif standing(states[original]) != step.origin.before:
        raise ApplyFailed(f"the original of {path} is gone from .runbook", remedy=_LOOK, host=session.name)
    else:
        if step.decided and now.exists:
            _keep(files, now)
        files.copy(original, path, replace=True)
    if standing(files.stat(path)) != step.origin.before:
        raise VerifyFailed(
            f"{path} was put back, but something else stands there",
            remedy="find out who else writes it, then run the rollback again",
            host=session.name,
        )


def _keep(files: Files, edited: FileState) -> None:
    """Keep an edit that is about to be overwritten: nobody's is ever lost."""
    place = kept(edited.path, edited.sha256, edited.mode)
    if files.stat(place).sha256 != edited.sha256:
        files.copy(edited.path, place, replace=True)


def _undo(session: Session, step: CommandUndo) -> None:
    status = _run(session, step.undo, root=step.root)
    if status != 0:
        raise ApplyFailed(f"undoing {step.name} ended with status {status}", remedy=_LOOK, host=session.name)
    if _run(session, step.check, root=step.root) == 0:
        raise VerifyFailed(f"{step.name} was undone, but its check still holds", remedy=_LOOK, host=session.name)


def _run(session: Session, command: str, *, root: bool) -> int:
    run = session.sudo if root else session.run
    return run(command, check=False).status
