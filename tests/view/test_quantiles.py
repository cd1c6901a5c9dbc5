import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.view.quantiles import Quantiles


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_agrees_with_numpy(values: list[float]) -> None:
    told = Quantiles.of(values)
    assert told is not None
    wanted = np.quantile(values, [0.25, 0.5, 0.75, 0.95, 1.0])
    assert [told.p25, told.p50, told.p75, told.p95, told.maximum] == pytest.approx(list(wanted), abs=1e-6)
    assert told.count == len(values)


def test_of_nothing_nothing_is_said() -> None:
    assert Quantiles.of([float("nan"), float("inf")]) is None
