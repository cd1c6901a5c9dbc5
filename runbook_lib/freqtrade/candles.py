"""Candles side by side: digest, align, compare bit for bit. Pure: arrays in, figures out.

Digests first; arrays only where digests differ; single cells only for what differs. Two cells are the same when their
64 bits are: a NaN equals the same NaN, and -0.0 is not 0.0.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from runbook_lib.errors import ParamsError

COLUMNS = ("open", "high", "low", "close", "volume")
UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
LOWEST = np.iinfo(np.int64).min

Dates = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Candles of one pair. ``dates``: open times, unix ms, rising, (n,); ``ohlcv``: a row of `COLUMNS` each, (n, 5)."""

    dates: Dates
    ohlcv: Values

    def __post_init__(self) -> None:
        if self.ohlcv.shape != (len(self.dates), len(COLUMNS)):
            raise ValueError(f"{len(self.dates)} dates but candles of shape {self.ohlcv.shape}")
        if np.any(np.diff(self.dates) <= 0):
            raise ValueError("candle dates do not rise")

    def __len__(self) -> int:
        return len(self.dates)

    def within(self, window: Window) -> Frame:
        """Return the candles that open in ``window``."""
        first, end = np.searchsorted(self.dates, (window.start_ms, window.end_ms))
        return Frame(self.dates[first:end], self.ohlcv[first:end])

    @property
    def digest(self) -> str:
        """SHA-256 over dates and values, the same on every machine."""
        seen = hashlib.sha256(np.ascontiguousarray(self.dates, dtype="<i8").tobytes())
        seen.update(np.ascontiguousarray(self.ohlcv, dtype="<f8").tobytes())
        return seen.hexdigest()


EMPTY = Frame(np.empty(0, np.int64), np.empty((0, len(COLUMNS)), np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class CandleSet:
    """What one host (or the exchange itself) holds. ``analysed``: pair -> when its bot had analysed it, unix ms."""

    host: str
    frames: Mapping[str, Frame]
    analysed: Mapping[str, int] = field(default_factory=dict)

    @property
    def cells(self) -> int:
        """Number of values held."""
        return sum(frame.ohlcv.size for frame in self.frames.values())


@dataclass(frozen=True, slots=True)
class Window:
    """Candles that open at ``start_ms`` or later and before ``end_ms``; unix milliseconds."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """How far hosts agree with the reference within one window.

    ``cells``: values compared. ``mismatches`` (cells), ``missing`` and ``extra`` (candles that only the reference, or
    only the host, has): one row a pair, one column a host. ``detail``: what differs, cell by cell, in columns pair,
    host, candle (UTC open time), column, value, reference, ulps (steps between the two floats; empty for NaN).
    ``left_out``: mismatching cells for which ``detail`` has no row.
    """

    reference: str
    window: Window
    cells: int
    mismatches: pd.DataFrame
    missing: pd.DataFrame
    extra: pd.DataFrame
    detail: pd.DataFrame
    left_out: int

    @property
    def mismatching_cells(self) -> int:
        """Cells that differ, over all pairs and hosts."""
        return int(self.mismatches.to_numpy().sum())

    @property
    def missing_candles(self) -> int:
        """Candles that a host lacks, over all pairs and hosts."""
        return int(self.missing.to_numpy().sum())

    @property
    def extra_candles(self) -> int:
        """Candles that the reference does not know, over all pairs and hosts."""
        return int(self.extra.to_numpy().sum())

    @property
    def identical(self) -> bool:
        """Whether something was compared and nothing differs, lacks or is too many."""
        return self.cells > 0 and not (self.mismatching_cells or self.missing_candles or self.extra_candles)


def timeframe_ms(timeframe: str) -> int:
    """Return the length of a candle ("5m") in milliseconds."""
    count, unit = timeframe[:-1], timeframe[-1:]
    if not count.isdecimal() or int(count) == 0 or unit not in UNIT_MS:
        raise ParamsError(f"{timeframe!r} is no timeframe", remedy="write it as 1m, 5m, 1h or the like")
    return int(count) * UNIT_MS[unit]


def digest(candles: CandleSet, window: Window | None = None) -> dict[str, str]:
    """Return pair -> SHA-256 of its candles (of those in ``window``)."""
    return {pair: (frame if window is None else frame.within(window)).digest for pair, frame in candles.frames.items()}


def common_window(
    sets: Iterable[CandleSet], reference: CandleSet, *, timeframe: str, now_ms: int, settle_ms: int = 0
) -> Window:
    """Return the window that all can be held to: from where everyone's history has begun to the newest settled candle.

    A candle is settled ``settle_ms`` after its close. The end does not depend on what anybody holds, so a candle that a
    host has not got yet counts as missing and does not shorten the comparison. A pair whose history begins at the same
    candle for host and reference (a young listing) does not shorten it either.
    """
    length = timeframe_ms(timeframe)
    end = (now_ms - settle_ms) // length * length
    starts = [int(frame.dates[0]) for frame in reference.frames.values() if len(frame)]
    start = min(starts, default=end)
    for candles in sets:
        for pair, frame in candles.frames.items():
            other = reference.frames.get(pair, EMPTY)
            if len(frame) and len(other) and frame.dates[0] != other.dates[0]:
                start = max(start, int(frame.dates[0]), int(other.dates[0]))
    return Window(min(start, end), end)


def compare(sets: Mapping[str, CandleSet], reference: CandleSet, *, window: Window, limit: int = 1000) -> Comparison:
    """Hold every host's candles in ``window`` against the reference's; ``limit``: rows of detail at most."""
    pairs = list(dict.fromkeys([*reference.frames, *(pair for held in sets.values() for pair in held.frames)]))
    shape = (len(pairs), len(sets))
    mismatches, missing, extra = (np.zeros(shape, np.int64) for _ in range(3))
    cells = 0
    rows: list[dict[str, object]] = []
    for row, pair in enumerate(pairs):
        wanted = reference.frames.get(pair, EMPTY).within(window)
        wanted_digest = wanted.digest
        for column, (host, held) in enumerate(sets.items()):
            seen = held.frames.get(pair, EMPTY).within(window)
            if seen.digest == wanted_digest:
                cells += seen.ohlcv.size
                continue
            dates, ours, theirs = np.intersect1d(seen.dates, wanted.dates, assume_unique=True, return_indices=True)
            missing[row, column] = len(wanted) - len(dates)
            extra[row, column] = len(seen) - len(dates)
            values, expected = seen.ohlcv[ours], wanted.ohlcv[theirs]
            cells += values.size
            differs = _bits(values) != _bits(expected)
            mismatches[row, column] = np.count_nonzero(differs)
            rows += [
                {
                    "pair": pair,
                    "host": host,
                    "candle": int(dates[at]),
                    **_cell(what, values[at, what], expected[at, what]),
                }
                for at, what in np.argwhere(differs)[: max(0, limit - len(rows))]
            ]

    def matrix(counts: NDArray[np.int64]) -> pd.DataFrame:
        return pd.DataFrame(counts, index=pd.Index(pairs, name="pair"), columns=pd.Index(list(sets), name="host"))

    return Comparison(
        reference=reference.host,
        window=window,
        cells=cells,
        mismatches=matrix(mismatches),
        missing=matrix(missing),
        extra=matrix(extra),
        detail=_table(rows),
        left_out=int(mismatches.sum()) - len(rows),
    )


def newest_age(candles: CandleSet, now_ms: int, timeframe: str) -> dict[str, float]:
    """Return pair -> seconds since the close of its newest candle; infinite where there is none."""
    length = timeframe_ms(timeframe)
    return {
        pair: (now_ms - int(frame.dates[-1]) - length) / 1000 if len(frame) else math.inf
        for pair, frame in candles.frames.items()
    }


def analysis_delays(candles: CandleSet, timeframe: str) -> dict[str, float]:
    """Return pair -> seconds from the close of its newest candle until its bot had analysed it, where that is known."""
    length = timeframe_ms(timeframe)
    return {
        pair: (candles.analysed[pair] - int(frame.dates[-1]) - length) / 1000
        for pair, frame in candles.frames.items()
        if len(frame) and pair in candles.analysed
    }


def ulps(value: float, reference: float) -> int | None:
    """Return how many floats lie between the two, one included; None if either is NaN, 0 for 0.0 and -0.0."""
    if math.isnan(value) or math.isnan(reference):
        return None
    return abs(_rank(value) - _rank(reference))


def _rank(value: float) -> int:
    """Return the place of a float in the order of all floats; both zeros have place 0."""
    bits = int(np.float64(value).view(np.int64))
    return bits if bits >= 0 else int(LOWEST) - bits


def _bits(values: Values) -> NDArray[np.int64]:
    return np.ascontiguousarray(values).view(np.int64)


def _cell(column: int, value: np.float64, reference: np.float64) -> dict[str, object]:
    steps = ulps(float(value), float(reference))
    return {
        "column": COLUMNS[column],
        "value": float(value),
        "reference": float(reference),
        "ulps": None if steps is None else min(steps, np.iinfo(np.int64).max),
    }


def _table(rows: list[dict[str, object]]) -> pd.DataFrame:
    names = ["pair", "host", "candle", "column", "value", "reference", "ulps"]
    table = pd.DataFrame(rows, columns=names)
    table["candle"] = pd.to_datetime(table["candle"].astype("int64"), unit="ms", utc=True).dt.as_unit("ms")
    return table.astype({"value": "float64", "reference": "float64", "ulps": "Int64"})
