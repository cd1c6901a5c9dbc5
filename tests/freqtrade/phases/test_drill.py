"""What a drill must show: each promise that is not kept is found, by its own check, and nothing unseen passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from phase_double import PhaseDouble

from runbook_lib.freqtrade.drill import (
    Candle,
    Course,
    Down,
    Stage,
    failover_checks,
    failover_words,
    fallback_checks,
    fallback_words,
    figures,
    gathered,
)
from runbook_lib.values import Check, Verdict

SITE = PhaseDouble().site
CONSUMERS = tuple(SITE.consumers)
LENGTH = 60.0


def candle(number: int, stage: Stage, requests: dict[str, int], **ages: float | None) -> Candle:
    usual: dict[str, float | None] = dict.fromkeys(CONSUMERS, 6.5)
    none = dict.fromkeys(SITE.hosts, 0)
    late = {host.removeprefix("h"): age for host, age in ages.items()}
    return Candle(number * LENGTH, stage, {**usual, **late}, {**none, **requests}, {**none, **requests})


BOTH = {"73": 55, "108": 55}
CANDLES = (
    candle(0, Stage.BEFORE, BOTH),
    candle(1, Stage.DOWN, {"108": 110}),
    candle(2, Stage.DOWN, {"108": 110}),
    candle(3, Stage.BACK, BOTH),
)
ASKED = dict.fromkeys(CONSUMERS, 110)
ALONE = candle(4, Stage.ALL_DOWN, ASKED, h75=9.0)
GOOD = Course(
    one=Down(("73",), killed=30.0, started=140.0),
    candles=(*CANDLES, ALONE),
    takeover=62.5,
    owned=155.0,
    cells=12_345,
    mismatching=0,
    missing=0,
    repeated=0,
    all_down=Down(("73", "108"), 200.0, 270.0),
)


def with_candle(number: int, candle: Candle) -> Course:
    candles = list(GOOD.candles)
    candles[number] = candle
    return replace(GOOD, candles=tuple(candles))


def bad(checks: list[Check]) -> set[tuple[str, str | None, Verdict]]:
    return {(check.name, check.host, check.verdict) for check in checks if check.verdict is not Verdict.SUCCESSFUL}


def test_a_drill_that_nobody_noticed_passes() -> None:
    assert bad(failover_checks(SITE, GOOD)) == set()
    assert bad(fallback_checks(SITE, GOOD)) == set()


LATE = "candles later than 55 s, of 4"
OWN = "candle requests of a consumer"
ANY = "candle requests in any candle"
OWN_PAIRS = "candle requests in the last candle, for its own pairs"


@pytest.mark.parametrize(
    ("course", "name", "host"),
    [
        (with_candle(1, candle(1, Stage.DOWN, {"108": 110}, h120=None)), LATE, "120"),
        (with_candle(2, candle(2, Stage.DOWN, {"108": 110}, h121=55.1)), LATE, "121"),
        (with_candle(3, candle(3, Stage.BACK, BOTH, h75=None)), LATE, "75"),
        (with_candle(1, candle(1, Stage.DOWN, {"108": 109, "124": 1})), OWN, "124"),
        (with_candle(2, candle(2, Stage.DOWN, {"108": 111})), ANY, None),
        (replace(GOOD, mismatching=1), "cells that differ from the exchange", None),
        (replace(GOOD, missing=1), "candles missing", None),
        (replace(GOOD, takeover=150.1), "until the takeover", None),
        (replace(GOOD, repeated=1), "downloads of a pair beyond one per candle", None),
        (replace(GOOD, owned=None), "owns its pairs again", "73"),
        (replace(GOOD, candles=(*CANDLES[:2], *CANDLES[3:])), "candles with a producer down", None),
    ],
)
def test_each_broken_promise_fails_its_own_check(course: Course, name: str, host: str | None) -> None:
    assert bad(failover_checks(SITE, course)) == {(name, host, Verdict.FAILED)}


def test_a_longer_candle_that_closes_too_costs_its_own() -> None:
    longer = replace(GOOD.candles[2], requests={**GOOD.candles[2].requests, "108": 220})
    assert bad(failover_checks(SITE, with_candle(2, longer))) == set()
    asked = replace(GOOD.candles[2], requests={**GOOD.candles[2].requests, "75": 1})
    assert bad(failover_checks(SITE, with_candle(2, asked))) == {(OWN, "75", Verdict.FAILED)}, "also for a longer one"


def test_pairs_that_stay_with_the_other_producer_fail_for_both() -> None:
    course = with_candle(3, candle(3, Stage.BACK, {"73": 0, "108": 110}))
    assert bad(failover_checks(SITE, course)) == {(OWN_PAIRS, host, Verdict.FAILED) for host in ("73", "108")}


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"takeover": None}, {"until the takeover"}),
        ({"cells": 0}, {"cells compared"}),
        ({"repeated": None}, {"downloads of a pair beyond one per candle"}),
        ({"candles": CANDLES[:3]}, {OWN_PAIRS}),
    ],
)
def test_what_was_not_observed_never_passes(changed: dict[str, Any], names: set[str]) -> None:
    found = bad(failover_checks(SITE, replace(GOOD, **changed)))
    assert {name for name, _, verdict in found if verdict is Verdict.INCONCLUSIVE} == names
    assert {name for name, _, verdict in found if verdict is Verdict.FAILED} == set()


def test_without_the_exchanges_ledger_the_totals_must_do() -> None:
    exchange = SITE.exchange.model_copy(update={"admin_url": None})
    production = SITE.model_copy(update={"exchange": exchange})
    assert bad(failover_checks(production, replace(GOOD, repeated=None))) == set()


@pytest.mark.parametrize(
    ("alone", "name", "host"),
    [
        (candle(4, Stage.ALL_DOWN, ASKED, h75=None), "candles later than 55 s", "75"),
        (candle(4, Stage.ALL_DOWN, {**ASKED, "120": 0}), "candle requests of its own", "120"),
        (candle(4, Stage.ALL_DOWN, {**ASKED, "121": 111}), "candle requests of its own", "121"),
    ],
)
def test_each_consumer_must_help_itself_in_time_and_ask_no_more_than_needed(
    alone: Candle, name: str, host: str
) -> None:
    assert bad(fallback_checks(SITE, with_candle(4, alone))) == {(name, host, Verdict.FAILED)}
    assert bad(failover_checks(SITE, with_candle(4, alone))) == set(), "it is no part of the other promise"


def test_a_fallback_that_was_not_drilled_is_open() -> None:
    course = replace(GOOD, candles=CANDLES, all_down=None)
    assert {check.verdict for check in fallback_checks(SITE, course)} == {Verdict.INCONCLUSIVE}
    assert fallback_words(SITE, course) == "not all producers were stopped at once: gates.drill_both is off"
    assert not [name for name in figures(SITE, course) if name.startswith("fallback")]


def test_it_is_told_in_numbers() -> None:
    assert failover_words(SITE, GOOD) == (
        "73 killed for 110 s: 108 took over after 32.5 s, 2.5 s after a candle's close; "
        "0 of 16 candles late at 4 consumers, 0 missing, "
        "0 of 12,345 cells differ; 0 requests of their own, 110 requests per candle at most"
    )
    assert fallback_words(SITE, GOOD) == (
        "all producers down: 4 consumers had the candle within 9 s, by 440 requests of their own"
    )
    unseen = with_candle(4, candle(4, Stage.ALL_DOWN, {}, h75=None))
    assert "not all in time" in fallback_words(SITE, unseen)
    assert "took over after 5 s; 0 of" in failover_words(SITE, replace(GOOD, takeover=35.0)), "before any close"
    assert "no takeover was seen" in failover_words(SITE, replace(GOOD, takeover=None))


def test_what_several_feeds_say_at_once_is_told_once() -> None:
    dead, takes = "producer-73: alive -> dead", "takes over from producer-73"
    told = [(0.1, "75", dead), (0.6, "120", dead), (0.7, "75", dead), (40.2, "108", takes), (230.0, "75", dead)]
    assert gathered(told) == [(0.1, "75, 120", dead), (40.2, "108", takes), (230.0, "75", dead)]


def test_its_figures_are_those_of_the_record() -> None:
    assert {name: value for name, (_, value) in figures(SITE, GOOD).items()} == {
        "takeover_seconds": 32.5,
        "drill_late_candles": 0,
        "drill_missing_candles": 0,
        "drill_own_requests": 0,
        "drill_requests_per_candle": 110,
        "drill_candle_age": 6.5,
        "fallback_candle_age": 9.0,
        "fallback_own_requests": 440,
    }
    late = with_candle(1, candle(1, Stage.DOWN, {}, h75=None))
    assert figures(SITE, late)["drill_candle_age"][1] is None
    assert figures(SITE, late)["drill_late_candles"][1] == 1
