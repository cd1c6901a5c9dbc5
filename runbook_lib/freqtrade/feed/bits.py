"""The exact candles of a frame, carried through JSON that rounds.

freqtrade writes frames as JSON with 10 decimals and reads them back without exact parsing, which shifts many a price by
one unit in the last place. Beside every OHLCV column the producer therefore puts the bits of its doubles as an int64
column; integers pass unharmed, and the consumer reads nothing but them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

VALUES = ("open", "high", "low", "close", "volume")
BITS = tuple(f"{name}_bits" for name in VALUES)


class NotExact(ValueError):
    """A frame that does not carry the bits of its candles: from another strategy, or damaged on its way."""


@dataclass(frozen=True)
class Candles:
    """Closed candles in ascending order. ``dates`` are opens in milliseconds since 1970, ``values`` rows of OHLCV."""

    dates: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def with_bits(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with the bits of its OHLCV columns added."""
    return frame.assign(
        **{
            bits: frame[name].to_numpy(np.float64).copy().view(np.int64)
            for name, bits in zip(VALUES, BITS, strict=True)
        }
    )


def newest(frame: pd.DataFrame) -> int | None:
    """Return the open of the frame's last candle in milliseconds, or None if it has none."""
    if frame.empty or "date" not in frame.columns:
        return None
    return int(frame["date"].iloc[-1].timestamp()) * 1000


def candles(frame: pd.DataFrame) -> Candles:
    """Return the exact candles of a frame made by ``with_bits``, whatever its rounded columns say."""
    for name in BITS:
        if name not in frame.columns:
            raise NotExact(f"no column {name}")
        if frame[name].dtype != np.int64:
            raise NotExact(f"column {name} is {frame[name].dtype}, not int64")
    bits = np.column_stack([frame[name].to_numpy() for name in BITS])
    return Candles(
        dates=frame["date"].dt.as_unit("ms").astype("int64").to_numpy(),
        values=np.ascontiguousarray(bits).view(np.float64),
    )
