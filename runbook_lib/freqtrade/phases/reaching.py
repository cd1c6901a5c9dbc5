"""Whether consumers reach a producer, as checks; before and after it listens there."""

from __future__ import annotations

from collections.abc import Mapping

from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.probes import Reach
from runbook_lib.gates import holds
from runbook_lib.values import Check


def place(site: FreqtradeSite, producer: str) -> str:
    """Return where a producer listens."""
    return f"{site.hosts[producer].address}:{site.producers[producer].port}"


def checks(site: FreqtradeSite, producer: str, reached: Mapping[str, Reach]) -> list[Check]:
    """Judge every consumer's connections to one producer."""
    return [
        holds(
            f"reaches {place(site, producer)} on {producer}",
            passed=not reach.error,
            expected="connection within seconds",
            observed=reach.error or f"median {reach.p50_ms:.3g} ms",
            host=consumer,
            remedy="open that port on the producer for this consumer, and no one else",
        )
        for consumer, reach in reached.items()
    ]
