"""A series of candles, exact to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Row = list[float]
"""What ccxt calls a candle: open date (ms since 1970), open, high, low, close, volume."""


class Key(NamedTuple):
    """One series of candles. ``candle_type`` as freqtrade writes it: spot, futures, mark, ..."""

    pair: str
    timeframe: str
    candle_type: str

    def __str__(self) -> str:
        return f"{self.pair} {self.timeframe}"


@dataclass(frozen=True, eq=False)
class Candles:
    """Closed candles, oldest first, each date once. ``dates``: opens (unix ms), (n,); ``values``: OHLCV, (n, 5)."""

    dates: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.dates), 5):
            raise ValueError(f"{len(self.dates)} dates but values of shape {self.values.shape}")
        if np.any(np.diff(self.dates) <= 0):
            raise ValueError("candle dates do not rise")

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Candles:
        """Take what ccxt answered; a date that comes twice counts as it came last."""
        told = {int(row[0]): row[1:6] for row in rows}
        dates = sorted(told)
        return cls(
            np.array(dates, dtype=np.int64), np.array([told[date] for date in dates], dtype=np.float64).reshape(-1, 5)
        )

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def newest(self) -> int | None:
        """Open of the last candle in milliseconds, None if there is none."""
        return int(self.dates[-1]) if len(self.dates) else None

    def between(self, first: int, last: int) -> Candles:
        """Return those that open at ``first`` or later and at ``last`` or before (ms)."""
        inside = slice(*np.searchsorted(self.dates, [first, last + 1]))
        return Candles(self.dates[inside], self.values[inside])

    def joined(self, later: Candles) -> Candles:
        """Return both as one; where both have a candle, the one of ``later`` counts."""
        if not len(self) or not len(later):
            return later if len(later) else self
        kept = ~np.isin(self.dates, later.dates)
        dates = np.concatenate([self.dates[kept], later.dates])
        order = np.argsort(dates, kind="stable")
        return Candles(dates[order], np.concatenate([self.values[kept], later.values])[order])

    def rows(self) -> list[Row]:
        """Return them as ccxt would."""
        return [[date, *row] for date, row in zip(self.dates.tolist(), self.values.tolist(), strict=True)]


NONE = Candles(np.empty(0, np.int64), np.empty((0, 5), np.float64))
