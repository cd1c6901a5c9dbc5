"""A plan as it was saved to be approved and applied later, and what is no longer so since.

Kept are digests, modes, states and words; never a file's content. What was shown as diffs is kept by its digest.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runbook_lib.change.journal import Event
from runbook_lib.change.plan import CommandStep, FileStep, HostPlan, Step, UnitStep, changed_since
from runbook_lib.change.resources import Seen, SeenFile, text_of
from runbook_lib.errors import RecordError
from runbook_lib.fleet import UnitState
from runbook_lib.redaction import redact
from runbook_lib.values import FileState


def save(folder: Path, name: str, plans: Mapping[str, HostPlan], *, by: str, at: float) -> str:
    """Write ``plans/NAME.json`` into a change's folder, whole or not at all; return its SHA-256.

    ``by``: who planned, ``at``: when, in unix seconds. Raises RecordError when it cannot be written.
    """
    content = {"plan": name, "by": by, "at": at, "hosts": {host: _facts(plan) for host, plan in plans.items()}}
    data = (redact(json.dumps(content, indent=1, ensure_ascii=False)) + "\n").encode()
    path = folder / "plans" / f"{name}.json"
    try:
        _write(path, data)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error}", remedy="check space and permissions") from None
    return hashlib.sha256(data).hexdigest()


def digest(path: Path) -> str | None:
    """Return the SHA-256 of a plan as it lies there; None if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def compare(path: Path, plans: Mapping[str, HostPlan], events: Iterable[Event]) -> list[str]:
    """Say in words what is no longer as it was when the plan was saved; ``plans``: the same, made anew.

    A state that the change itself brought about since, told by its ``events``, is none: a change that was cut off can
    be resumed by the plan that it began with. Raises RecordError when the saved plan cannot be read.
    """
    told = list(events)
    try:
        then = json.loads(path.read_bytes())["hosts"]
        changes = [f"{host} is no longer part of it" for host in then if host not in plans]
        for host, plan in plans.items():
            if host not in then:
                changes.append(f"{host} was no part of it")
                continue
            own = _Own(event for event in told if event.host == host)
            changes += [f"{host}: {change}" for change in _changes(then[host], plan, own)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path}: is no saved plan: {error}", remedy="save it again: `runbook plan`") from None
    return changes


class _Own:
    """What one change has itself brought about on one host."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._files: set[tuple[str, str | None, int | None]] = set()
        self._units: dict[str, object] = {}
        self._commands: set[str] = set()
        for event in events:
            detail = event.detail
            kind, _, name = detail.get("key", "").partition(":")
            if event.what == "intent" and kind == "file":
                self._files.add((name, detail["after"], detail["mode_after"]))
            elif event.what == "undo" and kind == "file":
                self._files.add((name, detail.get("to"), detail.get("mode_to")))
            elif event.what in {"intent", "undo"} and kind == "command":
                self._commands.add(name)
            elif event.what in {"intent", "undo"} and kind == "unit":
                self._units[name] = None  # until its act is done it may be in any state
            elif event.what == "done" and kind == "unit":
                self._units[name] = ("active", True)

    def file(self, state: FileState) -> bool:
        standing = (state.sha256, state.mode) if state.exists else (None, None)
        return (state.path, *standing) in self._files

    def unit(self, state: UnitState) -> bool:
        return state.name in self._units and self._units[state.name] in {None, (state.active, state.enabled)}

    def command(self, name: str) -> bool:
        return name in self._commands

    def is_behind(self, step: Step) -> bool:
        """Whether a step is there because of what the change has done before."""
        match step:
            case FileStep(before=before):
                return self.file(before.state)
            case CommandStep(wanted=command):
                return self.command(command.name)
            case _:
                return True


def _facts(plan: HostPlan) -> dict[str, Any]:
    seen = plan.seen
    return {
        "files": {
            path: {"exists": file.state.exists, "sha256": file.state.sha256, "mode": file.state.mode}
            for path, file in seen.files.items()
        },
        "units": {name: {"active": unit.active, "enablement": unit.enablement} for name, unit in seen.units.items()},
        "commands": dict(seen.commands),
        "steps": [{"key": step.key, "act": step.describe(), "brings": _brings(step)} for step in plan.steps],
        "diff": hashlib.sha256("".join(_diff(plan.files)).encode()).hexdigest(),
    }


def _brings(step: Step) -> str | None:
    """Return a digest of what a step brings about, where that is more than its words say.

    Of a file as it was shown, its secrets masked: a token that is generated is another one whenever it is planned.
    """
    match step:
        case FileStep(wanted=file):
            shown = redact(file.content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
            return f"{hashlib.sha256(shown).hexdigest()}-{file.mode:04o}"
        case CommandStep(wanted=command):
            texts = json.dumps([command.check, command.do, command.undo, command.root])
            return hashlib.sha256(texts.encode()).hexdigest()
        case _:
            return None


def _diff(steps: Iterable[FileStep]) -> Iterator[str]:
    for step in steps:
        before, after = (
            redact(text_of(content) or "").splitlines(keepends=True)
            for content in (step.before.content, step.wanted.content)
        )
        yield from difflib.unified_diff(before, after, step.wanted.path, step.wanted.path)


def _changes(saved: Mapping[str, Any], plan: HostPlan, own: _Own) -> list[str]:
    changes = []
    for kind, now in (("files", plan.seen.files), ("units", plan.seen.units), ("commands", plan.seen.commands)):
        changes += [f"{each} is no longer part of it" for each in saved[kind] if each not in now]
        changes += [f"{each} was no part of it" for each in now if each not in saved[kind]]
    changes += changed_since(_then(saved, plan.seen, own), plan.seen)
    return changes or list(_otherwise(saved["steps"], plan, own))


def _otherwise(saved: Sequence[Mapping[str, str]], plan: HostPlan, own: _Own) -> Iterator[str]:
    """Say what is to be done otherwise though nothing has changed on the host: something else is wanted of it.

    What a unit needs follows from the rest.
    """
    planned = {step["key"]: step for step in saved}
    now = {step.key: step for step in plan.steps if not isinstance(step, UnitStep)}
    for key, step in now.items():
        if key in planned and planned[key]["brings"] != _brings(step):
            yield f"{step.describe()}: not with what was planned"
        elif key not in planned and not own.is_behind(step):
            yield f"{step.describe()}: was not planned"
    for key, was in planned.items():
        kind, _, name = key.partition(":")
        if key not in now and not (
            kind == "unit" or (kind == "command" and own.command(name)) or own.file(plan.seen.files[name].state)
        ):
            yield f"{was['act']}: is no longer to be done"


def _then(saved: Mapping[str, Any], now: Seen, own: _Own) -> Seen:
    """Return what was seen then; what we ourselves brought about since counts as if it had been so."""
    files, units, commands = saved["files"], saved["units"], saved["commands"]
    return Seen(
        {
            path: file if own.file(file.state) else SeenFile(replace(file.state, **files[path]), None)
            for path, file in now.files.items()
            if path in files
        },
        {
            name: unit if own.unit(unit) else replace(unit, **units[name])
            for name, unit in now.units.items()
            if name in units
        },
        {
            name: holds if own.command(name) else commands[name]
            for name, holds in now.commands.items()
            if name in commands
        },
    )
