"""Journal events -> what each host was like before, and what it takes to get back there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runbook_lib.change.decisions import Decided
from runbook_lib.change.journal import Event
from runbook_lib.change.origin import Origin, Standing, Story, UnitOrigin, kept_by, running, standing
from runbook_lib.change.plan import is_unit_file
from runbook_lib.change.resources import Seen, SeenFile
from runbook_lib.change.undo_plan import (
    CommandUndo,
    Conflict,
    DirectoryUndo,
    FileUndo,
    LeafUndo,
    Reload,
    UndoAct,
    UndoPlan,
    UnitUndo,
)
from runbook_lib.fleet import UnitState
from runbook_lib.values import FileState


def origins(events: Iterable[Event], *, since: int = 0, whole: bool = False) -> dict[str, Origin]:
    """Tell of each host that was touched what there is to go back to.

    What stood there at the first intent is what counts. ``since``: only events with a higher number, to go back no
    further than that; what a host owes is told by all. ``whole``: also what was put back already.
    """
    told = list(events)
    stories: dict[str, Story] = {}
    for event in told:
        if event.host is not None and event.number > since:
            stories.setdefault(event.host, Story(event.host, since)).take(event)
    return {
        host: story.whole() if whole else story.origin(*_debts(told, host))
        for host, story in stories.items()
        if story.touched
    }


def owed(events: Iterable[Event], host: str) -> frozenset[str]:
    """Return the units of a host that must be restarted because what they read was changed and they were not.

    That is how it stands after a crash between a write and its restart, in either direction. A unit owes a restart
    from the first change that was announced in an apply that acts on it (``units`` of event ``host``), or in an undo
    that does (``restarts``), until its own act is done; what is changed after that is nothing that it reads.
    """
    return _debts(events, host)[0]


def _debts(events: Iterable[Event], host: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return all units that owe a restart, and those that owe it to an undo."""
    planned: set[str] = set()
    forward: set[str] = set()
    back: set[str] = set()
    for event in events:
        if event.host != host:
            continue
        kind, _, name = event.detail.get("key", "").partition(":")
        if event.what == "host":
            planned = set(event.detail["units"])
        elif event.what == "intent" and kind != "unit":
            forward |= planned
        elif event.what == "undo" and kind != "unit":
            back.update(event.detail.get("restarts", ()))
        elif event.what in {"done", "undone"} and kind == "unit":
            for each in (planned, forward, back):
                each.discard(name)
    return frozenset(forward | back), frozenset(back)


def plan_undo(origin: Origin, seen: Seen, decisions: Mapping[str, Decided]) -> UndoPlan:
    """Compare a host with what it was. The second plan, after the first was carried out, is empty.

    ``seen`` holds every file of the origin and, under the places where the host keeps them, originals and what was
    written; every unit that was acted on or owes a restart; the checks of all commands; and, as leaves, those leaves
    and made directories that are there. ``decisions``: by path, for files that somebody edited since.

    First what did not run is stopped, then files go back in reverse order, what services wrote is removed, commands are
    undone, directories removed; systemd reads its unit files again, and what ran before is started or restarted.
    """
    origin = kept_by(origin, seen)
    files, conflicts, lost, edits = _files(origin, seen, decisions)
    commands = [
        CommandUndo(name, command.check, command.undo, command.root)
        for name, command in reversed(origin.commands.items())
        if command.undo is not None and seen.commands[name]
    ]
    stays = [
        f"{name}: nothing takes it back"
        for name, command in origin.commands.items()
        if command.undo is None and seen.commands[name]
    ]
    changed = any(not step.in_place for step in files) or bool(commands)
    writes = any(
        running(seen.units[name].active) and (changed or not was.ran or name in origin.due)
        for name, was in _read(origin, seen).items()
    )
    leaves = [LeafUndo(path) for path in reversed(origin.leaves) if writes or path in seen.leaves]
    gone = [step.path for step in files] + [step.path for step in leaves]
    directories = [
        DirectoryUndo(path, root)
        for path, root in sorted(origin.made.items(), key=lambda made: -made[0].count("/"))
        if (path in seen.leaves or (writes and path in origin.folders))
        and (path not in origin.tried or any(each.startswith(f"{path}/") for each in gone))
    ]
    pause = bool(leaves) or any(step.path in origin.folders for step in directories)
    reload = origin.reload or any(is_unit_file(step.path) for step in files)
    first, last = _units(origin, seen, changed=changed, pause=pause)
    steps = (*first, *files, *leaves, *commands, *directories, *([Reload()] if reload else ()), *last)
    return UndoPlan(origin, seen, decisions, steps, conflicts, lost, edits, tuple(stays))


def differences(origin: Origin, seen: Seen) -> list[str]:
    """Say in words what of a host is not as it was before the change; see `plan_undo` for ``seen``."""
    told = []
    for path, was in kept_by(origin, seen).files.items():
        now = seen.files[path].state
        if standing(now) != was.before:
            edit = "edited" if was.existed and now.exists else "left" if now.exists else "removed"
            told.append(f"{path} is {edit if (now.sha256,) != (was.before or ())[:1] else f'of mode {now.mode:04o}'}")
    for name, unit in origin.units.items():
        state = seen.units[name]
        if (running(state.active), state.enabled) != (unit.ran, unit.enabled):
            told.append(f"{name} is {_words(state.active, state.enabled)} and was {_words(unit.active, unit.enabled)}")
    told += [f"{name} is done" for name in origin.commands if seen.commands[name]]
    told += [f"{path} is left" for path in origin.leaves if path in seen.leaves]
    return told


def _words(active: str, enabled: bool) -> str:
    return f"{active}, {'enabled' if enabled else 'not enabled'}"


def _files(
    origin: Origin, seen: Seen, decisions: Mapping[str, Decided]
) -> tuple[list[FileUndo], tuple[Conflict, ...], tuple[str, ...], dict[str, Standing]]:
    """Sort the files into those that go back, those that somebody edited, and those whose original is gone.

    Say last what stands at those that need a decision, or have one.
    """
    steps: list[FileUndo] = []
    conflicts: list[Conflict] = []
    lost: list[str] = []
    edits: dict[str, Standing] = {}
    for path, was in reversed(origin.files.items()):
        now, before = seen.files[path], _kept(path, was.original, seen)
        stands = standing(now.state)
        ours = stands in was.written or (was.rewritten and now.state.exists)
        gone = standing(before.state) != was.before
        if stands == was.before:
            steps += [FileUndo(path, was, now, now)] if was.midway else []
            continue
        edits |= {path: stands} if gone or not ours else {}
        said = decisions.get(path)
        decision = said.decision if said is not None and said.counts(stands) else None
        if decision == "keep" and path in edits:
            continue
        if decision is None and not ours:
            conflicts.append(Conflict(path, _kept(path, was.latest, seen), now, before, anew=said is not None))
        elif gone:
            lost.append(path)
        else:
            steps.append(FileUndo(path, was, now, before, decided=not ours))
    return steps, tuple(conflicts), tuple(lost), edits


def _kept(path: str, place: str | None, seen: Seen) -> SeenFile:
    return SeenFile(FileState(path, False), None) if place is None else seen.files[place]


def _units(origin: Origin, seen: Seen, *, changed: bool, pause: bool) -> tuple[list[UnitUndo], list[UnitUndo]]:
    """Say what is done to units before everything else, in reverse order, and after everything else."""
    first: list[UnitUndo] = []
    last: list[UnitUndo] = []
    for name, was in _read(origin, seen).items():
        early, late = _acts(was, seen.units[name], stale=changed or name in origin.due, pause=pause)
        first[:0] = [UnitUndo(name, was, tuple(early), last=not late)] if early else []
        last += [UnitUndo(name, was, tuple(late), last=True)] if late else []
    return first, last


def _read(origin: Origin, seen: Seen) -> dict[str, UnitOrigin]:
    """Return the units that may have read what the change brought: those it acted on, and those it was about to."""
    about_to = {name: seen.units[name] for name in sorted(origin.owed - origin.units.keys())}
    return origin.units | {name: UnitOrigin(now.active, now.enabled, None) for name, now in about_to.items()}


def _acts(was: UnitOrigin, now: UnitState, *, stale: bool, pause: bool) -> tuple[list[UndoAct], list[UndoAct]]:
    """Say what brings a unit back, before and after the rest.

    ``stale``: if it runs, it runs with what goes away; ``pause``: it must not run while what it wrote is removed.
    """
    up = running(now.active)
    early: list[UndoAct] = []
    late: list[UndoAct] = []
    if up and (pause or not was.ran):
        early.append(UndoAct.STOP)
    if now.active == "failed" and was.active != "failed" and not was.ran:
        early.append(UndoAct.FORGET)
    if now.enabled and not was.enabled:
        early.append(UndoAct.DISABLE)
    if was.enabled and not now.enabled:
        late.append(UndoAct.ENABLE)
    if was.ran and (pause or not up):
        late.append(UndoAct.START)
    elif was.ran and stale:
        late.append(UndoAct.RESTART)
    return early, late
