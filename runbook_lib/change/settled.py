"""Waits until a unit has run long enough to count as running; if it does not, says what it said last."""

from __future__ import annotations

import re
from time import monotonic, sleep
from typing import Final

from runbook_lib.errors import HostError, VerifyFailed
from runbook_lib.fleet import Units, UnitState
from runbook_lib.redaction import redact

POLL_SECONDS: Final = 0.25
PATIENCE_SECONDS: Final = 5.0  # beyond the time it has to run: systemd itself takes a moment
_LINES: Final = 40  # of its log; a unit that fails again and again writes many
_SHOWN: Final = 2
_LONGEST: Final = 200  # characters
_PREFIX: Final = re.compile(r"^(?:\w{3} [ \d]\d \d\d:\d\d:\d\d )?\S+ (?P<by>[^\s:\[]+)(?:\[\d+\])?: (?P<text>.*)$")
_SYSTEMD: Final = re.compile(r"^systemd(?:\[\d+\])?: ")


def wait_until_settled(units: Units, host: str, name: str, seconds: float) -> None:
    """Return when the unit has run for ``seconds`` with one process and no restart by systemd.

    Raises VerifyFailed with the last words of its log as soon as systemd says that it failed or has to be started
    again, and when the time is up.
    """
    began = monotonic()
    deadline = began + seconds + PATIENCE_SECONDS
    first: UnitState | None = None
    while True:
        now, at = units.observe([name])[name], monotonic()
        wrong = _wrong(now, first)
        if not wrong and now.active == "active":
            if first is None:
                first, began = now, at
            if at - began >= seconds:
                return
        if wrong or at >= deadline:
            raise VerifyFailed(
                f"{name} {wrong or f'is {_standing(now)}'}{said(units, name)}",
                remedy="mend what it complains about, then run this phase again",
                host=host,
            )
        sleep(max(0.0, min(POLL_SECONDS, deadline - at)))


def _wrong(now: UnitState, first: UnitState | None) -> str:
    """Say what no waiting will mend; ``first``: how it stood when it was first seen to run."""
    if not now.enabled:
        return "is not enabled: has its file an [Install] section?"
    if now.active == "failed" or now.sub.startswith("auto-restart"):
        return f"is {_standing(now)}"
    if first is not None and (now.active, now.main_pid, now.restarts) != (
        first.active,
        first.main_pid,
        first.restarts,
    ):
        return f"did not go on running: it is {_standing(now)}, started {now.restarts} times by systemd"
    return ""


def last_words(units: Units, name: str) -> str:
    """Return the last lines of the unit's log since its last start, masked and short; empty if there are none.

    What the unit itself wrote tells more than what systemd says about it, which is taken only where there is nothing
    else.
    """
    try:
        log = units.log_tail(name, _LINES)
    except HostError:  # the error that is being told matters more than a log that cannot be read
        return ""
    own: list[str] = []
    about: list[str] = []
    for line in log.splitlines():
        if line.startswith("-- ") or not line.strip():
            continue
        found = _PREFIX.match(line)
        by, text = (found["by"], found["text"]) if found else ("", line)
        if by == "systemd" or _SYSTEMD.match(text):
            text = _SYSTEMD.sub("", text)
            if re.search(r"\bStart(ing|ed) ", text):
                own, about = [], []
            about.append(text)
        else:
            own.append(text)
    return redact(" | ".join(text.strip()[:_LONGEST] for text in (own or about)[-_SHOWN:]))


def said(units: Units, name: str) -> str:
    """Return the unit's last words as the end of a sentence; empty if there are none."""
    words = last_words(units, name)
    return f"; it said: {words}" if words else ""


def _standing(unit: UnitState) -> str:
    return f"{unit.active} ({unit.sub}{'' if unit.result in {'', 'success'} else f', {unit.result}'})"
