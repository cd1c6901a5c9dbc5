"""What will be done to bring a host back, step by step, what stands in the way, and what stays. Pure.

Steps and conflicts carry what it takes to show them: bytes and permission bits before and after.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.change.decisions import Decided
from runbook_lib.change.origin import RELOAD, FileOrigin, Origin, Standing, UnitOrigin, standing
from runbook_lib.change.resources import Seen, SeenFile


class UndoAct(enum.StrEnum):
    """What is done to a unit to bring it back."""

    STOP = "stop"
    FORGET = "forget the failure of"
    DISABLE = "disable"
    ENABLE = "enable"
    START = "start"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class FileUndo:
    """Put a file back as it was, or remove one that was not there.

    ``now``: what stands there; ``before``: what stood there, its bytes None where there was no file. ``decided``: it
    was edited since, and somebody decided to overwrite that.
    """

    path: str
    origin: FileOrigin
    now: SeenFile
    before: SeenFile
    decided: bool = False

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"file:{self.path}"

    @property
    def in_place(self) -> bool:
        """Whether it already is as it was, and only what a write left beside it is to be swept up."""
        return standing(self.now.state) == self.origin.before

    def describe(self) -> str:
        """Say what happens in a few words."""
        if self.in_place:
            return f"sweep up beside {self.path}"
        if not self.origin.existed:
            return f"remove {self.path}"
        return f"put {self.path} back" + (", over an edit made since" if self.decided else "")


@dataclass(frozen=True, slots=True)
class LeafUndo:
    """Remove what the services wrote by themselves, if they did: a file, or a directory with all that is in it."""

    path: str

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"file:{self.path}"

    def describe(self) -> str:
        """Say what happens in a few words."""
        return f"remove {self.path}, if what ran here has written it"


@dataclass(frozen=True, slots=True)
class DirectoryUndo:
    """Remove a directory that the change, or what it has run, made, unless something else is in it by now."""

    path: str
    root: bool

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"file:{self.path}"

    def describe(self) -> str:
        """Say what happens in a few words."""
        return f"remove directory {self.path} if it is empty"


@dataclass(frozen=True, slots=True)
class CommandUndo:
    """Run the inverse of a command."""

    name: str
    check: str
    undo: str
    root: bool

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"command:{self.name}"

    def describe(self) -> str:
        """Say what happens in a few words."""
        return f"undo {self.name}"


@dataclass(frozen=True, slots=True)
class Reload:
    """Have systemd read its unit files again."""

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return RELOAD

    def describe(self) -> str:
        """Say what happens in a few words."""
        return "have systemd read its unit files again"


@dataclass(frozen=True, slots=True)
class UnitUndo:
    """Bring a unit back, in the order of ``acts``.

    ``origin``: how it was, or, for one that was never acted on but has to read anew, how it is. ``last``: no other step
    of the plan does anything to it after this one.
    """

    name: str
    origin: UnitOrigin
    acts: tuple[UndoAct, ...]
    last: bool

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"unit:{self.name}"

    def describe(self) -> str:
        """Say what happens in a few words."""
        return f"{' and '.join(self.acts)} {self.name}"


UndoStep = FileUndo | LeafUndo | DirectoryUndo | CommandUndo | Reload | UnitUndo


@dataclass(frozen=True, slots=True)
class Conflict:
    """A file that is neither as it was nor as we left it: somebody edited it since.

    ``ours``: what we wrote last, as far as the host still has it; ``now``: what stands there; ``before``: what stood
    there before the change. ``anew``: what was decided on it was about another edit.
    """

    path: str
    ours: SeenFile
    now: SeenFile
    before: SeenFile
    anew: bool = False

    def describe(self) -> str:
        """Say in a few words what somebody did."""
        return f"{self._edit()}, and again after it was decided on" if self.anew else self._edit()

    def _edit(self) -> str:
        if not self.now.state.exists:
            return f"{self.path} was removed since"
        mode = f"mode {self.now.state.mode:04o}"
        if self.now.state.sha256 == self.ours.state.sha256:
            return f"{self.path} was set to {mode} since"
        if self.now.state.sha256 == self.before.state.sha256:
            return f"{self.path} was put back by somebody since, with {mode}"
        return f"{self.path} was edited since"


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """All that brings one host back, in order. With conflicts or lost originals, none of it is done.

    ``lost``: files whose original is no longer where the host kept it. ``edits``: files that need a decision, or have
    one -> what stands there. ``stays``: what nothing can take back, in words.
    ``origin``, ``seen``, ``decisions``: what it was made from.
    """

    origin: Origin = field(repr=False)
    seen: Seen = field(repr=False)
    decisions: Mapping[str, Decided]
    steps: tuple[UndoStep, ...]
    conflicts: tuple[Conflict, ...] = ()
    lost: tuple[str, ...] = ()
    edits: Mapping[str, Standing] = field(default_factory=dict)
    stays: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The host's name in the inventory."""
        return self.origin.host

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do and nothing to decide."""
        return not (self.steps or self.conflicts or self.lost)

    @property
    def files(self) -> tuple[FileUndo, ...]:
        """Those steps that put files back or remove them."""
        return tuple(step for step in self.steps if isinstance(step, FileUndo))

    def describe(self) -> list[str]:
        """List the steps in the order in which they are done."""
        return [step.describe() for step in self.steps]
