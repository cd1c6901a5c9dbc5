"""What each claim says was observed (`freqtrade.claims`); how each is judged stands with the phases' tests."""

from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.claims import ELSEWHERE, PLAN, judged, unproven
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.params import load
from runbook_lib.values import Check, Claim, Verdict

PARAMS = Path(__file__).parents[2] / "params"
BY_STREAMS = load(PARAMS / "production.example.yaml", FreqtradeSite)
BY_REQUESTS = BY_STREAMS.model_copy(update={"freqtrade": BY_STREAMS.freqtrade.model_copy(update={"enable_ws": False})})
CHECKS = {
    verdict: Check("n", verdict, "e", "0 own requests", "75")
    for verdict in (Verdict.SUCCESSFUL, Verdict.INCONCLUSIVE, Verdict.FAILED)
}


def reading(**changed: Any) -> Reading:
    told: dict[str, Any] = {
        "since": 0.0, "until": 120.0, "candles": 2, "meter": "m", "candle_requests": {"75": 880}, "other_calls": {},
        "own_pings": 0, "streams": {"75": 440}, "weight_peak": {"75": 2000}, "weight_limit": 6000,
        "rejected": {"75": 3}, "cells": 1_320_000, "mismatching": 12, "missing": 1, "newest_age": {},
        "delays": {}, "latency_ms": {"75 → 73": [0.1, 0.2, 0.3], "75 → 108": [0.4, 0.6, 0.5]}, **changed,
    }  # fmt: skip
    return Reading.model_validate(told)


AFTER = reading(candle_requests={"75": 220}, streams={"75": 110}, mismatching=0, missing=0, rejected={})


def claims(site: FreqtradeSite = BY_STREAMS, after: Reading = AFTER, **verdicts: Verdict) -> dict[str, Claim]:
    names = ("effect", "weight", "data", "latency", "start", "safety")
    found: dict[str, Any] = {name: [CHECKS[verdicts.get(name, Verdict.SUCCESSFUL)]] for name in names}
    return {claim.id: claim for claim in judged(site, reading(), after, **found)}


def test_nothing_is_proven_before_anything_was_measured() -> None:
    told = unproven()
    assert [claim.id for claim in told] == list(PLAN) == [f"C{number}" for number in range(1, 10)]
    assert {claim.verdict for claim in told} == {Verdict.INCONCLUSIVE}
    assert {claim.evidence for claim in told} == {"none"}
    assert all(claim.observed for claim in told)


def test_each_claim_keeps_the_plans_words() -> None:
    for name, claim in claims().items():
        assert (claim.claim, claim.expected) == PLAN[name]


@pytest.mark.parametrize(
    ("name", "speaks"), [("C1", "effect"), ("C2", "weight"), ("C3", "data"), ("C6", "latency"), ("C7", "start")]
)
@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_claim_ends_as_its_own_checks_do_and_moves_no_other(name: str, speaks: str, verdict: Verdict) -> None:
    found = claims(**{speaks: verdict})
    assert found[name].verdict is verdict
    others = {claim.id: claim.verdict for claim in found.values() if claim.id not in {name, "C9", *ELSEWHERE}}
    assert set(others.values()) == {Verdict.SUCCESSFUL}
    assert found["C9"].verdict is Verdict.INCONCLUSIVE  # nothing was undone in it


def test_a_claim_that_nothing_speaks_for_is_open() -> None:
    held = [CHECKS[Verdict.SUCCESSFUL]]
    found = judged(BY_STREAMS, reading(), AFTER, effect=[], weight=held, data=held, latency=held, start=[], safety=held)
    by_id = {claim.id: claim for claim in found}
    assert by_id["C1"].verdict is by_id["C7"].verdict is Verdict.INCONCLUSIVE
    assert by_id["C7"].observed == "not observed"


def test_what_was_observed_is_told_in_numbers() -> None:
    found = claims()
    assert found["C1"].observed == "440 → 110 kline streams; 440 → 110 requests per candle"
    assert claims(BY_REQUESTS)["C1"].observed == "440 → 110 requests per candle"
    assert found["C2"].observed == "busiest host 2,000 of 6,000 in its busiest minute, 0 requests refused"
    assert found["C3"].observed == "0 of 1,320,000 cells differ, 0 candles missing (before: 12 of 1,320,000)"
    assert found["C6"].observed == "median of the slowest route 0.5 ms; all: p50 0.35 ms, p95 0.575 ms"
    assert found["C7"].observed == "1 consumers: n 0 own requests"


def test_what_was_not_observed_is_said() -> None:
    found = claims(after=reading(streams={}, weight_peak={"75": None}, latency_ms={}))
    assert found["C1"].observed.startswith("440 → not observed kline streams")
    assert found["C2"].observed.startswith("busiest host not observed of 6,000")
    assert found["C6"].observed == "not observed"


def test_a_route_that_never_answered_does_not_hide_the_others() -> None:
    found = claims(after=reading(latency_ms={"75 → 73": [], "75 → 108": [0.5]}))
    assert found["C6"].observed.startswith("median of the slowest route 0.5 ms")
