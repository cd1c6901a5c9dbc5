from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.errors import Unreachable
from runbook_lib.freqtrade import measure
from runbook_lib.freqtrade.measure import when_read
from runbook_lib.freqtrade.params import FreqtradeSite, Gates
from runbook_lib.freqtrade.probes import WeightSample, WeightSeries
from runbook_lib.values import FleetResult, HostResult


@pytest.mark.parametrize(("length", "before"), [(60.0, 20.0), (300.0, 260.0), (3600.0, 3560.0)])
def test_bots_are_read_soon_after_a_close_whatever_the_timeframe(length: float, before: float) -> None:
    """Read in the middle of a candle of 5 m, the newest one would be older than any gate allows."""
    assert when_read(10_000.0, length) == 10_000.0 - before
    assert length - before <= Gates().candle_age_seconds


def test_a_host_that_is_down_is_told_at_once_and_not_at_the_end_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def down(*_: object) -> Any:
        raise Unreachable("no answer", host="75")

    monkeypatch.setattr(measure, "countdown", lambda *_, **__: None)
    monkeypatch.setattr(measure, "_weights", lambda *_: release.wait(5))
    monkeypatch.setattr(measure, "_latencies", down)
    site = FreqtradeSite.model_validate(
        {
            "site": "lab",
            "hosts": {"73": {"address": "127.0.3.73"}, "75": {"address": "127.0.3.75"}},
            "ssh": {"user": "freqai"},
            "producers": {"73": {"pairs": ["BTC/USDT"]}},
            "consumers": {"75": {}},
        }
    )
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        measure.measure(None, site, {}, {}, lambda _: None, candles=1)  # type: ignore[arg-type]
    release.set()
    assert time.monotonic() - begun < 2


def test_a_peak_that_was_cut_short_by_a_refusal_is_not_known() -> None:
    seen = {
        "73": WeightSeries("73", (WeightSample(1.0, 200, 40), WeightSample(2.0, 200, 60))),
        "75": WeightSeries("75", (WeightSample(1.0, 200, 40), WeightSample(2.0, 429, None))),
    }
    found = FleetResult(tuple(HostResult(host, series) for host, series in seen.items()))
    fleet: Any = SimpleNamespace(on_all=lambda *_: found)
    site: Any = None
    assert measure._weights(fleet, site, list(seen), 9.0) == {"73": 60, "75": None}
