"""Which rows of a producer's frame answer a request, and why none do. Judged by candle date alone."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from .bits import Candles
from .host import Row
from .times import Window

if TYPE_CHECKING:
    from collections.abc import Sequence


class Reason(StrEnum):
    """Why a request was not answered from producers."""

    FOREIGN = "no producer carries it"
    DEAD = "its producer does not answer"
    SILENT = "its producer lives but has sent no frame"
    STALE = "the producer's frame is stale"
    LATE = "its producer lives but the candle did not come in time"
    SHORT = "the producer's frame does not reach back far enough"
    HOLE = "the producer's frame has a hole"
    EARLY = "its producer sent a candle that cannot have settled yet: compare the clocks"
    NOT_EXACT = "the producer's frame does not carry exact candles"
    ERROR = "an error in the feed"


def take(candles: Candles, window: Window) -> list[Row] | Reason:
    """Return the rows that answer ``window``, oldest first, or the reason why this frame cannot."""
    dates = candles.dates
    if not len(dates) or dates[-1] < window.last:
        return Reason.STALE
    if dates[0] > window.first:
        return Reason.SHORT
    inside = slice(*np.searchsorted(dates, [window.first, window.last + 1]))
    rows_dates, values = dates[inside], candles.values[inside]
    if len(rows_dates) and (np.any(np.diff(rows_dates) != window.step) or rows_dates[-1] != window.last):
        return Reason.HOLE
    rows: list[Row] = [[date, *row] for date, row in zip(rows_dates.tolist(), values.tolist(), strict=True)]
    if window.with_forming:
        # freqtrade drops the forming candle of every answer; what stands there is never looked at
        close = float(candles.values[np.searchsorted(dates, window.forming) - 1, 3])
        rows.append([window.forming, close, close, close, close, 0.0])
    return rows


def without_later(rows: Sequence[Row], forming: int) -> list[Row]:
    """Drop what the exchange answered beyond the candle that was forming when it was asked.

    Such an answer crossed a candle's close: the candle that was forming has just closed in it and may still be revised.
    As the last row it counts as the forming one and freqtrade drops it.
    """
    return [row for row in rows if row[0] <= forming]
