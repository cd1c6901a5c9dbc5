"""What a producer may promise: whether a candle that it does not have yet will really come."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from ..candle.series import Key, Row
from ..candle.store import CandleStore
from ..candle.times import Window, timeframe_ms

CLOCK = "its clock is wrong"
BLOCKED = "blocked by the exchange"
UNCLOSED = "that candle has not closed yet"
FOREIGN = "no candles of the kind that producers carry"
LACKING = "the exchange has no such candle"
BEHIND = "it has just begun, or stood still: it asks the others first"
STILL = "its bot stands still"
UNANSWERED = "the exchange did not answer it"
UNHELD = "nobody asked for it yet"


class Guard(Protocol):
    """The circuit breaker: ``closed``, ``open`` or ``half-open``."""

    @property
    def state(self) -> str:
        """Whether the exchange may be asked."""


@dataclass(frozen=True)
class _Look:
    """The exchange did not have the candle that opens at ``missing`` (ms), asked ``at`` after that one had settled.

    ``heard``: so another producer said.
    """

    missing: int
    at: float
    heard: bool


@dataclass
class Outlook:
    """What is under way at one producer. Thread-safe; times in seconds since 1970, of one's own clock.

    ``own_pairs``: what its own bot downloads, in ``own_timeframe``; ``fresh_seconds``: how long after its last sign of
    life that bot counts as alive; ``late_seconds``: how long after a candle's close another producer may have
    downloaded it in one's place; ``clock_wrong``: whether one's own clock is known to be wrong; ``answered_at``: when
    the exchange last answered, which tells the time.
    """

    store: CandleStore
    breaker: Guard
    clock_wrong: Callable[[], bool]
    own_timeframe: str
    candle_type: str
    fresh_seconds: float
    late_seconds: float
    clock: Callable[[], float] = time.time
    own_pairs: frozenset[str] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _under_way: Counter[Key] = field(default_factory=Counter, init=False)
    _failed: dict[Key, float] = field(default_factory=dict, init=False)
    _looks: dict[Key, _Look] = field(default_factory=dict, init=False)
    answered_at: float = field(default=float("-inf"), init=False)
    _beat: float = field(default=float("-inf"), init=False)
    _began: float | None = field(default=None, init=False)

    def beat(self) -> None:
        """Note that the bot asks for its candles, or has ended a round."""
        self._beat = self.clock()
        self._began = self._beat if self._began is None else self._began

    def beginning(self) -> bool:
        """Whether the bot has only just begun, and does not hold all of its own pairs yet."""
        began, now = self._began, self.clock()
        own = (Key(pair, self.own_timeframe, self.candle_type) for pair in self.own_pairs)
        return began is not None and 0 <= now - began < self.fresh_seconds and None in map(self.known_to, own)

    def own(self, key: Key) -> bool:
        """Whether this bot downloads the series itself, in its own rounds."""
        return (
            key.pair in self.own_pairs and key.timeframe == self.own_timeframe and key.candle_type == self.candle_type
        )

    @contextmanager
    def asking_exchange(self, key: Key) -> Iterator[None]:
        """Note, for as long as it lasts, that the exchange is being asked for a series; and whether that failed."""
        with self._lock:
            self._under_way[key] += 1
        try:
            yield
        except Exception:
            self._failed[key] = self.clock()
            raise
        else:
            self._failed.pop(key, None)
            self.answered_at = self.clock()
        finally:
            with self._lock:
                self._under_way -= Counter({key: 1})

    def looked(self, key: Key, window: Window, rows: Sequence[Row], *, heard: bool = False) -> None:
        """Note what the exchange answered, as another producer said if ``heard``. A halted market has no new candles.

        So a look that found none counts like a candle: until the next close nothing more of that series has to come.
        """
        newest = window.forming - window.step
        if window.touches_newest and all(row[0] != newest for row in rows) and not self.clock_wrong():
            self._looks[key] = _Look(newest, self.clock(), heard)

    def look_again(self, key: Key) -> None:
        """Forget what the exchange did not have."""
        self._looks.pop(key, None)

    def lacking_for(self, key: Key, need: int) -> float | None:
        """Return how long ago (seconds) this one saw that the exchange lacks the candle that opens at ``need`` (ms).

        None: nobody has looked since that one closed; infinite: only another producer has.
        """
        look = self._look(key)
        if look is None or look.missing < need:
            return None
        return math.inf if look.heard else self.clock() - look.at

    def known_to(self, key: Key) -> int | None:
        """Return the open (ms) of the newest candle that is held, or that the exchange turned out not to have."""
        newest, look = self.store.newest(key), self._look(key)
        return newest if newest is None or look is None else max(newest, look.missing)

    def in_step(self, key: Key) -> bool:
        """Whether nothing can be missing of a series but a candle that has only just closed.

        One that is missing for longer is late, or was slept over: the others may have seen to it meanwhile.
        """
        step, known, now = timeframe_ms(key.timeframe), self.known_to(key), self.clock()
        if step is None or known is None:
            return False
        forming = _forming(now, step)
        just_closed = now - forming / 1000 < self.late_seconds
        return known >= forming - (2 if just_closed else 1) * step

    def blocked(self) -> bool:
        """Whether the exchange may not be asked. Looks into a file: not to be called for each of many series."""
        return self.breaker.state != "closed"

    def why_not(self, key: Key, need: int, *, kept: bool, blocked: bool, peer: bool) -> str:
        """Return why the candle that opens at ``need`` (ms) will not come, or an empty string if it will.

        ``kept``: whether the standby keeps this series; ``blocked``: as it returns; ``peer``: whether another producer
        asks. A bot that has just begun, or stood still, asks the others first: if both promised, both would wait.
        """
        step = timeframe_ms(key.timeframe)
        if step is None:
            return FOREIGN
        own, now = self.own(key), self.clock()
        reasons = (
            # an asker whose clock is a little ahead may take the forming candle for closed: it will come
            (need > _forming(now, step), UNCLOSED),
            (key in self._under_way, ""),
            (blocked, BLOCKED),
            (not own and not kept, UNHELD),
            (self.lacking_for(key, need) is not None, LACKING),
            (not self.in_step(key) and (peer or not own), BEHIND),
            (own and now - self._beat > self.fresh_seconds, STILL),
            (self._failed.get(key, 0.0) >= (need + step) / 1000, UNANSWERED),
        )
        return next((why for applies, why in reasons if applies), "")

    def _look(self, key: Key) -> _Look | None:
        """Return the last look that found nothing; none that a clock made which was set back since."""
        look = self._looks.get(key)
        return None if look is None or look.at > self.clock() else look


def _forming(now: float, step: int) -> int:
    return int(now * 1000) // step * step
