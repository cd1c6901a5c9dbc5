"""The seam: every candle that a bot asks for, live or history, comes through ``fetch_ohlcv`` of its ccxt object."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property

from .host import Ccxt, Fetch, Row
from .answers import without_later
from .times import Window, timeframe_ms, window


@dataclass(frozen=True)
class Asked:
    """One call of ``fetch_ohlcv`` at ``now`` (seconds since 1970)."""

    symbol: str
    timeframe: str
    since: int | None
    limit: int | None
    params: dict[str, object]
    now: float

    @cached_property
    def window(self) -> Window | None:
        """Return what it asks for, or None if that is nothing the feed understands."""
        step = timeframe_ms(self.timeframe)
        if step is None or self.limit is None or self.limit < 1:
            return None
        return window(now=self.now, step=step, since=self.since, limit=self.limit)


async def fetch_settled(
    original: Fetch,
    asked: Asked,
    settle_seconds: float,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Row]:
    """Ask the exchange, but not for a candle before the exchange is done revising it."""
    if asked.window is not None:
        wait = asked.window.settled_at(settle_seconds) - clock()
        if wait > 0:
            await sleep(wait)
    rows = await original(asked.symbol, asked.timeframe, asked.since, asked.limit, asked.params)
    return rows if asked.window is None else without_later(rows, asked.window.forming)


def install(ccxt_object: Ccxt, replacement: Callable[[Fetch], Fetch]) -> None:
    """Put ``replacement(original)`` in the place of ``fetch_ohlcv`` of this one object."""
    ccxt_object.fetch_ohlcv = replacement(ccxt_object.fetch_ohlcv)
