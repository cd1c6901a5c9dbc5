"""Wanted x seen -> what has to be done. Pure: dry run, diff and apply all read the same plan."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from runbook_lib.change.resources import Command, File, Seen, SeenFile, Unit, Wanted
from runbook_lib.errors import ApplyFailed, StalePlan
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState

_UNIT_FILES = (".service", ".socket", ".timer", ".path", ".target", ".mount", ".slice", ".conf")
_SETTLED = frozenset({"active", "inactive", "failed"})


class Act(enum.StrEnum):
    """What is done to a unit."""

    ENABLE = "enable"
    START = "start"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class FileStep:
    """Write one file. ``before``: what stood there when it was last looked at."""

    wanted: File
    before: SeenFile

    @property
    def key(self) -> str:
        """What the journal calls the resource."""
        return self.wanted.key

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
class UnitStep:
    """Bring one unit to where it should be, in the order of ``acts``; ``reload``: systemd reads its files first."""

    wanted: Unit
    before: UnitState
    acts: tuple[Act, ...]
    reload: bool

    @property
    def key(self) -> str:
        """What the journal calls the resource."""
        return self.wanted.key

    def describe(self) -> str:
        """Say what happens in a few words."""
        return f"{' and '.join(self.acts)} {self.wanted.name}"


@dataclass(frozen=True, slots=True)
class CommandStep:
    """Do what a command's check found not to be so."""

    wanted: Command

    @property
    def key(self) -> str:
        """What the journal calls the resource."""
        return self.wanted.key

    def describe(self) -> str:
        """Say what happens in a few words."""
        return f"do {self.wanted.name}" + ("" if self.wanted.undo else " (cannot be undone)")


Step = FileStep | UnitStep | CommandStep


@dataclass(frozen=True, slots=True)
class HostPlan:
    """All steps of one host, in order; without steps there is nothing to do. ``seen``: what they were made from."""

    host: str
    steps: tuple[Step, ...]
    seen: Seen

    @property
    def empty(self) -> bool:
        """Whether the host is already as it should be."""
        return not self.steps

    @property
    def files(self) -> tuple[FileStep, ...]:
        """Those steps that write files."""
        return tuple(step for step in self.steps if isinstance(step, FileStep))

    @property
    def units(self) -> tuple[UnitStep, ...]:
        """Those steps that bring up units."""
        return tuple(step for step in self.steps if isinstance(step, UnitStep))

    @property
    def commands(self) -> tuple[CommandStep, ...]:
        """Those steps that do commands."""
        return tuple(step for step in self.steps if isinstance(step, CommandStep))

    def describe(self) -> list[str]:
        """List the steps in the order in which they are done."""
        return [step.describe() for step in self.steps]


def plan_host(wanted: Wanted, seen: Seen, *, owed: Collection[str] = ()) -> HostPlan:
    """Compare what one host should have with what was seen there.

    ``owed``: units that were not restarted yet since something that they read was changed, as after a crash. Raises
    ApplyFailed for a unit that could not be brought up, or not be put back; StalePlan for a file whose new bytes were
    made of others than those that were seen.
    """
    steps: list[Step] = []
    for resource in wanted.resources:
        match resource:
            case File():
                file_step = FileStep(resource, seen.files[resource.path])
                steps += [file_step] if _differs(file_step, wanted.host) else []
            case Command():
                steps += [] if seen.commands[resource.name] else [CommandStep(resource)]
            case Unit():
                before = seen.units[resource.name]
                if before.hindrance:
                    raise ApplyFailed(
                        f"{resource.name} {before.hindrance}",
                        remedy="have it enabled from a file of its own in systemd's folders; then plan again",
                        host=wanted.host,
                    )
                changes = [step for step in steps if not isinstance(step, UnitStep)]
                acts = _acts(before, stale=bool(changes) or resource.name in owed)
                unit_files = any(isinstance(step, FileStep) and is_unit_file(step.wanted.path) for step in changes)
                reload = before.needs_reload or not before.exists or unit_files
                steps += [UnitStep(resource, before, acts, reload)] if acts else []
    return HostPlan(wanted.host, tuple(steps), seen)


def _differs(step: FileStep, host: str) -> bool:
    before = step.before.state
    if before.exists and before.sha256 == step.digest:
        return before.mode != step.wanted.mode
    if step.wanted.made_of not in {None, before.sha256}:
        raise StalePlan(
            f"{step.wanted.path} was edited since its new version was made of it",
            remedy="plan again and read the diff",
            host=host,
        )
    return True


def _acts(before: UnitState, *, stale: bool) -> tuple[Act, ...]:
    """Say what a unit needs; ``stale``: if it runs, it runs with what was there before."""
    acts = [] if before.enabled else [Act.ENABLE]
    if stale and before.active not in {"inactive", "failed"}:  # one on its way up may have read the old files
        acts.append(Act.RESTART)
    elif before.active != "active":
        acts.append(Act.START)
    return tuple(acts)


def is_unit_file(path: str) -> bool:
    """Whether systemd reads this file, and has to be told when it changes."""
    return "/systemd/" in path and path.endswith(_UNIT_FILES)


def changed_since(then: Seen, now: Seen) -> list[str]:
    """Say in words what is no longer as it was then, of all that was looked at both times.

    Processes and times are not looked at. A unit on its way up or down may be anywhere next, as one that fails again
    and again always is: that is no change either.
    """
    changes = [
        f"{path} was {_edit(before.state, now.files[path].state)}"
        for path, before in then.files.items()
        if path in now.files and before.state != now.files[path].state
    ]
    for name, before in then.units.items():
        after = now.units.get(name, before)
        moved = before.active != after.active and {before.active, after.active} <= _SETTLED
        if moved or before.enabled != after.enabled:
            changes.append(f"{name} was {_standing(before)} and is {_standing(after)}")
    changes += [
        f"{name} was {'undone' if before else 'done'} by somebody else"
        for name, before in then.commands.items()
        if before != now.commands.get(name, before)
    ]
    return changes


def _standing(unit: UnitState) -> str:
    return f"{unit.active}, {'enabled' if unit.enabled else 'not enabled'}"


def _edit(before: FileState, now: FileState) -> str:
    if before.exists != now.exists:
        return "created" if now.exists else "removed"
    return "edited" if before.sha256 != now.sha256 else f"set to mode {now.mode:04o}"
