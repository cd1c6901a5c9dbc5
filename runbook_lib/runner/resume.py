"""Where a change goes on that was begun before, and when it may not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runbook_lib.change.journal import Event
from runbook_lib.errors import ParamsError, RecordError
from runbook_lib.record import executed
from runbook_lib.record.by_hand import OPENED, is_rolled_back
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.runner.history import earlier, moment
from runbook_lib.runner.runbook import Runbook
from runbook_lib.runner.standing import is_begun, is_in_earnest


def remaining(folder: ChangeFolder, events: Sequence[Event], runbook: Runbook) -> list[Path]:
    """Return the first notebook that did not run to its end in earnest, and all after it; none if all of them did.

    Raises ParamsError if there is nothing to go on with.
    """
    change = folder.change_id
    if not is_in_earnest(events):
        raise ParamsError(f"change {change} was not begun", remedy=f"`runbook run --change {change}` begins it")
    _refuse_undone(change, events, runbook.manifest.rollback)
    left = list(runbook.notebooks)
    while left and _completed(folder, left[0].stem, events):
        left.pop(0)
    return left


def require_new(change: str, events: Sequence[Event], runbook: Runbook, *, again: bool) -> None:
    """Refuse to begin a change that has changed something already. ``again``: single notebooks were asked for."""
    _refuse_undone(change, events, runbook.manifest.rollback)
    if is_begun(events) and not again:
        raise ParamsError(
            f"change {change} was begun: hosts are not as they were",
            remedy="--resume goes on with it; --only NOTEBOOK runs one again; another --change begins anew",
        )


def require_in_time(asked: Sequence[Path], events: Sequence[Event], runbook: Runbook) -> None:
    """Refuse to look again how things were before the change once something was changed; what was seen then stays."""
    late = [path.stem for path in asked if path.stem in runbook.manifest.before_changes]
    if not late or not is_begun(events):
        return
    seen = earlier(events, late[0])
    raise ParamsError(
        f"{late[0]} sees how hosts were before the change, and they are changed by now"
        + (f"; it was done at {seen}" if seen is not None else ""),
        remedy="its result stays; go on with the notebooks after it",
    )


def _refuse_undone(change: str, events: Sequence[Event], rollback: str | None) -> None:
    """Refuse to go forward once a rollback has begun: notebooks that ran to their end say no more how hosts are."""
    if is_rolled_back(events):
        back = next(event for event in reversed(events) if event.what == "rolled back")
        raise ParamsError(
            f"change {change} was rolled back at {moment(back.at)} by {back.by}", remedy="begin another --change"
        )
    last = next((event for event in reversed(events) if event.what in ("intent", "undo")), None)
    if last is not None and last.what == "undo" and last.phase == rollback:
        raise ParamsError(
            f"change {change} is half rolled back", remedy=f"`runbook rollback --change {change}` finishes it"
        )


def _completed(folder: ChangeFolder, name: str, events: Sequence[Event]) -> bool:
    opened = [event for event in events if event.what == OPENED and event.phase == name]
    if not opened or opened[-1].detail["dry_run"]:
        return False
    try:
        return executed.read(folder.notebooks / f"{name}.ipynb").completed
    except RecordError:
        return False
