"""What the exchange counted: every request, and every stream of every source."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. ``time_ms``: unix ms of its arrival; ``status``: HTTP status, 0 if the connection was cut instead.

    ``weight``: what it cost; ``used``: the source's weight in that minute, with it.
    """

    time_ms: int
    source: str
    endpoint: str
    symbol: str
    interval: str
    status: int
    weight: int
    used: int


@dataclass(slots=True)
class StreamCount:
    """Streams of one source: connections open now, subscriptions per stream now, candle messages sent in all."""

    connections: int = 0
    subscribed: Counter[str] = field(default_factory=Counter)
    sent: int = 0


class Ledger:
    """The newest ``keep`` requests of all sources, and their streams."""

    def __init__(self, sources: Iterable[str], keep: int = 500_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=keep)
        self.streams: dict[str, StreamCount] = {source: StreamCount() for source in sources}

    def add(self, entry: Entry) -> None:
        """Write one request down."""
        self._entries.append(entry)

    def entries(self, since_ms: int = 0, until_ms: int | None = None, source: str | None = None) -> list[Entry]:
        """Return the requests of [since_ms, until_ms), oldest first; of one source or of all."""
        return [entry for entry in self._between(since_ms, until_ms) if source in {None, entry.source}]

    def _between(self, since_ms: int, until_ms: int | None) -> Iterator[Entry]:
        return (e for e in self._entries if e.time_ms >= since_ms and (until_ms is None or e.time_ms < until_ms))

    def counts(self, since_ms: int = 0, until_ms: int | None = None) -> dict[str, dict[str, Any]]:
        """Return per source what it asked for in [since_ms, until_ms) and which streams it has now."""
        tallies: dict[str, dict[str, Counter[str]]] = {
            source: {name: Counter() for name in ("requests", "statuses", "klines_by_interval", "weight_by_minute")}
            for source in self.streams
        }
        for entry in self._between(since_ms, until_ms):
            tally = tallies[entry.source]
            tally["requests"][entry.endpoint] += 1
            tally["statuses"][str(entry.status)] += 1
            tally["weight_by_minute"][str(entry.time_ms // 60_000)] += entry.weight
            if entry.endpoint == "klines":
                tally["klines_by_interval"][entry.interval] += 1
        return {source: {**tally, **self._streams(source)} for source, tally in tallies.items()}

    def _streams(self, source: str) -> dict[str, int]:
        count = self.streams[source]
        return {
            "streams": len(count.subscribed),
            "stream_connections": count.connections,
            "stream_messages": count.sent,
        }


def plain(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return entries as they travel."""
    return [asdict(entry) for entry in entries]
