"""The markets of the exchange: tick size, step size and price level of each, drawn from the seed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.lab.exchange.noise import key_of, unit

QUOTE_DECIMALS = 8
"""Decimals of every number on the wire. Tick and step decimals add up to no more, so turnover is exact as well."""

OCTAVES = 10
"""The longest wave of a price is 4**9 minutes: half a year."""


@dataclass(frozen=True, slots=True)
class Market:
    """One market. Prices are whole ticks of 10**-tick_decimals, amounts whole steps of 10**-step_decimals.

    ``level``: the price that it wanders around, ticks. ``swing``: how far, 1 being a third to three times the level.
    ``volume_exponent``: log2 of a usual minute's volume in steps. ``keys``: one per octave of the price.
    """

    pair: str
    base: str
    quote: str
    symbol: str
    tick_decimals: int
    step_decimals: int
    level: int
    swing: float
    volume_exponent: float
    keys: tuple[int, ...]
    key: int


def market(seed: int, pair: str) -> Market:
    """Draw one market."""
    base, quote = pair.split("/")
    key = key_of(seed, pair)
    draw = [unit(key, index) for index in range(5)]
    tick_decimals = int(draw[0] * 9)
    level = int(500 * 4000 ** draw[1])
    # the dearer one unit, the finer its parts, as on real markets, as far as the quote's decimals allow
    price_digits = len(str(level // 10**tick_decimals)) if level >= 10**tick_decimals else 0
    step_decimals = min(price_digits + int(draw[2] * 2), QUOTE_DECIMALS - tick_decimals)
    return Market(
        pair=pair,
        base=base,
        quote=quote,
        symbol=base + quote,
        tick_decimals=tick_decimals,
        step_decimals=step_decimals,
        level=level,
        swing=0.3 + 0.7 * draw[3],
        volume_exponent=8 + 12 * draw[4],
        keys=tuple(key_of(seed, pair, "octave", octave) for octave in range(OCTAVES)),
        key=key,
    )


def markets(seed: int, pairs: Iterable[str]) -> dict[str, Market]:
    """Return symbol -> market."""
    return {drawn.symbol: drawn for drawn in (market(seed, pair) for pair in pairs)}


def decimal(value: int, decimals: int) -> str:
    """Write a whole number of ticks, steps or their products with the eight decimals of the wire. Exact."""
    if not decimals:
        return f"{value}.{'0' * QUOTE_DECIMALS}"
    digits = str(value).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}{'0' * (QUOTE_DECIMALS - decimals)}"
