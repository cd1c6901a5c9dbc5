"""A simulated Binance: seeded candles, real weights and limits, counted by source, with faults on demand."""

from runbook_lib.lab.exchange.redirect import ccxt_config
from runbook_lib.lab.exchange.server import Exchange
from runbook_lib.lab.exchange.settings import ExchangeSettings

__all__ = ["Exchange", "ExchangeSettings", "ccxt_config"]
