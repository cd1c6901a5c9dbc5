from dataclasses import replace

import pytest

from runbook_lib.freqtrade.meters import Calls, FleetMeter, RequestCounts, agreement, fleet_meter
from runbook_lib.values import Verdict


def counts(host: str, klines: int, *others: Calls) -> RequestCounts:
    answers = (Calls(60, "klines", "5m", 200, klines), *others)
    return RequestCounts(host, since=0, until=900, answers=answers, oldest=-1.0)


def meter(name: str = "request log") -> FleetMeter:
    return fleet_meter(
        name,
        {
            "75": counts("75", 330, Calls(60, "exchangeInfo", "", 200, 3), Calls(120, "klines", "5m", 429, 2)),
            "120": counts("120", 330, Calls(60, "time", "", 200, 1), Calls(60, "exchangeInfo", "", 418, 1)),
        },
    )


def test_before_and_after_figures_out_of_counts() -> None:
    seen = meter()
    assert seen.candle_requests == {"75": 332, "120": 330}
    assert seen.other_calls == {"75": {"exchangeInfo": 3}, "120": {"exchangeInfo": 1, "time": 1}}
    assert seen.other_by_endpoint == {"exchangeInfo": 4, "time": 1}
    assert seen.rejected == {"75": {429: 2}, "120": {418: 1}}


def test_candles_are_counted_by_their_length_refused_ones_too() -> None:
    hourly = counts("75", 330, Calls(60, "klines", "1h", 200, 5), Calls(60, "klines", "1h", 429, 1))
    others = counts("120", 0, Calls(60, "exchangeInfo", "", 200, 3))
    assert fleet_meter("log", {"75": hourly, "120": others}).by_interval == {
        "75": {"1h": 6, "5m": 330},
        "120": {"5m": 0},
    }


def test_meters_that_counted_the_same_agree() -> None:
    check = agreement(meter(), meter("exchange"))
    assert check.verdict is Verdict.SUCCESSFUL
    assert check.name == "request log and exchange agree"
    assert check.remedy == ""


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(meter(), candle_requests={"75": 332, "120": 329}), "120 klines 330 and 329"),
        (replace(meter(), candle_requests={"75": 332}), "120 klines 330 and 0"),
        (replace(meter(), rejected={"75": {429: 2}}), "120 refused 418 1 and 0"),
        (replace(meter(), other_calls={**meter().other_calls, "73": {"depth": 4}}), "73 depth 0 and 4"),
    ],
)
def test_one_call_of_difference_fails_and_is_named(other: FleetMeter, words: str) -> None:
    check = agreement(meter(), other)
    assert (check.verdict, check.observed) == (Verdict.FAILED, words)
    assert check.remedy


def test_many_differences_are_named_in_part() -> None:
    check = agreement(meter(), FleetMeter("none", {}, {}, {}))
    assert check.observed.count(";") == 5
    assert check.observed.endswith("; and 2 more")


def test_pings_that_look_at_the_weight_are_no_calls_of_a_bot() -> None:
    pings = replace(meter(), other_calls={host: {**c, "ping": 9} for host, c in meter().other_calls.items()})
    assert agreement(meter(), pings).verdict is Verdict.SUCCESSFUL
    assert agreement(meter(), pings, ignore=()).verdict is Verdict.FAILED


def test_two_meters_that_saw_nothing_prove_nothing() -> None:
    idle = FleetMeter("a", {"75": 0}, {"75": {}}, {"75": {}})
    assert agreement(idle, idle).verdict is Verdict.INCONCLUSIVE


def test_counts_can_be_asked_by_what_they_are() -> None:
    seen = counts("75", 10, Calls(60, "klines", "1h", 403, 4), Calls(120, "time", "", 200, 1))
    assert seen.by_endpoint == {"klines": 14, "time": 1}
    assert seen.by_status == {200: 11, 403: 4}
    assert (seen.candle_requests, seen.rejected, seen.whole) == (14, {403: 4}, True)
    assert replace(seen, asked={"klines": 15, "time": 1}).unanswered == {"klines": 1}
    assert not replace(seen, oldest=1.0).whole
