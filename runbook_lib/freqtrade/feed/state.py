"""What the feed has done, in a file that others read, and one log line when its state changes."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from .answers import Reason
from .host import Row
from .times import Window

logger = logging.getLogger(__name__)

FORMAT = 1
WRITE_EVERY_SECONDS = 1.0


class FeedState:
    """Counts of one bot's candle requests since it started. Times are seconds since 1970, candle dates milliseconds."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._started = clock()
        self._written = float("-inf")
        self._dirty = True
        self._turn: Counter[Reason] = Counter()
        self._turn_served = 0
        self._example = ""
        self.state = "starting"
        self.reason = ""
        self.served = 0
        self.waited = 0
        self.longest_wait = 0.0
        self.own_requests = 0
        self.fallbacks: Counter[Reason] = Counter()
        self.by_producer: Counter[str] = Counter()
        self.newest: dict[str, int] = {}
        self.age: dict[str, float] = {}

    def serve(self, key: str, window: Window, producer: str, waited: float) -> None:
        """Note one request answered from a producer's frame after ``waited`` seconds."""
        self.served += 1
        self._turn_served += 1
        self.by_producer[producer] += 1
        if waited > 0:
            self.waited += 1
            self.longest_wait = max(self.longest_wait, waited)
        self._reach(key, window.last, window.step)

    def fall_back(self, key: str, reason: Reason) -> None:
        """Note one request that no producer could answer."""
        self.fallbacks[reason] += 1
        self._turn[reason] += 1
        self._example = key
        self._dirty = True

    def own(self, key: str, rows: list[Row], window: Window | None) -> None:
        """Note one request made to the exchange itself, and its answer."""
        self.own_requests += 1
        closed = [row for row in rows if window is not None and row[0] < window.forming]
        if window is not None and closed:
            self._reach(key, int(closed[-1][0]), window.step)
        self._dirty = True

    def _reach(self, key: str, newest: int, step: int) -> None:
        if newest > self.newest.get(key, 0):
            self.newest[key] = newest
            self.age[key] = round(self._clock() - (newest + step) / 1000, 3)
        self._dirty = True

    def turn(self) -> None:
        """End one round of the bot: say what changed, write if something did."""
        if self._turn:
            reasons = "; ".join(f"{count} x {reason}" for reason, count in sorted(self._turn.items()))
            self._change("fallback", ", ".join(sorted(self._turn)), f"{reasons} (for example {self._example})")
        elif self._turn_served:
            self._change("serving", "", f"{self._turn_served} requests answered from producers")
        self._turn.clear()
        self._turn_served = 0
        self.write()

    def wait_for_first_frames(self) -> None:
        """Note that the bot has just begun and waits for what producers send at first."""
        self._change("waiting", "", "first frames of the producers")

    def _change(self, state: str, reason: str, words: str) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        level = logging.WARNING if state == "fallback" else logging.INFO
        logger.log(level, "Candle feed: %s -> %s: %s", self.state, state, words)
        self.state, self.reason = state, reason
        self._dirty = True

    def as_json(self) -> dict[str, object]:
        """Return the state as it stands in the file."""
        return {
            "format": FORMAT,
            "started": self._started,
            "written": self._clock(),
            "state": self.state,
            "reason": self.reason,
            "served": self.served,
            "waited": self.waited,
            "longest_wait_seconds": round(self.longest_wait, 3),
            "own_requests": self.own_requests,
            "fallbacks": {str(reason): count for reason, count in self.fallbacks.items()},
            "served_by_producer": dict(self.by_producer),
            "newest_candle_ms": self.newest,
            "age_at_arrival_seconds": self.age,
        }

    def write(self) -> None:
        """Replace the file whole, at most once a second; a reader never sees half of it."""
        now = self._clock()
        if not self._dirty or now - self._written < WRITE_EVERY_SECONDS:
            return
        beside = self._path.with_suffix(".tmp")
        try:
            beside.write_text(json.dumps(self.as_json()), encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            logger.debug("Candle feed: state not written: %s", error)
            return
        self._written, self._dirty = now, False
