"""Run by a host's own freqtrade, not by pytest: says in JSON what the feed finds there. No bot runs, no port is opened.

Argument: the config of a producer. The folder that it runs in stands for user_data and holds the strategies, which are
in the path.
"""

import asyncio
import inspect
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import freqtrade
import pandas as pd
from candle_feed.candle.series import Key
from candle_feed.candle.wire import PATH, Ask, Want, answer_from_bytes, ask_to_bytes
from candle_feed.exchange.asked import ask_again, install
from candle_feed.exchange.direct import listen
from candle_feed.exchange.twin import fetch_of, twin_of
from candle_feed.peers.route import app_of, put_up
from freqtrade.configuration import Configuration
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import CandleType, RunMode
from freqtrade.exchange.exchange_ws import ExchangeWS
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.resolvers import ExchangeResolver, StrategyResolver
from freqtrade.rpc.api_server.webserver import ApiServer
from freqtrade.rpc.rpc_manager import RPCManager
from freqtrade.worker import Worker
from starlette.testclient import TestClient

STEP = 300_000
PAIR = "BTC/USDT"


class Heard(logging.Handler):
    """Collects what freqtrade says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def configs(path: str) -> dict[str, Any]:
    """Return what a strategy finds in ``self.config``."""
    config = Configuration({"config": [path], "user_data_dir": "."}, RunMode.DRY_RUN).get_config()
    config["user_data_dir"] = Path()
    return config


def hooks(config: dict[str, Any]) -> dict[str, Any]:
    """Tell which method of a strategy is called when."""
    calls: list[str] = []
    fed = StrategyResolver.load_strategy({**config, "strategy": "MineFed"})
    fed._start_feed = lambda: calls.append("feed")
    fed.load_freqAI_model = lambda: calls.append("freqai")
    fed.bot_start = lambda **_kwargs: calls.append("bot_start")
    fed.ft_bot_start()
    made, cleaned = inspect.getsource(FreqtradeBot.__init__), inspect.getsource(FreqtradeBot.cleanup)
    order = ["RPCManager(", "DataProvider(", "self.strategy.dp =", "_refresh_active_whitelist()", ".ft_bot_start()"]
    processed = inspect.getsource(FreqtradeBot.process)
    return {
        "order of a start": calls,
        "bases": [base.__name__ for base in type(fed).__mro__[:4]],
        "operator's own": fed.mine,
        "made in order": [made.index(each) for each in order],
        "cleaned": "self.strategy.ft_bot_cleanup()" in cleaned,
        "cleaned on reload": "self.freqtrade.cleanup()" in inspect.getsource(Worker._reconfigure),
        "turn after refresh": [processed.index("dataprovider.refresh("), processed.index("bot_loop_start")],
        "cleanup": parameters(fed.ft_bot_cleanup),
    }


def server(config: dict[str, Any], exchange: Any) -> tuple[Any, dict[str, Any]]:
    """Tell the way to the bot's api_server, and who answers there."""
    ApiServer.start_api = lambda _self: None
    rpc = RPCManager(SimpleNamespace(config=config))
    dp = DataProvider(config, exchange, rpc=rpc)
    app = app_of(dp)

    async def answer(read: Callable[[], Awaitable[bytes]], token: str | None) -> tuple[int, bytes]:
        return 200, await read() + (token or "").encode()

    client = TestClient(app)
    before = client.post(PATH, content=b"q").status_code
    for _ in range(2):  # as after /reload_config
        put_up(app, answer)
    after = client.post(PATH, content=b"q", headers={"Authorization": "Bearer t"})
    facts = {
        "nobody answers before": before,
        "answers": [after.status_code, after.text],
        "ping": client.get("/api/v1/ping").json(),
        "routes": sum(getattr(route, "path", "") == PATH for route in app.router.routes),
        "catch-all": client.get("/api/v1/no/such/thing").status_code,
    }
    rpc.cleanup()
    return dp, facts


def downloads(exchange: Any) -> dict[str, Any]:
    """Tell how a bot asks for candles, and what it does with the answers."""
    now = int(time.time() * 1000)
    forming = now // STEP * STEP
    asked: list[tuple[object, ...]] = []
    answers: list[list[list[float]]] = []

    async def fetch(*args: object, **kwargs: object) -> list[list[float]]:
        asked.append((args, kwargs))
        return answers.pop(0)

    heard = Heard()
    logging.getLogger().addHandler(heard)
    install(exchange._api_async, lambda _original: fetch)
    key = (PAIR, "5m", CandleType.SPOT)
    exchange._set_startup_candle_count({"timeframe": "5m"})
    ends = []
    for steps in (3, None, 0):
        last = 0 if steps is None else forming - steps * STEP
        answers.append([[at, 1.0, 2.0, 0.5, 1.5, 9.0] for at in range(forming - 9 * STEP, last + STEP, STEP)])
        ask_again(exchange, {(PAIR, "5m")}, "spot")
        exchange.refresh_latest_ohlcv([key])
        ends.append((forming - int(exchange.klines(key)["date"].iloc[-1].timestamp() * 1000)) // STEP)
    asks_again = not hasattr(exchange, "_pairs_last_poll_time")
    if not asks_again:  # the answer to a question of 20 s after the candle's open did not bring it
        exchange._pairs_last_refresh_time[key] = forming - 2 * STEP
        exchange._pairs_last_poll_time[key] = forming + 20_000
        asks_again = exchange._now_is_time_to_refresh(*key)
        ask_again(exchange, {(PAIR, "5m")}, "spot")
        assert exchange._now_is_time_to_refresh(*key)
    answers.append([])
    history = asyncio.new_event_loop().run_until_complete(
        exchange._async_get_candle_history(PAIR, "5m", CandleType.SPOT, since_ms=forming)
    )
    logging.getLogger().removeHandler(heard)
    return {
        "asked": [repr(asked[0]), repr(asked[-1]).replace(str(forming), "SINCE")],
        "candles that the frame is behind": ends,
        "asks again soon": asks_again,
        "columns": list(exchange.klines(key, copy=False).columns),
        "nothing held": len(exchange.klines(("ETH/USDT", "5m", "spot"), copy=False)),
        "key as text": exchange.klines((PAIR, "5m", "spot")) is not None and isinstance(CandleType.SPOT, str),
        "history": [type(history).__name__, len(history), str(history[2])],
        "ohlcv_params": exchange.get_option("ohlcv_params", {}),
        "limit": exchange.ohlcv_candle_limit("5m", "spot"),
        "whole": isinstance(exchange.klines(key), pd.DataFrame),
        "said": heard.lines,
        "without websockets": exchange._exchange_ws is None,
        "with websockets": [parameters(ExchangeWS.get_ohlcv), parameters(ExchangeWS.get_ohlcv_with_refresh)],
    }


def twins(exchange: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Tell of the ccxt object of the feed's own."""
    bots = exchange._api_async
    twin = twin_of(exchange, config)
    market = {"id": "BTCUSDT", "symbol": PAIR, "base": "BTC", "quote": "USDT", "spot": True, "type": "spot"}
    bots.set_markets([market])
    asked: list[object] = []

    async def fetch(*args: object) -> list[object]:
        asked.append([twin.markets is bots.markets, PAIR in twin.markets, *args])
        return []

    twin.fetch_ohlcv = fetch
    rest = parameters(twin.on_rest_response)
    headers = listen(twin)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(fetch_of(twin, exchange)(PAIR, "5m"))
    loop.run_until_complete(twin.close())
    return {
        "same class": type(twin) is type(bots),
        "another object": twin is not bots,
        "asked": asked,
        "same urls": twin.urls["api"]["public"] == bots.urls["api"]["public"] == "http://127.0.59.1:1/api/v3",
        "keys": [twin.apiKey or "", twin.secret or ""],
        "rest response": rest,
        "headers before any answer": dict(headers()),
        "logs as": twin.logger.name,
    }


def producer(config: dict[str, Any]) -> dict[str, Any]:
    """Start the feed of a producer, ask it, and end it."""
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    strategy = StrategyResolver.load_strategy(config)
    rpc = RPCManager(SimpleNamespace(config=config))
    strategy.dp = DataProvider(config, exchange, rpc=rpc)
    strategy.dp.add_pairlisthandler(SimpleNamespace(whitelist=[PAIR]))
    client = TestClient(app_of(strategy.dp))
    strategy.ft_bot_start()
    strategy.bot_loop_start(current_time=None)
    question = ask_to_bytes(Ask("somebody", "binance", "spot", 0.0, (Want(Key(PAIR, "5m", "spot"), 0, 0),)))
    token = {"Authorization": f"Bearer {config['api_server']['ws_token']}"}
    answers = [
        client.post(PATH, content=body, headers=headers)
        for body, headers in ((question, token), (question, {}), (b"?", token))
    ]
    strategy.ft_bot_cleanup()
    rpc.cleanup()
    answer = answer_from_bytes(answers[0].content)
    return {
        "status": [each.status_code for each in answers],
        "name": answer.name,
        "owns": sorted(answer.owns),
        "state": json.loads(Path("candle_feed_state.json").read_text()),
    }


def consumer(config: dict[str, Any]) -> dict[str, Any]:
    """Start the feed of a consumer whose producers are dead, let it download, and end it.

    Then let the exchange revise three candles that the bot holds, and see what freqtrade makes of both.
    """
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    exchange._set_startup_candle_count({"timeframe": "5m"})
    strategy = StrategyResolver.load_strategy({**config, "strategy": "MineFed"})
    strategy.dp = DataProvider(config, exchange)
    forming = int(time.time() * 1000) // STEP * STEP
    asked: list[object] = []
    revised = {forming - back * STEP: [1.1 + back, 1.9, 0.1 + 0.2, 1.6 / back, 8.0] for back in (1, 3, 4)}

    async def fetch(*args: object) -> list[list[float]]:
        asked.append(args)
        new = revised if len(asked) > 1 else {}
        return [[at, *new.get(at, [1.0, 2.0, 0.5, 1.5, 9.0])] for at in range(forming - 9 * STEP, forming + STEP, STEP)]

    exchange._api_async.fetch_ohlcv = fetch
    strategy.ft_bot_start()
    exchange.refresh_latest_ohlcv([(PAIR, "5m", CandleType.SPOT)])
    time.sleep(1.1)  # the state is written once a second
    strategy.bot_loop_start(current_time=None)
    key = (PAIR, "5m", CandleType.SPOT)
    facts = {
        "asked": len(asked),
        "held": len(exchange.klines(key)),
        "state": json.loads(Path("candle_feed_state.json").read_text()),
    }
    exchange._pairs_last_refresh_time[key] = forming - 2 * STEP
    ask_again(exchange, {(PAIR, "5m")}, "spot")
    exchange.refresh_latest_ohlcv([key])
    strategy.ft_bot_cleanup()
    merged = {int(row[1].timestamp() * 1000): list(row[2:]) for row in exchange.klines(key).itertuples()}
    return facts | {
        "asked again": len(asked),
        "revised": [merged[at] == values for at, values in revised.items()],
        "others": [merged[at] for at in sorted(set(merged) - set(revised))],
        "corrected": strategy.candle_feed_state.as_json()["corrected"],
    }


def main(path: str) -> dict[str, Any]:
    config = configs(path)
    none = StrategyResolver.load_strategy(config)
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    dp, served = server(config, exchange)
    dp.add_pairlisthandler(SimpleNamespace(whitelist=[PAIR]))
    alone = {**config, "candle_feed": {**config["candle_feed"], "start_seconds": 0}}  # its producers never come up
    return {
        "version": freqtrade.__version__,
        "config": {
            "runmode": config["runmode"] in {"live", "dry_run"},
            "candle_type_def": str(config["candle_type_def"]),
            "candle_feed": config["candle_feed"],
            "producers": config["external_message_consumer"]["producers"],
            "ws_token": config["api_server"]["ws_token"],
            "names": [config["bot_name"], config["exchange"]["name"]],
        },
        "producer's bases": [base.__name__ for base in type(none).__mro__[:3]],
        "whitelist": list(dp.current_whitelist()),
        "dp's exchange": dp._exchange is exchange,
        "hooks": hooks(alone),
        "server": served,
        "downloads": downloads(exchange),
        "twin": twins(exchange, config),
        "producer": producer(config),
        "consumer": consumer(alone),
    }


print(json.dumps(main(sys.argv[1])))  # noqa: T201 - its answer
