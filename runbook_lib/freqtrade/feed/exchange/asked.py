"""The seam: every candle that a bot asks for, live or history, comes through ``fetch_ohlcv`` of its ccxt object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..candle.times import Window, timeframe_ms, window
from ..host import Ccxt, Exchange, Fetch
from .budget import Need

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Asked:
    """One call of ``fetch_ohlcv`` at ``now`` (seconds since 1970) by one who holds candles up to ``held_to`` (ms)."""

    symbol: str
    timeframe: str
    since: int | None
    limit: int | None
    params: dict[str, object]
    now: float
    held_to: int | None = None

    @cached_property
    def window(self) -> Window | None:
        """Return what it asks for, or None if that is nothing the feed understands."""
        step = timeframe_ms(self.timeframe)
        if step is None or self.limit is None or self.limit < 1:
            return None
        return window(now=self.now, step=step, since=self.since, limit=self.limit, held_to=self.held_to)

    @property
    def enough(self) -> int | None:
        """Return how many candles, the forming one included, answer it."""
        if self.window is None or self.since is not None:
            return self.limit
        return (self.window.forming - self.window.first) // self.window.step + 1

    def need(self, own_timeframe: str) -> Need:
        """Return what it is wanted for; ``own_timeframe``: the one that the bot trades on."""
        if self.since is not None:
            return Need.HISTORY
        if self.held_to is not None:
            return Need.LIVE
        return Need.FIRST if self.timeframe == own_timeframe else Need.MORE


def newest(frame: DataFrame) -> int | None:
    """Return the open of the last candle (ms) of a frame that the bot holds, or None if it has none."""
    if frame.empty or "date" not in frame.columns:
        return None
    return int(frame["date"].iloc[-1].timestamp()) * 1000


def plain(asked: Asked, exchange: Exchange) -> bool:
    """Whether it asks for a market's own candles, not for marks, funding rates or other prices."""
    return asked.params == (exchange.get_option("ohlcv_params", {}) or {})


def joined(asked: Asked, exchange: Exchange, candle_type: str) -> Asked:
    """Return the request with what the bot holds of that series already."""
    if asked.since is not None or not plain(asked, exchange):
        return asked
    held = exchange.klines((asked.symbol, asked.timeframe, candle_type), copy=False)
    return replace(asked, held_to=newest(held))


def install(ccxt_object: Ccxt, replacement: Callable[[Fetch], Fetch]) -> None:
    """Put ``replacement(original)`` in the place of ``fetch_ohlcv`` of this one object."""
    ccxt_object.fetch_ohlcv = replacement(ccxt_object.fetch_ohlcv)


def ask_again(exchange: Exchange, left_out: set[tuple[str, str]], candle_type: str) -> None:
    """Let freqtrade ask in its next round for what was left out while the exchange refused; empties ``left_out``.

    From 2026.9 on it takes an empty answer, some seconds into a candle, for a market without trades, and asks for that
    series no more until the next candle opens: on long timeframes for half an hour after the exchange answers again.
    """
    polled = getattr(exchange, "_pairs_last_poll_time", {})  # freqtrade's own, and not in every version
    while left_out:
        polled.pop((*left_out.pop(), candle_type), None)
