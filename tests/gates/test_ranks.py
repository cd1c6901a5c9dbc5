"""Rank tests as gates: what is later fails, what is not passes, and too little never does either."""

import math
import subprocess
import sys
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from runbook_lib.errors import ParamsError
from runbook_lib.gates import below, no_later
from runbook_lib.gates.ranks import fewest
from runbook_lib.values import Check, Verdict

PASSED, UNKNOWN, FAILED = Verdict.SUCCESSFUL, Verdict.INCONCLUSIVE, Verdict.FAILED

MILLISECONDS = st.integers(0, 50_000).map(lambda ms: ms / 1000)  # as times are kept; few enough that some are equal
SPREAD = st.lists(MILLISECONDS, min_size=4, max_size=5)
MARGIN = st.integers(0, 20_000).map(lambda ms: ms / 1000)
ALPHA = st.floats(0.001, 0.499)


def later(before: list[float], after: list[float], margin: float = 0.0, **changed: float) -> Check:
    thresholds = {"alpha": 0.05, "effect": 0.33, **changed}
    return no_later("delay", before, after, margin, unit="s", minimum=int(thresholds.pop("minimum", 4)), **thresholds)


def limited(sample: list[float], limit: float = 1.0, alpha: float = 0.05) -> Check:
    return below("round trip", sample, limit, unit="ms", alpha=alpha)


@pytest.mark.parametrize(("alpha", "values"), [(0.49, 2), (0.05, 4), (0.0143, 4), (0.0142, 5), (0.01, 5), (0.001, 7)])
def test_the_fewest_values_with_which_scipys_own_test_can_fail(alpha: float, values: int) -> None:
    def clearest(n: int) -> float:
        return float(stats.mannwhitneyu(range(n, 2 * n), range(n), alternative="greater", method="exact").pvalue)

    assert fewest(alpha) == values
    assert clearest(values) < alpha <= clearest(values - 1)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 0.5, 1.0, math.nan])
def test_what_is_no_level_of_significance_is_refused(alpha: float) -> None:
    for check in (lambda: later([1.0] * 4, [1.0] * 4, alpha=alpha), lambda: limited([0.1] * 9, alpha=alpha)):
        with pytest.raises(ParamsError, match="level of significance"):
            check()


@given(alpha=ALPHA)
def test_a_minimum_with_which_nothing_could_fail_is_refused(alpha: float) -> None:
    enough = fewest(alpha)
    assert later([0.0] * enough, [1.0] * enough, alpha=alpha, minimum=enough).verdict is FAILED
    with pytest.raises(ParamsError, match=rf"minimum of {enough - 1} values .* -> ask for {enough} values"):
        later([0.0] * enough, [1.0] * enough, alpha=alpha, minimum=enough - 1)


@given(before=SPREAD, margin=MARGIN)
def test_what_is_as_late_as_before_passes(before: list[float], margin: float) -> None:
    assert later(before, before, margin).verdict is PASSED


@given(before=SPREAD, after=SPREAD, margin=MARGIN)
def test_all_later_by_more_than_the_margin_fails_and_by_the_margin_itself_does_not(
    before: list[float], after: list[float], margin: float
) -> None:
    over = max(before) - min(after) + margin + 0.001
    assert later(before, [value + over for value in after], margin).verdict is FAILED
    assert later(before, [value + margin for value in before], margin).verdict is PASSED


@given(before=SPREAD, after=SPREAD, margin=MARGIN, more=MARGIN)
def test_a_wider_margin_never_fails_what_a_narrower_one_let_pass(
    before: list[float], after: list[float], margin: float, more: float
) -> None:
    if later(before, after, margin).verdict is PASSED:
        assert later(before, after, margin + more).verdict is PASSED


@given(before=SPREAD, after=SPREAD, margin=MARGIN, days=st.integers(-7, 7))
def test_only_the_distance_counts(before: list[float], after: list[float], margin: float, days: int) -> None:
    moved = [[value + days * 86_400 for value in values] for values in (before, after)]
    assert later(*moved, margin).verdict is later(before, after, margin).verdict


@given(before=SPREAD, after=SPREAD, minimum=st.integers(4, 6))
def test_fewer_than_asked_for_never_pass_nor_fail(before: list[float], after: list[float], minimum: int) -> None:
    too_few = min(len(before), len(after)) < minimum
    for given_ in (after, [value + 1000 for value in after]):
        assert (later(before, given_, minimum=minimum).verdict is UNKNOWN) == too_few


def test_nothing_and_no_number_never_pass() -> None:
    assert later([], [1.0] * 4).observed == later([1.0] * 4, []).observed == "not observed"
    five = [1.0, 2.0, 3.0, 4.0, 5.0]
    for nothing in ([], [*five, math.nan]):
        assert [later(five, nothing).verdict, later(nothing, five).verdict] == [UNKNOWN] * 2
        assert limited(nothing, 100).verdict is UNKNOWN
    assert [later(five, five, math.nan).verdict, limited(five, math.nan).verdict] == [UNKNOWN] * 2
    assert limited([math.nan] * 9).verdict is UNKNOWN


def test_what_never_came_is_later_than_anything() -> None:
    five = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert later(five, [math.inf] * 5, 60).verdict is FAILED
    assert later(five, [*five[:4], math.inf], 0).verdict is PASSED
    assert limited([math.inf] * 5).verdict is FAILED


def above(late: list[float], early: list[float]) -> int:
    return sum((a > b) - (a < b) for a in late for b in early)


@given(before=SPREAD, after=SPREAD)
@settings(max_examples=50)
def test_chance_and_effect_are_those_of_counting_all_arrangements(before: list[float], after: list[float]) -> None:
    pool, seen = [*after, *before], above(after, before)
    ways = [
        above([pool[n] for n in late], [pool[n] for n in range(len(pool)) if n not in late])
        for late in combinations(range(len(pool)), len(after))
    ]
    chance, delta = sum(way >= seen for way in ways) / len(ways), seen / len(before) / len(after)
    said = later(before, after, effect=1e-9)
    assert (said.verdict is FAILED) == (chance < 0.05)
    assert said.observed.endswith(f"; later than that: p = {chance:.2g}, δ = {delta:+.2f}".replace("-", "−"))


def test_equal_values_do_not_make_few_look_sure() -> None:
    assert later([1.0] * 4, [2.0] * 4, alpha=0.0143).verdict is FAILED
    assert "p = 0.014" in later([1.0] * 4, [2.0] * 4).observed  # scipy's estimate would say 0.0066


def test_a_sure_trifle_is_no_failure() -> None:
    before = [float(n) for n in range(400)]
    after = [value + 40 for value in before]
    assert later(before, after, effect=0.15).verdict is FAILED
    said = later(before, after, effect=0.33)
    assert said.verdict is PASSED
    assert "p < 0.001, δ = +0.19" in said.observed


def test_a_large_effect_that_may_be_luck_is_no_failure() -> None:
    said = later([1.0, 2.0, 3.0, 6.0], [2.5, 4.0, 5.0, 7.0])
    assert (said.verdict, said.observed) == (
        PASSED,
        "median 2.5 → 4.5 s, n = 4 and 4; later than that: p = 0.17, δ = +0.50",
    )


def test_the_words_of_a_check() -> None:
    said = no_later(
        "delay", [8.0, 8.6, 8.2, 8.6], [13.8, 13.7, 13.4, 14.3], 3.0,
        unit="s", host="75", alpha=0.05, effect=0.33, minimum=4, remedy="look",
    )  # fmt: skip
    assert said == Check(
        "delay", FAILED, "at most 3 s later (fails at p < 0.05 with δ ≥ 0.33; n ≥ 4)",
        "median 8.4 → 13.8 s, n = 4 and 4; later than that: p = 0.014, δ = +1.00", "75", "look",
    )  # fmt: skip
    assert later([1.0] * 3, [9.0] * 4).observed == "median 1 → 9 s, n = 3 and 4: too little to judge"
    said = below("trip", [0.5] * 8 + [3.0], 1, unit="ms", host="75", alpha=0.05, remedy="look")
    assert said == Check(
        "trip", PASSED, "median < 1 ms (p < 0.05)", "median 0.5 ms, 8 of 9 below; p = 0.02, δ = −0.78", "75", "look"
    )


@pytest.mark.parametrize(
    ("under", "at", "over", "verdict"),
    [
        (5, 0, 0, PASSED),  # 1 in 32
        (4, 0, 0, UNKNOWN),  # 1 in 16
        (4, 9, 0, UNKNOWN),  # those at the limit speak for neither side
        (0, 9, 0, UNKNOWN),
        (15, 0, 5, PASSED),
        (14, 0, 6, UNKNOWN),
        (10, 0, 10, UNKNOWN),
        (6, 0, 14, UNKNOWN),
        (5, 0, 15, FAILED),
        (0, 0, 4, UNKNOWN),
        (0, 0, 5, FAILED),
    ],
)
def test_only_what_is_surely_below_a_limit_passes(under: int, at: int, over: int, verdict: Verdict) -> None:
    assert limited([0.2] * under + [1.0] * at + [30.0] * over).verdict is verdict


@given(sample=st.lists(MILLISECONDS, max_size=30), limit=MILLISECONDS, alpha=ALPHA)
def test_a_limit_judges_as_scipys_binomial_test_does(sample: list[float], limit: float, alpha: float) -> None:
    verdict = limited(sample, limit, alpha).verdict
    under, over = sum(v < limit for v in sample), sum(v > limit for v in sample)

    def surely(these: int) -> bool:
        return under + over > 0 and stats.binom.sf(these - 1, under + over, 0.5) < alpha

    assert (verdict is PASSED, verdict is FAILED) == (surely(under), surely(over))
    mirrored = limited([-v for v in sample], -limit, alpha).verdict
    assert mirrored is {PASSED: FAILED, FAILED: PASSED, UNKNOWN: UNKNOWN}[verdict]


def test_rare_slow_answers_do_not_make_a_fast_route_slow() -> None:
    trips = [0.035] * 15 + [25.0, 12.0, 11.0, 7.0, 5.0]
    assert limited(trips).verdict is PASSED
    assert stats.wilcoxon([trip - 1 for trip in trips], alternative="less").pvalue > 0.05


def test_whoever_imports_gates_does_not_wait_for_scipy() -> None:
    code = "import sys, runbook_lib.gates; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
