"""The nine claims of the migration plan, each with what would prove it, and what was observed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from runbook_lib.change.journal import Event
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.gates import at_least, holds, judge
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

ELSEWHERE = {
    "C4": "the NAT phase is not part of this runbook yet",
    "C5": "no producer was stopped: the drill (70_failover_drill) has not run yet",
    "C8": "the producers were not stopped: the drill (70_failover_drill) has not run yet",
}
"""Claim -> why 60_validate says nothing of it."""


def unproven() -> list[Claim]:
    """Return all claims as they stand before anything was measured."""
    return [
        _claim(claim, ELSEWHERE.get(claim, "the phase that proves it was not reached"), "none", Verdict.INCONCLUSIVE)
        for claim in PLAN
    ]


def safe(events: Iterable[Event]) -> list[Check]:
    """Return what a change's own journal says of how carefully it was made: every step planned, a canary, no failure.

    Whether it can be undone is not in it: that shows when it is undone.
    """
    told = list(events)
    steps = [event for event in told if event.what == "intent"]
    batches = [event for event in told if event.what == "batch" and event.phase == "40_consumers"]
    hosts = [event.detail["hosts"] for event in batches]
    canary = next(
        (
            event
            for event in told
            if event.what == "gate"
            and event.detail["gate"] == "canary"
            and batches
            and event.number > batches[0].number  # one before it was a dry run's
        ),
        None,
    )
    failed, left = _failures(told)
    return [
        at_least("steps announced before they were done", len(steps), 1),
        holds(
            "one consumer first",
            passed=bool(hosts) and len(hosts[0]) == 1,
            expected="a batch of one, then a gate",
            observed="; ".join(", ".join(batch) for batch in hosts) or "no consumer was changed",
        ),
        holds(
            "a gate before the rest",
            passed=None if canary is None else canary.detail["verdict"] == Verdict.SUCCESSFUL,
            expected="the canary's gate",
            observed="none" if canary is None else str(canary.detail["verdict"]),
        ),
        holds(
            "no step failed and was left so",
            passed=not left,
            expected="none, or put back",
            observed=f"{failed} failed" + (f", left so: {', '.join(left)}" if left else ""),
        ),
    ]


def _failures(events: Iterable[Event]) -> tuple[int, list[str]]:
    """Return how many steps failed, and which of them were left so: neither done, undone nor put back later."""
    failed = 0
    left: dict[tuple[str | None, str], str] = {}
    for event in events:
        key = (event.host, event.detail.get("key", ""))
        if event.what in {"failed", "undo failed"}:
            failed += 1
            left[key] = f"{event.host}: {event.detail['act']}"
        elif event.what in {"done", "undone"}:
            left.pop(key, None)
        elif event.what == "put back":  # should that fail, it says so itself
            left = {each: words for each, words in left.items() if each[0] != event.host}
    return failed, list(left.values())


def of_safety(checks: Sequence[Check]) -> Claim:
    """Return claim C9 with the verdict of the checks that speak for it."""
    bad = [check for check in checks if check.verdict is not Verdict.SUCCESSFUL]
    told = bad or [check for check in checks if check.host is None]
    observed = "; ".join(f"{check.host + ': ' if check.host else ''}{check.name}: {check.observed}" for check in told)
    undone = [check for check in checks if check.host is not None]
    if undone and not bad:
        observed += f"; {len(undone)} hosts undone to the byte"
    return _claim("C9", observed or "not observed", "journal, canary gate and 90_rollback", judge(checks))


def drilled(claim: str, observed: str, checks: Sequence[Check]) -> Claim:
    """Return a claim with the verdict of what a drill has shown of it."""
    return _claim(claim, observed, "timeline and gate in 70_failover_drill", judge(checks))


NOT_UNDONE = holds(
    "undone to the byte",
    passed=None,
    expected="every file and service as before",
    observed="not undone in this change: `make rehearse ARGS=--rollback` shows it",
)


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
    safety: Sequence[Check],
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
    careful = of_safety([*safety, NOT_UNDONE])
    verdicts = {name: judge(checks) for name, (_, _, checks) in proven.items()}
    if site.lab is not None and verdicts["C6"] is Verdict.SUCCESSFUL:
        verdicts["C6"] = Verdict.INCONCLUSIVE  # loopback is no network: it can refute the claim, never prove it
    return [
        _claim(name, *proven[name][:2], verdicts[name])
        if name in proven
        else careful
        if name == "C9"
        else _claim(name, ELSEWHERE[name], "none", Verdict.INCONCLUSIVE)
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
