"""What a producer may promise: whether a candle that it does not have yet will really come."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from ..candle.series import Key
from ..candle.store import CandleStore
from ..candle.times import timeframe_ms

CLOCK = "its clock is wrong"
BLOCKED = "blocked by the exchange"
UNCLOSED = "that candle has not closed yet"
FOREIGN = "no candles of the kind that producers carry"
BEHIND = "it has just begun, or stood still: it asks the others first"
STILL = "its bot stands still"
UNANSWERED = "the exchange did not answer it"
UNHELD = "nobody asked for it yet"


class Guard(Protocol):
    """The circuit breaker: ``closed``, ``open`` or ``half-open``."""

    @property
    def state(self) -> str:
        """Whether the exchange may be asked."""


@dataclass
class Outlook:
    """What is under way at one producer. Thread-safe; times in seconds since 1970, of one's own clock.

    ``own_pairs``: what its own bot downloads, in ``own_timeframe``; ``fresh_seconds``: how long after its last sign of
    life that bot counts as alive; ``late_seconds``: how long after a candle's close another producer may have
    downloaded it in one's place; ``clock_wrong``: whether one's own clock is known to be wrong.
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
    _beat: float = field(default=float("-inf"), init=False)

    def beat(self) -> None:
        """Note that the bot asks for its candles, or has ended a round."""
        self._beat = self.clock()

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
        finally:
            with self._lock:
                self._under_way -= Counter({key: 1})

    def in_step(self, key: Key) -> bool:
        """Whether nothing can be missing of a series but a candle that has only just closed.

        One that is missing for longer is late, or was slept over: the others may have seen to it meanwhile.
        """
        step, newest, now = timeframe_ms(key.timeframe), self.store.newest(key), self.clock()
        if step is None or newest is None:
            return False
        forming = _forming(now, step)
        just_closed = now - forming / 1000 < self.late_seconds
        return newest >= forming - (2 if just_closed else 1) * step

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
            (not self.in_step(key) and (peer or not own), BEHIND),
            (own and now - self._beat > self.fresh_seconds, STILL),
            (self._failed.get(key, 0.0) >= (need + step) / 1000, UNANSWERED),
        )
        return next((why for applies, why in reasons if applies), "")


def _forming(now: float, step: int) -> int:
    return int(now * 1000) // step * step
