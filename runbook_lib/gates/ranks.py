"""Checks of spreads: rank tests, which ask for no shape of a distribution, each with its effect size. Pure.

They say how sure one may be; the effect size says how much it matters: of many values every trifle is sure, of few
none is. Values are taken as independent of each other. Where they are not (the pairs of one bot, which are analysed one
after the other), whoever calls must first make one value of those that belong together: counting them one by one would
pretend to more than was seen.

The tests are scipy's, which takes a second to load: it is loaded by the first test, not by whoever imports this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import count
from statistics import median

from runbook_lib.errors import ParamsError
from runbook_lib.gates.checks import NOT_OBSERVED, number
from runbook_lib.values import Check, Verdict

ARRANGEMENTS = 20_000  # counted one by one up to here (8 against 8 values: 12,870), a tenth of a second; else estimated
DIGITS = 9  # 0.3 - 0.2 is not 0.1: a shift must not make two equal values differ


def fewest(alpha: float) -> int:
    """Return how many values each side of `no_later` needs at least, so that it can fail at all.

    The clearest outcome of n against n, all of one later than all of the other, is one of C(2n, n) arrangements that
    luck alone makes equally likely; 1 / C(2n, n) must be below ``alpha``. For 0.05: 4 (1 in 70), for 0.01: 5.
    """
    if not 0 < alpha < 0.5:
        raise ParamsError(f"a level of significance of {alpha} means nothing", remedy="take 0.05, or less to be surer")
    return next(n for n in count(1) if 1 / math.comb(2 * n, n) < alpha)


def no_later(  # noqa: PLR0913 - the words and thresholds of one check
    name: str,
    before: Sequence[float],
    after: Sequence[float],
    margin: float,
    *,
    unit: str = "",
    host: str | None = None,
    alpha: float,
    effect: float,
    minimum: int,
    remedy: str = "",
) -> Check:
    """Ask that ``after`` came later than ``before`` by no more than ``margin``, all in ``unit``.

    One-sided Mann-Whitney U test of ``after`` − ``margin`` against ``before``. Failed if that is greater at level
    ``alpha`` and Cliff's delta (the share of pairs in which it is greater less the share in which it is smaller, −1 to
    1) reaches ``effect``. Successful if not. Inconclusive, whatever they say, if either side has fewer than ``minimum``
    values or one is no number.

    Success means "not shown to be later", and ``minimum`` decides what that is worth. It must be at least
    `fewest` (alpha): below, nothing could ever fail, and ParamsError says so. At that very number only a next to
    complete separation fails: every single value later than every one before, and by more than the margin. To find
    three times of four later (delta 0.5) with a chance of 90 % takes some 23 values a side.
    """
    if minimum < fewest(alpha):
        raise ParamsError(
            f"{name}: a minimum of {minimum} values lets everything pass at a significance of {alpha}",
            remedy=f"ask for {fewest(alpha)} values at least",
        )
    expected = f"at most {number(margin, unit)} later (fails at p < {alpha:g} with δ ≥ {effect:g}; n ≥ {minimum})"
    if not before or not after:
        return Check(name, Verdict.INCONCLUSIVE, expected, NOT_OBSERVED, host, remedy)
    told = f"{number(median(before))} → {number(median(after), unit)}, n = {len(before)} and {len(after)}"
    if min(len(before), len(after)) < minimum or any(map(math.isnan, (*before, *after, margin))):
        return Check(name, Verdict.INCONCLUSIVE, expected, f"median {told}: too little to judge", host, remedy)
    p, delta = _mann_whitney([round(value - margin, DIGITS) for value in after], [round(v, DIGITS) for v in before])
    verdict = Verdict.FAILED if p < alpha and delta >= effect else Verdict.SUCCESSFUL
    return Check(
        name, verdict, expected, f"median {told}; later than that: {_p(p)}, δ = {_signed(delta)}", host, remedy
    )


def below(  # noqa: PLR0913 - the words and thresholds of one check
    name: str,
    sample: Sequence[float],
    limit: float,
    *,
    unit: str = "",
    host: str | None = None,
    alpha: float,
    remedy: str = "",
) -> Check:
    """Ask that the median of what ``sample`` was drawn from lies under ``limit``, both in ``unit``.

    One-sided sign tests at level ``alpha``. Successful if significantly below, Failed if significantly above, else
    Inconclusive: few values never pass (of four, not even all: 1 in 16). Values that equal the limit speak for neither
    side. The effect size is Cliff's delta against the limit: the share above less the share below.

    Why not Wilcoxon's signed ranks: they hold for symmetric spreads only, and times are skewed, since a round trip can
    be ten times slower than usual but not ten times faster. Of exponential times whose median is the limit itself, 20
    at a time, they call 16 % significantly above it at a level of 5 % (of log-normal ones, sigma 2: 29 %). Signs hold
    for any shape, and what they judge is the median itself.
    """
    fewest(alpha)  # refuses what is no level
    expected = f"median < {number(limit, unit)} (p < {alpha:g})"
    if not sample:
        return Check(name, Verdict.INCONCLUSIVE, expected, NOT_OBSERVED, host, remedy)
    under, over = sum(value < limit for value in sample), sum(value > limit for value in sample)
    p_below, p_above = _sign(under, over), _sign(over, under)
    verdict = Verdict.INCONCLUSIVE
    if not any(map(math.isnan, sample)):
        verdict = Verdict.SUCCESSFUL if p_below < alpha else Verdict.FAILED if p_above < alpha else verdict
    delta = _signed((over - under) / len(sample))
    observed = f"median {number(median(sample), unit)}, {under} of {len(sample)} below; {_p(min(p_below, p_above))}"
    return Check(name, verdict, expected, f"{observed}, δ = {delta}", host, remedy)


def _mann_whitney(late: Sequence[float], early: Sequence[float]) -> tuple[float, float]:
    """Return the chance of so large a U by luck alone, and Cliff's delta.

    Exact where all arrangements can be counted, ties or not; scipy's own choice beyond (its estimate, used for four
    against four with ties, makes 1 in 152 out of 1 in 70).
    """
    from scipy import stats  # noqa: PLC0415 - takes a second that most phases need not spend

    arrangements = math.comb(len(late) + len(early), len(late))
    if arrangements <= ARRANGEMENTS:
        counted = stats.PermutationMethod(n_resamples=arrangements)
        found = stats.mannwhitneyu(late, early, alternative="greater", method=counted)
    else:
        found = stats.mannwhitneyu(late, early, alternative="greater")
    return float(found.pvalue), float(2 * found.statistic / (len(late) * len(early)) - 1)


def _sign(these: int, others: int) -> float:
    """Return the chance that luck alone puts so many of all on this side."""
    from scipy import stats  # noqa: PLC0415 - as above

    return float(stats.binomtest(these, these + others, alternative="greater").pvalue) if these + others else 1.0


def _p(chance: float) -> str:
    return "p < 0.001" if chance < 0.001 else f"p = {chance:.2g}"


def _signed(delta: float) -> str:
    """Write an effect size with its sign, as figures in the record are."""
    return f"{delta:+.2f}".replace("-", "−")
