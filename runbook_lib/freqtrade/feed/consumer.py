"""``CandleConsumer``: put before the operator's own strategy class, it feeds that bot from the producers."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .candle.series import Key, Row
from .candle.wire import Ask
from .exchange.asked import Asked, ask_again, install, joined, plain
from .exchange.breaker import Breaker, shared_file
from .exchange.budget import Budget
from .exchange.direct import Direct, listen
from .exchange.held import correct
from .host import DataProvider, Exchange, Fetch
from .loop import GRACE_SECONDS, FeedLoop
from .peers.client import clients
from .peers.feed import Feed
from .reasons import Reason
from .settings import FeedSettings, candle_type_of, producers_of, state_file
from .state import FeedState

logger = logging.getLogger(__name__)

START_SECONDS = 10.0  # for the first look at the producers


@dataclass
class FedFetch:
    """Stands in the place of one bot's ``fetch_ohlcv``. Whatever goes wrong in the feed, the exchange is asked."""

    original: Fetch
    direct: Direct
    feed: Feed
    loop: FeedLoop
    state: FeedState
    exchange: Exchange
    candle_type: str
    timeframe: str
    patience_seconds: float
    _said: bool = field(default=False, init=False)

    async def __call__(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, object] | None = None,
    ) -> list[Row]:
        """Answer like ccxt's ``fetch_ohlcv``."""
        asked = Asked(symbol, timeframe, since, limit, params or {}, time.time())
        key = Key(symbol, timeframe, self.candle_type)
        try:
            asked = joined(asked, self.exchange, self.candle_type)
            answer = await self._from_producers(key, asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the bot gets its candles
            self._say(error)
            answer = Reason.ERROR
        rows = await self._fallen_back(key, asked, answer) if isinstance(answer, Reason) else answer
        with self._harmless():
            self._correct(key, asked, rows)
        return rows

    async def _fallen_back(self, key: Key, asked: Asked, reason: Reason) -> list[Row]:
        with self._harmless():
            self.state.fall_back(key, reason)
        rows = await self._directly(asked)
        with self._harmless():
            self.state.own(key, rows, asked.window)
        return rows

    def _correct(self, key: Key, asked: Asked, rows: list[Row]) -> None:
        if asked.window is not None and plain(asked, self.exchange):
            self.state.correct(key, correct(self.exchange, key, rows, asked.window.forming))

    async def _from_producers(self, key: Key, asked: Asked) -> list[Row] | Reason:
        if asked.window is None or not plain(asked, self.exchange):
            return Reason.FOREIGN
        work = self.feed.answer(key, asked.window)
        answer = await self.loop.call_within(self.patience_seconds + GRACE_SECONDS, work)
        if (answer is Reason.CLOCK or answer is Reason.EARLY) and self.direct.check.wrong:
            return Reason.OWN_CLOCK  # whose clock is wrong finds everybody else's so
        return answer

    async def _directly(self, asked: Asked) -> list[Row]:
        begun = False

        def begin() -> None:
            nonlocal begun
            begun = True

        try:
            return await self.direct(asked, asked.need(self.timeframe), begin)
        except Exception as error:
            if begun or type(error).__module__.startswith("ccxt"):
                raise  # the exchange's own words: freqtrade knows what to do
            self._say(error)
            return await self.original(asked.symbol, asked.timeframe, asked.since, asked.limit, asked.params)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Let nothing that goes wrong inside cost the bot its candles."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._say(error)

    def _say(self, error: Exception) -> None:
        if not self._said:
            self._said = True
            logger.error("Candle feed: error, the bot gets its candles all the same (said once)", exc_info=error)


class CandleConsumer:
    """To be named before the operator's strategy: ``class MineFed(CandleConsumer, Mine)``."""

    config: Mapping[str, Any]
    dp: DataProvider
    timeframe: str
    candle_feed_state: FeedState | None = None
    _candle_feed_loop: FeedLoop | None = None
    _candle_feed_direct: Direct | None = None

    def ft_bot_start(self, **kwargs: object) -> None:
        """Take the place of the bot's candle source, then start as ever: FreqAI downloads its history as it starts."""
        try:
            self._start_feed()
        except Exception:
            logger.exception("Candle feed: could not start, this bot downloads its candles directly")
            self._stop_feed()
        super().ft_bot_start(**kwargs)  # type: ignore[misc]  # the operator's class stands behind this one

    def bot_loop_start(self, **kwargs: object) -> None:
        """End the feed's round, then run the operator's own ``bot_loop_start``."""
        try:
            if self._candle_feed_direct is not None:
                exchange = self.dp._exchange  # noqa: SLF001 - freqtrade offers strategies no other way to the exchange
                ask_again(exchange, self._candle_feed_direct.left_out, candle_type_of(self.config))
                self._candle_feed_direct.tell()
            if self.candle_feed_state is not None:
                self.candle_feed_state.turn()
        except Exception:
            logger.exception("Candle feed: error at the end of a round, it is not told any more")
            self.candle_feed_state = self._candle_feed_direct = None
        super().bot_loop_start(**kwargs)  # type: ignore[misc]  # the operator's class stands behind this one

    def ft_bot_cleanup(self) -> None:
        """End the feed with the bot; one that reads its config anew starts another."""
        self._stop_feed()
        super().ft_bot_cleanup()  # type: ignore[misc]  # the operator's class stands behind this one

    def load_params_from_file(self) -> dict[str, Any]:
        """Return the operator's own hyperopt parameters.

        freqtrade looks for a JSON file named like the strategy's file and for the strategy's class name in it. Both
        are this subclass's here, so the operator's parameters would be lost without a word: ask in the operator's name.
        """
        own: Any = type(self).__mro__[type(self).__mro__.index(CandleConsumer) + 1]
        stand_in = object.__new__(own)
        stand_in.__file__ = inspect.getfile(own)
        found: dict[str, Any] = own.load_params_from_file(stand_in)
        return found

    def _stop_feed(self) -> None:
        try:
            if self._candle_feed_loop is not None:
                self._candle_feed_loop.stop()
        except Exception:
            logger.exception("Candle feed: could not be ended")

    def _start_feed(self) -> None:
        if self.config.get("runmode", "live") not in {"live", "dry_run"}:
            return  # a backtest or the like reads its candles from files
        if self._candle_feed_loop is not None:
            return
        settings = FeedSettings.of(self.config)
        producers = producers_of(self.config)
        if not producers:
            logger.error("Candle feed: external_message_consumer names no producer, candles are downloaded directly")
            return
        exchange = self.dp._exchange  # noqa: SLF001 - freqtrade offers strategies no other way to the exchange
        if exchange._exchange_ws:  # noqa: SLF001 - as above
            logger.error("Candle feed: exchange.enable_ws must be false, candles by websocket go round the feed")
        name, market = str(self.config.get("bot_name", "freqtrade")), str(self.config["exchange"]["name"])
        state = FeedState(state_file(self.config), "consumer", name)
        links = clients(producers, Ask(name, market, candle_type_of(self.config)), settings.clock_seconds, state.link)
        feed = Feed(links, settings, state)
        ccxt = exchange._api_async  # noqa: SLF001 - as above
        direct = Direct(
            ccxt.fetch_ohlcv,
            listen(ccxt),
            Breaker(shared_file(market)),
            Budget(settings.weight_per_minute),
            settings.settle_seconds,
            state.guard,
            sent=state.sent,
        )
        loop = FeedLoop()
        loop.start()
        loop.at_end(feed.stop)
        self._candle_feed_loop = loop
        with suppress(TimeoutError):  # then it goes on in the background
            loop.run(feed.start()).result(START_SECONDS)
        if feed.down and settings.start_seconds:
            logger.info("Candle feed: no producer is up yet, waiting %g s for one", settings.start_seconds)
            with suppress(TimeoutError):
                loop.run(feed.first_up()).result(settings.start_seconds + START_SECONDS)
        install(
            ccxt,
            lambda original: FedFetch(
                original,
                direct,
                feed,
                loop,
                state,
                exchange,
                candle_type_of(self.config),
                self.timeframe,
                settings.settle_seconds + settings.wait_seconds,
            ),
        )
        self.candle_feed_state, self._candle_feed_direct = state, direct
        state.turn()
        logger.info("Candle feed: candles come from %s", ", ".join(link.name for link in links))
