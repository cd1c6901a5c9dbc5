import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from runbook_lib.freqtrade.feed import CandleProducer, producer
from runbook_lib.freqtrade.feed.candle.series import Key
from runbook_lib.freqtrade.feed.candle.times import window
from runbook_lib.freqtrade.feed.exchange.stream import SettledStream
from runbook_lib.freqtrade.feed.loop import NAME, Hung
from runbook_lib.freqtrade.feed.peers.own import OwnFetch
from runbook_lib.freqtrade.feed.peers.route import NoServer


class Base:
    """As much of freqtrade's IStrategy as the producer calls."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def ft_bot_start(self, **_kwargs: object) -> None:
        self.done.append("start")

    def bot_loop_start(self, **_kwargs: object) -> None:
        self.done.append("loop")

    def ft_bot_cleanup(self) -> None:
        self.done.append("cleanup")


class Producing(CandleProducer, Base):
    timeframe = "1m"


class Ccxt:
    markets = ("BTC/USDT", "ETH/USDT")

    def __init__(self) -> None:
        self.fetch_ohlcv: Any = "original"
        self.closed = False

    def on_rest_response(self, *_args: object) -> None:
        pass

    def set_markets_from_exchange(self, source: object) -> None:
        pass

    async def close(self) -> None:
        self.closed = True


class Bot:
    def __init__(self, where: Path, **config: Any) -> None:
        self.ccxt, self.twin = Ccxt(), Ccxt()
        self.exchange = SimpleNamespace(
            _api_async=self.ccxt,
            _exchange_ws=SimpleNamespace(get_ohlcv="original"),
            get_option=lambda _name, default: default,
            ohlcv_candle_limit=lambda *_: 1000,
        )
        self.app = SimpleNamespace(router=SimpleNamespace(routes=[]))
        self.whitelist = ["BTC/USDT"]
        self.strategy = Producing()
        self.strategy.config = {
            "bot_name": "p",
            "user_data_dir": str(where),
            "exchange": {"name": "binance"},
            "api_server": {"ws_token": "secret"},
        } | config
        rpc = SimpleNamespace(registered_modules=[SimpleNamespace(app=self.app)])
        dp: Any = SimpleNamespace(
            _exchange=self.exchange, _DataProvider__rpc=rpc, current_whitelist=lambda: self.whitelist
        )
        self.strategy.dp = dp
        self.routes: list[tuple[object, object]] = []

    def threads(self) -> int:
        return sum(thread.name == NAME for thread in threading.enumerate())


@pytest.fixture
def bots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[Bot] = []

    def bot(**config: Any) -> Bot:
        made.append(Bot(tmp_path, **config))
        one = made[-1]
        monkeypatch.setattr(producer, "twin_of", lambda *_: one.twin)
        monkeypatch.setattr(producer, "put_up", lambda *args: one.routes.append(args))
        monkeypatch.setattr(producer, "shared_file", lambda name: tmp_path / f"{name}.json")
        return one

    yield bot
    for one in made:
        one.strategy.ft_bot_cleanup()


def test_it_takes_the_place_of_both_candle_sources_and_answers(bots: Any) -> None:
    bot = bots()
    bot.strategy.ft_bot_start()
    assert isinstance(bot.ccxt.fetch_ohlcv, OwnFetch)
    assert isinstance(bot.exchange._exchange_ws.get_ohlcv, SettledStream)
    assert bot.twin.fetch_ohlcv == "original", "it is the feed's own already"
    assert bot.routes[0][0] is bot.app
    assert bot.threads() == 1
    assert bot.strategy.done == ["start"]


def test_a_second_start_does_nothing_twice(bots: Any) -> None:
    bot = bots()
    bot.strategy.ft_bot_start()
    before = bot.ccxt.fetch_ohlcv
    bot.strategy.ft_bot_start()
    assert bot.ccxt.fetch_ohlcv is before
    assert (len(bot.routes), bot.threads()) == (1, 1)


def test_with_the_bot_the_feed_ends(bots: Any) -> None:
    bot = bots()
    bot.strategy.ft_bot_start()
    bot.strategy.ft_bot_cleanup()
    assert bot.threads() == 0
    assert bot.twin.closed
    assert bot.strategy.done == ["start", "cleanup"]


def test_every_round_says_that_the_bot_lives_and_what_is_its_own(bots: Any) -> None:
    bot = bots()
    bot.strategy.ft_bot_start()
    outlook = bot.strategy._candle_feed.outlook
    bot.whitelist = ["ETH/USDT"]
    before = outlook._beat
    bot.exchange._pairs_last_poll_time = {("ETH/USDT", "1m", "spot"): 1}
    bot.strategy._candle_feed.direct.left_out.add(("ETH/USDT", "1m"))
    bot.strategy.bot_loop_start()
    assert bot.exchange._pairs_last_poll_time == {}, "freqtrade asks again for what was left out"
    assert outlook.own_pairs == {"ETH/USDT"}
    assert outlook._beat > before


def test_every_round_says_how_the_exchange_stands(bots: Any) -> None:
    bot = bots()
    bot.strategy.ft_bot_start()
    running = bot.strategy._candle_feed
    running.direct.breaker.refused(418, 60)  # or so another bot of this machine was
    bot.strategy.bot_loop_start()
    assert running.state.as_json()["breaker"]["state"] == "open"
    assert running.state.as_json()["state"] == "blocked"
    running.direct.breaker._clock = lambda: time.time() + 3600
    bot.strategy.bot_loop_start()
    assert running.state.as_json()["breaker"]["state"] == "half-open"


def test_others_that_hang_are_not_waited_for_without_end(bots: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer, "GRACE_SECONDS", 0.05)
    bot, goes_on = bots(candle_feed={"settle_seconds": 0, "wait_seconds": 0}), threading.Event()
    bot.strategy.ft_bot_start()
    bot.strategy._candle_feed.loop._loop.call_soon_threadsafe(goes_on.wait, 30)
    asked = window(now=time.time(), step=60_000, since=None, limit=10)
    try:
        for words in ("no answer from the candle feed in 0.05 s", "the candle feed's thread hangs"):
            with pytest.raises(Hung, match=words):
                asyncio.run(bot.ccxt.fetch_ohlcv.others(Key("BTC/USDT", "1m", "spot"), asked))
    finally:
        goes_on.set()


def test_a_pair_that_has_left_its_list_is_told_of_no_more(bots: Any) -> None:
    bot = bots()
    bot.whitelist = ["BTC/USDT", "ETH/USDT"]
    bot.strategy.ft_bot_start()
    for pair in bot.whitelist:  # as websockets bring it
        key = Key(pair, "1m", "spot")
        bot.exchange._exchange_ws.get_ohlcv.keep(key, [[time.time() // 60 * 60_000 - 60_000, 1.0, 1.0, 1.0, 1.0, 1.0]])
    bot.whitelist = ["ETH/USDT"]
    bot.strategy.bot_loop_start()
    state = bot.strategy._candle_feed.state
    assert set(state.as_json()["newest_candle_ms"]) == {"BTC/USDT 1m", "ETH/USDT 1m"}
    state._arrivals._clock = lambda: time.time() + 3600
    bot.strategy.bot_loop_start()
    assert set(state.as_json()["newest_candle_ms"]) == {"ETH/USDT 1m"}


def test_an_error_in_the_feed_does_not_stop_the_round(bots: Any, caplog: pytest.LogCaptureFixture) -> None:
    bot = bots()
    bot.strategy.ft_bot_start()
    bot.strategy.dp.current_whitelist = lambda: 1 / 0
    bot.strategy.bot_loop_start()
    assert bot.strategy.done == ["start", "loop"]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"candle_feed": {"settle": 3}}, "settle"),
        ({"api_server": {}}, "ws_token"),
        ({"api_server": {"ws_token": []}}, "ws_token"),
    ],
)
def test_with_a_config_that_cannot_work_it_does_not_start(bots: Any, config: Any, words: str) -> None:
    bot = bots(**config)
    with pytest.raises(ValueError, match=words):
        bot.strategy.ft_bot_start()
    assert bot.ccxt.fetch_ohlcv == "original"
    assert (bot.threads(), bot.strategy.done) == (0, [])


def test_without_an_api_server_nobody_could_ask_it(bots: Any) -> None:
    bot = bots()
    bot.strategy.dp._DataProvider__rpc.registered_modules = [SimpleNamespace(name="telegram")]
    with pytest.raises(NoServer):
        bot.strategy.ft_bot_start()


def test_a_backtest_is_left_alone(bots: Any) -> None:
    bot = bots(runmode="backtest")
    bot.strategy.ft_bot_start()
    assert bot.ccxt.fetch_ohlcv == "original"
    assert bot.strategy.done == ["start"]


def test_it_does_not_listen_to_itself(bots: Any) -> None:
    address = {"host": "127.0.0.1", "port": 1, "ws_token": "x"}
    bot = bots(external_message_consumer={"producers": [{"name": "p", **address}]})
    bot.strategy.ft_bot_start()
    assert bot.strategy._candle_feed.state.as_json()["producers"] == {}


def test_others_that_cannot_be_asked_keep_nobody_from_producing(
    bots: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def start(_feed: object) -> None:
        raise RuntimeError("no such link")

    monkeypatch.setattr(producer.Feed, "start", start)
    bot = bots()
    bot.strategy.ft_bot_start()
    assert bot.strategy.done == ["start"]
    assert "no such link" in caplog.text


def test_it_trades_nothing_and_adds_nothing(bots: Any) -> None:
    frame = pd.DataFrame({"close": [1.0]})
    strategy = bots().strategy
    assert (
        strategy.populate_exit_trend(strategy.populate_entry_trend(strategy.populate_indicators(frame, {}), {}), {})
        is frame
    )
