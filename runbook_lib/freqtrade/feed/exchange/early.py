"""Candles that came too early: what has settled is for the exchange's clock to say, and this host's may be ahead."""

from __future__ import annotations

from collections.abc import Sequence

from ..candle.answers import without_later
from ..candle.series import Row
from ..candle.times import Window

DATE_SECONDS = 1.0  # an answer was made within the second that its ``Date`` names


def early_seconds(window: Window, made_at: float | None, settle_seconds: float) -> float:
    """Return how long after an answer the newest candle asked for settles; 0.0 if it had settled as it was made.

    ``made_at``: the ``Date`` of the answer (seconds since 1970); one that does not say counts as made in time.
    """
    if made_at is None or window.last < _unsettled(window, made_at, settle_seconds):
        return 0.0
    return (window.last + window.step) / 1000 + settle_seconds - made_at


def settled_rows(rows: Sequence[Row], window: Window, made_at: float | None, settle_seconds: float) -> list[Row]:
    """Drop what cannot have settled as the answer was made. ``made_at``: as above.

    A row for the candle that the asker takes for the forming one ends it nevertheless: freqtrade drops that one, and
    would else drop a settled one, or take the one that is really forming for closed.
    """
    unsettled = window.forming if made_at is None else _unsettled(window, made_at, settle_seconds)
    if unsettled >= window.forming:
        return without_later(rows, window.forming)
    settled = [row for row in rows if row[0] < unsettled]
    if settled and window.with_forming:
        close = settled[-1][4]
        settled.append([window.forming, close, close, close, close, 0.0])
    return settled


def _unsettled(window: Window, made_at: float, settle_seconds: float) -> int:
    """Return the open (ms) of the first candle that had not settled, or at the very least not closed, at ``made_at``.

    Whoever asks as soon as a candle has settled is answered in that second or, by a clock a moment behind, in the last
    moment of the one before. That much of the settling is not insisted on, but all of the candle is.
    """
    since_close = max(0.0, settle_seconds - DATE_SECONDS)
    return int((made_at - since_close) * 1000) // window.step * window.step
