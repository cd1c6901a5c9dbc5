"""Observes a host, plans, and carries a plan out: journalled before each act, originals kept, verified after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runbook_lib.change.journal import Journal
from runbook_lib.change.plan import Act, FileStep, HostPlan, ServiceStep, changed_since, plan_host
from runbook_lib.change.resources import SeenFile, Wanted
from runbook_lib.errors import StalePlan, VerifyFailed
from runbook_lib.fleet import Files, Session, Units, UnitState

Scope = Literal["user", "system"]

ORIGINALS = ".runbook/originals"
"""Where originals are kept on each host, by their digest; relative to the login's home."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How a plan was carried out on one host. ``changed``: the host is not as it was before."""

    changed: bool


class Engine:
    """Carries out one change on the hosts of a fleet. ``scope``: whose systemd the services belong to."""

    def __init__(self, journal: Journal, scope: Scope) -> None:
        self._journal = journal
        self._scope: Scope = scope

    def plan(self, session: Session, wanted: Wanted) -> HostPlan:
        """Compare what the host should have with what it has; touches nothing."""
        return plan_host(wanted, *self._observe(session, wanted))

    def apply(self, session: Session, plan: HostPlan, wanted: Wanted) -> Applied:
        """Do the steps of a plan in order; say whether anything was changed.

        Raises StalePlan, before anything is touched, if the host has changed since the plan was made; VerifyFailed if
        the host does not show afterwards what was wanted.
        """
        if plan.empty:
            return Applied(changed=False)
        changes = changed_since(plan, wanted, *self._observe(session, wanted))
        if changes:
            raise StalePlan(
                f"the plan no longer fits: {'; '.join(changes)}", remedy="plan again and read the diff", host=plan.host
            )
        for step in plan.files:
            self._write(session, step, sudo=self._scope == "system" and step.wanted.path == wanted.service.unit_file)
        if plan.service is not None:
            self._serve(session, plan.service)
        left = self.plan(session, wanted)
        if not left.empty:
            raise VerifyFailed(
                f"applied, but still to do: {'; '.join(left.describe())}",
                remedy="look at the unit's journal on the host, then run this phase again",
                host=plan.host,
            )
        return Applied(changed=True)

    def _observe(self, session: Session, wanted: Wanted) -> tuple[dict[str, SeenFile], UnitState]:
        files = Files(session)
        states = files.stat_all([file.path for file in wanted.files])
        seen = {path: SeenFile(state, files.read(path) if state.exists else None) for path, state in states.items()}
        return seen, Units(session, self._scope).observe([wanted.service.name])[wanted.service.name]

    def _write(self, session: Session, step: FileStep, *, sudo: bool) -> None:
        """Write one file; ``sudo``: only root may, as with units of the host's own systemd, which all may read."""
        files, path = Files(session), step.wanted.path
        original = None
        if step.before.state.exists:
            original = f"{ORIGINALS}/{step.before.state.sha256}"
        self._journal.write(
            "intent",
            session.name,
            act=step.describe(),
            path=path,
            before=step.before.state.sha256 or None,
            mode_before=step.before.state.mode if step.before.state.exists else None,
            after=step.digest,
            original=original,
        )
        if original is not None and not files.stat(original).exists:
            files.copy(path, original)
        Files(session, sudo=sudo).write(path, step.wanted.content, step.wanted.mode)
        self._journal.write("done", session.name, act=step.describe(), path=path, after=step.digest)

    def _serve(self, session: Session, step: ServiceStep) -> None:
        units, name = Units(session, self._scope), step.wanted.name
        self._journal.write(
            "intent",
            session.name,
            act=step.describe(),
            unit=name,
            before={"active": step.before.active, "enabled": step.before.enabled},
        )
        if step.reload:
            units.daemon_reload()
        act = {Act.ENABLE: units.enable, Act.START: units.start, Act.RESTART: units.restart}
        for each in step.acts:
            act[each](name)
        self._journal.write("done", session.name, act=step.describe(), unit=name)
