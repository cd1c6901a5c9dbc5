"""What a host should have: files with given bytes, units that run, commands that were done. And what it has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.errors import ParamsError
from runbook_lib.fleet import UnitState
from runbook_lib.fleet.files import inside_home
from runbook_lib.redaction import redact
from runbook_lib.values import FileState


@dataclass(frozen=True, slots=True)
class File:
    """A file with these bytes and permission bits. ``path``: relative to the login's home unless absolute.

    ``root``: only root may write it, so that it is read and written through sudo. ``rewritten``: what runs there goes
    on writing it, so that it counts as ours whatever stands there when it is undone. ``made_of``: SHA-256 of what stood
    there when the new bytes were made of it; None if they do not depend on it.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    root: bool = False
    rewritten: bool = False
    made_of: str | None = None

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"file:{self.path}"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that is enabled and runs; restarted when a file or a command before it in the host's list was changed.

    ``settle_seconds``: for how long it has to run, with the same process and without a restart by systemd, before it
    counts as running.
    """

    name: str
    settle_seconds: float = 0.0

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"unit:{self.name}"


@dataclass(frozen=True, slots=True)
class Command:
    """Something only a command can see and do. All three are shell commands; ``root``: through sudo.

    ``check`` exits 0 when the host is as wanted, ``do`` makes it so, ``undo`` takes that back (None: nothing can).
    The journal keeps ``undo``, so that none of them may hold a secret. ``seconds``: how long ``do`` may take; None: as
    long as any command.
    """

    name: str
    check: str
    do: str
    undo: str | None = None
    root: bool = False
    seconds: float | None = None

    def __post_init__(self) -> None:
        for text in (self.check, self.do, self.undo or ""):
            if redact(text) != text:
                raise ParamsError(
                    f"command {self.name}: a secret stands in it", remedy="let it read the secret from a file"
                )

    @property
    def key(self) -> str:
        """What the journal calls it."""
        return f"command:{self.name}"


Resource = File | Unit | Command


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything one host should have, brought about in this order.

    ``leaves``: paths, relative to the login's home, of files and directories that what runs here will write by itself,
    and that nobody else has a reason to write to: caches, its own state. They go with an undo, whole, if they were not
    there before. ``folders``: directories that it only makes, for others to put something in; they go if they were not
    there before and are empty.
    """

    host: str
    resources: tuple[Resource, ...]
    leaves: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keys = [resource.key for resource in self.resources]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ParamsError(f"{', '.join(twice)} is wanted twice", remedy="want it once", host=self.host)
        if outside := [path for path in (*self.leaves, *self.folders) if not inside_home(path)]:
            raise ParamsError(
                f"{', '.join(outside)} is not inside the login's home", remedy="name a path inside", host=self.host
            )

    @property
    def files(self) -> tuple[File, ...]:
        """Those resources that are files."""
        return tuple(resource for resource in self.resources if isinstance(resource, File))

    @property
    def units(self) -> tuple[Unit, ...]:
        """Those resources that are units."""
        return tuple(resource for resource in self.resources if isinstance(resource, Unit))

    @property
    def commands(self) -> tuple[Command, ...]:
        """Those resources that are commands."""
        return tuple(resource for resource in self.resources if isinstance(resource, Command))


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it stands on the host; ``content`` is None where there is none.

    ``missing``: directories above it that are not there, outermost first.
    """

    state: FileState
    content: bytes | None = field(repr=False)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A host as it was found. ``files`` by path, ``units`` by name, ``commands``: whether each one's check held.

    ``leaves``: those of the wanted leaves and folders that are there.
    """

    files: Mapping[str, SeenFile]
    units: Mapping[str, UnitState]
    commands: Mapping[str, bool]
    leaves: frozenset[str] = frozenset()


def is_binary(content: bytes | None) -> bool:
    """Whether these bytes are no text."""
    try:
        (content or b"").decode()
    except UnicodeDecodeError:
        return True
    return b"\0" in (content or b"")


def text_of(content: bytes | None) -> str | None:
    """Return what can be shown of a file: its text; of one that is none, how much it is and the digest's beginning."""
    if content is None or not is_binary(content):
        return None if content is None else content.decode()
    return f"{len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()[:16]}"
