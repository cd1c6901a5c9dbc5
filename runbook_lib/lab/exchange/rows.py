"""Candles as Binance writes them: rows of twelve values, kept encoded so that serving is slicing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import starmap

from runbook_lib.lab.exchange.candles import (
    LISTED,
    MINUTE_MS,
    Candles,
    Lateness,
    aggregate,
    first_unsettled,
    minutes,
    seen,
)
from runbook_lib.lab.exchange.markets import Market, decimal

INTERVALS: Mapping[str, int] = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
}
"""Interval -> minutes."""

_KEPT = 4000
"""Encoded rows kept per market and interval; what bots ask for every minute is the newest thousand."""


def listed(size: int) -> int:
    """Return the number of the first whole candle of ``size`` minutes that any market has."""
    return -(-LISTED // size)


def encode(market: Market, size: int, first: int, candles: Candles) -> list[bytes]:
    """Return one encoded row per candle, ``size`` minutes long; ``first`` numbers the first of them, since 1970."""
    span = size * MINUTE_MS
    tick, step = market.tick_decimals, market.step_decimals
    turnover = tick + step

    def row(number: int, *values: int) -> bytes:
        opened, high, low, close, volume, quote, trades, taker, taker_quote = values
        begin = number * span
        return (
            f'[{begin},"{decimal(opened, tick)}","{decimal(high, tick)}","{decimal(low, tick)}",'
            f'"{decimal(close, tick)}","{decimal(volume, step)}",{begin + span - 1},"{decimal(quote, turnover)}",'
            f'{trades},"{decimal(taker, step)}","{decimal(taker_quote, turnover)}","0"]'
        ).encode()

    return list(starmap(row, zip(range(first, first + len(candles)), *candles.lists(), strict=True)))


class _Shelf:
    """Encoded settled rows of one market and interval, without a gap."""

    def __init__(self, market: Market, size: int) -> None:
        self._market = market
        self._size = size
        self._first = 0
        self._rows: list[bytes] = []

    def between(self, first: int, last: int) -> list[bytes]:
        """Return rows ``first`` to ``last`` (exclusive)."""
        end = self._first + len(self._rows)
        if last <= first:
            return []
        if first > end or last < self._first or last - first > _KEPT or self._first - first > _KEPT:
            fresh = self._make(first, last)
            if first > end and last - first <= _KEPT:  # newer than all that is kept: bots have moved on
                self._first, self._rows = first, list(fresh)
            return fresh
        if first < self._first:
            self._rows[:0] = self._make(first, self._first)
            self._first = first
        if last > end:
            self._rows += self._make(end, last)
        found = self._rows[first - self._first : last - self._first]
        surplus = len(self._rows) - _KEPT
        if surplus > _KEPT:
            del self._rows[:surplus]
            self._first += surplus
        return found

    def _make(self, first: int, last: int) -> list[bytes]:
        made = minutes(self._market, first * self._size, (last - first) * self._size)
        return encode(self._market, self._size, first, aggregate(made, self._size))


class Rows:
    """The candles of all markets, ready to send."""

    def __init__(self, markets: Mapping[str, Market], late: Lateness) -> None:
        self.late = late
        self._shelves = {(name, size): _Shelf(it, size) for name, it in markets.items() for size in INTERVALS.values()}

    def settled(self, market: Market, size: int, first: int, last: int) -> list[bytes]:
        """Return candles ``first`` to ``last`` (exclusive) as they are for ever."""
        return self._shelves[market.symbol, size].between(max(first, listed(size)), last)

    def shown(self, market: Market, size: int, first: int, last: int, now_ms: int) -> list[bytes]:
        """Return candles ``first`` to ``last`` (exclusive) as shown at ``now_ms``, the forming one included."""
        last = min(last, now_ms // (size * MINUTE_MS) + 1)
        changing = first_unsettled(market, now_ms, self.late) // size
        rows = self.settled(market, size, first, min(last, changing))
        if last > changing:
            tail = max(first, changing)
            rows += encode(market, size, changing, self.changing(market, size, now_ms))[
                tail - changing : last - changing
            ]
        return rows

    def changing(self, market: Market, size: int, now_ms: int) -> Candles:
        """Return the candles that may still change, the forming one last."""
        first = first_unsettled(market, now_ms, self.late) // size
        return aggregate(seen(market, first * size, now_ms, self.late), size)
