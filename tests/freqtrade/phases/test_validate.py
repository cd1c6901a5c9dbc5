"""The last gate: each promise that is not kept is found, and by its own check."""

from __future__ import annotations

from typing import Any

import pytest
from phase_double import PhaseDouble

from runbook_lib.freqtrade.phases import validate
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.gates import no_later
from runbook_lib.values import Check, Verdict

FEEDERS = ("75", "120", "121", "124")
HOSTS = ("73", "108", *FEEDERS)


def delays(*medians: float) -> dict[str, list[float]]:
    """Each feeder's 110 pairs, spread evenly over a second around its median."""
    return {host: [middle + n / 110 - 0.5 for n in range(111)] for host, middle in zip(FEEDERS, medians, strict=True)}


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
        "delays": delays(3.0, 3.1, 3.2, 3.3),
        "latency_ms": {f"{consumer} → 73": [0.2] * 15 + [9.0] * 5 for consumer in FEEDERS},
    }
    return Reading.model_validate({**usual, **changed})


DELAY = "delay from a candle's close until a bot had analysed it"
BEFORE = reading(dict.fromkeys(FEEDERS, 330))
PARTS = ("requests", "weight", "data", "delay", "latency", "soundness")
GOOD = {"73": 165, "108": 165}


def checks(after: Reading, before: Reading = BEFORE) -> list[Check]:
    site = PhaseDouble().site
    return [
        *validate._requests(site, before, after),
        *validate._weight(site, after),
        *validate._data(site, after),
        *validate._delay(site, before, after),
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
        (reading(GOOD, latency_ms={"75 → 73": [1.2] * 15 + [0.2] * 5}), "median round trip 75 → 73", None),
        (reading(GOOD, delays=delays(18.4, 18.5, 18.6, 18.7)), DELAY, None),
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
        (reading(GOOD, latency_ms={"75 → 73": [0.2] * 4}), "median round trip 75 → 73"),
        (reading(GOOD, latency_ms={"75 → 73": [0.2] * 14 + [9.0] * 6}), "median round trip 75 → 73"),
        (reading(GOOD, delays={}), DELAY),
        (reading(GOOD, delays={**delays(3, 3, 3, 3), "124": []}), DELAY),
    ],
)
def test_what_was_not_observed_or_too_little_never_passes(after: Reading, name: str) -> None:
    assert {(found, verdict) for found, _, verdict in blocking(after)} == {(name, Verdict.INCONCLUSIVE)}


def test_bots_are_counted_and_not_their_pairs() -> None:
    after = reading(GOOD, delays=delays(18.2, 18.3, 18.4, 18.5))
    (check,) = validate._delay(PhaseDouble().site, BEFORE, after)
    assert check.verdict is Verdict.SUCCESSFUL
    assert check.observed == "median 3.15 → 18.4 s, n = 4 and 4; later than that: p = 0.071, δ = +0.75"
    by_pairs = no_later("", BEFORE.all_delays, after.all_delays, 15, alpha=0.05, effect=0.33, minimum=4)
    assert by_pairs.verdict is Verdict.FAILED  # sure of 0.2 s only since it takes one bot's pairs for so many bots


def test_every_check_counts_for_the_gate() -> None:
    parts = {name: (Check(name, Verdict.FAILED, "", ""),) for name in PARTS}
    rest = dict.fromkeys(("before", "after", "figures", "during", "requests_chart", "weight_chart", "delay_chart"))
    assert [check.name for check in validate.Effect(**rest, **parts).checks] == list(PARTS)  # type: ignore[arg-type]  # only the checks are looked at
