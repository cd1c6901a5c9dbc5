"""Counts of calls to the exchange, before and after: pure figures, whoever counted them.

Two meters that counted the same calls in different places (the bots' own logs, the lab's exchange) must agree exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from runbook_lib.values import Check, Verdict

K = TypeVar("K", int, str)

CANDLES = "klines"
REFUSALS = (403, 418, 429)
SHOWN = 5  # differences named in one line


@dataclass(frozen=True, slots=True)
class Calls:
    """Answered calls of one kind. ``minute``: unix seconds; ``interval``: candle length, empty for other endpoints."""

    minute: int
    endpoint: str
    interval: str
    status: int
    count: int


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """Calls of one host from ``since`` until before ``until`` (unix seconds of its clock).

    ``asked``: requests begun, by endpoint; ``oldest``: time of the oldest line there is, None of an empty log;
    ``unreadable``: lines that are no call.
    """

    host: str
    since: float
    until: float
    answers: tuple[Calls, ...]
    asked: Mapping[str, int] = field(default_factory=dict)
    oldest: float | None = None
    unreadable: int = 0

    @property
    def whole(self) -> bool:
        """Whether the log reaches back to ``since``; if not, earlier lines may be lost or the bot started later."""
        return self.oldest is not None and self.oldest <= self.since

    @property
    def candle_requests(self) -> int:
        """Requests for candles, refused ones included: those load the exchange as well."""
        return self.by_endpoint.get(CANDLES, 0)

    @property
    def candles_by_interval(self) -> dict[str, int]:
        """Candle length -> requests for candles of that length."""
        return _sum((row.interval, row.count) for row in self.answers if row.endpoint == CANDLES)

    @property
    def by_endpoint(self) -> dict[str, int]:
        """Endpoint -> calls."""
        return _sum((row.endpoint, row.count) for row in self.answers)

    @property
    def by_status(self) -> dict[int, int]:
        """HTTP status -> calls."""
        return _sum((row.status, row.count) for row in self.answers)

    @property
    def rejected(self) -> dict[int, int]:
        """403, 418, 429 -> calls refused with it."""
        return {status: count for status, count in self.by_status.items() if status in REFUSALS}

    @property
    def unanswered(self) -> dict[str, int]:
        """Endpoint -> requests without an answer (broken connections; at the window's end also calls under way)."""
        missing = {name: count - self.by_endpoint.get(name, 0) for name, count in self.asked.items()}
        return {name: count for name, count in missing.items() if count > 0}


@dataclass(frozen=True, slots=True)
class FleetMeter:
    """What a fleet asked of the exchange in some time, as one meter saw it. All by host.

    ``by_interval``: candle length -> candle requests; ``other_calls``: endpoint -> calls; ``rejected``: status ->
    calls; ``weight_peak``: request weight used in the worst minute, and ``streams``: open kline streams, both only
    where the exchange itself tells.
    """

    meter: str
    candle_requests: Mapping[str, int]
    other_calls: Mapping[str, Mapping[str, int]]
    rejected: Mapping[str, Mapping[int, int]]
    by_interval: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    weight_peak: Mapping[str, int] = field(default_factory=dict)
    streams: Mapping[str, int] = field(default_factory=dict)

    @property
    def other_by_endpoint(self) -> dict[str, int]:
        """Endpoint -> calls of the whole fleet that are not for candles."""
        return _sum(item for calls in self.other_calls.values() for item in calls.items())


def fleet_meter(meter: str, counts: Mapping[str, RequestCounts]) -> FleetMeter:
    """Sum up what each host's request log says."""
    return FleetMeter(
        meter=meter,
        candle_requests={host: counted.candle_requests for host, counted in counts.items()},
        other_calls={
            host: {name: calls for name, calls in counted.by_endpoint.items() if name != CANDLES}
            for host, counted in counts.items()
        },
        rejected={host: counted.rejected for host, counted in counts.items()},
        by_interval={host: counted.candles_by_interval for host, counted in counts.items()},
    )


def agreement(one: FleetMeter, other: FleetMeter, *, ignore: Iterable[str] = ("ping",)) -> Check:
    """Hold two meters of the same calls against each other, exactly.

    ``ignore``: endpoints that only one of them can see (pings that look at the weight are no calls of a bot).
    """
    skipped = frozenset(ignore)
    ours, theirs = _facts(one, skipped), _facts(other, skipped)
    differences = [
        f"{what} {ours.get(what, 0)} and {theirs.get(what, 0)}"
        for what in sorted(ours.keys() | theirs.keys())
        if ours.get(what, 0) != theirs.get(what, 0)
    ]
    if differences:
        more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        verdict, observed = Verdict.FAILED, "; ".join(differences[:SHOWN]) + more
    elif any(ours.values()):
        verdict, observed = Verdict.SUCCESSFUL, f"{sum(ours.values())} counted by both, in {len(ours)} counts"
    else:
        verdict, observed = Verdict.INCONCLUSIVE, "neither meter counted anything"
    return Check(
        name=f"{one.meter} and {other.meter} agree",
        verdict=verdict,
        expected="the same counts by host, endpoint and refusal",
        observed=observed,
        remedy="" if verdict is Verdict.SUCCESSFUL else "see that both counted the same time and every call",
    )


def _facts(meter: FleetMeter, skipped: frozenset[str]) -> dict[str, int]:
    """Flatten a meter: words for one count -> that count."""
    facts = {f"{host} {CANDLES}": count for host, count in meter.candle_requests.items()}
    for host, calls in meter.other_calls.items():
        facts |= {f"{host} {name}": count for name, count in calls.items() if name not in skipped}
    for host, statuses in meter.rejected.items():
        facts |= {f"{host} refused {status}": count for status, count in statuses.items()}
    return facts


def _sum(items: Iterable[tuple[K, int]]) -> dict[K, int]:
    total: Counter[K] = Counter()
    for key, count in items:
        total[key] += count
    return dict(sorted(total.items()))
