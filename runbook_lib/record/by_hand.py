"""How a change ended that was stepped through by hand: told by its notebooks and its journal, as nobody watched it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from runbook_lib import errors
from runbook_lib.change import journal
from runbook_lib.errors import RecordError
from runbook_lib.record import executed
from runbook_lib.record.assemble import Ending
from runbook_lib.record.executed import Executed
from runbook_lib.record.folder import ChangeFolder
from runbook_lib.values import Verdict

OPENED: Final = "opened"
"""The event that each phase writes when a notebook opens it, with ``site`` and ``dry_run``."""
_OPEN: Final = ("GateInconclusive", "KeyboardInterrupt")


def ending(folder: ChangeFolder, title: str) -> Ending:
    """Return how the change in ``folder`` ended, from what its notebooks hold as they were saved.

    Raises RecordError when no notebook of it was run, or when its journal was touched.
    """
    events = list(journal.read(folder.journal))
    opened = [event for event in events if event.what == OPENED]
    if not opened:
        raise RecordError(f"change {folder.change_id}: none of its notebooks was run", remedy="run them, then report")
    notebooks = executed.read_folder(folder.notebooks)
    saved = [notebook.path.stat().st_mtime for notebook in notebooks if notebook.begun]
    stopped = next((notebook for notebook in notebooks if notebook.begun and not notebook.completed), None)
    return Ending(
        title=title,
        site=str(opened[-1].detail["site"]),
        started=events[0].at,
        ended=max([events[-1].at, *saved]),
        dry_run=all(event.detail["dry_run"] for event in opened),
        stopped_by=_verdict(stopped) if stopped is not None else None,
        why=_why(stopped) if stopped is not None else "",
        not_run=tuple(_not_run(notebooks)),
    )


def _not_run(notebooks: Iterable[Executed]) -> list[str]:
    return [notebook.name for notebook in notebooks if not notebook.begun]


def _verdict(stopped: Executed) -> Verdict:
    """Judge what stopped it: an operator who has not finished has not failed."""
    return Verdict.FAILED if stopped.error and not stopped.error.startswith(_OPEN) else Verdict.INCONCLUSIVE


def _why(stopped: Executed) -> str:
    """Say what stopped it; an error of ours in its own words, any other with its name."""
    name, _, said = stopped.error.partition(": ")
    if said and hasattr(errors, name):
        return said
    return stopped.error or f"{stopped.name} was not run to its end, or not saved"
