"""Candles as a pure function of seed, market and minute: no history, no state, any minute at any time.

A minute's price walks straight from its open by way of its high and its low to its close, so that what is seen of it
after any number of seconds follows from the settled candle. That is how forming candles are made, and late ones:
a candle that settles late shows, until then, what was seen of it a few seconds before its close.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from runbook_lib.lab.exchange.markets import Market
from runbook_lib.lab.exchange.noise import Ints, key_of, unit, units, waves

MINUTE_MS = 60_000
LISTED = 1_672_531_200_000 // MINUTE_MS
"""The first minute of every market (2023-01-01 UTC), in minutes since 1970."""
LARGEST = 28
"""log2 of the largest volume of a minute, steps: a day's turnover still fits 63 bits."""

_SALTS = {name: key_of(name) for name in ("wick", "volume", "spread", "trades", "taker", "path", "late")}


@dataclass(frozen=True, slots=True)
class Lateness:
    """``share`` of all candles settle late, by up to ``seconds`` after their close."""

    share: float
    seconds: float

    @property
    def minutes(self) -> int:
        """How many closed minutes may still be unsettled."""
        return int(-(-self.seconds // 60))


@dataclass(frozen=True, slots=True)
class Candles:
    """Columns of candles that follow each other.

    Prices in ticks; volume and taker (what takers bought) in steps; quote and taker_quote (turnover) in ticks x steps.
    """

    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    quote: Ints
    trades: Ints
    taker: Ints
    taker_quote: Ints

    def __len__(self) -> int:
        return len(self.open)

    def __getitem__(self, part: slice) -> Candles:
        return Candles(*(column[part] for column in self._columns()))

    def _columns(self) -> tuple[Ints, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def lists(self) -> tuple[list[int], ...]:
        """Return the columns as plain numbers."""
        return tuple(column.tolist() for column in self._columns())

    def join(self, other: Candles) -> Candles:
        """Return these candles followed by the others."""
        columns = zip(self._columns(), other._columns(), strict=True)
        return Candles(*(np.concatenate(both) for both in columns))


def _prices(market: Market, first: int, count: int) -> Ints:
    """Return the price in ticks at the beginning of each minute."""
    wave = waves(market.keys, np.arange(first, first + count, dtype=np.int64)) * market.swing
    return np.maximum(np.rint(market.level * ((2.0 + wave) / (2.0 - wave))), 1.0).astype(np.int64)


def _salted(market: Market, salt: str) -> int:
    return market.key ^ _SALTS[salt]


def _volumes(market: Market, index: Ints) -> Ints:
    """Return volumes in steps: mostly usual ones, one in a hundred a single step, one in a hundred a huge one."""
    spread = units(_salted(market, "spread"), index)
    exponent = market.volume_exponent + 8.0 * units(_salted(market, "volume"), index) - 4.0
    exponent = np.where(spread > 0.99, LARGEST - 3.0 * (1.0 - spread) * 100.0, exponent)
    exponent = np.where(spread < 0.01, 0.0, np.clip(exponent, 0.0, LARGEST))
    whole = np.floor(exponent)
    return np.ldexp(1.0 + (exponent - whole), whole.astype(np.int32)).astype(np.int64)


def minutes(market: Market, first: int, count: int) -> Candles:
    """Return ``count`` settled minute candles from minute ``first`` on. Each opens where the one before closed."""
    index = np.arange(first, first + count, dtype=np.int64)
    prices = _prices(market, first, count + 1)
    opens, closes = prices[:-1], prices[1:]
    reach = market.level * market.swing / 400.0
    up = units(_salted(market, "wick"), 2 * index)
    down = units(_salted(market, "wick"), 2 * index + 1)
    high = np.maximum(opens, closes) + (up * up * reach).astype(np.int64)
    low = np.maximum(np.minimum(opens, closes) - (down * down * reach).astype(np.int64), 1)
    volume = _volumes(market, index)
    taker = (units(_salted(market, "taker"), index) * volume).astype(np.int64)
    typical = (high + low + 2 * closes) // 4
    trades = np.minimum(volume, 1 + (units(_salted(market, "trades"), index) * 2000).astype(np.int64))
    return Candles(opens, high, low, closes, volume, typical * volume, trades, taker, typical * taker)


def aggregate(candles: Candles, size: int) -> Candles:
    """Return candles ``size`` minutes long; the first begins such a candle, the last may be incomplete."""
    if size == 1 or not len(candles):
        return candles
    starts = np.arange(0, len(candles), size)
    ends = np.minimum(starts + size, len(candles)) - 1
    return Candles(
        candles.open[starts],
        np.maximum.reduceat(candles.high, starts),
        np.minimum.reduceat(candles.low, starts),
        candles.close[ends],
        np.add.reduceat(candles.volume, starts),
        np.add.reduceat(candles.quote, starts),
        np.add.reduceat(candles.trades, starts),
        np.add.reduceat(candles.taker, starts),
        np.add.reduceat(candles.taker_quote, starts),
    )


def after(market: Market, minute: int, second: int, settled: Candles | None = None) -> Candles:
    """Return what is seen of a minute ``second`` seconds (0 to 60) after its beginning; ``settled``: its own candle."""
    whole = settled or minutes(market, minute, 1)
    opened, high, low, closed = (int(column[0]) for column in (whole.open, whole.high, whole.low, whole.close))
    at_high = 1 + int(unit(_salted(market, "path"), 2 * minute) * 58)
    at_low = 1 + int(unit(_salted(market, "path"), 2 * minute + 1) * 58)
    if at_low == at_high:
        at_low += 1
    knots = sorted([(0, opened), (at_high, high), (at_low, low), (60, closed)])
    passed = [price for at, price in knots if at <= second]
    for (start, price), (end, goal) in pairwise(knots):
        if start <= second < end:
            passed.append(price + (goal - price) * (second - start) // (end - start))

    def share(column: Ints) -> int:
        return int(column[0]) * second // 60

    prices = (opened, max(passed), min(passed), passed[-1])
    traded = (whole.volume, whole.quote, whole.trades, whole.taker, whole.taker_quote)
    return Candles(*(np.array([value], dtype=np.int64) for value in (*prices, *map(share, traded))))


def unsettled(market: Market, minute: int, settled: Candles | None = None) -> Candles:
    """Return a closed minute without its last trades: without its last seconds, so many that its close moves."""
    whole = settled or minutes(market, minute, 1)
    latest = 50 + int(unit(_salted(market, "late"), 3 * minute + 2) * 10)
    cuts = [after(market, minute, latest, whole)]
    if cuts[0].close[0] == whole.close[0]:
        cuts += (after(market, minute, second, whole) for second in range(latest - 1, 39, -1))
    return next((cut for cut in cuts if cut.close[0] != whole.close[0]), cuts[0])


def settles_ms(market: Market, minute: int, late: Lateness) -> int:
    """Return the moment, unix ms, from which on a minute's candle never changes: its close, or a little later."""
    close = (minute + 1) * MINUTE_MS
    if late.seconds <= 0 or unit(_salted(market, "late"), 3 * minute) >= late.share:
        return close
    return close + 1 + int(unit(_salted(market, "late"), 3 * minute + 1) * (late.seconds * 1000 - 1))


def first_unsettled(market: Market, now_ms: int, late: Lateness) -> int:
    """Return the first minute whose candle may still change: the forming one, or a late one before it."""
    current = now_ms // MINUTE_MS
    closed = range(current - late.minutes, current)
    return next((minute for minute in closed if settles_ms(market, minute, late) > now_ms), current)


def seen(market: Market, first: int, now_ms: int, late: Lateness) -> Candles:
    """Return minute candles from ``first`` to the forming one, as the exchange shows them at ``now_ms``."""
    current = now_ms // MINUTE_MS
    candles = minutes(market, first, current - first + 1)
    shown = candles[: max(0, first_unsettled(market, now_ms, late) - first)]
    for minute in range(first + len(shown), current + 1):
        settled = candles[minute - first : minute - first + 1]
        if minute == current:
            shown = shown.join(after(market, minute, now_ms % MINUTE_MS // 1000, settled))
        elif settles_ms(market, minute, late) > now_ms:
            shown = shown.join(unsettled(market, minute, settled))
        else:
            shown = shown.join(settled)
    return shown
