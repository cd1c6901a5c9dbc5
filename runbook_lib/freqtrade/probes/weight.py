"""The request weight that the exchange itself counts for a host's public address, read from the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runbook_lib.freqtrade.probes.script import PythonHost, ask

PING_WEIGHT = 1


@dataclass(frozen=True, slots=True)
class WeightSample:
    """One look at the counter. ``unix``: the host's clock; ``weight``: used in the running minute, None if not told.

    ``status`` 0 means that no answer came: ``error`` says why. ``retry_after``: seconds the exchange asks to wait.
    """

    unix: float
    status: int
    weight: int | None
    retry_after: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class WeightSeries:
    """The counter looked at again and again from one host."""

    host: str
    samples: tuple[WeightSample, ...]

    @property
    def peak(self) -> int | None:
        """Highest weight seen, the pings that asked for it included; None if the exchange never told."""
        return max((sample.weight for sample in self.samples if sample.weight is not None), default=None)

    @property
    def cost(self) -> int:
        """Weight that the looking itself used, over the whole series."""
        return PING_WEIGHT * sum(1 for sample in self.samples if sample.status)

    @property
    def refused(self) -> int | None:
        """Status of the first answer that was a refusal (403, 418, 429); None if there was none."""
        return next((sample.status for sample in self.samples if sample.status in {403, 418, 429}), None)


def weight(session: PythonHost, rest_url: str) -> WeightSample:
    """Look at the counter once; costs one ping (weight 1)."""
    return weight_series(session, rest_url, seconds=0).samples[0]


def weight_series(session: PythonHost, rest_url: str, *, seconds: float, every: float = 5.0) -> WeightSeries:
    """Look at the counter every ``every`` seconds for ``seconds``, within one command; stops at a refusal."""
    given = {"url": f"{rest_url.rstrip('/')}/ping", "every": every, "seconds": seconds}
    return parse_weight(session.name, ask(session, "weight", given, deadline=seconds + 40))


def parse_weight(host: str, answer: dict[str, Any]) -> WeightSeries:
    """Answer of the script -> series."""
    return WeightSeries(
        host,
        tuple(
            WeightSample(
                unix=sample["unix"],
                status=sample["status"],
                weight=_number(sample["weight"]),
                retry_after=_number(sample["retry_after"]),
                error=sample["error"],
            )
            for sample in answer["samples"]
        ),
    )


def _number(header: str | None) -> int | None:
    """Read a header that should be a number; anything else (a date, nothing) says nothing."""
    return int(header) if header is not None and header.strip().isdecimal() else None
