"""What the lab's exchange counted itself, by source. A real exchange tells nobody; there the bots' own logs must do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import httpx

from runbook_lib.errors import LabError
from runbook_lib.freqtrade.meters import CANDLES, REFUSALS, FleetMeter

METER = "the exchange"


def exchange_count(admin_url: str, hosts: Iterable[str], *, since: float, until: float) -> FleetMeter:
    """Ask the lab's exchange what each host asked of it from ``since`` until before ``until`` (unix seconds).

    Raises LabError when the lab does not answer, or knows nothing of one of the hosts.
    """
    answer = _ask(admin_url, "counts", since, until)
    try:
        told = answer.json()["sources"]
        sources = {host: told[host] for host in hosts}
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{admin_url} does not count for all hosts: {error!r}", remedy="is this the lab of this site file?"
        ) from None
    return FleetMeter(
        meter=METER,
        candle_requests={host: seen["requests"].get(CANDLES, 0) for host, seen in sources.items()},
        other_calls={
            host: {name: count for name, count in seen["requests"].items() if name != CANDLES}
            for host, seen in sources.items()
        },
        rejected={
            host: {int(status): count for status, count in seen["statuses"].items() if int(status) in REFUSALS}
            for host, seen in sources.items()
        },
        by_interval={host: dict(seen["klines_by_interval"]) for host, seen in sources.items()},
        weight_peak={host: max(seen["weight_by_minute"].values(), default=0) for host, seen in sources.items()},
        streams={host: seen["streams"] for host, seen in sources.items()},
    )


def repeated_downloads(admin_url: str, hosts: Iterable[str], interval: str, *, since: float, until: float) -> int:
    """Count the requests for candles of a pair beyond the first from ``since`` until before ``until``, over all hosts.

    Raises LabError when the lab does not answer.
    """
    answer, asking = _ask(admin_url, "requests", since, until), set(hosts)
    try:
        asked = Counter(
            entry["symbol"]
            for entry in answer.json()
            if entry["source"] in asking and (entry["endpoint"], entry["interval"]) == (CANDLES, interval)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(
            f"{admin_url} does not tell of requests: {error!r}", remedy="is this the lab of this site file?"
        ) from None
    return sum(count - 1 for count in asked.values())


def _ask(admin_url: str, what: str, since: float, until: float) -> httpx.Response:
    window = {"since_ms": round(since * 1000), "until_ms": round(until * 1000)}
    try:
        return httpx.get(f"{admin_url}/{what}", params=window, timeout=30, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise LabError(
            f"the lab's exchange does not answer at {admin_url}: {error}", remedy="see `runbook lab status`"
        ) from None
