"""Observes a host, plans, and carries a plan out: journalled before each act, originals kept, verified after it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from runbook_lib.change.journal import Event, Journal
from runbook_lib.change.plan import Act, CommandStep, FileStep, HostPlan, Step, UnitStep, changed_since, plan_host
from runbook_lib.change.resources import Command, Seen, SeenFile, Wanted
from runbook_lib.change.settled import said, wait_until_settled
from runbook_lib.change.undo import owed
from runbook_lib.errors import ApplyFailed, CommandFailed, RunbookError, StalePlan, VerifyFailed
from runbook_lib.fleet import Files, Session, Tasks, Units

Scope = Literal["user", "system"]

KEPT: Final = ".runbook/kept"
"""Where each host keeps originals and what was written, relative to the login's home; nobody else may look into it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How a plan was carried out on one host. ``changed``: the host is not as it was before."""

    changed: bool


def kept(path: str, sha256: str, mode: int, *, ours: bool = False) -> str:
    """Say where a host keeps what stands, or stood, at ``path``; ``ours``: a copy of what was written there.

    The path has a part in the name: equal files in two places may differ in their owners and times. So may an original
    and our own copy of the same bytes.
    """
    place = hashlib.sha256(path.encode()).hexdigest()[:8]
    return f"{KEPT}/{sha256}-{mode:04o}-{place}{'-ours' if ours else ''}"


class Engine:
    """Carries out one change on the hosts of a fleet.

    ``scope``: whose systemd the units belong to. ``check`` is called before every step; it may wait, or raise to stop.
    """

    def __init__(self, journal: Journal, scope: Scope, check: Callable[[], None] = lambda: None) -> None:
        self._journal = journal
        self._scope: Scope = scope
        self._check = check

    def observe(self, session: Session, wanted: Wanted) -> Seen:
        """Look at everything that is wanted of a host; touches nothing.

        Raises ApplyFailed for a file that would be written through a link which leads nowhere.
        """
        files: dict[str, SeenFile] = {}
        for root in (False, True):
            paths = [file.path for file in wanted.files if file.root is root]
            files |= _observe_files(session, Files(session, sudo=root), paths) if paths else {}
        return Seen(
            {file.path: files[file.path] for file in wanted.files},
            Units(session, self._scope).observe([unit.name for unit in wanted.units]),
            {command.name: _holds(session, command) for command in wanted.commands},
            Files(session).existing((*wanted.leaves, *wanted.folders)),
        )

    def plan(self, session: Session, wanted: Wanted) -> HostPlan:
        """Compare what the host should have with what it has; touches nothing."""
        return plan_host(wanted, self.observe(session, wanted), owed=owed(self._journal.events(), wanted.host))

    def apply(self, session: Session, plan: HostPlan, wanted: Wanted) -> Applied:
        """Do the steps of a plan in order, each verified before the next; say whether anything was changed.

        Raises StalePlan, before anything is touched, if the host has changed since the plan was made; before a step, if
        what it acts on has changed since then: the run may have been paused for hours. A step that fails is journalled
        as such and raises ApplyFailed, VerifyFailed or the host's error; nothing is put back.
        """
        fresh = self.plan(session, wanted)
        changes = changed_since(plan.seen, fresh.seen)
        if not changes and [step.wanted for step in fresh.steps] != [step.wanted for step in plan.steps]:
            changes = [f"what is to be done now is: {'; '.join(fresh.describe()) or 'nothing'}"]
        _must_fit(plan, changes)
        known = {event.detail["key"] for event in self._journal.events() if _announces(event, session.name)}
        moved = False  # by this plan's own acts, of which units and commands may feel each other's
        for step in fresh.steps:
            self._check()
            if isinstance(step, FileStep) or not moved:
                _must_fit(plan, changed_since(fresh.seen, self._look_again(session, wanted, step)))
            if step is fresh.steps[0]:
                self._announce(session, wanted, fresh)
            self._carry_out(session, step, first=step.key not in known)
            moved = moved or not isinstance(step, FileStep)
        return Applied(changed=not fresh.empty)

    def _look_again(self, session: Session, wanted: Wanted, step: Step) -> Seen:
        """Look at nothing but what a step acts on; at a file's digest and mode, not at its bytes."""
        if isinstance(step, FileStep):
            state = Files(session, sudo=step.wanted.root).stat(step.wanted.path)
            return Seen({step.wanted.path: SeenFile(state, None)}, {}, {})
        return self.observe(session, replace(wanted, resources=(step.wanted,), leaves=(), folders=()))

    def _announce(self, session: Session, wanted: Wanted, plan: HostPlan) -> None:
        """Tell what all steps of a host have in common, before the first.

        The units are those that this plan acts on: it does so on every unit that reads what it changes.
        """
        self._journal.write(
            "host",
            session.name,
            leaves=[path for path in wanted.leaves if path not in plan.seen.leaves],
            folders=[path for path in wanted.folders if path not in plan.seen.leaves],
            units=[step.wanted.name for step in plan.units],
        )
        if plan.files:
            Files(session).make_private(KEPT)

    def _carry_out(self, session: Session, step: Step, *, first: bool) -> None:
        told = {"kind": step.key.partition(":")[0], "key": step.key, "act": step.describe()}
        self._journal.write("intent", session.name, **told, **self._inverse(step))
        try:
            match step:
                case FileStep():
                    _write(session, step, first=first)
                case UnitStep():
                    self._bring_up(session, step)
                case CommandStep():
                    _do(session, step.wanted)
        except RunbookError as error:
            self._journal.write("failed", session.name, **told, why=error.what)
            raise
        self._journal.write("done", session.name, **told)

    def _inverse(self, step: Step) -> dict[str, Any]:
        """Tell all that it takes to undo a step."""
        match step:
            case FileStep(wanted=file, before=before):
                state = before.state
                return {
                    "path": file.path,
                    "before": state.sha256 if state.exists else None,
                    "mode_before": state.mode if state.exists else None,
                    "after": step.digest,
                    "mode_after": file.mode,
                    "original": kept(file.path, state.sha256, state.mode) if state.exists else None,
                    "written": kept(file.path, step.digest, file.mode, ours=True),
                    "root": file.root,
                    "rewritten": file.rewritten,
                    "made": list(before.missing),
                }
            case UnitStep(wanted=unit, before=before):
                return {
                    "unit": unit.name,
                    "before": {"active": before.active, "enabled": before.enabled},
                    "acts": list(step.acts),
                    "scope": self._scope,
                }
            case CommandStep(wanted=command):
                return {"name": command.name, "check": command.check, "undo": command.undo, "root": command.root}

    def _bring_up(self, session: Session, step: UnitStep) -> None:
        units, name = Units(session, self._scope), step.wanted.name
        if step.reload:
            units.daemon_reload()
        acts = {Act.ENABLE: units.enable, Act.START: units.start, Act.RESTART: units.restart}
        for act in step.acts:
            try:
                if act is not Act.ENABLE:
                    _forget_failures(units, name)
                acts[act](name)
            except CommandFailed as error:
                raise ApplyFailed(f"{error.what}{said(units, name)}", remedy=error.remedy, host=session.name) from error
        wait_until_settled(units, session.name, name, step.wanted.settle_seconds)


def _announces(event: Event, host: str) -> bool:
    return event.what == "intent" and event.host == host


def _must_fit(plan: HostPlan, changes: list[str]) -> None:
    if changes:
        raise StalePlan(
            f"the plan no longer fits: {'; '.join(changes)}", remedy="plan again and read the diff", host=plan.host
        )


def _forget_failures(units: Units, name: str) -> None:
    """Let a unit that failed before be started as often as one that did not: systemd counts, and gives up on it."""
    now = units.observe([name])[name]
    if now.active in {"failed", "activating"} or now.restarts:
        units.reset_failed(name)


def _observe_files(session: Session, files: Files, paths: list[str]) -> dict[str, SeenFile]:
    states = files.stat_all(paths)
    missing = files.missing_above(path for path in paths if not states[path].exists)
    dangling = files.existing(each for path, above in missing.items() for each in (path, *above))
    if dangling:  # what is written through it lies where nobody said, and is no file that an undo knows of
        raise ApplyFailed(
            f"{', '.join(sorted(dangling))} is a link that leads nowhere",
            remedy="remove the link, or put there what it leads to; then plan again",
            host=session.name,
        )
    return {
        path: SeenFile(state, files.read(path) if state.exists else None, missing.get(path, ()))
        for path, state in states.items()
    }


def _holds(session: Session, command: Command) -> bool:
    run = session.sudo if command.root else session.run
    return run(command.check, check=False).status == 0


def _write(session: Session, step: FileStep, *, first: bool) -> None:
    """Write one file. What stands there is kept before, and what will stand there: a later edit can be shown.

    ``first``: this change has not announced to write it before. What another change has kept is not relied on then:
    the same bytes may have had another owner and another time.
    """
    files, file, before = Files(session, sudo=step.wanted.root), step.wanted, step.before.state
    written = kept(file.path, step.digest, file.mode, ours=True)
    original = kept(file.path, before.sha256, before.mode) if before.exists else written
    there = files.stat_all({original, written})
    if before.exists and (first or there[original].sha256 != before.sha256):
        copied = files.copy(file.path, original, replace=True)
        if copied.sha256 != before.sha256:
            files.copy(original, kept(file.path, copied.sha256, copied.mode), replace=True)
            files.remove(original)
            raise ApplyFailed(
                f"{file.path} was edited in this very moment", remedy="plan again and read the diff", host=session.name
            )
    if there[written].sha256 != step.digest:
        files.write(written, file.content, file.mode)
    files.write(file.path, file.content, file.mode)
    now = files.stat(file.path)
    if (now.sha256, now.mode) != (step.digest, file.mode):
        raise VerifyFailed(
            f"{file.path} was written, but something else stands there",
            remedy="find out who else writes it, then run this phase again",
            host=session.name,
        )


def _do(session: Session, command: Command) -> None:
    tasks = Tasks(session, sudo=command.root)
    try:
        tasks.do(command.name, command.do, check=command.check, deadline=command.seconds)
    except CommandFailed as error:
        raise ApplyFailed(f"{command.name}: {error.what}", remedy=error.remedy, host=session.name) from error
    if not _holds(session, command):
        raise VerifyFailed(
            f"{command.name} was done, but its check does not hold",
            remedy=f"look with `{command.check}`, then run this phase again",
            host=session.name,
        )
