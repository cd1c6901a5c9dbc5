"""An exchange that refuses: what stock freqtrade sends it, and what a fed bot whose producers are dead sends.

Real bots, counted by the exchange. ``pytest -s`` prints the figures.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from real_bots import forks, freqtrade_python

from runbook_lib.freqtrade.strategies import consumer_module, feed_files
from runbook_lib.lab.exchange import Exchange, ExchangeSettings, ccxt_config

pytestmark = [pytest.mark.bots, pytest.mark.xdist_group("fed")]  # one after the other: others start bots, too
STATUSES = (403, 418, 429)
PAIRS = tuple(f"C{number}/USDT" for number in range(5))
STOCK, FED = "SampleFeeder", "SampleFeederFed"
BOTS = {f"{strategy} {status}": (strategy, status) for status in STATUSES for strategy in (STOCK, FED)}
ADDRESSES = {bot: f"127.0.53.{10 + number}" for number, bot in enumerate(BOTS)}
PORT, ADMIN, NOBODY = 25310, 25311, 25312
SECONDS = 50.0
BACK_SECONDS = 130.0  # pauses double from 10 s, so the one that is on then lasts 40 or 80 s, a fifth of that as jitter
SIDE = {"price_side": "same", "use_order_book": False}


def config(bot: str) -> dict[str, Any]:
    dead = {"host": "127.0.53.1", "port": NOBODY, "ws_token": "t" * 40}
    address = f"{ADDRESSES[bot]}:{PORT}"
    return {
        "bot_name": bot,
        "strategy": BOTS[bot][0],
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
            "ccxt_config": ccxt_config(f"http://{address}", f"ws://{address}"),
        },
        "pairlists": [{"method": "StaticPairList"}],
        "internals": {"process_throttle_secs": 5},
        "external_message_consumer": {
            "enabled": False,
            "producers": [{"name": name, **dead} for name in ("producer-73", "producer-108")],
        },
    }


@asynccontextmanager
async def running(homes: dict[str, Path]) -> AsyncIterator[None]:
    """Run bots, each in a home of its own, and so with a breaker of its own."""
    feeder = resources.files("runbook_lib.lab").joinpath("feeder", "SampleFeeder.py").read_text(encoding="utf-8")
    files = {"SampleFeeder.py": feeder, f"{FED}.py": consumer_module(STOCK, "SampleFeeder"), **feed_files()}
    for bot, home in homes.items():
        for name, text in files.items():
            path = home / "user_data/strategies" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (home / "config.json").write_text(json.dumps(config(bot)))
        (home / "go").touch()
    async with forks(homes):
        yield


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    if not freqtrade_python().exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    found = Exchange(ExchangeSettings(1, PAIRS, ADDRESSES, PORT, ADMIN))
    await found.start()
    yield found
    await found.stop()


def asked(exchange: Exchange, since: float, until: float, status: int | None = None) -> Counter[str]:
    """Count candle requests between two instants."""
    entries = exchange.venue.ledger.entries(int(since * 1000), int(until * 1000))
    return Counter(each.source for each in entries if each.endpoint == "klines" and status in {None, each.status})


async def all_answered(exchange: Exchange) -> None:
    """Wait until every bot holds candles of all pairs, and past the seconds in which freqtrade asks again for one."""
    async with asyncio.timeout(200):
        while any(asked(exchange, 0, 1e10, 200)[bot] < len(PAIRS) for bot in BOTS) or time.time() % 60 < 20:  # noqa: ASYNC110 - the bots are other processes
            await asyncio.sleep(0.2)


async def test_a_fed_bot_sends_at_most_a_tenth_of_what_stock_freqtrade_does(exchange: Exchange, tmp_path: Path) -> None:
    homes = {bot: tmp_path / bot for bot in BOTS}

    def lines() -> Counter[str]:
        return Counter({bot: len((home / "log").read_text().splitlines()) for bot, home in homes.items()})

    async with running(homes):
        await all_answered(exchange)
        for bot, (_, status) in BOTS.items():
            exchange.venue.faults.add({"source": bot, "endpoint": "klines", "status": status})
        before, close = lines(), time.time() // 60 * 60 + 60
        await asyncio.sleep(close + SECONDS - time.time())
        sent, said = asked(exchange, close, close + SECONDS), lines() - before
        exchange.venue.faults.clear()
        cleared = time.time()
        async with asyncio.timeout(BACK_SECONDS):
            while any(asked(exchange, cleared, 1e10, 200)[bot] < len(PAIRS) for bot in BOTS):  # noqa: ASYNC110 - the bots are other processes
                await asyncio.sleep(0.5)
        refused = asked(exchange, cleared, 1e10) - asked(exchange, cleared, 1e10, 200)
    for status in STATUSES:
        stock, fed = f"{STOCK} {status}", f"{FED} {status}"
        print(f"{status}: stock {sent[stock]} requests, {said[stock]} log lines; fed {sent[fed]}, {said[fed]}")  # noqa: T201 - what is measured
        assert sent[stock] >= 4 * len(PAIRS), "stock freqtrade asks again and again; else this measures nothing"
        assert 1 <= sent[fed] <= sent[stock] / 10
        assert not refused[fed], "what was refused counts only until it answers again"
        assert "Traceback" not in (homes[fed] / "log").read_text()
