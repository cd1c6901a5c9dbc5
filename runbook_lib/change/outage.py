"""Takes units down on purpose, as a crash would, and brings them back: told to the journal before, and never forgotten.

Killing and bringing back are one step. As long as it is not done, the journal, and all who tell by it how a host
stands, say that this is what somebody is at; a rollback finds in it how the unit stood before. Whatever ends the work
in between, the unit is started again; if whoever does it dies, the next plan that wants the unit to run starts it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from runbook_lib.change.engine import Scope
from runbook_lib.change.journal import Journal
from runbook_lib.change.settled import said, wait_until_settled
from runbook_lib.errors import ApplyFailed, RunbookError
from runbook_lib.fleet import Session, Units

DOWN: Final = "down"
"""The event that says a unit was killed, in the middle of its step."""


@dataclass
class Outage:
    """When units were killed, and started again: unix seconds of this machine; None until it is so."""

    killed: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)


@contextmanager
def outage(
    journal: Journal, scope: Scope, units: Iterable[tuple[Session, str]], *, settle_seconds: float
) -> Iterator[Outage]:
    """Kill units, each on its host, and lend the time in which they are down; bring all of them back after it.

    ``settle_seconds``: for how long each has to run again to count as running. Raises ApplyFailed if one does not run
    to begin with or does not go down, VerifyFailed or the host's error if one does not come back.
    """
    times = Outage()
    with ExitStack() as stack:
        for session, name in units:
            stack.enter_context(_one(journal, scope, session, name, settle_seconds, times))
        yield times


@contextmanager
def _one(  # noqa: PLR0913, PLR0917 - one unit's way down and back
    journal: Journal, scope: Scope, session: Session, name: str, settle_seconds: float, times: Outage
) -> Iterator[None]:
    host, units = session.name, Units(session, scope)
    before = units.observe([name])[name]
    if not before.running:
        raise ApplyFailed(
            f"{name} is {before.active} ({before.sub}): what does not run cannot be killed",
            remedy="find out why, and begin again when it runs",
            host=host,
        )
    told = {"kind": "unit", "key": f"unit:{name}", "act": f"kill {name} on purpose, and start it again"}
    was = {"active": before.active, "enabled": before.enabled}
    journal.write("intent", host, **told, unit=name, before=was, acts=["kill", "start"], scope=scope)
    try:
        units.kill(name)
        now = units.observe([name])[name]
        if now.main_pid or now.active in {"active", "activating"}:
            raise ApplyFailed(f"{name} was killed, but it is {now.active}", remedy="look at its Restart=", host=host)
        times.killed[host] = time.time()
        journal.write(DOWN, host, unit=name)
        yield
    finally:
        try:
            _bring_back(units, host, name, times)
            wait_until_settled(units, host, name, settle_seconds)
        except RunbookError as error:
            journal.write("failed", host, **told, why=error.what)
            raise
        journal.write("done", host, **told)


def _bring_back(units: Units, host: str, name: str, times: Outage) -> None:
    try:
        if units.observe([name])[name].active == "failed":
            units.reset_failed(name)  # that it was killed does not count against it
        units.start(name)
    except RunbookError as error:
        raise ApplyFailed(
            f"{name} is down and could not be started: {error.what}{said(units, name)}",
            remedy="run this phase again: it starts it first; or start it on the host by hand",
            host=host,
        ) from error
    times.started[host] = time.time()
