"""One circuit breaker for all bots of a login on a machine: once the exchange refuses, they stop asking, together."""

from __future__ import annotations

import fcntl
import json
import math
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import Enum, auto
from pathlib import Path

REFUSALS = frozenset({403, 418, 429})
"""Statuses by which an exchange says: stop asking."""
FIRST_SECONDS, LONGEST_SECONDS = 10.0, 300.0
JITTER = 0.2  # of the back-off, so that machines behind one address do not come back in the same second
LONGEST_BAN_SECONDS = 3 * 86_400.0  # Binance's longest; a Retry-After beyond it is a mistake and not obeyed for ever
SILENT = 8  # requests in a row without any answer, after which it counts as refusing, too: so as not to hold up the bot
FORGET_SECONDS = 600.0  # without a refusal, after which the next one counts as the first again
PROBE_SECONDS = 15.0  # how long a probe may be under way before another bot may send one
SILENCE_SECONDS = 20.0  # after so long without an answer nobody knows whether the exchange refuses
AHEAD_SECONDS = 2.0  # how long the others then wait for the one that goes ahead


class Entry(Enum):
    """What one who wants to ask the exchange is told."""

    GO = auto()
    WAIT = auto()  # for the answer of the one who has gone ahead
    SHUT = auto()


@dataclass(frozen=True)
class Refusal:
    """The last refusal. Times in seconds since 1970, lengths in seconds.

    ``status``: 0 if it did not answer at all. ``level``: how many in a row; ``over``: it has answered since;
    ``probe_at``: when somebody went to see.
    """

    at: float
    seconds: float
    status: int
    retry_after: float
    level: int
    over: bool = False
    probe_at: float = 0.0

    def until(self, now: float) -> float:
        """Return when asking may be tried again. Whatever became of the clocks, that is not longer than was said."""
        longest = max(LONGEST_SECONDS, min(self.retry_after, LONGEST_BAN_SECONDS)) * (1 + JITTER)
        seconds = min(self.seconds, longest)
        return min(self.at, now) + seconds if self.at - now < seconds else 0.0

    def probing(self, now: float) -> bool:
        """Whether somebody is on the way."""
        return 0 <= now - self.probe_at < PROBE_SECONDS


NONE = Refusal(0.0, 0.0, 0, 0.0, 0, over=True)


def shared_file(exchange: str) -> Path:
    """Return where the bots of this login keep the breaker of an exchange."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home: nothing is shared
        home = Path("/nonexistent")
    return home / ".cache" / "candle_feed" / f"{exchange}.json"


class Breaker:
    """Thread-safe, and shared by all bots that name the same ``path``.

    A file that is damaged or cannot be written stops nobody: this bot then keeps its own breaker.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time, rng: random.Random | None = None) -> None:
        self._path, self._clock = path, clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter guards no secret
        self._lock = threading.RLock()
        self._own = NONE
        self._read_of: tuple[int, int] | None = None
        self._alone = False  # what it knows could not be written down
        self._answered_at = self._ahead_at = 0.0
        self._silent = 0

    def blocked_until(self) -> float:
        """Return until when (seconds since 1970) nobody asks; 0.0: asking may be tried."""
        now, refusal = self._clock(), self._known()
        return 0.0 if refusal.over or refusal.until(now) <= now else refusal.until(now)

    @property
    def state(self) -> str:
        """Return closed, open, or half-open: one probe finds out whether the exchange answers again."""
        if self._known().over:
            return "closed"
        return "open" if self.blocked_until() else "half-open"

    @property
    def reason(self) -> str:
        """Return the refusal that opened it, in words."""
        refusal = self._known()
        if refusal.over:
            return ""
        if not refusal.status:
            return "it does not answer"
        told = f", Retry-After {refusal.retry_after:.0f} s" if refusal.retry_after else ""
        return f"refused with {refusal.status}{told}, {refusal.level} in a row"

    def enter(self) -> Entry:
        """Ask to be let through. Whoever goes says how it ended: ``succeeded``, ``refused`` or ``unanswered``."""
        now = self._clock()
        if self._known().over:
            return self._ahead(now)
        if self._known().until(now) > now:
            return Entry.SHUT
        if self._known().probing(now):
            return Entry.WAIT
        with self._shared():  # and look again: another bot may have been faster
            refusal = self._known()
            if refusal.over or (refusal.until(now) <= now and not refusal.probing(now)):
                self._write(replace(refusal, probe_at=now))
                return Entry.GO
            return Entry.WAIT

    def refused(self, status: int, retry_after: float | None) -> None:
        """Open. ``retry_after``: seconds that the exchange asked for."""
        with self._shared():
            now, last, self._silent = self._clock(), self._known(), 0
            asked_for = retry_after if retry_after is not None and math.isfinite(retry_after) else 0.0
            asked_for = min(max(asked_for, 0.0), LONGEST_BAN_SECONDS)
            open_still = not last.over and last.until(now) > now
            if open_still:  # one of those that were under way already
                if now + asked_for > last.until(now):
                    self._write(replace(last, at=now, seconds=asked_for, retry_after=asked_for, status=status))
                return
            recent = 0 <= now - last.at < last.seconds + FORGET_SECONDS
            level = last.level + 1 if recent else 1
            pause = min(FIRST_SECONDS * 2 ** min(level - 1, 10), LONGEST_SECONDS)
            seconds = max(pause, asked_for) + self._rng.uniform(0, JITTER) * pause
            self._write(Refusal(now, seconds, status, asked_for, level))

    def succeeded(self) -> None:
        """Close, unless it was opened while the call that succeeded was under way."""
        with self._lock:
            self._answered_at, self._ahead_at, self._silent = self._clock(), 0.0, 0
        if self._known().over:
            return
        with self._shared():
            now, last = self._clock(), self._known()
            if not last.over and last.until(now) <= now:
                self._write(replace(last, over=True, probe_at=0.0))

    def unanswered(self, *, asked: bool = True) -> None:
        """Take note that a call said nothing about refusals: no answer came or, not ``asked``, it was never sent."""
        with self._shared():
            now, last = self._clock(), self._known()
            self._silent += asked
            self._ahead_at = 0.0  # let another one go ahead
            if not last.over and (last.status or not asked):
                self._write(replace(last, probe_at=0.0))  # let another one probe
            elif asked and (not last.over or self._silent >= SILENT) and last.until(now) <= now:
                self._write(Refusal(now, FIRST_SECONDS, 0, 0.0, last.level))

    def _ahead(self, now: float) -> Entry:
        """After a silence let one go ahead, so that a refusal costs one request, not as many as may be under way."""
        with self._lock:
            if 0 <= now - self._answered_at < SILENCE_SECONDS:
                return Entry.GO
            since = now - self._ahead_at
            if not 0 <= since < SILENCE_SECONDS:
                self._ahead_at = now
                return Entry.GO
            return Entry.WAIT if since < AHEAD_SECONDS else Entry.GO

    def _known(self) -> Refusal:
        with self._lock:
            with suppress(OSError, ValueError, TypeError, KeyError):  # missing or damaged: what this bot saw counts
                found = self._path.stat()
                if (found.st_ino, found.st_mtime_ns) != self._read_of:
                    self._read_of = found.st_ino, found.st_mtime_ns
                    self._own = _read(self._path)
            return self._own

    def _write(self, refusal: Refusal) -> None:
        self._own, self._alone = refusal, True
        with suppress(OSError):  # a full or read-only disk: this bot goes on with what it knows itself
            handle, name = tempfile.mkstemp(dir=self._path.parent)
            try:
                with os.fdopen(handle, "w") as file:
                    json.dump(asdict(refusal), file)
                Path(name).replace(self._path)
                self._alone = False
            finally:
                Path(name).unlink(missing_ok=True)

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """Keep this bot's other threads out and, if its file can be had, the other bots too."""
        with self._lock:
            if not self._alone:
                self._read_of = None  # look again: two writes within one tick of the disk's clock look the same
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError:
                yield
                return
            try:
                _locked(handle)
                yield
            finally:
                os.close(handle)


def _read(path: Path) -> Refusal:
    told = json.loads(path.read_text(encoding="ascii"))
    values = {name: type(default)(told[name]) for name, default in asdict(NONE).items()}
    if not all(math.isfinite(value) for value in values.values()):
        raise ValueError(f"{path} holds no times")
    return Refusal(**values)


def _locked(handle: int) -> None:
    """Take the lock; a bot that was stopped while it held it delays the others by no more than a blink."""
    for _ in range(20):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.002)
        else:
            return
