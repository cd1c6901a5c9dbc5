"""Counts of calls to the exchange, before and after: pure figures, whoever counted them.

Two meters that counted the same calls in different places (the bots' own logs, the lab's exchange) must agree exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from runbook_lib.freqtrade.candles import requests_per_candle
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
    def by_endpoint(self) -> dict[str, int]:
        """Endpoint -> calls."""
        return _sum((row.endpoint, row.count) for row in self.answers)

    @property
    def by_status(self) -> dict[int, int]:
        """HTTP status -> calls."""
        return _sum((row.status, row.count) for row in self.answers)

    @property
    def by_minute(self) -> dict[int, int]:
        """Minute (unix seconds) -> calls."""
        return _sum((row.minute, row.count) for row in self.answers)

    @property
    def candles_by_interval(self) -> dict[str, int]:
        """Candle length -> requests for candles."""
        return _sum((row.interval, row.count) for row in self.answers if row.endpoint == CANDLES)

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
    """What a fleet asked of the exchange over some closed candles, as one meter saw it. All by host.

    ``other_calls``: endpoint -> calls; ``weight_peak``: request weight used in the worst minute, None if not known;
    ``weight_limit``: weight that one source may use in a minute; ``rejected``: status -> calls; ``streams``: open kline
    streams.
    """

    meter: str
    candles: int
    candle_requests: Mapping[str, int]
    other_calls: Mapping[str, Mapping[str, int]]
    rejected: Mapping[str, Mapping[int, int]]
    weight_peak: Mapping[str, int | None] = field(default_factory=dict)
    weight_limit: int = 6000
    streams: Mapping[str, int] = field(default_factory=dict)

    @property
    def per_candle(self) -> dict[str, float]:
        """Host -> candle requests per closed candle."""
        return requests_per_candle(self.candle_requests, self.candles)

    @property
    def fleet_per_candle(self) -> float:
        """Candle requests of the whole fleet per closed candle."""
        return requests_per_candle({"fleet": sum(self.candle_requests.values())}, self.candles)["fleet"]

    @property
    def other_by_endpoint(self) -> dict[str, int]:
        """Endpoint -> calls of the whole fleet that are not for candles."""
        return _sum(item for calls in self.other_calls.values() for item in calls.items())

    @property
    def rejected_total(self) -> int:
        """Calls of the whole fleet that were refused with 403, 418 or 429."""
        return sum(count for statuses in self.rejected.values() for count in statuses.values())

    @property
    def weight_worst(self) -> int | None:
        """Highest request weight that any host used in a minute; None if none is known."""
        return max((weight for weight in self.weight_peak.values() if weight is not None), default=None)

    @property
    def weight_share(self) -> float | None:
        """That weight as a share of the limit."""
        return None if self.weight_worst is None else self.weight_worst / self.weight_limit

    @property
    def streams_total(self) -> int:
        """Kline streams of the whole fleet."""
        return sum(self.streams.values())


def fleet_meter(
    meter: str,
    counts: Mapping[str, RequestCounts],
    *,
    candles: int,
    weight_peak: Mapping[str, int | None] | None = None,
    weight_limit: int = 6000,
) -> FleetMeter:
    """Sum up what each host's request log says. ``candles``: closed candles that the counted time holds."""
    return FleetMeter(
        meter=meter,
        candles=candles,
        candle_requests={host: counted.candle_requests for host, counted in counts.items()},
        other_calls={
            host: {name: calls for name, calls in counted.by_endpoint.items() if name != CANDLES}
            for host, counted in counts.items()
        },
        rejected={host: counted.rejected for host, counted in counts.items()},
        weight_peak=dict(weight_peak or {}),
        weight_limit=weight_limit,
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
