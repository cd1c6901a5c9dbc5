"""The lock of a host: held there by a process that ends with our connection, or when it hears nothing from us.

It lies in the login's home: those who log in as different users do not meet.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from runbook_lib.change.locks.who import Holder, refuse_others
from runbook_lib.errors import NO_SESSION, HostError, Locked, Unreachable
from runbook_lib.fleet import Fleet, HeldCommand, Session
from runbook_lib.values import FleetResult

QUIET_SECONDS: Final = 60.0
"""So long a host holds a lock of which it hears nothing: a connection may be dead, and nobody told it."""

_HELD: Final = "held"
_PASSED_ON: Final = "passed on"
_ON_HOST: Final = """\
import fcntl, os, select, sys
seconds = float(sys.argv[1])
holder, known = sys.stdin.buffer.readline(), sys.stdin.buffer.readline().strip()
os.makedirs(".runbook", mode=0o700, exist_ok=True)
lock = os.open(".runbook/lock", os.O_RDWR | os.O_CREAT, 0o600)

def take():
    global known
    with open(".runbook/lock.turn", "ab") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        last = os.pread(lock, 1 << 16, 0).strip()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            known = known or last
            return last.decode("utf-8", "replace")
        if known and last not in (known, holder.strip()):
            fcntl.flock(lock, fcntl.LOCK_UN)
            return "passed on"
        os.truncate(lock, os.pwrite(lock, holder, 0))
    return "held"

answer = take()
print(answer, flush=True)
while select.select([0], [], [], seconds)[0]:
    if not os.read(0, 1 << 16):
        sys.exit()
    answer = answer if answer == "held" else take()
    print(answer, flush=True)
sys.exit("nothing was heard from its holder for %g s" % seconds)
"""


class HostLock:
    """The lock of one host while this process, or another of the same run, holds it. Thread safe.

    Where another holds it, ours stands by on the host, and takes it when that one is gone. What was lost is taken again
    unless somebody else has had it since: whoever had it last stands in it.
    """

    def __init__(self, session: Session, holder: Holder, *, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._session = session
        self._holder = holder
        self._quiet_seconds = quiet_seconds
        self._asking = threading.Lock()
        self._released = False
        self._known = ""  # who held it when it was asked for last: we, or another process of this run
        self._process = self._take()

    def still_held(self) -> None:
        """Ask the host, at the price of one round trip; take it again if it was lost.

        Raises Unreachable if it cannot be had again, or somebody else has it, or had it since.
        """
        with self._asking:
            lost = ""
            try:
                answer = self._process.ask()
            except HostError as error:  # what held it is gone; the host may not be
                lost = f"{error.what}; "
            try:
                if lost:
                    self._process.let_go()
                    self._process = self._take()
                else:
                    self._judge(answer)
            except (HostError, Locked) as error:
                raise self._lost(f"{lost}{error.what}") from error
            if self._released:
                self._process.let_go()

    def release(self) -> None:
        """Let it go; what another process of the same run holds stays its own."""
        self._released = True
        self._process.let_go()

    def _take(self) -> HeldCommand:
        """Return what holds the lock from now on, or stands by while another process of this run holds it."""
        command = f"exec python3 -I -c {shlex.quote(_ON_HOST)} {self._quiet_seconds:g}"
        process = self._session.hold(command, "the lock of this host")
        try:
            self._judge(process.ask(f"{self._holder.text}\n{self._known}".encode()))
        except BaseException:
            process.let_go()
            raise
        process.keep(every=self._quiet_seconds / 4)
        return process

    def _judge(self, answer: str) -> None:
        """Raise Locked unless the answer is that we hold it, or another process of this run does."""
        if answer == _PASSED_ON:
            raise Locked("nobody holds it, and somebody else had it since", remedy="", host=self._session.name)
        if answer == _HELD:
            self._known = self._holder.text
        elif answer not in (self._known, self._holder.text):  # ours may linger there when its connection is gone
            refuse_others(answer, self._holder, self._session.name)
            self._known = answer

    def _lost(self, why: str) -> Unreachable:
        return Unreachable(
            f"its lock was lost, and somebody else may be at work there: {why}",
            remedy=f"look with `runbook status --change {self._holder.change}`, then run with --resume",
            host=self._session.name,
        )


class HostLocks:
    """The locks of many hosts. Thread safe.

    ``skipped``: hosts whose lock could not be had though nobody is known to hold it, and why.
    """

    def __init__(self, inventory: Iterable[str]) -> None:
        self._inventory = tuple(inventory)
        self.skipped: dict[str, HostError] = {}
        self._locks: dict[str, HostLock] = {}
        self._adding = threading.Lock()
        self._over = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the hosts that are locked, in the order of the inventory."""
        return tuple(host for host in self._inventory if host in self._locks)

    def told(self) -> list[str]:
        """Say of each host that was skipped that nothing will be done there, and why."""
        return [
            f"{host} is not locked, and nothing is done there: {error.what}" for host, error in self.skipped.items()
        ]

    def still_held(self, host: str) -> None:
        """Ask one host; see `HostLock.still_held`. Raises Unreachable for a host that was skipped, too."""
        if host not in self._locks:
            raise Unreachable(
                f"nothing is done here without its lock, and that could not be had: {self.skipped[host].what}",
                remedy="run this phase again: it reaches the failed and the unreached",
                host=host,
            )
        self._locks[host].still_held()

    def add(self, host: str, lock: HostLock) -> None:
        """Keep a lock. One that comes after the end, as nobody waited for it, is let go at once."""
        with self._adding:
            if not self._over:
                self._locks[host] = lock
                return
        lock.release()

    def release(self) -> None:
        """Let all of them go."""
        with self._adding:
            self._over = True
        with ThreadPoolExecutor(max(1, len(self._locks))) as pool:
            list(pool.map(HostLock.release, self._locks.values()))


@contextmanager
def host_lock(session: Session, holder: Holder, *, quiet_seconds: float = QUIET_SECONDS) -> Iterator[HostLock]:
    """Hold the lock of one host; if another process of the same run has it, share it.

    Raises Locked, naming the first, if another run holds it.
    """
    lock = HostLock(session, holder, quiet_seconds=quiet_seconds)
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def host_locks(
    fleet: Fleet,
    hosts: Iterable[str],
    holder: Holder,
    *,
    skipping: tuple[type[HostError], ...] = NO_SESSION,
    quiet_seconds: float = QUIET_SECONDS,
) -> Iterator[HostLocks]:
    """Hold the locks of all these hosts, or of none; see `host_lock`.

    Hosts that answer with one of the errors ``skipping`` are skipped: those out of reach; of an undo, which no host may
    keep from the others, those that are too ill to be locked as well.
    """
    locks = HostLocks(fleet.hosts)

    def lock(session: Session) -> None:
        locks.add(session.name, HostLock(session, holder, quiet_seconds=quiet_seconds))

    def reach(task: Callable[[Session], None], some: Iterable[str]) -> list[str]:
        results = fleet.on_all(task, some)
        locks.skipped |= {each.host: each.error for each in results.failed if isinstance(each.error, skipping)}
        reached = tuple(each for each in results.values() if each.host not in locks.skipped)
        return list(FleetResult(reached).unwrap())

    try:
        connected = reach(Session.connect, hosts)
        # of two runs that begin together, the one that gets the first host gets all: neither turns the other away
        reach(lock, connected[:1])
        reach(lock, connected[1:])
        yield locks
    finally:
        locks.release()
