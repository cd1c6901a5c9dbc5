"""The mixin on a bot: from its first moment candles come from producers, and whatever is wrong there, it runs."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from runbook_lib.freqtrade.feed import CandleConsumer, consumer
from runbook_lib.freqtrade.feed.candle.series import Candles, Key, Row
from runbook_lib.freqtrade.feed.candle.wire import Answer, Status, Told, Want
from runbook_lib.freqtrade.feed.loop import NAME
from runbook_lib.freqtrade.feed.reasons import Reason

STEP = 60_000
KEY = ("BTC/USDT", "1m", "spot")


def forming() -> int:
    return int(time.time() * 1000) // STEP * STEP


class Hooks:
    """Stands for freqtrade's IStrategy as far as the consumer calls it."""

    __file__: str
    config: Mapping[str, Any]
    dp: Any
    hooks: list[str]

    def ft_bot_start(self, **kwargs: object) -> None:
        self.load_freqAI_model()
        self.bot_start()
        self.hooks.append(f"ft_bot_start {kwargs}")

    def load_freqAI_model(self) -> None:  # noqa: N802 - freqtrade's name
        self.hooks.append("history")

    def bot_start(self, **_kwargs: object) -> None:
        """As freqtrade's own: nothing."""

    def ft_bot_cleanup(self) -> None:
        self.hooks.append("ft_bot_cleanup")

    def load_params_from_file(self) -> dict[str, Any]:
        file = Path(self.__file__).with_suffix(".json")
        found = json.loads(file.read_text()) if file.is_file() else {}
        assert not found or found["strategy_name"] == type(self).__name__
        return found


class Mine(Hooks):
    timeframe = "1m"

    def __init__(self, config: dict[str, Any], dp: Any) -> None:
        self.config, self.dp = config, dp
        self.hooks = []

    def bot_start(self, **_kwargs: object) -> None:
        self.hooks.append("bot_start")

    def bot_loop_start(self, **kwargs: object) -> None:
        self.hooks.append(f"bot_loop_start {kwargs['current_time']}")


class MineFed(CandleConsumer, Mine):
    pass


class Link:
    """A producer that has a thousand candles of every series, or the trouble that the test gives it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble: Reason | None = None
        self.owns: frozenset[str] = frozenset()
        self.fails: Exception | None = None
        self.threads: set[str] = set()
        self.wanted: list[Want] = []
        self.closed = False

    async def ask(self, wants: tuple[Want, ...] = (), wait_seconds: float = 0.0) -> Answer | Reason:
        self.threads.add(threading.current_thread().name)
        if self.fails:
            raise self.fails
        self.wanted += wants
        told = tuple(Told(want.key, Status.HAVE, "", self.candles(want.key)) for want in wants)
        return self.trouble or Answer(self.name, time.time() + 0 * wait_seconds, self.owns, (), told)

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True

    @staticmethod
    def candles(key: Key) -> Candles:
        assert key.timeframe == "1m"
        return Candles.of([[date, *[date / 7.0] * 5] for date in range(forming() - 1100 * STEP, forming(), STEP)])


class Bot:
    """One bot: its ccxt object counts what reaches the exchange, its producer is the test's."""

    def __init__(self, path: Path, **config: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.fails: Exception | None = None
        self.heard: list[int] = []
        self.ccxt = SimpleNamespace(
            fetch_ohlcv=self.exchange_answers, on_rest_response=lambda code, *_more: self.heard.append(code)
        )
        self.exchange = SimpleNamespace(
            _api_async=self.ccxt,
            _exchange_ws=None,
            _klines={},
            klines=lambda key, copy: self.exchange._klines.get(key, pd.DataFrame()),  # noqa: ARG005 - freqtrade's signature
            get_option=lambda _name, default: default,
        )
        producer = {"name": "p", "host": "127.0.52.1", "port": 1, "ws_token": "t"}
        standard: dict[str, Any] = {
            "user_data_dir": path,
            "bot_name": "bot",
            "exchange": {"name": "binance"},
            "external_message_consumer": {"enabled": False, "producers": [producer]},
            "candle_feed": {"settle_seconds": 0},
        }
        self.strategy = MineFed(standard | config, SimpleNamespace(_exchange=self.exchange))

    def hold(self, rows: list[Row]) -> None:
        frame = pd.DataFrame(rows, columns=["date", "open", "high", "low", "close", "volume"])
        frame["date"] = pd.to_datetime(frame["date"], unit="ms", utc=True)
        self.exchange._klines[KEY] = frame

    def held(self) -> list[Row]:
        frame = self.exchange._klines[KEY]
        return [[int(row[1].timestamp() * 1000), *row[2:]] for row in frame.itertuples()]

    async def exchange_answers(
        self, symbol: str, timeframe: str, since: int | None, limit: int, params: dict[str, Any]
    ) -> list[Row]:
        self.asked.append((symbol, timeframe, since, limit, params))
        if self.fails:
            raise self.fails
        self.ccxt.on_rest_response(200, "OK", "url", "GET", {}, "", {}, {}, None)
        return [[forming() - STEP, *[9.0] * 5], [forming(), *[9.0] * 5]]

    async def fetch(self, *, since: int | None = None, timeframe: str = "1m", **params: Any) -> list[Row]:
        rows: list[Row] = await self.ccxt.fetch_ohlcv(
            "BTC/USDT", timeframe=timeframe, since=since, limit=1000, params=params
        )
        return rows

    def state(self) -> dict[str, Any]:
        self.strategy.bot_loop_start(current_time="now")
        assert self.strategy.candle_feed_state is not None
        found: dict[str, Any] = json.loads(json.dumps(self.strategy.candle_feed_state.as_json()))
        return found


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Link:
    """Return the producer that bots of this test have."""
    monkeypatch.setenv("HOME", str(tmp_path))
    link = Link("p")
    monkeypatch.setattr(consumer, "clients", lambda *_args: [link])
    return link


@pytest.fixture
def make(link: Link, tmp_path: Path) -> Iterator[Callable[..., Bot]]:  # noqa: ARG001 - it is there before the bots
    bots: list[Bot] = []

    def made(**config: Any) -> Bot:
        bots.append(Bot(tmp_path, **config))
        return bots[-1]

    yield made
    for bot in bots:
        bot.strategy.ft_bot_cleanup()
    assert NAME not in {thread.name for thread in threading.enumerate()}


async def test_candles_come_from_the_producer_and_none_from_the_exchange(make: Callable[..., Bot], link: Link) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    rows = await bot.fetch()
    assert bot.asked == []
    assert [row[0] for row in rows] == [forming() - back * STEP for back in range(999, -1, -1)]
    assert [row[4] for row in rows[:-1]] == [row[0] / 7.0 for row in rows[:-1]]
    state = bot.state()
    assert (state["served"], state["own_requests"], state["state"]) == (1, 0, "serving")
    assert state["role"], state["name"] == ("consumer", "bot")
    assert link.threads == {NAME}


def test_freqais_history_comes_from_the_producer_already(
    make: Callable[..., Bot], monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(strategy: Hooks) -> None:  # as freqtrade does, in the bot's own loop
        page = asyncio.run(strategy.dp._exchange._api_async.fetch_ohlcv("BTC/USDT", "1m", forming() - 900 * STEP, 500))
        strategy.hooks.append(f"{len(page)} candles")

    monkeypatch.setattr(Hooks, "load_freqAI_model", download)
    bot = make()
    bot.strategy.ft_bot_start(what="ever")
    assert bot.asked == []
    assert bot.strategy.hooks == ["500 candles", "bot_start", "ft_bot_start {'what': 'ever'}"]


def test_any_thread_and_any_loop_may_ask(make: Callable[..., Bot]) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    lengths: list[int] = []
    threads = [threading.Thread(target=lambda: lengths.append(len(asyncio.run(bot.fetch())))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert lengths == [1000] * 5


async def test_a_gather_of_many_is_one_question(make: Callable[..., Bot], link: Link) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    await asyncio.gather(*[bot.fetch() for _ in range(50)])
    assert len(link.wanted) <= 2


@pytest.mark.parametrize("trouble", [Reason.DEAD, Reason.REFUSED, Reason.CLOCK])
async def test_without_a_producer_the_exchange_is_asked_as_before(
    make: Callable[..., Bot], link: Link, trouble: Reason
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    link.trouble = trouble
    assert len(await bot.fetch()) == 2
    assert bot.asked == [("BTC/USDT", "1m", None, 1000, {})]
    assert bot.heard == [200]
    state = bot.state()
    assert state["fallbacks"] == {str(trouble): 1}
    assert (state["served"], state["own_requests"], state["state"]) == (0, 1, "fallback")
    assert state["newest_candle_ms"]["BTC/USDT 1m"] % STEP == 0


async def test_one_that_starts_before_its_producers_waits_for_one(
    make: Callable[..., Bot], link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    link.trouble = Reason.DEAD
    threading.Timer(0.5, lambda: setattr(link, "trouble", None)).start()
    bot = make()
    bot.strategy.ft_bot_start()
    assert link.trouble is None
    assert len(await bot.fetch()) == 1000
    assert bot.asked == []
    assert "no producer is up yet, waiting 20 s for one" in caplog.text


async def test_one_that_shall_not_wait_for_producers_downloads_at_once(make: Callable[..., Bot], link: Link) -> None:
    link.trouble = Reason.DEAD
    bot = make(candle_feed={"settle_seconds": 0, "start_seconds": 0})
    begun = time.monotonic()
    bot.strategy.ft_bot_start()
    assert time.monotonic() - begun < 5
    assert len(await bot.fetch()) == 2


@pytest.mark.parametrize("told", [Reason.CLOCK, Reason.DEAD])
async def test_a_clock_that_is_known_to_be_wrong_is_not_blamed_on_the_producers(
    make: Callable[..., Bot], link: Link, caplog: pytest.LogCaptureFixture, told: Reason
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    link.trouble = told
    check = bot.ccxt.fetch_ohlcv.direct.check
    for _ in range(2):
        check.saw({"date": formatdate(time.time() + 90, usegmt=True)}, time.time(), time.time())
    for _ in range(3):
        await bot.fetch()
        state = bot.state()
    blamed = Reason.OWN_CLOCK if told is Reason.CLOCK else told
    assert state["fallbacks"] == {str(blamed): 3}
    assert state["reason"] == blamed
    assert caplog.text.count(str(Reason.OWN_CLOCK)) == (told is Reason.CLOCK), "it is said once"


@pytest.mark.parametrize(
    ("request_", "reason"), [({"price": "mark"}, Reason.FOREIGN), ({"timeframe": "1w"}, Reason.FOREIGN)]
)
async def test_what_producers_do_not_carry_comes_from_the_exchange(
    make: Callable[..., Bot], link: Link, request_: dict[str, Any], reason: Reason
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    await bot.fetch(**request_)
    assert len(bot.asked) == 1
    assert link.wanted == []
    assert bot.state()["fallbacks"] == {str(reason): 1}


async def test_history_that_no_producer_has_comes_from_the_exchange(make: Callable[..., Bot]) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    await bot.fetch(since=forming() - 1200 * STEP)
    assert bot.state()["fallbacks"] == {str(Reason.SHORT): 1}
    assert len(await bot.fetch(since=forming() - 1100 * STEP)) == 1000
    assert bot.state()["own_requests"] == 1


def breaks_in_the_link(bot: Bot, link: Link) -> None:  # noqa: ARG001 - as the others
    link.fails = KeyError("broken")


def breaks_in_its_thread(bot: Bot, link: Link) -> None:  # noqa: ARG001 - as the others
    assert bot.strategy._candle_feed_loop is not None
    bot.strategy._candle_feed_loop.stop()


def breaks_before_asking(bot: Bot, link: Link) -> None:  # noqa: ARG001 - as the others
    bot.exchange.klines = None


def hangs(bot: Bot, link: Link) -> None:
    bot.ccxt.fetch_ohlcv.patience_seconds = 0.05 - consumer.GRACE_SECONDS
    link.ask = lambda *_args: asyncio.sleep(60)  # type: ignore[assignment,method-assign,misc,return-value]  # a broken link


@pytest.mark.parametrize("breaks", [breaks_in_the_link, breaks_in_its_thread, breaks_before_asking, hangs])
async def test_an_error_in_the_feed_asks_the_exchange_and_says_so_once(
    make: Callable[..., Bot], link: Link, caplog: pytest.LogCaptureFixture, breaks: Callable[[Bot, Link], None]
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    breaks(bot, link)
    assert len(await bot.fetch()) == 2
    assert len(await bot.fetch()) == 2
    assert bot.state()["fallbacks"] == {"an error in the feed": 2}
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_a_thread_that_hangs_is_waited_for_once(
    make: Callable[..., Bot], caplog: pytest.LogCaptureFixture
) -> None:
    bot, goes_on = make(), threading.Event()
    bot.strategy.ft_bot_start()
    assert bot.strategy._candle_feed_loop is not None
    bot.strategy._candle_feed_loop._loop.call_soon_threadsafe(goes_on.wait, 30)
    try:
        bot.ccxt.fetch_ohlcv.patience_seconds = 0.05 - consumer.GRACE_SECONDS
        assert len(await bot.fetch()) == 2
        bot.ccxt.fetch_ohlcv.patience_seconds = 60
        async with asyncio.timeout(5):
            assert len(await bot.fetch()) == 2
    finally:
        goes_on.set()
    assert bot.state()["fallbacks"] == {str(Reason.ERROR): 2}
    assert caplog.text.count("nobody waits for it before its thread lives again (said once)") == 1
    bot.strategy._candle_feed_loop._sign_of_life.result(5)  # type: ignore[union-attr]  # somebody asked for one above
    assert len(await bot.fetch()) == 1000


async def test_one_that_is_fed_says_how_the_exchange_stands_today(make: Callable[..., Bot]) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    direct = bot.ccxt.fetch_ohlcv.direct
    direct.breaker.refused(418, 60)
    direct.budget.heard(230.0, 30.0)
    before = bot.state()
    assert (before["breaker"]["state"], before["weight_used"]) == ("open", 230.0)
    direct.breaker._clock, direct.budget._clock = (lambda: time.time() + 3600), (lambda: time.monotonic() + 3600)
    await bot.fetch()
    after = bot.state()
    assert (after["breaker"]["state"], after["weight_used"]) == ("half-open", 0.0)
    assert after["state"] == "serving"


async def test_what_was_not_sent_is_no_request_of_its_own(make: Callable[..., Bot], link: Link) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    link.trouble = Reason.DEAD
    bot.ccxt.fetch_ohlcv.direct.breaker.refused(418, 3600)
    assert [await bot.fetch() for _ in range(50)] == [[]] * 50
    assert bot.asked == []
    assert bot.state()["own_requests"] == 0
    assert bot.state()["fallbacks"] == {str(Reason.DEAD): 50}


async def test_even_without_its_own_way_to_the_exchange_it_asks(
    make: Callable[..., Bot], link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    link.trouble = Reason.DEAD
    bot.ccxt.fetch_ohlcv.direct = None
    assert len(await bot.fetch()) == 2
    assert bot.asked == [("BTC/USDT", "1m", None, 1000, {})]
    assert "said once" in caplog.text


@pytest.mark.parametrize("method", ["serve", "fall_back", "own", "sent", "guard"])
async def test_no_answer_is_lost_in_the_bookkeeping(
    make: Callable[..., Bot], link: Link, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    monkeypatch.setattr(bot.strategy.candle_feed_state, method, lambda *_: 1 / 0)
    bot.ccxt.fetch_ohlcv.direct.sent = lambda: 1 / 0
    assert len(await bot.fetch()) == 1000
    assert bot.asked == []
    link.trouble = Reason.DEAD
    assert len(await bot.fetch()) == 2
    assert len(bot.asked) == 1


@pytest.mark.parametrize("trouble", [None, Reason.DEAD])
async def test_a_candle_that_was_revised_is_put_right_in_what_the_bot_holds(
    make: Callable[..., Bot], link: Link, trouble: Reason | None
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    link.trouble = trouble
    rows = [row for row in await bot.fetch() if row[0] < forming()][-7:]
    stale = [*rows[:-1], [rows[-1][0], *[1.25] * 5]]
    bot.hold(stale)
    for _ in range(2):
        answer = await bot.fetch()
    assert [row for row in answer if row[0] < forming()][-1][1:] == bot.held()[-1][1:] == rows[-1][1:]
    assert bot.state()["corrected"] == 1


async def test_other_prices_correct_nothing(make: Callable[..., Bot]) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    bot.hold([[forming() - STEP, *[1.25] * 5]])
    await bot.fetch(price="mark")
    assert bot.held() == [[forming() - STEP, *[1.25] * 5]]
    assert bot.state()["corrected"] == 0


async def test_what_was_sent_once_is_not_sent_again_whatever_went_wrong(make: Callable[..., Bot], link: Link) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    link.trouble, bot.fails = Reason.DEAD, KeyError("an answer that ccxt cannot read")
    with pytest.raises(KeyError, match="ccxt cannot read"):
        await bot.fetch()
    assert len(bot.asked) == 1


async def test_what_the_exchange_says_is_freqtrades_to_judge(make: Callable[..., Bot], link: Link) -> None:
    class NetworkError(Exception):
        __module__ = "ccxt.base.errors"

    bot = make()
    bot.strategy.ft_bot_start()
    link.trouble, bot.fails = Reason.DEAD, NetworkError("later")
    with pytest.raises(NetworkError):
        await bot.fetch()
    assert len(bot.asked) == 1


async def test_a_cancelled_request_stays_cancelled(make: Callable[..., Bot], link: Link) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    link.ask = lambda *_args: asyncio.sleep(60)  # type: ignore[assignment,method-assign,misc,return-value]  # a slow link
    task = asyncio.create_task(bot.fetch())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bot.asked == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"candle_feed": {"setle_seconds": 1}}, "unknown keys in candle_feed: setle_seconds"),
        ({"candle_feed": {"settle_seconds": "soon"}}, "soon"),
        ({"external_message_consumer": {"enabled": False}}, "names no producer"),
        ({"external_message_consumer": {"producers": [{"name": "p"}]}}, "host"),
        ({"exchange": {}}, "name"),
    ],
)
async def test_a_feed_that_cannot_start_leaves_the_bot_as_it_was(
    make: Callable[..., Bot], caplog: pytest.LogCaptureFixture, config: dict[str, Any], words: str
) -> None:
    bot = make(**config)
    before = bot.ccxt.fetch_ohlcv
    bot.strategy.ft_bot_start()
    bot.strategy.bot_loop_start(current_time="now")
    assert bot.strategy.hooks == ["history", "bot_start", "ft_bot_start {}", "bot_loop_start now"]
    assert bot.ccxt.fetch_ohlcv == before
    assert words in caplog.text
    assert NAME not in {thread.name for thread in threading.enumerate()}


async def test_a_feed_that_breaks_while_it_starts_leaves_the_bot_as_it_was(
    make: Callable[..., Bot], link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    link.fails = KeyError("broken")
    bot = make()
    before = bot.ccxt.fetch_ohlcv
    bot.strategy.ft_bot_start()
    assert bot.ccxt.fetch_ohlcv == before
    assert "could not start" in caplog.text
    assert NAME not in {thread.name for thread in threading.enumerate()}


def test_a_bot_that_gets_candles_by_websocket_is_told(
    make: Callable[..., Bot], caplog: pytest.LogCaptureFixture
) -> None:
    bot = make()
    bot.exchange._exchange_ws = object()
    bot.strategy.ft_bot_start()
    assert "exchange.enable_ws must be false" in caplog.text


@pytest.mark.parametrize("runmode", ["live", "dry_run", "backtest", "hyperopt", "plot", "webserver"])
def test_only_a_trading_bot_is_fed(make: Callable[..., Bot], runmode: str) -> None:
    bot = make(runmode=runmode)
    before = bot.ccxt.fetch_ohlcv
    bot.strategy.ft_bot_start()
    assert (bot.ccxt.fetch_ohlcv != before) == (runmode in {"live", "dry_run"})
    assert bot.strategy.hooks == ["history", "bot_start", "ft_bot_start {}"]


def test_one_that_starts_twice_is_fed_once(make: Callable[..., Bot]) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    before = bot.ccxt.fetch_ohlcv
    bot.strategy.ft_bot_start()
    assert bot.ccxt.fetch_ohlcv is before


def test_a_bot_that_reads_its_config_anew_starts_anew(make: Callable[..., Bot], link: Link) -> None:
    first, second = make(), make()
    first.strategy.ft_bot_start()
    first.strategy.ft_bot_cleanup()
    assert first.strategy.hooks[-1] == "ft_bot_cleanup"
    assert link.closed
    second.strategy.ft_bot_start()
    assert len(asyncio.run(second.fetch())) == 1000
    assert second.asked == []


async def test_a_state_that_cannot_be_told_keeps_nobody_from_trading(
    make: Callable[..., Bot], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    with monkeypatch.context() as broken:
        broken.setattr(bot.strategy.candle_feed_state, "turn", None)
        bot.strategy.bot_loop_start(current_time="now")
        bot.strategy.bot_loop_start(current_time="then")
    assert bot.strategy.hooks[-2:] == ["bot_loop_start now", "bot_loop_start then"]
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


def test_the_operators_own_hooks_run(make: Callable[..., Bot]) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    bot.strategy.bot_loop_start(current_time="now")
    bot.strategy.ft_bot_cleanup()
    assert bot.strategy.hooks == ["history", "bot_start", "ft_bot_start {}", "bot_loop_start now", "ft_bot_cleanup"]


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


async def test_every_round_lets_freqtrade_ask_again_for_what_was_left_out(make: Callable[..., Bot]) -> None:
    bot = make()
    bot.strategy.ft_bot_start()
    assert bot.strategy._candle_feed_direct is not None
    bot.exchange._pairs_last_poll_time = {("BTC/USDT", "1m", "spot"): 1}
    bot.strategy._candle_feed_direct.left_out.add(("BTC/USDT", "1m"))
    bot.strategy.bot_loop_start(current_time="now")
    assert bot.exchange._pairs_last_poll_time == {}
