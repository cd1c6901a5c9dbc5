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

from runbook_lib.change.rollback import Rollback
from runbook_lib.fleet import Fleet, Units
from runbook_lib.freqtrade.phases import consumers, producers
from runbook_lib.runner.changing import Planned, Rollout

pytestmark = [pytest.mark.bots, pytest.mark.xdist_group("fed")]  # one after the other: others start bots, too
SERIES = (len(PAIRS) + 1) * len(TIMEFRAMES)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[FreqaiLab]:
    if not (freqtrade() / "bin/python").exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    with FreqaiLab(tmp_path) as running:
        yield running


def start_alone(fleet: Fleet) -> None:
    """Start the feeder as its operator does."""
    Units(fleet[FEEDER], "user").enable(UNIT)
    Units(fleet[FEEDER], "user").start(UNIT)


def trained(lab: FreqaiLab, fleet: Fleet) -> float:
    """Wait for a model of every pair; return how long after its service's start the last one was written, seconds."""
    models = until("models", lambda: len(found := lab.models()) == len(PAIRS) and found, 300)
    since = Units(fleet[FEEDER], "user").observe([UNIT])[UNIT].active_since
    assert since is not None
    return max(model.stat().st_mtime for model in models) - since


def predicted(lab: FreqaiLab) -> dict[str, int]:
    """Wait for a prediction of every pair; return the candles at which they were made, unix ms."""
    found = until("predictions", lambda: len(found := lab.predictions()) == len(PAIRS) and found, 300)
    return {pair: at for pair, (at, _) in found.items()}


def carry_out(lab: FreqaiLab, name: str, module: Any) -> Planned:
    """Plan and apply one phase; what it says went well; a second plan is empty."""
    with lab.phase(name) as phase:
        plan: Planned = module.plan(phase)
        rollout: Rollout = (module.apply if module is producers else module.canary)(phase, plan)
        assert [str(check) for check in rollout.checks if check.verdict != "Successful"] == []
        again: Planned = module.plan(phase)
        assert {host: each.describe() for host, each in again.plans.items() if not each.empty} == {}
    return plan


def put_back(lab: FreqaiLab) -> None:
    """Undo what the feeder's host was given, without asking anybody."""
    with lab.phase("90_rollback") as phase:
        Rollback(phase.journal, "user", phase.check).put_back(phase.fleet[FEEDER], 0, "the test is over")


def operators(lab: FreqaiLab) -> dict[str, bytes]:
    """Return every file of the feeder's but logs and what FreqAI itself made."""
    root = lab.user_data()
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in files
        if path.relative_to(root).parts[0] not in {"logs", "models"}
    }


def test_history_is_handed_over_and_a_start_costs_the_exchange_nothing(lab: FreqaiLab, tmp_path: Path) -> None:
    own = tmp_path / "own"
    with lab.phase("20_baseline") as phase:
        # a feeder that downloads itself
        start_alone(phase.fleet)
        own_seconds, own_requests = trained(lab, phase.fleet), lab.klines(FEEDER)

        # what producers fetch is fetched once, whatever the number of feeders; meanwhile the feeder goes on
        begun = time.monotonic()
        carry_out(lab, "30_producers", producers)
        fetch_seconds, fetch_requests = time.monotonic() - begun, sum(map(lab.klines, PRODUCED))
        own_predicted = predicted(lab)
        Units(phase.fleet[FEEDER], "user").stop(UNIT)
        asked = lab.klines(FEEDER)
        shutil.move(lab.user_data() / "data/binance", own)
        shutil.rmtree(lab.user_data() / "models")
        before = operators(lab)

        # the same feeder, handed over and fed
        begun, meanwhile = time.monotonic(), sum(map(lab.klines, PRODUCED))
        plan = carry_out(lab, "40_consumers", consumers)
        given = [file for file in plan.wanted[FEEDER].files if file.rewritten]
        change_seconds, fed_seconds = time.monotonic() - begun, trained(lab, phase.fleet)
        fed_predicted = predicted(lab)
    fed_requests, meanwhile = lab.klines(FEEDER) - asked, sum(map(lab.klines, PRODUCED)) - meanwhile
    found = compared(own, lab.user_data() / "data/binance")
    put_back(lab)

    print(f"""
FreqAI with LightGBM, {", ".join(PAIRS)} and {CORRELATED} in {", ".join(TIMEFRAMES)}; candle requests at the exchange
downloads itself: {own_requests} requests at its start, trained {own_seconds:.1f} s after it
fetched by two producers for all feeders: {fetch_requests} requests with those of their start, {fetch_seconds:.1f} s
handed over and fed: {fed_requests} requests, {len(given)} files, trained {fed_seconds:.1f} s after its start
  the change took {change_seconds:.1f} s; until the first prediction the producers asked {meanwhile} times
the same history: {sum(common for common, _, _ in found.values())} candles compared bit by bit""")  # noqa: T201 - figures to read

    assert own_requests >= 4 * SERIES
    assert fed_requests == 0
    assert len(given) == len(found) == SERIES
    assert all(file.path.startswith("freqtrade/user_data/data/binance/") for file in given)
    assert {(holes, differing) for _, holes, differing in found.values()} == {(0, 0)}
    assert found["BTC_USDT-1m.feather"][0] > 2 * 1440
    assert min(fed_predicted.values()) > max(own_predicted.values())  # of a candle that came by the feed
    assert operators(lab) == before  # though freqtrade has written on in what was handed over
