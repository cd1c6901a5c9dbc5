"""Seeded noise: a number for any index, without walking there. Pure.

Whole-number hashing and the four basic operations only: the same bits on every machine and for every batch size.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key_of(*parts: object) -> int:
    """Return a 64-bit key for what the parts name."""
    name = "\x1f".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest())


def units(key: int, index: Ints) -> Floats:
    """Return a number in [0, 1) for each index (splitmix64)."""
    state = np.uint64(key) + index.astype(np.uint64) * _STEP
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    bits: Floats = ((state ^ (state >> np.uint64(31))) >> np.uint64(11)).astype(np.float64)
    return bits * 2.0**-53


def unit(key: int, index: int) -> float:
    """Return the number in [0, 1) of one index."""
    return float(units(key, np.array([index], dtype=np.int64))[0])


def waves(keys: tuple[int, ...], index: Ints) -> Floats:
    """Return a wandering line in (-1, 1): one octave per key, each four times as long and twice as high as the last."""
    total = np.zeros(len(index))
    for octave, key in enumerate(keys):
        period = 4**octave
        knot = index // period
        left = 2.0 * units(key, knot) - 1.0
        if octave:
            along = (index - knot * period) / period
            right = 2.0 * units(key, knot + 1) - 1.0
            left = left + (right - left) * (along * along * (3.0 - 2.0 * along))
        total += left * 2.0**octave
    return total / (2.0 ** len(keys) - 1.0)
