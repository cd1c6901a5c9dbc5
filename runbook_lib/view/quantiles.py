"""The few figures that a spread is told by."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Order statistics of ``count`` finite values, in the unit of the values (linear interpolation, as numpy's)."""

    count: int
    p25: float
    p50: float
    p75: float
    p95: float
    maximum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Quantiles | None:
        """Return None of no values: there is nothing to say then."""
        known = sorted(value for value in map(float, values) if math.isfinite(value))
        if not known:
            return None
        return cls(len(known), *(_at(known, share) for share in (0.25, 0.5, 0.75, 0.95, 1.0)))


def _at(known: list[float], share: float) -> float:
    place = share * (len(known) - 1)
    low = math.floor(place)
    high = min(low + 1, len(known) - 1)
    return known[low] + (known[high] - known[low]) * (place - low)
