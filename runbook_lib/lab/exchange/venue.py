"""What all doors of the exchange share: its markets and candles, what it counts, its limits and its faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from runbook_lib.lab.exchange.candles import Lateness
from runbook_lib.lab.exchange.faults import Faults
from runbook_lib.lab.exchange.ledger import Ledger
from runbook_lib.lab.exchange.limits import Limiter
from runbook_lib.lab.exchange.markets import Market, markets
from runbook_lib.lab.exchange.rows import Rows
from runbook_lib.lab.exchange.settings import ExchangeSettings


@dataclass(frozen=True, slots=True)
class Venue:
    """One exchange without its doors. ``markets``: by symbol; ``clock`` returns unix seconds."""

    markets: Mapping[str, Market]
    rows: Rows
    ledger: Ledger
    limiter: Limiter
    faults: Faults
    clock: Callable[[], float]

    @classmethod
    def of(cls, settings: ExchangeSettings, clock: Callable[[], float]) -> Self:
        """Draw the exchange that the settings describe."""
        drawn = markets(settings.seed, settings.pairs)
        return cls(
            markets=drawn,
            rows=Rows(drawn, Lateness(settings.late_share, settings.late_seconds)),
            ledger=Ledger(settings.sources),
            limiter=Limiter(settings.weight_per_minute, clock),
            faults=Faults(tuple(settings.sources), clock),
            clock=clock,
        )

    def now_ms(self) -> int:
        """Return the exchange's own time, unix ms."""
        return int(self.clock() * 1000)
