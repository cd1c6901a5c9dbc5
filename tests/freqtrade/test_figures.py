"""Every figure that the record must show, from two readings; null where there is none, never a guess."""

from typing import Any

from runbook_lib.freqtrade.figures import UNITS, figures
from runbook_lib.freqtrade.reading import Reading


def reading(**changed: Any) -> Reading:
    told: dict[str, Any] = {
        "since": 60.0, "until": 180.0, "candles": 2, "meter": "the exchange",
        "candle_requests": {"73": 10, "75": 220, "120": 200}, "other_calls": {"time": 2, "exchangeInfo": 4},
        "own_pings": 9, "streams": {"73": 1, "75": 2, "120": 3}, "weight_peak": {"73": 5, "75": 220, "120": 230},
        "weight_limit": 6000, "rejected": {"75": 1}, "cells": 100, "mismatching": 4, "missing": 2,
        "newest_age": {"75": 3.5, "120": 9.0}, "delays": {"75": [1.0, 2.0], "120": [3.0]},
        "latency_ms": {"75 → 73": [0.1, 0.2], "75 → 108": [0.4]}, **changed,
    }  # fmt: skip
    return Reading.model_validate(told)


def test_each_figure_by_hand() -> None:
    found = figures(None, reading(), ["75", "120"])
    assert {name.removesuffix("_after"): value for name, value in found.items() if name.endswith("_after")} == {
        "candle_requests_per_candle": 215.0,
        "consumer_candle_requests": 210.0,
        "kline_streams": 6,
        "weight_per_minute": 455,
        "weight_per_minute_worst_host": 230,
        "other_requests": 6,
        "rejected": 1,
        "mismatching_cells": 4,
        "missing_candles": 2,
        "newest_candle_age": 9.0,
        "candle_delay_p50": 2.0,
        "candle_delay_p95": 2.9,
        "latency_ms": 0.2,
    }
    assert (found["compared_cells_before"], found["compared_cells"]) == (None, 100)


def test_before_and_after_are_not_mixed_up() -> None:
    found = figures(reading(mismatching=7, cells=50), reading(), ["75"])
    assert (found["mismatching_cells_before"], found["mismatching_cells_after"]) == (7, 4)
    assert (found["compared_cells_before"], found["compared_cells"]) == (50, 100)


def test_what_was_not_measured_is_null_by_every_name() -> None:
    found = figures(None, None, ["75"])
    names = {f"{name}_{when}" for name in UNITS for when in ("before", "after")}
    assert found == dict.fromkeys(names | {"compared_cells", "compared_cells_before"})


def test_every_figure_says_its_unit() -> None:
    found = figures(reading(), reading(), ["75"])
    assert {name.removesuffix("_before") for name in found if name.endswith("_before")} - {"compared_cells"} == set(
        UNITS
    )
    assert all(UNITS.values())


def test_a_meter_without_some_numbers_leaves_nulls() -> None:
    bare = reading(streams={}, weight_peak={"75": None}, newest_age={}, delays={}, latency_ms={"75 → 73": []})
    found = figures(bare, None, [])
    unknown = (
        *("kline_streams", "weight_per_minute", "weight_per_minute_worst_host", "newest_candle_age"),
        *("candle_delay_p50", "candle_delay_p95", "latency_ms"),
    )
    assert {name: found[f"{name}_before"] for name in unknown} == dict.fromkeys(unknown)
    assert found["consumer_candle_requests_before"] == 0
