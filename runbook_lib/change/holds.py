"""Hold points: places where a change waits for a person. Who let it pass, when and how stands in the journal.

An approval stands over what only interrupts a change: a pause, a stop, a kernel or a runner that dies. It is taken back
by what tells that things are not as they were approved: an abort, a rollback, a gate that did not let pass, a host that
was put back, a plan that no longer fits or was made anew. Then somebody has to look again, and say yes again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from runbook_lib.change.journal import Event, Journal
from runbook_lib.errors import Held, StalePlan
from runbook_lib.values import Verdict

_TAKES_BACK: Final = ("abort", "rolled back", "put back", "planned", "stale")


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
    """Return the last approval of this hold point that nothing took back since."""
    last = None
    for event in events:
        if _takes_back(event):
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


def waited_for(events: Sequence[Event]) -> str | None:
    """Return the hold point that was asked last of those that nobody has let pass; None if there is none."""
    asked = [str(event.detail["hold"]) for event in events if event.what == "hold"]
    return next((hold for hold in reversed(asked) if approval(events, hold) is None), None)


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


def _takes_back(event: Event) -> bool:
    """Whether approvals that were given before this event count no more."""
    if event.what == "gate":
        return str(event.detail["verdict"]) != Verdict.SUCCESSFUL
    if event.what == "ended":
        return str(event.detail["error"]) == StalePlan.__name__
    return event.what in _TAKES_BACK


def _asked(events: Iterable[Event], hold: str, question: str) -> bool:
    """Whether this very question stands open: asked, and neither approved since nor overtaken."""
    asked = False
    for event in events:
        if _takes_back(event) or (event.what == "approved" and event.detail.get("hold") == hold):
            asked = False
        elif event.what == "hold" and event.detail.get("hold") == hold:
            asked = event.detail.get("question") == question
    return asked
