"""Real bots: two producers, a consumer with three timeframes, and one with a wrong token; then both producers die.

Counted by the exchange, and compared with it bit by bit. ``pytest -s`` prints the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from runbook_lib.freqtrade.strategies import consumer_module, feed_files, producer_module
from runbook_lib.lab.exchange import Exchange, ExchangeSettings, ccxt_config

pytestmark = [pytest.mark.bots, pytest.mark.xdist_group("fed")]  # one after the other: others start bots, too
OWNED = {"73": ["BTC/USDT", "ETH/USDT", "SOL/USDT"], "108": ["C0/USDT", "C1/USDT", "C2/USDT"]}
PAIRS = tuple(pair for pairs in OWNED.values() for pair in pairs)
TIMEFRAMES = ("1m", "5m", "1h")
FED, WRONG = "75", "120"
ADDRESSES = {bot: f"127.0.52.{bot}" for bot in (*OWNED, FED, WRONG)}
PORT, ADMIN, API = 25280, 25281, 25208
TOKEN = "t0k3" * 10
SETTLE = 2.0
SIDE = {"price_side": "same", "use_order_book": False}

OPERATORS = """
import json, time
from pathlib import Path
import numpy as np
from freqtrade.strategy import IStrategy

class Mine(IStrategy):
    timeframe = "1m"
    minimal_roi = {"0": 10.0}
    stoploss = -0.99
    newest = None

    def informative_pairs(self):
        return [(pair, timeframe) for pair in self.dp.current_whitelist() for timeframe in ("5m", "1h")]

    def bot_loop_start(self, current_time, **kwargs):
        frames = {(pair, timeframe): self.dp.get_pair_dataframe(pair, timeframe)
                  for pair in self.dp.current_whitelist() for timeframe in ("1m", "5m", "1h")}
        newest = {f"{pair} {timeframe}": frame["date"].iloc[-1].timestamp() if len(frame) else 0.0
                  for (pair, timeframe), frame in frames.items()}
        if newest == self.newest:
            return
        self.newest = newest
        with Path("seen").open("a") as file:
            file.write(json.dumps({"at": time.time(), "newest": newest}) + "\\n")
        held = {f"{pair} {timeframe}".replace("/", ""): np.column_stack(
            [frame["date"].dt.as_unit("ms").astype("int64").to_numpy(np.float64),
             frame[["open", "high", "low", "close", "volume"]].to_numpy(np.float64)])
            for (pair, timeframe), frame in frames.items() if len(frame)}
        np.savez("held.tmp.npz", **held)
        Path("held.tmp.npz").replace("held.npz")

    def populate_indicators(self, dataframe, metadata):
        return dataframe
    populate_entry_trend = populate_exit_trend = populate_indicators
"""

START = """
import os, sys, time
import freqtrade.freqtradebot, freqtrade.main, freqtrade.resolvers.strategy_resolver, freqtrade.worker  # once for all

for home in sys.argv[1:]:
    if not os.fork():
        os.chdir(home)
        os.environ["HOME"] = home
        log = os.open("log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        while not os.path.exists("go"):
            time.sleep(0.1)
        with open("pid", "w") as file:
            file.write(str(os.getpid()))
        freqtrade.main.main(["trade", "--config", "config.json", "--userdir", "user_data"])
for _ in sys.argv[1:]:
    os.wait()
"""


def config(bot: str) -> dict[str, Any]:
    address = f"{ADDRESSES[bot]}:{PORT}"
    token = "wr0ng" * 8 if bot == WRONG else TOKEN
    producers = [
        {"name": f"producer-{name}", "host": ADDRESSES[name], "port": API, "ws_token": token}
        for name in OWNED
        if name != bot
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
            "pair_whitelist": OWNED.get(bot, list(PAIRS) if bot == FED else ["BTC/USDT"]),
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
        "candle_feed": {"settle_seconds": SETTLE},
    }


def freqtrade_python() -> Path:
    root = Path(__file__).parents[3]
    return Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", root / ".venv/freqtrade/bin/python"))


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    if not freqtrade_python().exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    found = Exchange(ExchangeSettings(1, PAIRS, ADDRESSES, PORT, ADMIN))
    await found.start()
    yield found
    await found.stop()


@asynccontextmanager
async def bots(homes: dict[str, Path]) -> AsyncIterator[None]:
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
        (home / "config.json").write_text(json.dumps(config(bot)))
    process = await asyncio.create_subprocess_exec(
        freqtrade_python(), "-c", START, *map(str, homes.values()), start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


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


def said_of(home: Path, close: float) -> bool:
    """Whether the feed has written down that the candles came that closed at ``close``."""
    came = state(home)["newest_candle_ms"]
    return all(came[f"{pair} 1m"] >= 1000 * (close - 60) for pair in PAIRS)


def closes(after: float, to: float) -> int:
    """Return how many candles of a pair close, in all timeframes, after one instant and up to another."""
    return sum(int(to // length - after // length) for length in (60, 300, 3600))


async def same_as_the_exchange(home: Path) -> int:
    """Compare what the bot holds with the exchange's settled candles; return how many were compared."""
    compared = 0
    with np.load(home / "held.npz") as held:
        assert len(held.files) == len(PAIRS) * len(TIMEFRAMES)
        for name in held.files:
            symbol, timeframe = name.split()
            minutes = {"1m": 1, "5m": 5, "1h": 60}[timeframe]
            frame = held[name]
            query = {
                "symbol": symbol,
                "interval": timeframe,
                "limit": str(len(frame)),
                "end_ms": str(int(frame[-1, 0]) + minutes * 60_000),
            }
            async with httpx.AsyncClient(trust_env=False) as client:
                rows = (await client.get(f"http://127.0.0.1:{ADMIN}/settled", params=query)).json()
            truth = np.array([[float(value) for value in row[:6]] for row in rows])
            assert frame.tobytes() == truth.tobytes(), name
            compared += len(frame)
    return compared


async def test_a_consumer_is_fed_in_every_timeframe_and_downloads_when_all_producers_are_dead(
    exchange: Exchange, tmp_path: Path
) -> None:
    homes = {bot: tmp_path / bot for bot in ADDRESSES}
    async with bots(homes):
        for bot in OWNED:
            (homes[bot] / "go").touch()
        for bot, pairs in OWNED.items():
            ready = lambda bot=bot, pairs=pairs: len(state(homes[bot]).get("newest_candle_ms", {})) >= len(pairs)  # noqa: E731 - short
            await until("candles of a producer", ready, 90)
        for bot in (FED, WRONG):
            (homes[bot] / "go").touch()

        await until("first candles", lambda: bool(seen(homes[FED]) and seen(homes[WRONG])), 90)
        await until("calm moment", lambda: 8 < time.time() % 60 < 55, 60)
        begun, started = time.time(), asked(exchange)
        close = begun // 60 * 60 + 60 * int(os.environ.get("CANDLES", "1"))
        await until("next candle", lambda: holds(homes[FED], close), close - begun + 30)
        await until("word of it", lambda: said_of(homes[FED], close), 20)  # and so that who asks needlessly is seen
        steady, fed = asked(exchange, begun), state(homes[FED])
        compared = await same_as_the_exchange(homes[FED])

        for bot in OWNED:
            os.kill(int((homes[bot] / "pid").read_text()), signal.SIGKILL)
        after = (time.time() + 1) // 60 * 60 + 60
        both = (homes[FED], homes[WRONG])
        await until("downloaded candle", lambda: all(holds(home, after) for home in both), after - time.time() + 30)
        await until("word of it", lambda: state(homes[FED])["state"] == "fallback", 20)
        alone, last = asked(exchange, after - 1), state(homes[FED])
        await same_as_the_exchange(homes[FED])

    said, arrived = (homes[WRONG] / "log").read_text(), fed["age_at_arrival_seconds"]
    print(f"""
candle requests until the consumer was ready: {dict(started)}
then, for {closes(begun, close)} closes of {len(PAIRS)} pairs: {dict(steady)}
{fed["served"]} requests served by {fed["served_by_producer"]}, {fed["waited"]} of them waited for
the newest candle arrived {max(arrived[f"{pair} 1m"] for pair in PAIRS):.2f} s after its close at the latest, the bot
  held all after {age(homes[FED], close):.2f} s, the one that downloads after {age(homes[WRONG], close):.2f} s
{compared} candles compared
both producers dead: {dict(alone)}, {last["fallbacks"]}; held all after {age(homes[FED], after):.2f} s, the one that
  downloads after {age(homes[WRONG], after):.2f} s""")  # noqa: T201 - figures to read
    assert started[FED] == steady[FED] == 0
    assert fed["fallbacks"] == {}
    assert set(fed["served_by_producer"]) == {f"producer-{bot}" for bot in OWNED}
    assert {bot: steady[bot] for bot in OWNED} == {bot: closes(begun, close) * len(OWNED[bot]) for bot in OWNED}
    assert alone[FED] == closes(after - 1, after) * len(PAIRS)
    assert age(homes[FED], after) < age(homes[WRONG], after) + 2
    assert set(last["fallbacks"]) == {"no producer answers"}
    assert started[WRONG] >= len(TIMEFRAMES)
    assert said.count("wrong token") == len(OWNED)
    for bot in (FED, WRONG):
        assert "Traceback" not in (homes[bot] / "log").read_text()
