"""A small fleet with FreqAI: an exchange that counts, two hosts for producers, one with an operator's FreqAI feeder."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.request_log import request_log_config
from runbook_lib.lab.exchange import Exchange, ExchangeSettings, ccxt_config
from runbook_lib.lab.hosts import EmbeddedHosts, HostSettings
from runbook_lib.lab.hosts.keys import write_keys
from runbook_lib.runner.phase import Phase, open_phase

T = TypeVar("T")
ADDRESSES = {"73": "127.0.56.73", "108": "127.0.56.108", "75": "127.0.56.75"}
OPERATOR = "127.0.56.1"
FEEDER, UNIT = "75", "freqtrade.service"
PRODUCED = {"73": ["BTC/USDT", "ETH/USDT"], "108": ["SOL/USDT"]}
PAIRS = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
CORRELATED = "BNB/USDT"  # looked at beside each pair, traded by none, and produced by none
TIMEFRAMES = ["1m", "5m", "15m"]
EXCHANGE, ADMIN, SSH, API = 25680, 25699, 25622, 25608
USER = "freqai"
SIDE = {"price_side": "same", "use_order_book": False}
FREQAI: dict[str, Any] = {
    "enabled": True,
    "identifier": "sample",
    "train_period_days": 2,
    "backtest_period_days": 1,
    "live_retrain_hours": 24,
    "activate_tensorboard": False,
    "feature_parameters": {
        "include_timeframes": TIMEFRAMES,
        "include_corr_pairlist": [CORRELATED],
        "label_period_candles": 5,
        "include_shifted_candles": 1,
        "indicator_periods_candles": [10, 20],
    },
    "data_split_parameters": {"test_size": 0.1, "random_state": 1, "shuffle": False},
    "model_training_parameters": {"n_estimators": 30, "n_jobs": 1, "deterministic": True, "seed": 1, "verbosity": -1},
}


def freqtrade() -> Path:
    """Return the environment that freqtrade runs in."""
    root = Path(__file__).parents[3]
    python = os.environ.get("RUNBOOK_FREQTRADE_PYTHON", root / ".venv/freqtrade/bin/python")
    return Path(python).parents[1]


def rest(address: str) -> dict[str, Any]:
    """Turn every address of Binance to the exchange, as called by a host."""
    return ccxt_config(f"http://{address}:{EXCHANGE}", f"ws://{address}:{EXCHANGE}")


def feeder_config() -> dict[str, Any]:
    """Return the operator's FreqAI config."""
    return {
        "bot_name": "feeder",
        "strategy": "SampleFreqai",
        "freqaimodel": "LightGBMRegressor",
        "freqai": FREQAI,
        "timeframe": "1m",
        "dry_run": True,
        "initial_state": "running",
        "stake_currency": "USDT",
        "stake_amount": 10,
        "max_open_trades": 3,
        "entry_pricing": SIDE,
        "exit_pricing": SIDE,
        "db_url": "sqlite://",
        "exchange": {
            "name": "binance",
            "enable_ws": False,
            "only_from_ccxt": True,
            "pair_whitelist": PAIRS,
            "pair_blacklist": [],
            "ccxt_config": rest(ADDRESSES[FEEDER]),
        },
        "pairlists": [{"method": "StaticPairList"}],
        "api_server": {
            "enabled": True,
            "listen_ip_address": ADDRESSES[FEEDER],
            "listen_port": API,
            "verbosity": "error",
            "username": "operator",
            "password": "one-two-three-four",
            "jwt_secret_key": "j1k2" * 10,
            "ws_token": "w1x2" * 10,
        },
        "internals": {"process_throttle_secs": 2},
        "log_config": request_log_config("user_data/logs/exchange_requests.log"),
    }


class FreqaiLab:
    """The hosts and the exchange run in a loop of their own; ``base``: a project of the test's own."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self._hosts = {name: self._host(name) for name in ADDRESSES}
        self._loop = asyncio.new_event_loop()
        self._running = EmbeddedHosts(list(self._hosts.values()))
        sources = {**ADDRESSES, "operator": OPERATOR}
        pairs = (*PAIRS, CORRELATED)
        self._exchange = Exchange(ExchangeSettings(7, pairs, sources, EXCHANGE, ADMIN))
        write_keys(list(self._hosts.values()), operator_key=base / "operator", known_hosts=base / "known_hosts")
        self._site()

    def _host(self, name: str) -> HostSettings:
        place = self.base / name
        settings = HostSettings(
            name=name,
            address=ADDRESSES[name],
            port=SSH,
            user=USER,
            root=place / "root",
            host_key=place / "host_key",
            authorized_keys=place / "authorized_keys",
        )
        user_data = settings.home / "freqtrade/user_data"
        user_data.mkdir(parents=True)
        (settings.home / "freqtrade/.venv").symlink_to(freqtrade())
        if name == FEEDER:
            self._settle_in(settings.home)
        return settings

    def _settle_in(self, home: Path) -> None:
        """Set the feeder up as its operator did."""
        shipped = resources.files("runbook_lib.lab").joinpath("feeder")
        strategies, units = home / "freqtrade/user_data/strategies", home / ".config/systemd/user"
        for folder in (strategies, units, home / "freqtrade/user_data/logs"):
            folder.mkdir(parents=True)
        (strategies / "SampleFreqai.py").write_text(shipped.joinpath("SampleFreqai.py").read_text())
        unit = shipped.joinpath("feeder.service").read_text()
        (units / UNIT).write_text(unit.replace("@DIRECTORY@", "freqtrade").replace("@CONFIG@", "user_data/config.json"))
        (home / "freqtrade/user_data/config.json").write_text(json.dumps(feeder_config(), indent=4))

    def _site(self) -> None:
        (self.base / "outputs").mkdir()
        site = {
            "site": "freqai",
            "hosts": {name: {"address": address} for name, address in ADDRESSES.items()},
            "ssh": {
                "user": USER,
                "port": SSH,
                "known_hosts": str(self.base / "known_hosts"),
                "key": str(self.base / "operator"),
            },
            "units": "user",
            "freqtrade": {"timeframe": "1m", "enable_ws": False},
            "exchange": {"rest_url": f"http://{{address}}:{EXCHANGE}/api/v3", "ccxt_config": rest("{address}")},
            "producers": {name: {"pairs": pairs, "port": API} for name, pairs in PRODUCED.items()},
            "consumers": {FEEDER: {}},
            "gates": {"minimum_cells": 1, "start_seconds": 120, "settle_seconds": 1},
        }
        (self.base / "freqai.yaml").write_text(json.dumps(site))  # JSON is YAML, too

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.wait(self._exchange.start())
        self.wait(self._running.start())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.wait(self._running.stop())
            self.wait(self._exchange.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def wait(self, what: Coroutine[Any, Any, T]) -> T:
        """Run something in the hosts' loop, until it is done."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(60)

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase[FreqtradeSite]]:
        """Open a phase, as its notebook does."""
        opened = open_phase(
            name, FreqtradeSite, site=str(self.base / "freqai.yaml"), change_id="2026-11-24-freqai", dry_run=False
        )
        try:
            yield opened
        finally:
            opened.fleet.close()

    def user_data(self, host: str = FEEDER) -> Path:
        """Return freqtrade's data on a host."""
        return self._hosts[host].home / "freqtrade/user_data"

    def klines(self, host: str) -> int:
        """Return how often a host has asked the exchange for candles so far."""
        counts = self._exchange.venue.ledger.counts(0, int(time.time() * 1000))
        return int(counts.get(host, {}).get("requests", {}).get("klines", 0))

    def models(self) -> list[Path]:
        """Return the feeder's trained models."""
        return sorted(self.user_data().glob("models/sample/sub-train-*/*_model.joblib"))

    def predictions(self) -> dict[str, tuple[int, float]]:
        """Return each pair's newest candle (unix ms) and what is predicted at it; FreqAI says 0.0 without a model."""
        found = {}
        for pair in PAIRS:
            with contextlib.suppress(httpx.HTTPError):
                frame = _get(f"pair_candles?pair={pair}&timeframe=1m&limit=3")
                if "do_predict" in frame["columns"] and frame["data"]:
                    row = dict(zip(frame["columns"], frame["data"][-1], strict=True))
                    if row["&-change"]:
                        found[pair] = (int(row["__date_ts"]), float(row["&-change"]))
        return found


def _get(path: str) -> Any:
    """Ask the feeder's REST API."""
    api = feeder_config()["api_server"]
    word = base64.b64encode(f"{api['username']}:{api['password']}".encode()).decode()
    url = f"http://{api['listen_ip_address']}:{api['listen_port']}/api/v1/{path}"
    return httpx.get(url, headers={"Authorization": f"Basic {word}"}, timeout=10, trust_env=False).json()


def until(what: str, found: Callable[[], T], seconds: float) -> T:
    """Ask until there is something; fail if it takes too long."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end, f"no {what} within {seconds} s"
        time.sleep(0.25)
    return answer


COMPARE = """
import pathlib, sys
import pandas as pd
one, other = map(pathlib.Path, sys.argv[1:])
for path in sorted(one.glob("*.feather")):
    both = [pd.read_feather(folder / path.name).set_index("date") for folder in (one, other)]
    common = both[0].index.intersection(both[1].index)
    span = (common[-1] - common[0]) / (common[1] - common[0]) + 1
    differing = int((both[0].loc[common].to_numpy().view("i8") != both[1].loc[common].to_numpy().view("i8")).sum())
    print(path.name, len(common), int(span) - len(common), differing)
"""


def compared(one: Path, other: Path) -> dict[str, tuple[int, int, int]]:
    """Compare two folders of candles bit by bit: for each file common candles, holes, and values that differ."""
    command = [freqtrade() / "bin/python", "-c", COMPARE, str(one), str(other)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    parts = [line.split() for line in lines]
    return {name: (int(common), int(holes), int(differing)) for name, common, holes, differing in parts}
