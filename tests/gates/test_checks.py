"""Every kind of check at its boundary; what was not observed never passes."""

import math

import pytest

from runbook_lib.errors import Unreachable
from runbook_lib.gates import at_least, at_most, equal, fell_by, holds, reported
from runbook_lib.gates.checks import number
from runbook_lib.values import Check, Verdict

PASSED, UNKNOWN, FAILED = Verdict.SUCCESSFUL, Verdict.INCONCLUSIVE, Verdict.FAILED


@pytest.mark.parametrize(
    "check",
    [
        equal("n", None, 3),
        at_most("n", None, 3),
        at_least("n", None, 3),
        at_least("n", None, 3, too_little_is_inconclusive=True),
        holds("n", None, expected="e", observed="not observed"),
        fell_by("n", None, 1, 0.75),
        fell_by("n", 4, None, 0.75),
        fell_by("n", None, None, 0.75),
        fell_by("n", 0, 0, 0.75),
        fell_by("n", -1, 0, 0.75),
    ],
)
def test_what_was_not_observed_is_inconclusive(check: Check) -> None:
    assert check.verdict is UNKNOWN


@pytest.mark.parametrize(("seen", "verdict"), [(2, FAILED), (3, PASSED), (4, FAILED), (3.0, PASSED)])
def test_equal(seen: float, verdict: Verdict) -> None:
    assert equal("n", seen, 3).verdict is verdict


@pytest.mark.parametrize(("seen", "verdict"), [(0, PASSED), (3, PASSED), (math.nextafter(3, 4), FAILED), (4, FAILED)])
def test_at_most(seen: float, verdict: Verdict) -> None:
    assert at_most("n", seen, 3).verdict is verdict


@pytest.mark.parametrize(("seen", "verdict"), [(4, PASSED), (3, PASSED), (math.nextafter(3, 2), FAILED), (0, FAILED)])
def test_at_least(seen: float, verdict: Verdict) -> None:
    assert at_least("n", seen, 3).verdict is verdict


@pytest.mark.parametrize(("seen", "verdict"), [(3, PASSED), (2, UNKNOWN), (0, UNKNOWN)])
def test_too_little_data_is_no_failure_where_so_said(seen: int, verdict: Verdict) -> None:
    assert at_least("cells", seen, 3, too_little_is_inconclusive=True).verdict is verdict


def test_a_number_that_is_none_at_all_never_passes() -> None:
    assert [check("n", math.nan, 3).verdict for check in (equal, at_most, at_least)] == [FAILED] * 3
    assert fell_by("n", 4, math.nan, 0.75).verdict is FAILED


@pytest.mark.parametrize(
    ("before", "after", "share", "verdict"),
    [
        (440, 110, 0.75, PASSED),
        (440, 111, 0.75, FAILED),
        (440, 0, 0.75, PASSED),
        (440, 440, 0.75, FAILED),
        (440, 880, 0.75, FAILED),
        (440, 440, 0.0, PASSED),
        (146.8, 36.7, 0.75, PASSED),
        (100, 10, 0.9, PASSED),
        (100, 10.001, 0.9, FAILED),
        (100, 45, 0.55, PASSED),
        (3, 0.9, 0.7, PASSED),
    ],
)
def test_a_fall_by_exactly_the_share_is_enough(before: float, after: float, share: float, verdict: Verdict) -> None:
    assert fell_by("n", before, after, share).verdict is verdict


def test_a_fall_is_told_in_percent() -> None:
    check = fell_by("requests", 440, 110, 0.75, unit="per candle", remedy="look")
    assert (check.expected, check.observed) == ("−75%", "440 → 110 per candle (−75%)")
    assert (check.host, check.remedy) == (None, "look")
    assert fell_by("n", 100, 150, 0.75).observed == "100 → 150 (+50%)"
    assert fell_by("n", None, 5, 0.75).observed == "not observed → 5"


def test_a_check_says_what_was_wanted_seen_and_where() -> None:
    words = {"unit": "s", "host": "75", "remedy": "do"}
    assert equal("n", 2, 3, **words) == Check("n", FAILED, "3 s", "2 s", "75", "do")
    assert at_most("n", 4, 3, **words) == Check("n", FAILED, "≤ 3 s", "4 s", "75", "do")
    assert at_least("n", 2, 3, **words) == Check("n", FAILED, "≥ 3 s", "2 s", "75", "do")
    assert at_most("n", None, 3, **words).observed == "not observed"


@pytest.mark.parametrize(("passed", "verdict"), [(True, PASSED), (False, FAILED), (None, UNKNOWN)])
def test_a_statement_holds_or_not(passed: bool | None, verdict: Verdict) -> None:
    check = holds("runs", passed, expected="running", observed="stopped", host="75", remedy="start it")
    assert check == Check("runs", verdict, "running", "stopped", "75", "start it")


def test_a_hosts_error_is_a_failed_check_in_its_own_words() -> None:
    error = Unreachable("no answer within 10 s", remedy="look at the cable", host="75")
    assert reported("clock", error, expected="< 0.5 s") == Check(
        "clock", FAILED, "< 0.5 s", "no answer within 10 s", "75", "look at the cable"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not observed"),
        (0, "0"),
        (440, "440"),
        (1_320_000, "1,320,000"),
        (0.04567, "0.0457"),
        (36.68, "36.7"),
        (999.6, "1,000"),
        (1234.5, "1,234"),
        (-1234.6, "-1,235"),
        (math.inf, "inf"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float | None, text: str) -> None:
    assert number(value) == text
    assert number(value, "ms") == (f"{text} ms" if value is not None else text)
