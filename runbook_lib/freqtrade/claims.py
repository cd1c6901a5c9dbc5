"""The nine claims of the migration plan, each with what would prove it, and what was observed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.gates import judge
from runbook_lib.gates.checks import number
from runbook_lib.values import Check, Claim, Verdict
from runbook_lib.view.quantiles import Quantiles

PLAN = {
    "C1": ("API calls fall by 75 %", "candle requests (or kline streams) of the whole fleet −75 %"),
    "C2": ("Rate-limit risk becomes low", "request weight of every source under its limit, no 403, 418 or 429"),
    "C3": ("All feeders hold identical data", "0 cells that differ from the exchange's settled values, bit for bit"),
    "C4": ("Twelve NAT addresses rotate", "each address carries its share of connections"),
    "C5": ("Two redundant producers", "one producer down: no candle missed, no direct request"),
    "C6": ("Network latency under 1 ms", "median round trip between every consumer and every producer"),
    "C7": ("Initial candle sync", "a consumer that starts has its history, and asked the exchange for none of it"),
    "C8": ("A consumer that cannot connect falls back to the exchange", "both producers down: fresh candles, in time"),
    "C9": ("Low risk to carry out", "dry run, one consumer first, stop on a failed gate, undone to the byte"),
}
"""Claim -> the plan's words, what would prove it."""

NOT_BUILT = {
    "C4": "the NAT phase is not part of this runbook yet",
    "C5": "no producer was stopped: the failover drill is not part of this runbook yet",
    "C8": "the producers were not stopped: the failover drill is not part of this runbook yet",
    "C9": "rollback is not part of this runbook yet; there are diffs, one consumer at a time, a stop, originals kept",
}


def unproven() -> list[Claim]:
    """Return all claims as they stand before anything was measured."""
    return [
        _claim(claim, NOT_BUILT.get(claim, "the phase that proves it was not reached"), "none", Verdict.INCONCLUSIVE)
        for claim in PLAN
    ]


def judged(  # noqa: PLR0913 - all that was measured
    site: FreqtradeSite,
    before: Reading,
    after: Reading,
    *,
    effect: Sequence[Check],
    weight: Sequence[Check],
    data: Sequence[Check],
    latency: Sequence[Check],
    start: Sequence[Check],
) -> list[Claim]:
    """Return all claims, each with the verdict of the checks that speak for it."""
    proven = {
        "C1": (_fall(site, before, after), "requests before and after in 60_validate", effect),
        "C2": (_weight(after), "weight before and after in 60_validate", weight),
        "C3": (_data(before, after), "candles heatmap in 60_validate", data),
        "C6": (_latency(site, after), "round trips in 60_validate", latency),
        "C7": (
            _start(start),
            "roll-out table in 40_consumers",
            start,
        ),
    }
    verdicts = {name: judge(checks) for name, (_, _, checks) in proven.items()}
    if site.lab is not None and verdicts["C6"] is Verdict.SUCCESSFUL:
        verdicts["C6"] = Verdict.INCONCLUSIVE  # loopback is no network: it can refute the claim, never prove it
    return [
        _claim(name, *proven[name][:2], verdicts[name])
        if name in proven
        else _claim(name, NOT_BUILT[name], "none", Verdict.INCONCLUSIVE)
        for name in PLAN
    ]


def _claim(name: str, observed: str, evidence: str, verdict: Verdict) -> Claim:
    words, expected = PLAN[name]
    return Claim(name, words, expected, observed, evidence, verdict)


def _fall(site: FreqtradeSite, before: Reading, after: Reading) -> str:
    requests = f"{number(before.fleet_per_candle)} → {number(after.fleet_per_candle)} requests per candle"
    if not site.freqtrade.enable_ws:
        return requests
    return f"{number(before.streams_total)} → {number(after.streams_total)} kline streams; {requests}"


def _weight(after: Reading) -> str:
    return (
        f"busiest host {number(after.weight_worst)} of {number(after.weight_limit)} in its busiest minute, "
        f"{number(after.rejected_total)} requests refused"
    )


def _data(before: Reading, after: Reading) -> str:
    return (
        f"{number(after.mismatching)} of {number(after.cells)} cells differ, "
        f"{number(after.missing)} candles missing (before: {number(before.mismatching)} of {number(before.cells)})"
    )


def _start(checks: Sequence[Check]) -> str:
    """Say in one sentence how all consumers came up, or which did not come up well."""
    bad = [check for check in checks if check.verdict is not Verdict.SUCCESSFUL]
    if bad or not checks:
        return "; ".join(f"{check.host}: {check.name} {check.observed}" for check in bad) or "not observed"
    hosts = dict.fromkeys(check.host for check in checks)
    told = dict.fromkeys(f"{check.name} {check.observed}" for check in checks)
    return f"{len(hosts)} consumers: {', '.join(told)}"


def _latency(site: FreqtradeSite, after: Reading) -> str:
    told = Quantiles.of(after.all_latencies_ms)
    if told is None:
        return "not observed"
    worst = max(median(values) for values in after.latency_ms.values() if values)
    where = " (this machine's loopback, no network: measure again on site)" if site.lab is not None else ""
    return f"median of the slowest route {worst:.3g} ms; all: p50 {told.p50:.3g} ms, p95 {told.p95:.3g} ms{where}"
