"""Hold points: places where a change waits for a person. Who let it pass, when and how stands in the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.change.journal import Event, Journal
from runbook_lib.errors import Held

_TAKES_BACK = ("abort", "rolled back")  # after these the world is another one than was approved


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold point. ``by``, ``at`` (unix seconds) and ``how`` tell of its approval; None as long as there is none."""

    name: str
    question: str
    by: str | None = None
    at: float | None = None
    how: str | None = None

    @property
    def approved(self) -> bool:
        """Whether somebody let it pass."""
        return self.by is not None


def approval(events: Iterable[Event], hold: str) -> Event | None:
    """Return the last approval of this hold point that no later abort or rollback took back."""
    last = None
    for event in events:
        if event.what in _TAKES_BACK:
            last = None
        elif event.what == "approved" and event.detail.get("hold") == hold:
            last = event
    return last


def approve(journal: Journal, hold: str, how: str) -> Event:
    """Let a hold point pass. ``how``: where the approval came from (--approve, JupyterLab, go, rehearsal)."""
    return journal.write("approved", hold=hold, how=how)


def look(events: Iterable[Event], hold: str, question: str) -> Hold:
    """Return a hold point as it stands."""
    found = approval(events, hold)
    if found is None:
        return Hold(hold, question)
    return Hold(hold, question, found.by, found.at, found.detail.get("how"))


def ask(journal: Journal, hold: str, question: str) -> Hold:
    """Return a hold point as it stands; if it is open, the question goes into the journal, once."""
    events = journal.events()
    found = look(events, hold, question)
    if not found.approved and not _asked(events, hold, question):
        journal.write("hold", hold=hold, question=question)
    return found


def require(journal: Journal, hold: str, question: str) -> Hold:
    """Return a hold point that was approved. Raises Held, and leaves the question in the journal, if it was not."""
    found = ask(journal, hold, question)
    if not found.approved:
        change = journal.path.parent.name
        raise Held(
            f"waits for an approval of {hold}: {question}",
            remedy=f"look at the evidence, then `runbook run --change {change} --resume --approve {hold}`",
        )
    return found


def _asked(events: Iterable[Event], hold: str, question: str) -> bool:
    """Whether this very question stands open: asked, and neither approved since nor overtaken."""
    asked = False
    for event in events:
        if event.what in _TAKES_BACK or (event.what == "approved" and event.detail.get("hold") == hold):
            asked = False
        elif event.what == "hold" and event.detail.get("hold") == hold:
            asked = event.detail.get("question") == question
    return asked
