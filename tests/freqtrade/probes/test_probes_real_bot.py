"""A real freqtrade on the simulated exchange: its log, its frames and its state, as the probes read them."""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.candles import common_window, compare
from runbook_lib.freqtrade.market_data import settled_candles
from runbook_lib.freqtrade.meters import FleetMeter, agreement, fleet_meter
from runbook_lib.freqtrade.probes import bot_state, frames, request_counts
from runbook_lib.freqtrade.request_log import FREQTRADE_DEFAULT, request_log_config
from runbook_lib.lab.exchange import Exchange, ExchangeSettings, ccxt_config
from runbook_lib.values import Verdict

ROOT = Path(__file__).parents[3]
PAIRS = [f"P{number}/USDT" for number in range(8)]
HOST, OPERATOR, PORT, ADMIN, API = "127.0.5.1", "127.0.5.9", 18095, 18995, 18096
STRATEGY = """
from freqtrade.strategy import IStrategy
class Idle(IStrategy):
    timeframe, minimal_roi, stoploss, startup_candle_count = "1m", {"0": 10}, -0.9, 30
    def populate_indicators(self, dataframe, metadata):
        return dataframe.assign(more=1.0)
    def populate_entry_trend(self, dataframe, metadata):
        return dataframe
    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""
SIDE = {"price_side": "same", "use_order_book": True, "order_book_top": 1}
CONFIG = {
    "dry_run": True,
    "initial_state": "running",
    "stake_currency": "USDT",
    "stake_amount": 10,
    "max_open_trades": 3,
    "entry_pricing": SIDE,
    "exit_pricing": SIDE,
    "exchange": {
        "name": "binance",
        "enable_ws": False,
        "only_from_ccxt": True,
        "pair_whitelist": PAIRS,
        "pair_blacklist": [],
        "ccxt_config": ccxt_config(f"http://{HOST}:{PORT}", f"ws://{HOST}:{PORT}"),
    },
    "pairlists": [{"method": "StaticPairList"}],
    "api_server": {
        "enabled": True,
        "listen_ip_address": HOST,
        "listen_port": API,
        "username": "user",
        "password": "one, two }",
        "jwt_secret_key": "j" * 40,
    },
    "log_config": request_log_config("user_data/logs/requests.log"),
}


@pytest.fixture(scope="module")
def freqtrade() -> Path:
    python = Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", ROOT / ".venv/freqtrade/bin/python"))
    if not python.exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    return python


@contextmanager
def exchange() -> Iterator[Exchange]:
    """Run the exchange in a thread of its own."""
    settings = ExchangeSettings(7, tuple(PAIRS), {"a": HOST, "operator": OPERATOR}, PORT, ADMIN, late_share=0.0)
    venue, loop, up = Exchange(settings), asyncio.new_event_loop(), threading.Event()

    async def run() -> None:
        async with venue:
            up.set()
            await over.wait()

    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert up.wait(10)
    try:
        yield venue
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@contextmanager
def bot(python: Path, home: Path) -> Iterator[None]:
    """Run freqtrade there, as a service would."""
    (home / "user_data/strategies").mkdir(parents=True)
    (home / "user_data/strategies/idle.py").write_text(STRATEGY)
    (home / "config.json").write_text("// mine\n" + json.dumps(CONFIG, indent=1))
    command = [str(python), "-m", "freqtrade", "trade", "-c", "config.json", "--userdir", "user_data", "-s", "Idle"]
    # freqtrade leaves log_config aside when it finds itself under pytest
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    with (home / "console.log").open("w") as console:
        process = subprocess.Popen(
            [*command, "--db-url", "sqlite://"], cwd=home, env=environment, stdout=console, stderr=console
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.bots
def test_what_a_real_bot_asks_and_holds_is_read_exactly(freqtrade: Path, here: Any) -> None:
    with exchange() as venue, bot(freqtrade, here.home):
        assert "connection refused" in bot_state(here, "config.json").words
        end = time.monotonic() + 120
        while not (state := bot_state(here, "config.json")).running and time.monotonic() < end:
            time.sleep(0.5)
        assert state.words == "RUNNING Idle on 8 pairs, 1m"
        time.sleep(max(0.0, 10 - time.time() % 60))  # no call must be under way when both counts end
        held = frames(here, "config.json", PAIRS, timeframe="1m")
        now = time.time()
        truth = settled_candles(f"http://{OPERATOR}:{PORT}/api/v3", PAIRS, timeframe="1m", candles=1500)
        counted = request_counts(here, "user_data/logs/requests.log", since=now - 600, until=now)
        seen = venue.venue.ledger.counts(0, int(now * 1000))["a"]
        console = (here.home / "console.log").read_text()

    window = common_window([held], truth.candles, timeframe="1m", now_ms=int(now * 1000) - 60_000)
    result = compare({"a": held}, truth.candles, window=window)
    assert result.identical
    assert result.cells > 8 * 900 * 5

    log = fleet_meter("request log", {"a": counted})
    asked = dict(seen["requests"])
    exchange_s = FleetMeter("exchange", {"a": asked.pop("klines")}, {"a": asked}, {"a": {}})
    assert agreement(log, exchange_s).verdict is Verdict.SUCCESSFUL
    assert log.candle_requests["a"] >= len(PAIRS)
    assert counted.unreadable == 0
    assert counted.unanswered == {}

    assert "RUNNING" in console
    assert "Logging error" not in console
    assert "ccxt.base.exchange" not in console


@pytest.mark.bots
def test_the_default_that_log_config_repeats_is_freqtrade_s_own(freqtrade: Path) -> None:
    ask = "import json; from freqtrade.loggers import FT_LOGGING_CONFIG as c; print(json.dumps(c))"
    own = json.loads(subprocess.run([freqtrade, "-c", ask], capture_output=True, check=True).stdout)
    assert own == FREQTRADE_DEFAULT
