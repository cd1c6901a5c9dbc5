"""Hold points and decisions as a notebook asks for them: in JupyterLab a question, headless answered beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from IPython.core.error import StdinNotImplementedError

from runbook_lib.change import control, holds
from runbook_lib.change.decisions import Decision, decided
from runbook_lib.change.holds import Hold
from runbook_lib.change.journal import Journal
from runbook_lib.change.origin import Standing
from runbook_lib.errors import Aborted, Held
from runbook_lib.redaction import redact
from runbook_lib.runner import lifeline
from runbook_lib.runner.history import moment
from runbook_lib.view import progress, tables
from runbook_lib.view.rendered import RenderedAs

Ask = Callable[[str], str | None]
"""Puts a question to whoever sits there; None where nobody does."""

BY_HAND: Final = "JupyterLab"


@dataclass(frozen=True, slots=True)
class HoldView(RenderedAs):
    """A hold point that was passed. ``dry_run``: nobody was asked."""

    hold: Hold
    dry_run: bool = False

    def shown(self) -> tables.Table:
        """Show what was asked, and who said yes, when and how."""
        answered = {
            "approved by": self.hold.by or "nobody",
            "when": moment(self.hold.at) if self.hold.at is not None else "",
            "how": self.hold.how or "",
        }
        if self.dry_run:
            answered = {"answer": "a dry run goes on without one"}
        return tables.facts({"question": self.hold.question, **answered}, f"Hold point {self.hold.name}")


def someone_there(question: str) -> str | None:
    """Ask in a kernel that a person has opened; None headless, where nobody is asked."""
    if not progress.in_kernel() or lifeline.this_run() is not None:
        return None
    try:
        return input(f"{redact(question)} ").strip()
    except StdinNotImplementedError:
        return None


def pass_(journal: Journal, name: str, question: str, *, dry_run: bool, ask: Ask = someone_there) -> HoldView:
    """Go on if the hold point was approved, or is now.

    Raises Held if it was not, and Aborted if that was the answer.
    """
    if dry_run:
        return HoldView(Hold(name, question), dry_run=True)
    found = holds.ask(journal, name, question)
    if found.approved:
        return HoldView(found)
    answer = ask(f"{question} Type go, or abort and why:")
    if answer is None:
        return HoldView(holds.require(journal, name, question))
    if answer.lower() == "go":
        holds.approve(journal, name, BY_HAND)
        return HoldView(holds.look(journal.events(), name, question))
    word, _, reason = answer.partition(" ")
    if word.lower() == "abort":
        event = control.request(journal, "abort", reason=reason.strip())
        raise Aborted(f"aborted by {event.by}: {reason.strip()}", remedy="what was done so far is in the journal")
    raise Held(
        f"waits for an approval of {name}: the answer was {answer!r}",
        remedy="run this cell again, and type go, or abort and why",
    )


def decide(  # noqa: PLR0913 - one question
    journal: Journal, host: str, path: str, now: Standing, *, dry_run: bool, ask: Ask = someone_there
) -> Decision | None:
    """Return what somebody decided on a file that was edited since; None as long as nobody has.

    ``now``: what was shown of it; only a decision that is about that counts. Raises Held if the answer was neither of
    the two.
    """
    known = decided(journal.events(), host).get(path)
    if known is not None and known.counts(now):
        return known.decision
    question = f"{host}: {path} was edited since, see above. Type overwrite (put it back) or keep (leave the edit):"
    answer = None if dry_run else ask(question)
    if answer is None:
        return None
    decision = _known(answer.lower())
    if decision is None:
        raise Held(
            f"{host}: {path} waits for a decision: the answer was {answer!r}",
            remedy="run this cell again, and type overwrite or keep",
        )
    journal.write("decided", host, path=path, on=now, decision=decision, how=BY_HAND)
    return decision


def _known(word: str) -> Decision | None:
    return "overwrite" if word == "overwrite" else "keep" if word == "keep" else None
