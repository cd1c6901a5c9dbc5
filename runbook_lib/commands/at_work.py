"""Being at work on a change: its lock, its hosts' locks, and what Ctrl-C and its like mean while it lasts."""

from __future__ import annotations

import secrets
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from runbook_lib.change import control
from runbook_lib.change.journal import Journal
from runbook_lib.change.locks import ChangeLock, Holder, HostLocks, change_lock, host_locks
from runbook_lib.commands import terminal
from runbook_lib.commands.chosen import Chosen
from runbook_lib.errors import NO_SESSION, HostError, RunbookError
from runbook_lib.fleet import Fleet
from runbook_lib.params import Site
from runbook_lib.values import Progress

_TELL_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of work on a change, which nobody else is at. ``holder``: we, as others are told of us."""

    chosen: Chosen
    holder: Holder
    lock: ChangeLock

    @contextmanager
    def hosts(self, *, skipping: tuple[type[HostError], ...] = NO_SESSION) -> Iterator[None]:
        """Lock the hosts, too: they are about to be changed. Raises Locked if somebody else is at work on one.

        ``skipping``: see `host_locks`.
        """
        with ExitStack() as stack:
            with terminal.waiting("locks") as waits:
                waits.report(Progress(f"{len(self.chosen.site.hosts)} hosts to be locked"))
                locks = stack.enter_context(hosts_locked(self.chosen.site, self.holder, skipping))
            for line in locks.told():
                terminal.note(line)
            yield


@contextmanager
def at_work(chosen: Chosen) -> Iterator[Work]:
    """Lock the change. Raises Locked if somebody else is at work on it."""
    command = shlex.join(["runbook", *sys.argv[1:]])
    holder = Holder.here(chosen.change_id, command, run=secrets.token_hex(8))
    with change_lock(chosen.folder.lock, holder) as lock:
        yield Work(chosen, holder, lock)


@contextmanager
def hosts_locked(site: Site, holder: Holder, skipping: tuple[type[HostError], ...] = NO_SESSION) -> Iterator[HostLocks]:
    """Lock all hosts of a site, over connections of this process's own. ``skipping``: see `host_locks`."""
    with Fleet.of(site) as fleet, host_locks(fleet, site.hosts, holder, skipping=skipping) as locks:
        yield locks


class Listening:
    """Hears what a notebook waits for: shows it, and tells whoever asks for the change's status."""

    def __init__(self, waits: terminal.Waits, lock: ChangeLock) -> None:
        self._waits = waits
        self._lock = lock
        self._told = ("", 0.0)

    def begin(self, notebook: str) -> None:
        """Go on with the next notebook."""
        self._waits.begin(notebook)
        self._lock.tell(phase=notebook, waits_for="")
        self._told = ("", 0.0)

    def __call__(self, content: Mapping[str, Any]) -> None:
        """Take a wait that a notebook's cell has sent."""
        self._waits.message(content)
        what, at = self._told
        if what == content["what"] and time.monotonic() - at < _TELL_EVERY_SECONDS:
            return
        self._told = (str(content["what"]), time.monotonic())
        counted = f" ({content['done']} of {content['total']})" if content["total"] else ""
        self._lock.tell(waits_for=f"{content['what']}{counted}", until=content.get("until"))


def endings() -> tuple[signal.Signals, ...]:
    """Return the signals that end a run. A hang-up that was ignored when it began, as by nohup, is none of them."""
    deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if deaf else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stopping(journal: Journal) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a terminal that hangs up stop the run after the step in hand.

    The second one cuts it off, unless it is a hang-up: of that, kernel and shell both tell, one after the other.
    """
    asked: list[threading.Thread] = []

    def ask(name: str) -> None:
        try:
            control.request(journal, "stop", signal=name)
            terminal.note(f"interrupted ({name}): stops after the step in hand; once more cuts it off")
        except RunbookError as error:
            terminal.note(f"{error}; {name} once more cuts it off")

    def heard(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            terminal.gone()
        if asked and number == signal.SIGHUP:
            return
        if asked:
            raise KeyboardInterrupt
        # in a thread of its own: what was interrupted may itself be writing the journal
        asked.append(threading.Thread(target=ask, args=(signal.Signals(number).name,), daemon=True))
        asked[0].start()

    before = {number: signal.signal(number, heard) for number in endings()}
    try:
        yield
    finally:
        for thread in asked:
            thread.join(timeout=10)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let nothing of that end the moments that it takes to draw a record up."""

    def heard(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            terminal.gone()

    before = {number: signal.signal(number, heard) for number in endings()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
