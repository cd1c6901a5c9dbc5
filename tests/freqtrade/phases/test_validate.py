"""The last gate: each promise that is not kept is found, and by its own check."""

from __future__ import annotations

from typing import Any

import pytest
from phase_double import PhaseDouble

from runbook_lib.freqtrade.phases import validate
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.values import Check, Verdict

FEEDERS = ("75", "120", "121", "124")
HOSTS = ("73", "108", *FEEDERS)


def reading(requests: dict[str, int], **changed: Any) -> Reading:
    usual: dict[str, Any] = {
        "since": 0.0,
        "until": 180.0,
        "candles": 3,
        "meter": "the exchange",
        "candle_requests": {host: requests.get(host, 0) for host in HOSTS},
        "other_calls": {},
        "own_pings": 9,
        "streams": dict.fromkeys(HOSTS, 0),
        "weight_peak": dict.fromkeys(HOSTS, 120),
        "weight_limit": 6000,
        "rejected": dict.fromkeys(HOSTS, 0),
        "cells": 2_200_000,
        "mismatching": 0,
        "missing": 0,
        "newest_age": dict.fromkeys(FEEDERS, 30.0),
        "delays": {host: [3.0] * 110 for host in FEEDERS},
        "latency_ms": {f"{consumer} → 73": [0.2, 0.3, 0.4] for consumer in FEEDERS},
    }
    return Reading.model_validate({**usual, **changed})


BEFORE = reading(dict.fromkeys(FEEDERS, 330))
GOOD = {"73": 165, "108": 165}


def checks(after: Reading, before: Reading = BEFORE) -> list[Check]:
    site = PhaseDouble().site
    return [
        *validate._requests(site, before, after),
        *validate._weight(site, after),
        *validate._data(site, after),
        *validate._latency(site, after),
    ]


def blocking(after: Reading) -> set[tuple[str, str | None, Verdict]]:
    return {(c.name, c.host, c.verdict) for c in checks(after) if c.verdict is not Verdict.SUCCESSFUL}


def test_all_promises_kept() -> None:
    assert blocking(reading(GOOD)) == set()
    (fall,) = [check for check in checks(reading(GOOD)) if check.name == "candle requests per candle"]
    assert fall.observed == "440 → 110 requests per candle (−75 %)" or "440 → 110" in fall.observed


@pytest.mark.parametrize(
    ("after", "name", "host"),
    [
        (reading({**GOOD, "73": 166}), "candle requests per candle", None),
        (reading({"73": 100, "108": 165, "75": 1}), "candle requests of a consumer", "75"),
        (reading(GOOD, streams={**dict.fromkeys(HOSTS, 0), "121": 1}), "kline streams of a consumer", "121"),
        (reading(GOOD, weight_peak={**dict.fromkeys(HOSTS, 9), "108": 3001}), "peak weight per minute", "108"),
        (reading(GOOD, rejected={"73": 1}), "requests refused (403, 418, 429)", None),
        (reading(GOOD, mismatching=1), "cells that differ from the exchange", None),
        (reading(GOOD, missing=1), "candles missing", None),
        (reading(GOOD, newest_age={"124": 55.1}), "age of the newest candle", "124"),
        (reading(GOOD, latency_ms={"75 → 73": [1.2]}), "median round trip 75 → 73", None),
    ],
)
def test_each_broken_promise_fails_its_own_check(after: Reading, name: str, host: str | None) -> None:
    assert blocking(after) == {(name, host, Verdict.FAILED)}


@pytest.mark.parametrize(
    ("after", "name"),
    [
        (reading(GOOD, cells=999_999), "cells compared"),
        (reading(GOOD, weight_peak={"73": None}), "peak weight per minute"),
        (reading(GOOD, latency_ms={"75 → 73": []}), "median round trip 75 → 73"),
    ],
)
def test_what_was_not_observed_never_passes(after: Reading, name: str) -> None:
    assert {(found, verdict) for found, _, verdict in blocking(after)} == {(name, Verdict.INCONCLUSIVE)}
