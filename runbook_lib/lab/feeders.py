"""The fleet as its operator left it: feeders that each download every pair, with comments in their configs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from runbook_lib.lab.settings import FeederSettings

CONFIG = """\
{{
    // feeder {host}: written by hand, long ago
    "bot_name": "feeder-{host}",
    "max_open_trades": 3,
    "stake_currency": "USDT",
    "stake_amount": 50,          // per trade
    "dry_run": true,
    "dry_run_wallet": 1000,
    "db_url": "sqlite:///user_data/trades.sqlite",
    "timeframe": "{timeframe}",
    "strategy": "SampleFeeder",
    "exchange": {{
        "name": "binance",
        "enable_ws": {enable_ws},
        "only_from_ccxt": true,
        /* the same pairs on every feeder */
        "pair_whitelist": {pairs},
        "pair_blacklist": [],
        "ccxt_config": {ccxt_config},
    }},
    "pairlists": [{{"method": "StaticPairList", "allow_inactive": true}}],
    "entry_pricing": {{"price_side": "same", "use_order_book": false, "price_last_balance": 0.0}},
    "exit_pricing": {{"price_side": "same", "use_order_book": false}},
    // only ever asked from this very host
    "api_server": {{
        "enabled": true,
        "listen_ip_address": "{address}",
        "listen_port": {port},
        "verbosity": "error",
        "jwt_secret_key": "{jwt_secret_key}",
        "ws_token": "{ws_token}",
        "username": "{username}",
        "password": "{password}",
    }},
    "initial_state": "running",
    "internals": {{"process_throttle_secs": 5}},
    "log_config": {log_config},
}}
"""


def settle_in(feeder: FeederSettings, home: Path, address: str, ccxt_config: Mapping[str, object]) -> None:
    """Write one feeder's config, strategy and unit below ``home`` as if its operator had, and enable the unit."""
    directory = home / feeder.directory
    strategies = directory / "user_data" / "strategies"
    strategies.mkdir(parents=True, exist_ok=True)
    (directory / "user_data" / "logs").mkdir(exist_ok=True)
    config = directory / feeder.config
    config.write_text(
        CONFIG.format(
            host=feeder.host,
            timeframe=feeder.timeframe,
            enable_ws=json.dumps(feeder.enable_ws),
            pairs=_inside(feeder.pairs),
            ccxt_config=_inside(ccxt_config),
            address=address,
            port=feeder.rest_api_port,
            jwt_secret_key=secrets.token_urlsafe(32),
            ws_token=secrets.token_urlsafe(32),
            username="operator",
            password=secrets.token_urlsafe(24),
            log_config=_inside(feeder.log_config, depth=1),
        )
    )
    config.chmod(0o600)
    (strategies / "SampleFeeder.py").write_text(_shipped("SampleFeeder.py"))
    units = home / ".config" / "systemd" / "user"
    wanted = units / "default.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    unit = units / feeder.unit
    unit.write_text(
        _shipped("feeder.service").replace("@DIRECTORY@", feeder.directory).replace("@CONFIG@", feeder.config)
    )
    link = wanted / feeder.unit
    if not link.is_symlink():
        link.symlink_to(unit)


def _inside(value: object, *, depth: int = 2) -> str:
    """Write JSON as it looks at that depth of a config indented by four."""
    return json.dumps(value, indent=4).replace("\n", "\n" + "    " * depth)


def _shipped(name: str) -> str:
    return resources.files("runbook_lib.lab").joinpath("feeder", name).read_text(encoding="utf-8")
