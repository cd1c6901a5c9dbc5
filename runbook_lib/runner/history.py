"""What a change's journal says of earlier work: phases that were done before, and the site it was begun on. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runbook_lib.change.journal import Event
from runbook_lib.errors import ParamsError
from runbook_lib.record.by_hand import OPENED
from runbook_lib.values import Verdict


@dataclass(frozen=True, slots=True)
class Earlier:
    """The last time that a phase was gone through in earnest. ``at``: unix seconds; ``steps``: done on hosts.

    ``gates``: name and verdict of each, as last judged; ``hosts``: those that steps were done on.
    """

    at: float
    by: str
    gates: tuple[tuple[str, Verdict], ...]
    steps: int
    hosts: tuple[str, ...]

    def __str__(self) -> str:
        """Say when, by whom and with what result."""
        gates = ", ".join(f"gate {name.replace('_', ' ')}: {verdict}" for name, verdict in self.gates)
        steps = (
            f"{self.steps} {'step' if self.steps == 1 else 'steps'} on {', '.join(self.hosts)}; " if self.steps else ""
        )
        return f"{moment(self.at)} by {self.by}; {steps}{gates or 'no gate was reached'}"


def earlier(events: Sequence[Event], phase: str) -> Earlier | None:
    """Return the last time that ``phase`` was gone through in earnest; None if it never was, or only opened."""
    last: list[Event] = []
    current: list[Event] = []
    for event in events:
        if event.phase != phase:
            continue
        if event.what == OPENED:
            current = [] if event.detail.get("dry_run") else [event]
        elif current:
            current.append(event)
            if event.what in ("gate", "done", "undone"):
                last = current
    if not last:
        return None
    gates = {event.detail["gate"]: Verdict(event.detail["verdict"]) for event in last if event.what == "gate"}
    done = [event for event in last if event.what in ("done", "undone")]
    hosts = dict.fromkeys(event.host for event in done if event.host is not None)
    return Earlier(last[-1].at, last[0].by, tuple(gates.items()), len(done), tuple(hosts))


def require_same_site(events: Iterable[Event], site: str, change: str) -> None:
    """Refuse to go on with a change on another fleet than the one that it was begun on."""
    begun_on = next((str(event.detail["site"]) for event in events if event.what == OPENED), site)
    if begun_on != site:
        raise ParamsError(
            f"change {change} was begun on site {begun_on}, not on {site}",
            remedy=f"name the site file of {begun_on}, or another change",
        )


def moment(at: float) -> str:
    """Write a moment (unix seconds) as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
