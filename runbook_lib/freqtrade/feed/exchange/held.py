"""What a bot holds of a series, put right before freqtrade joins an answer to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..candle.series import Key, Row
from ..host import Exchange

if TYPE_CHECKING:
    import numpy.typing as npt
    from pandas import DataFrame

VALUES = ["open", "high", "low", "close", "volume"]


def correct(exchange: Exchange, key: Key, rows: list[Row], forming: int) -> int:
    """Give the bot the candles of an answer in the place of those that it holds otherwise; return how many.

    ``forming``: the open of the first candle that is not closed (ms).

    freqtrade makes one candle of an old and a new one of the same date: first open, highest high, lowest low, last
    close, most volume. Of one that the exchange revised after it had settled that is neither of both. Where both are
    the same already it is what the exchange says.
    """
    held = exchange.klines(key, copy=False)
    if held.empty or not {"date", *VALUES} <= set(held.columns):
        return 0
    told = {int(row[0]): row[1:6] for row in rows if row[0] < forming}
    dates, every = _opens(held), held[VALUES].to_numpy(np.float64, copy=True)
    both = np.flatnonzero(np.isin(dates, list(told)))
    values = np.array([told[date] for date in dates[both].tolist()], np.float64).reshape(-1, len(VALUES))
    differ = np.any(_bits(every[both]) != _bits(values), axis=1)
    if not differ.any():
        return 0
    every[both] = values
    corrected = held.copy()  # whoever looks at the old one meanwhile sees a whole one
    for column, name in enumerate(VALUES):
        corrected[name] = every[:, column]
    exchange._klines[key] = corrected  # noqa: SLF001 - freqtrade offers no other way to what it holds
    return int(differ.sum())


def _opens(frame: DataFrame) -> npt.NDArray[np.int64]:
    """Return the opens of its candles (ms), in whatever unit it keeps them."""
    opens: npt.NDArray[np.int64] = frame["date"].dt.tz_convert(None).to_numpy("datetime64[ms]").astype(np.int64)
    return opens


def _bits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)
