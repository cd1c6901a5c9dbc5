import importlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runbook_lib.freqtrade.feed import CandleConsumer
from runbook_lib.freqtrade.feed.bits import VALUES, with_bits

STEP = 60_000


class Hooks:
    """Stands for freqtrade's IStrategy as far as the consumer calls it."""

    __file__: str
    config: Mapping[str, Any]
    dp: Any

    def load_params_from_file(self) -> dict[str, Any]:
        file = Path(self.__file__).with_suffix(".json")
        found = json.loads(file.read_text()) if file.is_file() else {}
        assert not found or found["strategy_name"] == type(self).__name__
        return found


class Mine(Hooks):
    timeframe = "1m"

    def __init__(self, config: dict[str, Any], dp: Any) -> None:
        self.config, self.dp = config, dp
        self.hooks: list[str] = []

    def bot_start(self, **_kwargs: object) -> None:
        self.hooks.append("bot_start")

    def bot_loop_start(self, **kwargs: object) -> None:
        self.hooks.append(f"bot_loop_start {kwargs['current_time']}")


class MineFed(CandleConsumer, Mine):
    pass


class Bot:
    """One bot: its ccxt object counts what reaches the exchange, its producer's frame is the test's."""

    def __init__(self, path: Path, **config: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.frame = pd.DataFrame()
        self.ccxt = SimpleNamespace(fetch_ohlcv=self.exchange_answers)
        exchange = SimpleNamespace(
            _api_async=self.ccxt,
            _exchange_ws=None,
            klines=lambda _key, copy: pd.DataFrame(),  # noqa: ARG005 - freqtrade's signature
            get_option=lambda _name, default: default,
        )
        dp = SimpleNamespace(
            _exchange=exchange,
            get_producer_df=lambda *_args: (self.frame, datetime.now(UTC)),
            get_producer_pairs=lambda _name: ["BTC/USDT"],
        )
        producer = {"name": "p", "host": "127.0.0.1", "port": 1, "ws_token": "t"}
        emc = {"enabled": True, "producers": [producer]}
        feed = {"settle_seconds": 0}
        self.strategy = MineFed(
            {"user_data_dir": path, "external_message_consumer": emc, "candle_feed": feed} | config, dp
        )

    async def exchange_answers(
        self, symbol: str, timeframe: str, since: int | None, limit: int, params: dict[str, Any]
    ) -> list[list[float]]:
        self.asked.append((symbol, timeframe, since, limit, params))
        forming = int(time.time() * 1000) // STEP * STEP
        return [[forming - STEP, *[9.0] * 5], [forming, *[9.0] * 5]]

    def producer_sends(self) -> pd.DataFrame:
        forming = int(time.time() * 1000) // STEP * STEP
        dates = np.arange(forming - 1100 * STEP, forming, STEP)
        frame = pd.DataFrame(dict.fromkeys(VALUES, dates / 7.0))
        frame["date"] = pd.to_datetime(dates, unit="ms", utc=True)
        self.frame = with_bits(frame)
        return frame

    async def fetch(self, **params: Any) -> list[list[float]]:
        rows: list[list[float]] = await self.ccxt.fetch_ohlcv(
            "BTC/USDT", timeframe="1m", since=None, limit=1000, params=params
        )
        return rows

    def state(self) -> dict[str, Any]:
        self.strategy.bot_loop_start(current_time="now")
        found: dict[str, Any] = json.loads(
            (self.strategy.config["user_data_dir"] / "candle_feed_state.json").read_text()
        )
        return found


async def test_candles_come_from_the_producer_and_none_from_the_exchange(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    sent = bot.producer_sends()
    bot.strategy.bot_start()
    rows = await bot.fetch()
    assert bot.asked == []
    assert len(rows) == 1000
    assert [row[4] for row in rows[:-1]] == sent["close"].tolist()[-999:]
    assert (bot.state()["served"], bot.state()["own_requests"]) == (1, 0)


async def test_without_a_producer_the_exchange_is_asked_as_before(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    bot.strategy.bot_start()
    assert len(await bot.fetch()) == 2
    assert bot.asked == [("BTC/USDT", "1m", None, 1000, {})]
    state = bot.state()
    assert state["fallbacks"] == {"its producer does not answer": 1}
    assert (state["served"], state["own_requests"], state["state"]) == (0, 1, "fallback")
    assert state["newest_candle_ms"]["BTC/USDT 1m"] % STEP == 0


async def test_other_prices_than_candles_go_to_the_exchange(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    bot.producer_sends()
    bot.strategy.bot_start()
    await bot.fetch(price="mark")
    assert bot.asked[0][-1] == {"price": "mark"}


async def test_an_error_in_the_feed_asks_the_exchange_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bot = Bot(tmp_path)
    bot.strategy.bot_start()
    dp: Any = bot.strategy.dp
    dp.get_producer_df = None
    assert len(await bot.fetch()) == 2
    assert len(await bot.fetch()) == 2
    assert bot.state()["fallbacks"] == {"an error in the feed": 2}
    assert len([record for record in caplog.records if record.exc_info]) == 1


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"candle_feed": {"setle_seconds": 1}}, "unknown keys in candle_feed: setle_seconds"),
        ({"candle_feed": {"settle_seconds": "soon"}}, "soon"),
        ({"external_message_consumer": {"enabled": False}}, "names no producer"),
    ],
)
async def test_a_feed_that_cannot_start_leaves_the_bot_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, config: dict[str, Any], words: str
) -> None:
    bot = Bot(tmp_path, **config)
    bot.producer_sends()
    bot.strategy.bot_start()
    bot.strategy.bot_loop_start(current_time="now")
    assert bot.strategy.hooks == ["bot_start", "bot_loop_start now"]
    await bot.fetch()
    assert len(bot.asked) == 1
    assert words in caplog.text


@pytest.mark.parametrize(("runmode", "fed"), [("live", True), ("dry_run", True), ("backtest", False), ("plot", False)])
def test_only_a_trading_bot_is_fed(tmp_path: Path, runmode: str, fed: bool) -> None:
    bot = Bot(tmp_path, runmode=runmode)
    before = bot.ccxt.fetch_ohlcv
    bot.strategy.bot_start()
    assert (bot.ccxt.fetch_ohlcv != before) == fed
    assert bot.strategy.hooks == ["bot_start"]


def test_the_operators_own_hooks_run(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    bot.strategy.bot_start()
    bot.strategy.bot_loop_start(current_time="now")
    assert bot.strategy.hooks == ["bot_start", "bot_loop_start now"]


@pytest.fixture
def operators_files(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "operators_file.py").write_text(
        "from test_feed_consumer import Hooks\n\n\nclass Theirs(Hooks):\n    pass\n"
    )
    sys.path[:0] = [str(tmp_path), str(Path(__file__).parent)]
    yield tmp_path
    sys.path[:2] = []
    sys.modules.pop("operators_file", None)


def test_the_operators_hyperopt_parameters_are_found(operators_files: Path) -> None:
    theirs = importlib.import_module("operators_file").Theirs
    fed = type("TheirsFed", (CandleConsumer, theirs), {"__file__": str(operators_files / "TheirsFed.py")})()
    assert fed.load_params_from_file() == {}
    (operators_files / "operators_file.json").write_text('{"strategy_name": "Theirs", "params": {"buy": {"x": 42}}}')
    assert fed.load_params_from_file()["params"] == {"buy": {"x": 42}}
