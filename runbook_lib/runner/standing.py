"""How a change stands, and what to do next: told by its journal and by whoever is at work on it. Pure."""

from __future__ import annotations

import enum
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from runbook_lib.change.holds import waited_for
from runbook_lib.change.journal import Event
from runbook_lib.change.locks import Holder
from runbook_lib.change.undo import owed
from runbook_lib.record.by_hand import OPENED, is_rolled_back
from runbook_lib.runner.history import moment

_STEPS: Final = ("intent", "done", "failed", "undo", "undone", "undo failed", "put back")


class State(enum.StrEnum):
    """In one word or two."""

    NEW = "not begun"
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    ENDING = "ending"
    BUSY = "busy"
    CUT_OFF = "cut off"
    HELD = "held"
    STOPPED = "stopped"
    ABORTED = "aborted"
    ENDED = "ended"
    BY_HAND = "by hand"
    ROLLED_BACK = "rolled back"


LIVE: Final = (State.RUNNING, State.PAUSED, State.ENDING)
"""Somebody is at work who listens."""
AT_REST: Final = (State.HELD, State.STOPPED, State.CUT_OFF)
"""Nobody is at work, and somebody has to say how it goes on."""
_ENDINGS: Final = {"Held": State.HELD, "Stopped": State.STOPPED, "Aborted": State.ABORTED}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one change stands. ``said``: in one line; ``then``: what to do next; ``since``: unix seconds.

    ``hosts``: what became of each host that anything was done on, in the order of their first steps.
    """

    change: str
    state: State
    said: str
    then: str
    since: float | None
    hosts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Told:
    """What the journal tells, cut at the last headless run. ``own``: what came after that run began."""

    events: Sequence[Event]
    rollback: str | None

    @property
    def began(self) -> Event | None:
        return _last(self.events, "run")

    @property
    def own(self) -> Sequence[Event]:
        return self.events[self.began.number :] if self.began is not None else self.events

    @property
    def ended(self) -> Event | None:
        return _last(self.own, "ended") if self.began is not None else None

    @property
    def named(self) -> str:
        """What else was typed last to name site and runbook: the next command needs the same."""
        told = _last(self.events, "run", "planned")
        return "".join(f" {shlex.quote(word)}" for word in (told.detail.get("named", []) if told is not None else []))

    @property
    def undoing(self) -> bool:
        """Whether the last run was a rollback."""
        return self.began is not None and self.began.detail["notebooks"] == [self.rollback]


def standing(change: str, events: Sequence[Event], holder: Holder | None, rollback: str | None) -> Standing:
    """Judge how a change stands.

    ``holder``: whoever is at work on it now; ``rollback``: name of the notebook that undoes it.
    """
    told = _Told(events, rollback)
    state, said, since = _alive(told, holder) if holder is not None else _at_rest(told)
    return Standing(change, state, said, _next(change, state, told), since, fates(events))


def next_step(change: str, events: Sequence[Event], rollback: str | None, error: str | None) -> str:
    """Say what to do next about a run that an ``error`` of that name has just ended; None if nothing did."""
    return _next(change, _ENDINGS.get(str(error), State.ENDED), _Told(events, rollback))


def is_begun(events: Sequence[Event]) -> bool:
    """Whether the change has announced a step that was not undone since."""
    return any(event.what == "intent" for event in events) and not is_rolled_back(events)


def is_in_earnest(events: Sequence[Event]) -> bool:
    """Whether anything of the change was begun that was no dry run."""
    return any(event.what in ("run", OPENED) and not event.detail.get("dry_run") for event in events)


def _last(events: Sequence[Event], *what: str) -> Event | None:
    return next((event for event in reversed(events) if event.what in what), None)


def _alive(told: _Told, holder: Holder) -> tuple[State, str, float]:
    opened = _last(told.own, OPENED)
    # a notebook by hand hears what is said since it was opened, a run what is said since it began
    heard = told.own if holder.run or opened is None else [each for each in told.own if each.number > opened.number]
    word = _last(heard, "pause", "go", "abort", "stop")
    phase = holder.phase or (opened.phase if opened is not None else "")
    who = f"by {holder.by} (process {holder.pid} on {holder.machine})"
    at_work = f"{phase or holder.command}, {who}"
    if holder.run and (told.ended is not None or told.began is None or told.began.detail["run"] != holder.run):
        return State.BUSY, f"{holder.command}, {who}", holder.since  # it locks, plans, or draws its record up
    if word is None or word.what == "go":
        return State.RUNNING, at_work, holder.since
    if word.what == "pause":
        return State.PAUSED, f"{at_work}; paused by {word.by}: {word.detail.get('why') or 'no reason given'}", word.at
    if word.what == "abort":
        return State.ENDING, f"{at_work}; to be aborted, says {word.by}: {word.detail['reason']}", word.at
    return State.ENDING, f"{at_work}; stops after the step in hand ({word.detail.get('signal')})", word.at


def _at_rest(told: _Told) -> tuple[State, str, float | None]:
    opened, began, ended = _last(told.events, OPENED), told.began, told.ended
    back = _last(told.events, "rolled back")
    if back is not None and is_rolled_back(told.events):
        failed = ended is not None and told.undoing and ended.detail["verdict"] != "Successful"
        after = f"; then {ended.detail['verdict']}: {ended.detail['why']}" if ended is not None and failed else ""
        return State.ROLLED_BACK, f"by {back.by}{after}", back.at
    if opened is not None and (began is None or (ended is not None and opened.number > ended.number)):
        return State.BY_HAND, f"{opened.phase} was opened last, by {opened.by}", opened.at
    if ended is not None:
        state = _ENDINGS.get(str(ended.detail.get("error")), State.ENDED)
        why = str(ended.detail["why"])
        # what to do next is told anyway
        said = f"{ended.detail['verdict']}: {why}" if state is State.ENDED else why.partition(" -> ")[0]
        return state, said, ended.at
    if began is not None:
        where = opened.phase if opened is not None and opened.number > began.number else "its first notebook"
        return State.CUT_OFF, f"in {where}: process {began.detail['pid']} of {began.by} is gone", told.events[-1].at
    planned = _last(told.events, "planned")
    if planned is None:
        return State.NEW, "nothing was done", None
    return State.PLANNED, f"by {planned.by}; nothing was done", planned.at


def _next(change: str, state: State, told: _Told) -> str:
    name = f"{change}{told.named}"
    anew = f"runbook run --change {name}"
    again = f"runbook rollback --change {name}" if told.undoing else f"{anew} --resume"
    can_undo = is_begun(told.events) and told.rollback is not None and not told.undoing
    undo = f"; `runbook rollback --change {name}` undoes it" if can_undo else ""
    hold = waited_for(told.events)
    approve = f" --approve {hold}" if hold is not None else ""
    well = told.ended is None or told.ended.detail["verdict"] == "Successful"
    report = f"`runbook report --change {change}`"
    wait = f"wait; `runbook status --change {change}` tells when it has ended"
    words = {
        State.NEW: f"`{anew}` carries it out",
        State.PLANNED: f"`{anew}` carries it out",
        State.BY_HAND: f"go on in outputs/{change}/notebooks, or headless by `{again}`{undo}",
        State.RUNNING: f"`runbook pause --change {change}` holds it before the next step",
        State.ENDING: wait,
        State.BUSY: wait,
        State.PAUSED: f"`runbook go --change {change}` goes on; `runbook abort --change {change} --reason WHY` ends it",
        State.HELD: f"`{again}{approve}` goes on; `runbook abort --change {name} --reason WHY` says no{undo}",
        State.ROLLED_BACK: f"{report}; to try again, begin another change" if well else f"`{again}` looks again",
    }
    if state in words:
        return words[state]
    if not is_in_earnest(told.events):
        return f"`{anew}` carries it out"
    return f"{report}{undo}" if state is State.ENDED and well else f"`{again}` goes on{undo}"


def fates(events: Sequence[Event]) -> dict[str, str]:
    """Return what became of each host that anything was done on."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.host is not None and event.what in _STEPS:
            found.setdefault(event.host, []).append(event)
    return {host: _fate(steps, owed(events, host)) for host, steps in found.items()}


def _fate(steps: Sequence[Event], owing: Collection[str]) -> str:
    last, back, forward = steps[-1], _last(steps, "put back"), _last(steps, "intent")
    act = last.detail.get("act", "a step")
    if last.what in ("failed", "undo failed"):
        return f"failed: {act}: {last.detail.get('why', 'no reason is known')}"
    if last.what == "done" and owing:
        return f"half done: {act} at {moment(last.at)}; {', '.join(sorted(owing))} still runs as before"
    if last.what == "done":
        return f"done at {moment(last.at)}"
    if last.what != "undone":
        return f"cut off, or at it now: {act}"
    if back is not None and (forward is None or back.number > forward.number):
        return f"put back at {moment(last.at)}: {back.detail.get('why', 'no reason is known')}"
    return f"undone at {moment(last.at)}"
