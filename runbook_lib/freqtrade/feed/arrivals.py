"""When the newest candle of each series came, of every series that somebody still wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .candle.series import Key

GONE_CANDLES, GONE_SECONDS = 3, 600.0  # how long a series is told of that nobody wants any more


@dataclass
class _Series:
    """The ``newest`` candle (its open, ms), and how many seconds after its close it came: its ``age``.

    ``step``: the length of a candle (ms); ``wanted_at``: when somebody last wanted the series (seconds since 1970).
    """

    step: int
    wanted_at: float
    newest: int = 0
    age: float = 0.0


class Arrivals:
    """Not thread-safe: the state that it belongs to is. ``clock``: seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._series: dict[str, _Series] = {}

    def came(self, key: Key | str, newest: int, step: int) -> None:
        """Note that candles of a series came, up to this one (its open, ms)."""
        now = self._clock()
        series = self._series.setdefault(str(key), _Series(step, now))
        series.wanted_at = now
        if newest > series.newest:
            series.newest, series.age = newest, round(now - (newest + step) / 1000, 3)

    def want(self, keys: Iterable[Key | str]) -> None:
        """Note that somebody still wants these series, whether or not their candles come."""
        for key in keys:
            if str(key) in self._series:
                self._series[str(key)].wanted_at = self._clock()

    def forget(self) -> None:
        """Drop the series that nobody has wanted for a while: their pairs have left the bot's list."""
        now = self._clock()
        for key, series in list(self._series.items()):
            if now - series.wanted_at > GONE_SECONDS + GONE_CANDLES * series.step / 1000:
                del self._series[key]

    @property
    def newest(self) -> dict[str, int]:
        """Return the open of each series' newest candle (ms)."""
        return {key: series.newest for key, series in self._series.items()}

    @property
    def age(self) -> dict[str, float]:
        """Return how many seconds after its close each of these came."""
        return {key: series.age for key, series in self._series.items()}
