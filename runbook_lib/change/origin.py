"""What a host was like before a change first touched it, and what the change did there: one story per host. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeVar

from runbook_lib.change.journal import Event
from runbook_lib.change.plan import is_unit_file
from runbook_lib.change.resources import Seen
from runbook_lib.values import FileState

T = TypeVar("T")

RELOAD: Final = "unit:daemon-reload"
"""What the journal calls having systemd read its unit files again."""

Standing = tuple[str, int] | None
"""A file as far as bytes and permission bits go: SHA-256 and mode; None where there is none."""


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """A file before it was first written.

    ``before``: what stood there; ``original``: where the host keeps that. ``written``: all that we ever put there ->
    where the host keeps it, the latest last. ``root``: only root may write it. ``rewritten``: what runs there goes on
    writing it. ``midway``: its last write or undo was announced and not seen to its end. ``again``: what stood there,
    and where that is kept, each time that a write was announced anew before any was seen to its end; ``sure``: one was.
    """

    before: Standing
    original: str | None
    written: dict[tuple[str, int], str] = field(default_factory=dict)
    root: bool = False
    rewritten: bool = False
    midway: bool = False
    again: tuple[tuple[Standing, str], ...] = ()
    sure: bool = False

    @property
    def existed(self) -> bool:
        """Whether there was a file at all."""
        return self.before is not None

    @property
    def places(self) -> tuple[str, ...]:
        """Where the host may keep what stood there before."""
        return tuple(place for place in (self.original, *(place for _, place in self.again)) if place is not None)

    def kept_by(self, there: Callable[[str], Standing]) -> FileOrigin:
        """Return it with what stood there before we wrote, of all that was announced: the first that the host keeps.

        What stands there is kept before anything is written, so what is not kept was never written over.
        ``there``: what stands at a place of the host.
        """
        known = ((before, place) for before, place in ((self.before, self.original), *self.again) if place is not None)
        before, original = next(
            ((before, place) for before, place in known if there(place) == before), (self.before, self.original)
        )
        return replace(self, before=before, original=original, again=())

    @property
    def latest(self) -> str | None:
        """Where the host keeps what was written last."""
        return next(reversed(self.written.values()), None)


@dataclass(frozen=True, slots=True)
class UnitOrigin:
    """A unit before it was first acted on; ``active`` as systemd says it, ``scope``: None where nobody has told yet."""

    active: str
    enabled: bool
    scope: Literal["user", "system"] | None

    @property
    def ran(self) -> bool:
        """Whether it ran."""
        return running(self.active)


@dataclass(frozen=True, slots=True)
class CommandOrigin:
    """A command that was done; ``check`` tells whether its effect is there, ``undo`` takes it back (None: nothing).

    ``midway``: it was announced and not seen to its end.
    """

    check: str
    undo: str | None
    root: bool
    midway: bool = True


@dataclass(frozen=True, slots=True)
class Origin:
    """A host as it was, as far as the change touched it. Files, units, commands: in the order of their first intents.

    ``since``: as it was after the event of this number; 0: before the change.
    ``leaves``: paths that were not there, and that what runs there may have written. ``made``: directories that the
    change made -> whether only root may remove them; ``folders``: those of them that what runs there makes; ``tried``:
    those that were left because something else is in them.
    ``owed``: units whose restart is owed, ``due``: those of them that owe it to an undo, which has put back already
    what they read. ``reload``: systemd has yet to read its unit files again.
    """

    host: str
    since: int = 0
    files: dict[str, FileOrigin] = field(default_factory=dict)
    units: dict[str, UnitOrigin] = field(default_factory=dict)
    commands: dict[str, CommandOrigin] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    made: Mapping[str, bool] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    tried: frozenset[str] = frozenset()
    owed: frozenset[str] = frozenset()
    due: frozenset[str] = frozenset()
    reload: bool = False


def running(active: str) -> bool:
    """Whether a unit that systemd says to be so runs, or is about to."""
    return active not in {"inactive", "failed", "deactivating"}


def standing(state: FileState) -> Standing:
    """Reduce what is known of a file to its bytes and permission bits."""
    return (state.sha256, state.mode) if state.exists else None


def kept_by(origin: Origin, seen: Seen) -> Origin:
    """Return a host's origin with what it really was, as far as that is told by what it keeps; see `FileOrigin`."""
    files = {path: was.kept_by(lambda place: standing(seen.files[place].state)) for path, was in origin.files.items()}
    return replace(origin, files=files)


class Story:
    """Takes the events of one host, one after the other, and knows at any time what there is to go back to.

    What was put back as it was when the story began is closed: what is done to it later has a beginning of its own.
    """

    def __init__(self, host: str, since: int) -> None:
        self._origin = self._closed = Origin(host, since)
        self._undoing: dict[str, dict[str, Any]] = {}
        self.touched = False

    def origin(self, owed: frozenset[str], due: frozenset[str]) -> Origin:
        """Return what there is to go back to."""
        return replace(self._origin, owed=owed, due=due)

    def whole(self) -> Origin:
        """Return what the host was like, what was put back already included."""
        open_, closed = self._origin, self._closed
        return replace(
            open_,
            files={**closed.files, **open_.files},
            units={**closed.units, **open_.units},
            commands={**closed.commands, **open_.commands},
            leaves=tuple(dict.fromkeys((*closed.leaves, *open_.leaves))),
        )

    def take(self, event: Event) -> None:
        """Go on with the next event."""
        detail, was = event.detail, self._origin
        kind, _, name = (key := detail.get("key", "")).partition(":")
        match event.what:
            case "host":
                leaves = dict.fromkeys((*was.leaves, *detail["leaves"]))
                folders = detail.get("folders", ())
                self._origin = replace(
                    was,
                    leaves=tuple(leaves),
                    made={**dict.fromkeys(folders, False), **was.made},
                    folders=was.folders.union(folders),
                    tried=was.tried.difference(folders),
                )
            case "intent" if kind == "file":
                self.touched = True
                self._written(detail)
            case "intent" if kind == "unit":
                self.touched = True
                before = detail["before"]
                unit = UnitOrigin(before["active"], before["enabled"], detail["scope"])
                self._origin = replace(was, units={**was.units, name: was.units.get(name, unit)})
            case "intent" if kind == "command":
                self.touched = True
                command = CommandOrigin(detail["check"], detail["undo"], detail["root"])
                self._origin = replace(was, commands={**was.commands, name: command})
            case "undo":
                self._undoing[key] = detail
                if kind == "unit" and "to" in detail:  # should it be the first that is done to it
                    unit = UnitOrigin(detail["to"]["active"], detail["to"]["enabled"], detail["scope"])
                    self._origin = replace(was, units={**was.units, name: was.units.get(name, unit)})
                path = detail.get("path", "")
                self._midway(path, midway=True)
                self._origin = replace(self._origin, reload=was.reload or is_unit_file(path))
            case "done" if kind == "file":
                self._midway(name, midway=False, sure=True)
            case "done" if kind == "command" and name in was.commands:
                command = replace(was.commands[name], midway=False)
                self._origin = replace(was, commands={**was.commands, name: command})
            case "undone" if key in self._undoing:
                self._undone(key, self._undoing.pop(key))

    def _written(self, detail: dict[str, Any]) -> None:
        was, path = self._origin, detail["path"]
        before = None if detail["before"] is None else (detail["before"], detail["mode_before"])
        known = was.files.get(path, FileOrigin(before, detail["original"]))
        after = (detail["after"], detail["mode_after"])
        written = {each: place for each, place in known.written.items() if each != after}
        another = path in was.files and not known.sure and before != known.before and detail["original"] is not None
        file = replace(
            known,
            again=(*known.again, (before, detail["original"])) if another else known.again,
            written={**written, after: detail["written"]},
            root=detail["root"],
            rewritten=detail["rewritten"],
            midway=True,
        )
        self._origin = replace(
            was,
            files={**was.files, path: file},
            made={**was.made, **dict.fromkeys(detail["made"], file.root)},
            tried=was.tried.difference(detail["made"]),
        )

    def _midway(self, path: str, *, midway: bool, sure: bool = False) -> None:
        if path in self._origin.files:
            known = self._origin.files[path]
            file = replace(known, midway=midway, sure=known.sure or sure)
            self._origin = replace(self._origin, files={**self._origin.files, path: file})

    def _undone(self, key: str, undo: dict[str, Any]) -> None:
        was, closed, (kind, _, name) = self._origin, self._closed, key.partition(":")
        all_the_way = undo["since"] <= was.since  # or only to some event after the story's beginning
        if key == RELOAD:
            self._origin = replace(was, reload=False)
        elif name in was.made and kind == "file":
            self._origin = replace(was, tried=was.tried | {name})
        elif kind == "file":
            self._midway(name, midway=False)
        was = self._origin
        if not all_the_way:
            return
        if kind == "command" and name in was.commands:
            self._origin = replace(was, commands=_without(was.commands, name))
            self._closed = replace(closed, commands={**closed.commands, name: was.commands[name]})
        elif kind == "unit" and name in was.units and undo["last"]:
            self._origin = replace(was, units=_without(was.units, name))
            self._closed = replace(closed, units={**closed.units, name: was.units[name]})
        elif kind == "file" and name in was.files:
            self._origin = replace(was, files=_without(was.files, name))
            self._closed = replace(closed, files={**closed.files, name: was.files[name]})
        elif kind == "file" and name in was.leaves:
            self._origin = replace(was, leaves=tuple(leaf for leaf in was.leaves if leaf != name))
            self._closed = replace(closed, leaves=(*closed.leaves, name))


def _without(mapping: dict[str, T], name: str) -> dict[str, T]:
    return {key: value for key, value in mapping.items() if key != name}
