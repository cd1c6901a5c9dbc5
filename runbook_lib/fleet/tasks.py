"""Commands that may outlive their connection: on a host, one of a name is at work at a time, and it can be ended.

A command that was given up, or whose runner died, goes on: no SSH server ends what has no terminal. Each holds a lock
on the host for as long as any of its processes lives, and runs in a process group of its own, named in that lock.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from typing import Final

from runbook_lib.fleet.session import Session

TASKS: Final = ".runbook/tasks"
"""Where each host keeps these locks, relative to the login's home."""
AFTER_SECONDS: Final = 5.0
"""How much longer than we wait for it a command may go on."""

_BEGIN: Final = "(umask 077; mkdir -p {tasks}) && flock {lock} sh -c {inner}"
_INNER: Final = "echo $$ >{lock}; exec timeout -k 5 {seconds:g} sh -c {text}"
_UNLESS: Final = "sh -c {check} >/dev/null 2>&1 && exit 0\n{do}"
_END: Final = """\
for lock in {locks}; do
    [ -e "$lock" ] || continue
    flock -w {patience:g} "$lock" true && continue
    for signal in TERM KILL; do
        kill -s "$signal" -- "-$(cat "$lock")" 2>/dev/null
        flock -w 10 "$lock" true && continue 2
    done
    echo "$lock: cannot be ended" >&2
    exit 1
done
"""


class Tasks:
    """``sudo``: they run as root, whose own they are."""

    def __init__(self, session: Session, *, sudo: bool = False) -> None:
        self._run = session.sudo if sudo else session.run
        self._by = "-root" if sudo else ""

    def do(self, name: str, command: str, *, check: str, deadline: float | None = None) -> None:
        """Do a command once no other of this name is at work, unless its ``check`` holds by then.

        ``deadline``: seconds for all of it, by default as long as any command; then it ends on the host, too. Raises
        what `Session.run` does.
        """
        text = _UNLESS.format(check=shlex.quote(check), do=command)
        seconds = 0 if deadline is None else deadline + AFTER_SECONDS  # 0: for ever
        lock = self._lock(name)
        inner = _INNER.format(lock=lock, seconds=seconds, text=shlex.quote(text))
        self._run(_BEGIN.format(tasks=TASKS, lock=lock, inner=shlex.quote(inner)), deadline=deadline)

    def end(self, names: Iterable[str], *, patience_seconds: float = 5.0) -> None:
        """See to it that none of these is at work any more; one that is gets some time to end by itself.

        Raises CommandFailed if one cannot be ended.
        """
        locks = " ".join(self._lock(name) for name in names)
        if locks:
            self._run(_END.format(locks=locks, patience=patience_seconds))

    def _lock(self, name: str) -> str:
        return f"{TASKS}/{hashlib.sha256(name.encode()).hexdigest()[:16]}{self._by}"
