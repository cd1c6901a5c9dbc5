"""Faults on demand: which requests are refused, delayed or cut, for how long and how often. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

ANY = "*"


@dataclass(slots=True)
class Fault:
    """One fault. ``status`` None leaves the answer alone (with ``delay_seconds``: slow but right).

    ``left``: requests it still hits, None without end; ``until``: unix seconds when it is over, None without end.
    """

    id: int
    source: str
    endpoint: str
    status: int | None
    retry_after: int | None
    left: int | None
    until: float | None
    delay_seconds: float
    drop: bool

    def plain(self) -> dict[str, Any]:
        """Return it as it travels."""
        return asdict(self)


_KEYS = {"source", "endpoint", "status", "retry_after", "count", "seconds", "delay_seconds", "drop"}


class Faults:
    """The faults in force. ``sources``: the names that a fault may have; ``clock`` returns unix seconds."""

    def __init__(self, sources: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._sources = sources
        self._clock = clock
        self._faults: list[Fault] = []
        self._next = 1

    def add(self, wish: Mapping[str, Any]) -> Fault:
        """Put a fault in force. Raises ValueError, in words for the one who asked, if it makes no sense."""
        unknown = sorted(set(wish) - _KEYS)
        if unknown:
            raise ValueError(f"unknown keys: {', '.join(unknown)}; known: {', '.join(sorted(_KEYS))}")
        source = str(wish.get("source", ANY))
        if source not in {ANY, *self._sources}:
            raise ValueError(f"unknown source {source}; known: {', '.join(self._sources)} or {ANY}")
        status, delay, drop = wish.get("status"), float(wish.get("delay_seconds") or 0.0), bool(wish.get("drop"))
        if status is None and not delay and not drop:
            raise ValueError("a fault needs a status, delay_seconds or drop")
        if status is not None and not 400 <= int(status) <= 599:
            raise ValueError(f"status {status} is no fault; 400 to 599")
        count, seconds, retry_after = wish.get("count"), wish.get("seconds"), wish.get("retry_after")
        for name, value, least in (("count", count, 1), ("seconds", seconds, 0), ("delay_seconds", delay, 0)):
            if value is not None and float(value) < least:
                raise ValueError(f"{name} {value} makes no sense; at least {least}")
        fault = Fault(
            id=self._next,
            source=source,
            endpoint=str(wish.get("endpoint", ANY)),
            status=None if status is None else int(status),
            retry_after=None if retry_after is None else int(retry_after),
            left=None if count is None else int(count),
            until=None if seconds is None else self._clock() + float(seconds),
            delay_seconds=delay,
            drop=drop,
        )
        self._next += 1
        self._faults.append(fault)
        return fault

    def hit(self, source: str, endpoint: str) -> Fault | None:
        """Return the first fault that this request meets, and use up one of its hits."""
        for fault in self.active():
            if fault.source in {ANY, source} and fault.endpoint in {ANY, endpoint}:
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None

    def active(self) -> list[Fault]:
        """Return the faults in force, oldest first."""
        now = self._clock()
        self._faults = [f for f in self._faults if f.left != 0 and (f.until is None or f.until > now)]
        return list(self._faults)

    def clear(self) -> int:
        """End all faults; return how many were in force."""
        ended = len(self.active())
        self._faults.clear()
        return ended
