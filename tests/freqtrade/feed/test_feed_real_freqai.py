"""A real FreqAI feeder that downloads itself, and the same one handed over and fed: what both ask, and how long.

``pytest -s`` prints the figures.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from freqai_lab import CORRELATED, FEEDER, PAIRS, PRODUCED, TIMEFRAMES, UNIT, FreqaiLab, compared, freqtrade, until

from runbook_lib.fleet import Units
from runbook_lib.freqtrade.history import FOLDER
from runbook_lib.freqtrade.phases import consumers, producers
from runbook_lib.runner.changing import Planned, Rollout

pytestmark = pytest.mark.bots
SERIES = (len(PAIRS) + 1) * len(TIMEFRAMES)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[FreqaiLab]:
    if not (freqtrade() / "bin/python").exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    with FreqaiLab(tmp_path) as running:
        yield running


def trained(lab: FreqaiLab, begun: float) -> float:
    """Wait for a model of every pair; return the seconds since."""
    until("models", lambda: len(lab.models()) == len(PAIRS), 90)
    return time.monotonic() - begun


def well(rollout: Rollout) -> None:
    assert [str(check) for check in rollout.checks if check.verdict != "Successful"] == []


def carry_out(lab: FreqaiLab, name: str, module: Any) -> Planned:
    """Plan and apply one phase; what it says went well; a second plan is empty."""
    with lab.phase(name) as phase:
        plan: Planned = module.plan(phase)
        apply = module.apply if module is producers else module.canary
        well(apply(phase, plan))
        assert module.plan(phase).empty
    return plan


def test_history_is_handed_over_and_a_start_costs_the_exchange_nothing(lab: FreqaiLab, tmp_path: Path) -> None:
    # a feeder that downloads itself
    begun = time.monotonic()
    with lab.phase("20_baseline") as phase:
        Units(phase.fleet[FEEDER], "user").enable(UNIT)
        Units(phase.fleet[FEEDER], "user").start(UNIT)
        own_seconds = trained(lab, begun)
        own_predicted = until("predictions", lambda: len(lab.predictions()) == len(PAIRS) and lab.predictions(), 90)
        Units(phase.fleet[FEEDER], "user").stop(UNIT)
    own_requests = lab.klines(FEEDER)
    own = tmp_path / "own"
    shutil.move(lab.user_data() / "data/binance", own)
    shutil.rmtree(lab.user_data() / "models")

    # what the producers fetch is fetched once, whatever the number of feeders
    begun = time.monotonic()
    carry_out(lab, "30_producers", producers)
    fetch_seconds, fetch_requests = time.monotonic() - begun, sum(map(lab.klines, PRODUCED))

    # the same feeder, handed over and fed
    begun, asked = time.monotonic(), sum(map(lab.klines, PRODUCED))
    plan = carry_out(lab, "40_consumers", consumers)
    given = [file for file in plan.wanted[FEEDER].files if file.rewritten]
    fed_seconds = trained(lab, begun)
    fed_predicted = until("predictions", lambda: len(lab.predictions()) == len(PAIRS) and lab.predictions(), 90)
    fed_requests, producers_requests = lab.klines(FEEDER) - own_requests, sum(map(lab.klines, PRODUCED)) - asked

    found = compared(own, lab.user_data() / "data/binance")
    print(f"""
FreqAI, {len(PAIRS)} pairs and {CORRELATED}, {", ".join(TIMEFRAMES)}, LightGBM: candle requests at the exchange, seconds
downloads itself: {own_requests} requests, trained after {own_seconds:.1f} s
fetched by two producers for all feeders: {fetch_requests} requests (with those of their start), {fetch_seconds:.1f} s
handed over and fed: {fed_requests} requests, {len(given)} files, trained after {fed_seconds:.1f} s from the plan on;
  of the producers meanwhile: {producers_requests}
the same history: {sum(common for common, _, _ in found.values())} candles compared""")  # noqa: T201 - figures to read

    assert own_requests >= 4 * SERIES
    assert fed_requests == 0
    assert len(given) == len(found) == SERIES
    assert all(file.path.startswith("freqtrade/user_data/data/binance/") for file in given)
    assert {(holes, differing) for _, holes, differing in found.values()} == {(0, 0)}
    assert found["BTC_USDT-1m.feather"][0] > 2 * 1440
    assert min(at for at, _ in fed_predicted.values()) > max(at for at, _ in own_predicted.values())
    assert (lab.user_data("73") / FOLDER.removeprefix("user_data/") / "BTC_USDT-15m.feather").exists()
