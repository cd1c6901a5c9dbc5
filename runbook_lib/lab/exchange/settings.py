"""What a simulated exchange is told before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """One simulated exchange.

    ``pairs``: as bots name them (BTC/USDT). ``sources``: host name -> the address that stands for that host; whoever
    calls the exchange at that address is counted as that host. ``weight_per_minute``: request weight per source.
    ``late_share`` of all candles lack their last trades for up to ``late_seconds`` after their close.
    """

    seed: int
    pairs: tuple[str, ...]
    sources: Mapping[str, str]
    port: int
    admin_port: int
    weight_per_minute: int = 6000
    late_share: float = 0.3
    late_seconds: float = 1.5
