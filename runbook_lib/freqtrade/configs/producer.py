"""The complete config of a data producer: a bot that downloads candles, serves them and never trades."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.request_log import request_log_config
from runbook_lib.freqtrade.strategies import PRODUCER_STRATEGY

STRATEGY = PRODUCER_STRATEGY
CCXT_PACE_MS = 10
"""Between two calls of weight 1. ccxt's own 50 would spread a producer's pairs over a second, and every consumer would
wait for it; the feed's budget of weight and its circuit breaker guard the exchange instead."""
REQUEST_LOG = "user_data/logs/exchange_requests.log"
"""Where a bot keeps the log of its own calls, relative to its working directory."""


def producer_name(host: str) -> str:
    """Return the name that the producer on ``host`` goes by, for itself and for its consumers."""
    return f"producer-{host}"


def producer_config_path(host: str) -> str:
    """Return where the producer's config lies, relative to freqtrade's directory."""
    return f"user_data/config_producer_{host}.json"


def producer_config(
    site: FreqtradeSite, host: str, secrets: ProducerSecrets, others: Mapping[str, ProducerAccess]
) -> str:
    """Write the config of the producer on ``host``: the same bytes for the same arguments.

    ``others``: how it reaches the other producers, by host: it takes over from them, and asks them after a restart.
    Raises ParamsError if its pairs are quoted in more than one currency: freqtrade drops pairs that are not quoted in
    the stake currency, with no more than a warning.
    """
    producer, address = site.producers[host], site.hosts[host].address
    currencies = sorted({pair.partition("/")[2] for pair in producer.pairs})
    if len(currencies) > 1:
        raise ParamsError(
            f"pairs quoted in {', '.join(currencies)}; a freqtrade bot takes one stake currency",
            remedy=f"give producers.{host} pairs of one currency",
            host=host,
        )
    config: dict[str, Any] = {
        "bot_name": producer_name(host),
        "strategy": STRATEGY,
        "timeframe": site.freqtrade.timeframe,
        "dry_run": True,
        "dry_run_wallet": 1000,
        "db_url": "sqlite://",  # in memory: it never trades, so there is nothing to keep
        "max_open_trades": 0,
        "stake_currency": currencies[0],
        "stake_amount": 10,
        "minimal_roi": {"0": 10},
        "stoploss": -0.99,
        "entry_pricing": {"price_side": "same", "use_order_book": False},
        "exit_pricing": {"price_side": "same", "use_order_book": False},
        "process_only_new_candles": True,
        "initial_state": "running",
        "exchange": {
            "name": "binance",
            "enable_ws": site.freqtrade.enable_ws,
            # history comes through the API too, where it is counted, and not from the bulk-data site
            "only_from_ccxt": True,
            "ccxt_config": {"rateLimit": CCXT_PACE_MS} | site.ccxt_config(host),
            "pair_whitelist": list(producer.pairs),
            "pair_blacklist": [],
        },
        "pairlists": [{"method": "StaticPairList"}],
        "api_server": {
            "enabled": True,
            "listen_ip_address": address,
            "listen_port": producer.port,
            "verbosity": "error",  # at info the server logs URLs, and a consumer's URL holds the token
            "enable_openapi": False,
            "CORS_origins": [],
            "username": secrets.username,
            "password": secrets.password.reveal(),
            "jwt_secret_key": secrets.jwt_secret_key.reveal(),
            "ws_token": secrets.ws_token.reveal(),
        },
        "internals": {"process_throttle_secs": 5, "sd_notify": False},
        **feed_sections(site, others),
        "log_config": _log_config(),
    }
    return json.dumps(config, indent=4, ensure_ascii=False) + "\n"


def feed_sections(site: FreqtradeSite, producers: Mapping[str, ProducerAccess]) -> dict[str, Any]:
    """Return the parts of a config that the deployed feed reads: its settings, and the producers that the bot asks.

    freqtrade's own consumer stays off: the feed asks these producers itself.
    """
    return {
        "external_message_consumer": {
            "enabled": False,
            "producers": [
                {
                    "name": producer_name(host),
                    "host": access.address,
                    "port": access.port,
                    "secure": False,
                    "ws_token": access.ws_token.reveal(),
                }
                for host, access in producers.items()
            ],
        },
        "candle_feed": site.feed.model_dump(),
    }


def _log_config() -> dict[str, Any]:
    """Keep a request log; and keep the consumers' token, part of the URL they connect to, out of the journal."""
    config = request_log_config(REQUEST_LOG)
    config["loggers"]["uvicorn.error"] = {"level": "WARNING"}
    return config
