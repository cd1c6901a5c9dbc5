"""Real bots beside an exchange that counts: two producers with three pairs each, and consumers of six timeframes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from runbook_lib.freqtrade.strategies import consumer_module, feed_files, producer_module
from runbook_lib.lab.exchange import Exchange, ExchangeSettings, ccxt_config

OWNED = {"73": ["BTC/USDT", "ETH/USDT", "SOL/USDT"], "108": ["C0/USDT", "C1/USDT", "C2/USDT"]}
PAIRS = tuple(pair for pairs in OWNED.values() for pair in pairs)
LENGTHS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400}
"""Timeframes that the consumers ask for, in seconds; the producers' own is the first."""
FED, WRONG = "75", "120"
ADDRESSES = {bot: f"127.0.52.{bot}" for bot in (*OWNED, FED, WRONG)}
PORT, ADMIN, API = 25280, 25281, 25208
TOKEN = "t0k3" * 10
SETTLE = 2.0
END_SECONDS = 60.0
SIDE = {"price_side": "same", "use_order_book": False}
Paths = Mapping[tuple[str, str], tuple[str, int]]

OPERATORS = """
import json, time
from pathlib import Path
import numpy as np
from freqtrade.strategy import IStrategy

class Mine(IStrategy):
    timeframe = "1m"
    minimal_roi = {"0": 10.0}
    stoploss = -0.99
    timeframes = %r
    newest = None

    def informative_pairs(self):
        return [(pair, timeframe) for pair in self.dp.current_whitelist() for timeframe in self.timeframes[1:]]

    def bot_loop_start(self, current_time, **kwargs):
        frames = {(pair, timeframe): self.dp.get_pair_dataframe(pair, timeframe)
                  for pair in self.dp.current_whitelist() for timeframe in self.timeframes}
        newest = {f"{pair} {timeframe}": frame["date"].iloc[-1].timestamp() if len(frame) else 0.0
                  for (pair, timeframe), frame in frames.items()}
        if newest == self.newest:
            return
        self.newest = newest
        at = time.time()
        held = {f"{pair} {timeframe}".replace("/", ""): np.column_stack(
            [frame["date"].dt.as_unit("ms").astype("int64").to_numpy(np.float64),
             frame[["open", "high", "low", "close", "volume"]].to_numpy(np.float64)])
            for (pair, timeframe), frame in frames.items() if len(frame)}
        np.savez("held.tmp.npz", **held)
        Path("held.tmp.npz").replace("held.npz")
        with Path("seen").open("a") as file:
            file.write(json.dumps({"at": at, "newest": newest}) + "\\n")

    def populate_indicators(self, dataframe, metadata):
        return dataframe
    populate_entry_trend = populate_exit_trend = populate_indicators
""".replace("%r", repr(tuple(LENGTHS)))

START = """
import ctypes, os, signal, sys, time
import freqtrade.freqtradebot, freqtrade.main, freqtrade.resolvers.strategy_resolver, freqtrade.worker  # once for all

def die_with_the_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)

die_with_the_parent()  # tests that are killed leave no bot behind
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends with the last of them
for home in sys.argv[1:]:
    if not os.fork():
        die_with_the_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(home)
        os.environ["HOME"] = home
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        while not os.path.exists("go"):
            time.sleep(0.1)
        with open("pid", "w") as file:
            file.write(str(os.getpid()))
        try:
            freqtrade.main.main(["trade", "--config", "config.json", "--userdir", "user_data"])
        finally:
            os._exit(0)  # the bot has ended; an interpreter's own end takes seconds where its memory is a fork's
for _ in sys.argv[1:]:
    os.wait()
"""


def config(bot: str, paths: Paths, feed: Mapping[str, float]) -> dict[str, Any]:
    """Return a bot's config.

    ``paths``: what it reaches instead of the exchange ("") and of a producer; ``feed``: settings of the feed.
    """
    address = "{}:{}".format(*paths.get((bot, ""), (ADDRESSES[bot], PORT)))
    token = "wr0ng" * 8 if bot == WRONG else TOKEN
    reached = {name: paths.get((bot, name), (ADDRESSES[name], API)) for name in OWNED if name != bot}
    producers = [
        {"name": f"producer-{name}", "host": host, "port": port, "ws_token": token}
        for name, (host, port) in reached.items()
    ]
    return {
        "bot_name": f"producer-{bot}" if bot in OWNED else f"consumer-{bot}",
        "strategy": "StrategyNone" if bot in OWNED else "MineFed",
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
            "pair_whitelist": OWNED.get(bot, list(PAIRS)),
            "pair_blacklist": [],
            "ccxt_config": ccxt_config(f"http://{address}", f"ws://{address}"),
        },
        "pairlists": [{"method": "StaticPairList"}],
        "api_server": {
            "enabled": True,
            "listen_ip_address": ADDRESSES[bot],
            "listen_port": API,
            "verbosity": "error",
            "username": "operator",
            "password": "one-two-three-four",
            "jwt_secret_key": "j1k2" * 10,
            "ws_token": TOKEN,
        },
        "internals": {"process_throttle_secs": 5},
        "external_message_consumer": {"enabled": False, "producers": producers},
        "candle_feed": {"settle_seconds": SETTLE, **feed},
    }


def freqtrade_python() -> Path:
    root = Path(__file__).parents[3]
    return Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", root / ".venv/freqtrade/bin/python"))


@asynccontextmanager
async def counting() -> AsyncIterator[Exchange]:
    """Run the exchange; without freqtrade there is nothing to test."""
    if not freqtrade_python().exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    found = Exchange(ExchangeSettings(1, PAIRS, ADDRESSES, PORT, ADMIN))
    # its long candles are drawn now: that takes seconds in which whatever else runs here stands still
    for market, length in product(found.venue.markets.values(), LENGTHS.values()):
        last = int(time.time()) // length
        found.venue.rows.settled(market, length // 60, last - 1000, last)
    async with found:
        yield found


@asynccontextmanager
async def bots(
    homes: dict[str, Path],
    paths: Paths | None = None,
    environment: dict[str, str] | None = None,
    feed: Mapping[str, float] | None = None,
) -> AsyncIterator[None]:
    """Make bots ready to run, each in a home of its own; one begins when there is a file ``go``."""
    files = {
        "mine.py": OPERATORS,
        "MineFed.py": consumer_module("Mine", "mine"),
        "StrategyNone.py": producer_module(),
        **feed_files(),
    }
    for bot, home in homes.items():
        for name, text in files.items():
            path = home / "user_data/strategies" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (home / "config.json").write_text(json.dumps(config(bot, paths or {}, feed or {})))
    async with forks(homes, environment):
        yield


@asynccontextmanager
async def forks(homes: Mapping[str, Path], environment: Mapping[str, str] | None = None) -> AsyncIterator[None]:
    """Fork a bot for each home; one begins when there is a file ``go`` in it. Left when all have ended."""
    process = await asyncio.create_subprocess_exec(
        freqtrade_python(),
        "-c",
        START,
        *map(str, homes.values()),
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # a test may have killed its bots
            os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), END_SECONDS)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            raise


async def until(what: str, found: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"no {what} within {seconds} s"
        await asyncio.sleep(0.1)


def asked(exchange: Exchange, since: float = 0.0) -> Counter[str]:
    """Count candle requests since an instant."""
    entries = exchange.venue.ledger.entries(int(since * 1000), 2**62)
    return Counter(each.source for each in entries if each.endpoint == "klines")


def state(home: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((home / "user_data/candle_feed_state.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


async def producing(homes: dict[str, Path]) -> None:
    """Wait until both producers hold their own pairs."""
    for bot, pairs in OWNED.items():
        ready = lambda bot=bot, pairs=pairs: len(state(homes[bot]).get("newest_candle_ms", {})) >= len(pairs)  # noqa: E731 - short
        await until("candles of a producer", ready, 90)


def seen(home: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (home / "seen").read_text().splitlines()]
    except OSError:
        return []


def age(home: Path, close: float) -> float:
    """Return how long after ``close`` the bot held the candles of all its pairs that closed then."""
    return next(each["at"] for each in seen(home) if newest(each) >= close - 60) - close


def newest(each: dict[str, Any]) -> float:
    return min(float(opens) for series, opens in each["newest"].items() if series.endswith(" 1m"))


def holds(home: Path, close: float) -> bool:
    """Whether the bot holds the candles that closed at ``close``."""
    return any(newest(each) >= close - 60 for each in seen(home))


def closes(after: float, to: float) -> int:
    """Return how many candles of a pair close, in all timeframes, after one instant and up to another."""
    return sum(int(to // length - after // length) for length in LENGTHS.values())


async def same_as_the_exchange(home: Path) -> int:
    """Compare what the bot holds with the exchange's settled candles; return how many were compared."""
    compared = 0
    with np.load(home / "held.npz") as held:
        assert len(held.files) == len(PAIRS) * len(LENGTHS)
        for name in held.files:
            symbol, timeframe = name.split()
            frame = held[name]
            query = {
                "symbol": symbol,
                "interval": timeframe,
                "limit": str(len(frame)),
                "end_ms": str(int(frame[-1, 0]) + LENGTHS[timeframe] * 1000),
            }
            async with httpx.AsyncClient(trust_env=False) as client:
                rows = (await client.get(f"http://127.0.0.1:{ADMIN}/settled", params=query)).json()
            truth = np.array([[float(value) for value in row[:6]] for row in rows])
            assert frame.tobytes() == truth.tobytes(), name
            compared += len(frame)
    return compared
