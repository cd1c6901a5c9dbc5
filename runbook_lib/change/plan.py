"""Wanted x seen -> what has to be done. Pure: dry run, diff and apply all read the same plan."""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass

from runbook_lib.change.resources import File, SeenFile, Service, Wanted
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState


class Act(enum.StrEnum):
    """What is done to a service."""

    ENABLE = "enable"
    START = "start"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class FileStep:
    """Write one file. ``before``: what stood there when the plan was made."""

    wanted: File
    before: SeenFile

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes that will stand there."""
        return hashlib.sha256(self.wanted.content).hexdigest()

    def describe(self) -> str:
        """Say what happens in a few words."""
        if not self.before.state.exists:
            return f"create {self.wanted.path} (mode {self.wanted.mode:04o})"
        if self.before.state.sha256 == self.digest:
            return f"set mode of {self.wanted.path} from {self.before.state.mode:04o} to {self.wanted.mode:04o}"
        return f"replace {self.wanted.path}"


@dataclass(frozen=True, slots=True)
class ServiceStep:
    """Bring one service to where it should be, in the order of ``acts``."""

    wanted: Service
    before: UnitState
    acts: tuple[Act, ...]
    reload: bool

    def describe(self) -> str:
        """Say what happens in a few words."""
        return f"{' and '.join(self.acts)} {self.wanted.name}"


@dataclass(frozen=True, slots=True)
class HostPlan:
    """All steps of one host; without steps there is nothing to do."""

    host: str
    files: tuple[FileStep, ...]
    service: ServiceStep | None

    @property
    def empty(self) -> bool:
        """Whether the host is already as it should be."""
        return not self.files and self.service is None

    def describe(self) -> list[str]:
        """List the steps in the order in which they are done."""
        steps = [step.describe() for step in self.files]
        return steps if self.service is None else [*steps, self.service.describe()]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one phase will do to the fleet, host by host."""

    hosts: tuple[HostPlan, ...]

    @property
    def empty(self) -> bool:
        """Whether no host needs anything."""
        return all(plan.empty for plan in self.hosts)

    def __getitem__(self, host: str) -> HostPlan:
        return next(plan for plan in self.hosts if plan.host == host)


def plan_host(wanted: Wanted, files: dict[str, SeenFile], service: UnitState) -> HostPlan:
    """Compare what one host should have with what was seen there. ``files``: by path."""
    steps = tuple(step for file in wanted.files if _differs(step := FileStep(file, files[file.path])))
    acts = []
    if not service.enabled:
        acts.append(Act.ENABLE)
    if service.active != "active":
        acts.append(Act.START)
    elif steps:
        acts.append(Act.RESTART)
    unit_changes = any(step.wanted.path == wanted.service.unit_file for step in steps)
    act = ServiceStep(wanted.service, service, tuple(acts), reload=unit_changes) if acts else None
    return HostPlan(wanted.host, steps, act)


def _differs(step: FileStep) -> bool:
    before = step.before.state
    return not before.exists or before.sha256 != step.digest or before.mode != step.wanted.mode


def changed_since(plan: HostPlan, wanted: Wanted, files: dict[str, SeenFile], service: UnitState) -> list[str]:
    """Say what is no longer as it was when the plan was made; empty when the plan still fits.

    A file without a step was as wanted then.
    """
    before = {file.path: _state(file) for file in wanted.files}
    before |= {step.wanted.path: step.before.state for step in plan.files}
    changes = [
        f"{path} was {_edit(state, files[path].state)}" for path, state in before.items() if state != files[path].state
    ]
    if plan.service is not None:
        then, now = _standing(plan.service.before), _standing(service)
        if then != now:
            changes.append(f"{service.name} was {then} and is {now}")
    return changes


def _state(file: File) -> FileState:
    return FileState(file.path, True, hashlib.sha256(file.content).hexdigest(), file.mode, len(file.content))


def _standing(service: UnitState) -> str:
    return f"{service.active}, {'enabled' if service.enabled else 'not enabled'}"


def _edit(before: FileState, now: FileState) -> str:
    if before.exists != now.exists:
        return "created" if now.exists else "removed"
    return "edited" if before.sha256 != now.sha256 else f"set to mode {now.mode:04o}"
