"""What a producer holds: settled candles of every series it was asked for, where all its threads may look."""

from __future__ import annotations

import threading

from .series import NONE, Candles, Key

MOST_CANDLES = 20_000  # of one series: 14 days of 1m, 69 days of 5m, a megabyte each


class CandleStore:
    """Settled, closed candles by series, no more than ``most`` of each.

    Should the exchange correct one all the same, the later value counts and reaches everybody who asks again.
    """

    def __init__(self, most: int = MOST_CANDLES) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._held: dict[Key, Candles] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """A number that rises with every change, so that who waits need not look at every series."""
        return self._version

    def put(self, key: Key, candles: Candles) -> None:
        """Join candles to what is held of a series; the oldest are dropped where there are too many."""
        if not len(candles):
            return
        with self._lock:
            joined = self.get(key).joined(candles)
            self._held[key] = Candles(joined.dates[-self.most :], joined.values[-self.most :])
            self._version += 1

    def get(self, key: Key) -> Candles:
        """Return what is held of a series. What is returned never changes."""
        return self._held.get(key, NONE)

    def newest(self, key: Key) -> int | None:
        """Return the open of the newest candle held (ms), None if none is."""
        return self.get(key).newest

    def drop(self, key: Key) -> None:
        """Forget a series."""
        with self._lock:
            self._held.pop(key, None)

    def series(self) -> tuple[Key, ...]:
        """Return the series of which candles are held."""
        with self._lock:
            return tuple(self._held)
