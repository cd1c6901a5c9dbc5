"""Request weight as Binance keeps it: so much per source and minute, then 429, then a ban. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

PATIENCE = 10
"""Requests that a source may make after its first 429 of a minute before it is banned."""
FIRST_BAN_SECONDS = 120
LONGEST_BAN_SECONDS = 3 * 86_400
"""Bans double for repeat offenders, from two minutes to three days."""

_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50))
_WEIGHTS = {"klines": 2, "exchangeInfo": 20, "ping": 1, "time": 1}


def weight(endpoint: str, query: Mapping[str, str]) -> int:
    """Return what one request weighs. Endpoints of other budgets (futures, streams) weigh nothing here."""
    one = "symbol" in query
    if endpoint == "ticker/24hr":
        return 2 if one else 80
    if endpoint in {"ticker/bookTicker", "ticker/price"}:
        return 2 if one else 4
    if endpoint == "depth":
        limit = int(query["limit"]) if query.get("limit", "").isdigit() else 100
        return next((cost for most, cost in _DEPTH_WEIGHTS if limit <= most), 250)
    return _WEIGHTS.get(endpoint, 0)


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request may pass: ``status`` 200, 429 or 418.

    ``charged``: weight that it was charged; ``used``: the source's weight in this minute, with it.
    ``retry_after``: seconds until it is worth trying again, 0 if admitted.
    """

    status: int
    charged: int
    used: int
    retry_after: int = 0


@dataclass(slots=True)
class _Account:
    minute: int = -1
    used: int = 0
    refused: int = 0
    banned_until: float = 0.0
    bans: int = 0


class Limiter:
    """Keeps the accounts of all sources. ``clock`` returns unix seconds."""

    def __init__(self, weight_per_minute: int, clock: Callable[[], float]) -> None:
        self.weight_per_minute = weight_per_minute
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    def admit(self, source: str, cost: int) -> Admission:
        """Charge a request to its source and say whether it may pass. Refused ones are charged too, until the ban."""
        now = self._clock()
        account = self._accounts.setdefault(source, _Account())
        minute = int(now // 60)
        if minute != account.minute:
            account.minute, account.used, account.refused = minute, 0, 0
        if now < account.banned_until:
            return Admission(418, 0, account.used, _whole(account.banned_until - now))
        account.used += cost
        if account.used <= self.weight_per_minute:
            return Admission(200, cost, account.used)
        account.refused += 1
        if account.refused <= PATIENCE:
            return Admission(429, cost, account.used, _whole((minute + 1) * 60 - now))
        seconds = min(FIRST_BAN_SECONDS * 2**account.bans, LONGEST_BAN_SECONDS)
        account.bans += 1
        account.banned_until = now + seconds
        return Admission(418, cost, account.used, seconds)


def _whole(seconds: float) -> int:
    return max(1, int(-(-seconds // 1)))
