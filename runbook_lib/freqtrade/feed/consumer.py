"""``CandleConsumer``: put before the operator's own strategy class, it feeds that bot from the producers."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .answers import Reason
from .feed import Feed, Key
from .hook import Asked, fetch_settled, install, joined, plain
from .host import DataProvider, Exchange, Fetch, Row
from .settings import FeedSettings, candle_type_of, producers_of, state_file
from .state import FeedState

logger = logging.getLogger(__name__)


@dataclass
class FedFetch:
    """Stands in the place of one bot's ``fetch_ohlcv``. Whatever goes wrong in the feed, the exchange is asked."""

    original: Fetch
    feed: Feed
    state: FeedState
    settle_seconds: float
    exchange: Exchange
    candle_type: str
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
        except Exception:
            answer = Reason.ERROR
            if not self._said:
                self._said = True
                logger.exception("Candle feed: error, asking the exchange directly (said once)")
        if not isinstance(answer, Reason):
            return answer
        self.state.fall_back(str(key), answer)
        rows = await fetch_settled(self.original, asked, self.settle_seconds)
        self.state.own(str(key), rows, asked.window)
        return rows

    async def _from_producers(self, key: Key, asked: Asked) -> list[Row] | Reason:
        if asked.window is None or not plain(asked, self.exchange):
            return Reason.FOREIGN
        return await self.feed.answer(key, asked.window)


class CandleConsumer:
    """To be named before the operator's strategy: ``class MineFed(CandleConsumer, Mine)``."""

    config: Mapping[str, Any]
    dp: DataProvider
    timeframe: str
    candle_feed_state: FeedState | None = None

    def bot_start(self, **kwargs: object) -> None:
        """Take the place of the bot's candle source, then run the operator's own ``bot_start``."""
        try:
            self._start_feed()
        except Exception:
            logger.exception("Candle feed: could not start, this bot downloads its candles directly")
        super().bot_start(**kwargs)  # type: ignore[misc]  # the operator's class stands behind this one

    def bot_loop_start(self, **kwargs: object) -> None:
        """End the feed's round, then run the operator's own ``bot_loop_start``."""
        if self.candle_feed_state is not None:
            self.candle_feed_state.turn()
        super().bot_loop_start(**kwargs)  # type: ignore[misc]  # the operator's class stands behind this one

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

    def _start_feed(self) -> None:
        if self.config.get("runmode", "live") not in {"live", "dry_run"}:
            return  # a backtest or the like reads its candles from files
        settings = FeedSettings.of(self.config)
        producers = producers_of(self.config)
        if not producers:
            logger.error("Candle feed: external_message_consumer names no producer, candles are downloaded directly")
            return
        exchange = self.dp._exchange  # noqa: SLF001 - freqtrade offers strategies no other way to the exchange
        if exchange._exchange_ws:  # noqa: SLF001 - as above
            logger.error("Candle feed: exchange.enable_ws must be false, candles by websocket go round the feed")
        state = FeedState(state_file(self.config))
        feed = Feed(self.dp, producers, settings, state, own_timeframe=self.timeframe)
        candle_type = candle_type_of(self.config)
        install(
            exchange._api_async,  # noqa: SLF001 - as above
            lambda original: FedFetch(original, feed, state, settings.settle_seconds, exchange, candle_type),
        )
        self.candle_feed_state = state
        logger.info("Candle feed: candles come from %s", ", ".join(producer.name for producer in producers))
