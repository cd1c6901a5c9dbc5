"""Who holds a lock, as it is written in it."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Final, Self

from runbook_lib.errors import Locked
from runbook_lib.redaction import redact

RUN: Final = "RUNBOOK_RUN"
"""Environment variable with the token of a run: what its runner has locked, its kernels may work on."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is at work. ``since`` and ``until``: unix seconds; ``run``: the run's token, empty outside of one.

    ``phase``, ``waits_for`` and ``until`` (when that wait ends at the latest) are kept up to date while it works.
    """

    change: str
    by: str
    pid: int
    machine: str
    run: str
    since: float
    command: str
    phase: str = ""
    waits_for: str = ""
    until: float | None = None

    @classmethod
    def here(cls, change: str, command: str, *, run: str | None = None, clock: Callable[[], float] = time.time) -> Self:
        """Return this process as a holder. ``run``: by default the one that this process belongs to."""
        token = os.environ.get(RUN, "") if run is None else run
        return cls(change, getpass.getuser(), os.getpid(), socket.gethostname(), token, clock(), command)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Read what a holder has written; None if it tells of none. What another version may add is passed over."""
        try:
            said = json.loads(text)
            return cls(**{field.name: said[field.name] for field in fields(cls) if field.name in said})
        except (ValueError, TypeError):
            return None

    @property
    def text(self) -> str:
        """It as one line of JSON, secrets masked."""
        return redact(json.dumps(asdict(self)))

    def describe(self) -> str:
        """Say who is at work on what, since when, how and where."""
        since = datetime.fromtimestamp(self.since, UTC)
        return (
            f"{self.by} is at work on change {self.change} since {since:%Y-%m-%d %H:%M:%S} UTC"
            f" ({self.command}; process {self.pid} on {self.machine})"
        )


def refuse_others(first: str, second: Holder, host: str | None = None) -> None:
    """Raise Locked unless the first, as it is written in the lock, belongs to the same run as the second."""
    found = Holder.read(first)
    if found is None:
        raise Locked("somebody is at work here and does not say who", remedy="wait until that has ended", host=host)
    if not second.run or found.run != second.run:
        raise Locked(
            found.describe(),
            remedy=f"wait until that has ended; `runbook status --change {found.change}` tells how far it is",
            host=host,
        )
