import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.lab.exchange.noise import key_of, unit, units, waves

KEYS = st.integers(0, 2**64 - 1)


@given(KEYS, st.integers(0, 2**40))
def test_one_number_is_the_same_alone_and_in_company(key: int, first: int) -> None:
    together = units(key, np.arange(first, first + 17))
    assert [unit(key, first + i) for i in range(17)] == together.tolist()


def test_numbers_are_spread_evenly() -> None:
    counts, _ = np.histogram(units(key_of("even"), np.arange(100_000)), bins=10, range=(0, 1))
    assert counts.min() > 9_500
    assert counts.max() < 10_500


def test_numbers_are_splitmix64s() -> None:
    assert unit(0, 1) == (0xE220A8397B1DCDAF >> 11) * 2.0**-53  # its published first output for seed 0


def test_prices_of_a_seed_never_change() -> None:
    assert key_of(7, "BTC/USDT") == 0xA0093C636C564B21


@given(KEYS, st.integers(0, 10_000_000))
def test_waves_have_no_cliffs(key: int, first: int) -> None:
    keys = tuple(key_of(key, octave) for octave in range(10))
    line = waves(keys, np.arange(first, first + 3000))
    assert np.abs(line).max() < 1
    # an octave climbs at most 3 / 2**octave a minute: 5 in all, of 1023
    assert np.abs(np.diff(line)).max() < 5 / 1023
