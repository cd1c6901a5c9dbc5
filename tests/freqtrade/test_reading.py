"""What a measurement says of itself: sums and rates by hand, and nothing where nothing was counted."""

from typing import Any

import pytest
from pydantic import ValidationError

from runbook_lib.freqtrade.reading import Reading

TOLD: dict[str, Any] = {
    "since": 60.0, "until": 240.0, "candles": 3, "meter": "the exchange",
    "candle_requests": {"75": 330, "120": 331}, "other_calls": {"time": 2}, "own_pings": 5,
    "streams": {"75": 2, "120": 3}, "weight_peak": {"75": 220, "120": None, "121": 230}, "weight_limit": 6000,
    "rejected": {"75": 1, "120": 2}, "cells": 100, "mismatching": 4, "missing": 2,
    "newest_age": {"75": 3.5, "120": 9.0}, "delays": {"75": [1.0, 2.0], "120": [3.0]},
    "latency_ms": {"75 → 73": [0.1, 0.2], "75 → 108": [0.4]},
}  # fmt: skip


def reading(**changed: Any) -> Reading:
    return Reading.model_validate({**TOLD, **changed})


def test_rates_are_per_closed_candle() -> None:
    assert reading().per_candle == {"75": 110.0, "120": pytest.approx(331 / 3)}
    assert reading().fleet_per_candle == pytest.approx(661 / 3)


def test_sums_are_of_the_whole_fleet() -> None:
    told = reading()
    assert (told.streams_total, told.rejected_total) == (5, 3)
    assert told.all_latencies_ms == [0.1, 0.2, 0.4]
    assert told.all_delays == [1.0, 2.0, 3.0]


def test_the_worst_host_is_the_busiest_of_those_known() -> None:
    assert (reading().weight_worst, reading().weight_total) == (230, 450)


@pytest.mark.parametrize("peaks", [{}, {"75": None}])
def test_an_unknown_weight_stays_unknown(peaks: dict[str, int | None]) -> None:
    told = reading(weight_peak=peaks)
    assert (told.weight_worst, told.weight_total) == (None, None)


def test_a_weight_of_nothing_is_known() -> None:
    told = reading(weight_peak={"75": 0, "120": None})
    assert (told.weight_worst, told.weight_total) == (0, 0)


def test_streams_that_nobody_counts_are_unknown_and_none_is_none() -> None:
    assert reading(streams={}).streams_total is None
    assert reading(streams={"75": 0}).streams_total == 0


def test_it_survives_being_kept_in_a_notebook() -> None:
    assert Reading.model_validate(reading().model_dump(mode="json")) == reading()


def test_a_reading_of_another_shape_is_refused() -> None:
    with pytest.raises(ValidationError):
        reading(candels=3)
    with pytest.raises(ValidationError):
        Reading.model_validate({key: value for key, value in TOLD.items() if key != "cells"})
