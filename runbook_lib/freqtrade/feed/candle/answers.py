"""Which rows of a producer's candles answer a request, and why none do. Judged by candle date alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..reasons import Reason
from .series import Candles, Row
from .times import Window

if TYPE_CHECKING:
    from collections.abc import Sequence


def take(candles: Candles, window: Window) -> list[Row] | Reason:
    """Return the rows that answer ``window``, oldest first, or the reason why these candles cannot."""
    before = np.searchsorted(candles.dates, window.forming)
    if before == 0 or (window.closed and candles.dates[-1] < window.last):
        return Reason.MISSING
    if window.closed and candles.dates[0] > window.first:
        return Reason.SHORT
    inside = candles.between(window.first, window.last)
    if len(inside) != window.closed or np.any(np.diff(inside.dates) != window.step):
        return Reason.HOLE
    rows = inside.rows()
    if window.with_forming:
        # freqtrade drops the forming candle of every answer; what stands there is never looked at
        close = float(candles.values[before - 1, 3])
        rows.append([window.forming, close, close, close, close, 0.0])
    return rows


def without_later(rows: Sequence[Row], forming: int) -> list[Row]:
    """Drop what the exchange answered beyond the candle that was forming when it was asked.

    Such an answer crossed a candle's close: the candle that was forming has just closed in it and may still be revised.
    As the last row it counts as the forming one and freqtrade drops it.
    """
    return [row for row in rows if row[0] <= forming]
