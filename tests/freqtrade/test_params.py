"""Thresholds of gates that make no sense together are refused before a host is touched."""

import pytest
from pydantic import ValidationError

from runbook_lib.freqtrade.params import Gates


def test_the_gates_of_a_site_that_says_nothing_are_sound() -> None:
    gates = Gates()
    assert (gates.minimum_bots, gates.significance, gates.canary_candles) == (4, 0.05, 2)


@pytest.mark.parametrize(("significance", "bots"), [(0.05, 4), (0.01, 5), (0.2, 2)])
def test_so_few_bots_that_no_delay_could_fail_are_refused(significance: float, bots: int) -> None:
    assert Gates(significance=significance, minimum_bots=bots).minimum_bots == bots
    with pytest.raises(ValidationError, match=f"minimum_bots must be {bots} at least"):
        Gates(significance=significance, minimum_bots=bots - 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"significance": 0},
        {"significance": 0.5},
        {"effect_size": 0},
        {"effect_size": 1.1},
        {"delay_margin_seconds": -1},
        {"canary_candles": 0},
    ],
)
def test_thresholds_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Gates.model_validate(wrong)
