"""How a change ended that was stepped through by hand: told by its notebooks and its journal, as nobody watched it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from runbook_lib import errors
from runbook_lib.change import journal
from runbook_lib.change.journal import Event
from runbook_lib.errors import Aborted, RecordError
from runbook_lib.record import executed
from runbook_lib.record.assemble import Ending
from runbook_lib.record.executed import Executed
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.values import Verdict

OPENED: Final = "opened"
"""The event that each phase writes when a notebook opens it, with ``site`` and ``dry_run``."""
PLANNED: Final = "planned"
ENDED: Final = "ended"
"""The last event of a headless run, with ``why`` and ``error``: the name of what stopped it."""
INTENT: Final = "intent"
ROLLED_BACK: Final = "rolled back"
_OPEN: Final = ("GateInconclusive", "KeyboardInterrupt", "Held", "Stopped", "Aborted", "Locked")


def ending(folder: ChangeFolder, title: str, *, notebooks: Sequence[str] = (), rollback: str | None = None) -> Ending:
    """Return how the change in ``folder`` ended, from what its notebooks hold as they were saved.

    ``notebooks``: names of those of a whole run; ``rollback``: of the one that undoes them. Raises RecordError when no
    notebook of it was run, or when its journal was touched.
    """
    events = list(journal.read(folder.journal))
    opened = [event for event in events if event.what == OPENED]
    if not opened:
        raise RecordError(f"change {folder.change_id}: none of its notebooks was run", remedy="run them, then report")
    done = is_rolled_back(events)
    found = executed.read_folder(folder.notebooks)
    begun = [notebook for notebook in found if notebook.begun]
    speaking = [notebook for notebook in begun if notebook.name == rollback or not done]
    stopped = next((notebook for notebook in speaking if not notebook.completed), None)
    whole = dict.fromkeys([*notebooks, *(notebook.name for notebook in found if notebook.name != rollback)])
    verdict, why = (_verdict(stopped), _why(stopped)) if stopped is not None else (None, "")
    aborted = _aborted(events)
    missing = [name for name in whole if name not in {notebook.name for notebook in begun}]
    return Ending(
        title=title,
        site=str(opened[-1].detail["site"]),
        started=began_at(events),
        ended=max([events[-1].at, *(notebook.path.stat().st_mtime for notebook in begun)]),
        dry_run=all(event.detail["dry_run"] for event in opened),
        stopped_by=Verdict.INCONCLUSIVE if aborted else verdict,
        why=aborted or why,
        not_run=() if done else tuple(missing),
        rollback=rollback,
        rolled_back=done,
    )


def began_at(events: Sequence[Event]) -> float:
    """Return when the change was begun, in unix seconds: not when it was planned, which may be days before."""
    return next((event.at for event in events if event.what != PLANNED), events[0].at)


def is_rolled_back(events: Iterable[Event]) -> bool:
    """Whether the last thing that was done to the fleet was to undo all of it."""
    last = [event.what for event in events if event.what in (INTENT, ROLLED_BACK)][-1:]
    return last == [ROLLED_BACK]


def _aborted(events: Sequence[Event]) -> str:
    """Return what was said when the change was aborted; empty if it was not, or if somebody has gone on since."""
    last = next((event for event in reversed(events) if event.what in (OPENED, ENDED)), None)
    aborted = last is not None and last.what == ENDED and last.detail["error"] == Aborted.__name__
    return str(last.detail["why"]) if last is not None and aborted else ""


def _verdict(stopped: Executed) -> Verdict:
    """Judge what stopped it: an operator who has not finished has not failed."""
    return Verdict.FAILED if stopped.error and not stopped.error.startswith(_OPEN) else Verdict.INCONCLUSIVE


def _why(stopped: Executed) -> str:
    """Say what stopped it; an error of ours in its own words, any other with its name."""
    name, _, said = stopped.error.partition(": ")
    if said and hasattr(errors, name):
        return said
    return stopped.error or f"{stopped.name} was not run to its end, or not saved"
