"""A producer's candles by websocket: taken from freqtrade's cache only once they are final."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..candle.series import Key, Row
from ..candle.times import timeframe_ms
from ..host import Answer, Exchange, StreamCache
from .asked import newest

PATIENCE_SECONDS = 5.0
POLL_SECONDS = 0.1

Keep = Callable[[Key, list[Row]], None]


@dataclass(frozen=True)
class SettledStream:
    """Stands in the place of ``get_ohlcv`` of freqtrade's websocket cache.

    freqtrade takes the just-closed candle from that cache as it stands one second after its close, whether or not its
    last update has come, and merges the whole cache into its candles again and again. Here the candle is taken after
    it has settled, and only once the stream has gone on to the next one; only candles not yet held are handed on; and
    where the stream leaves a gap, or a market is so quiet that the next candle is long in coming, the exchange is
    asked. ``keep`` is told of the closed ones; it must not raise.

    ccxt keeps no word of whether an update was a candle's last. But that one comes before the first of the next.

    A candle is taken once: what the exchange revises after it has settled reaches neither this bot nor who asks it,
    but for the last few candles before a gap. A producer without websockets asks for those anew with every candle.
    """

    original: Callable[..., Awaitable[Answer]]
    cache: StreamCache
    exchange: Exchange
    settle_seconds: float
    keep: Keep
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __call__(self, pair: str, timeframe: str, candle_type: str, candle_ts: int) -> Answer:
        """Answer like freqtrade's ``ExchangeWS.get_ohlcv``; ``candle_ts`` is the open of the forming candle (ms)."""
        step = timeframe_ms(timeframe)
        if step is None:
            return await self.original(pair, timeframe, candle_type, candle_ts)
        await self.sleep(max(0.0, candle_ts / 1000 + self.settle_seconds - self.clock()))
        until = self.clock() + PATIENCE_SECONDS
        held = newest(self.exchange.klines((pair, timeframe, candle_type), copy=False))
        while True:
            rows, _heard_at = self.cache.get_ohlcv_with_refresh(pair, timeframe, candle_type)
            final = final_rows(rows, held, candle_ts, step)
            if final is not None:
                self.keep(Key(pair, timeframe, candle_type), final[:-1])
                return pair, timeframe, candle_type, final, True
            if self.clock() >= until:
                return await self.exchange._async_get_candle_history(pair, timeframe, candle_type)  # noqa: SLF001 - what freqtrade falls back to
            await self.sleep(POLL_SECONDS)


def final_rows(rows: list[Row], held: int | None, forming: int, step: int) -> list[Row] | None:
    """Return the closed candles newer than ``held`` up to ``forming``, and one in its place that freqtrade drops.

    None if they do not reach from the candle after ``held`` to the one before ``forming``, or do not show that this one
    is final: no update of it comes once there is a later candle.
    """
    if not rows or rows[-1][0] < forming:
        return None
    fresh = [row for row in rows if (held is None or row[0] > held) and row[0] < forming]
    if not fresh or fresh[-1][0] != forming - step or (held is not None and fresh[0][0] != held + step):
        return None
    close = fresh[-1][4]
    return [*fresh, [forming, close, close, close, close, 0.0]]
