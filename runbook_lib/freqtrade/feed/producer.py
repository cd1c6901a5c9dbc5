"""``CandleProducer``: takes only settled candles and sends them with their exact bits."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .bits import with_bits
from .hook import Asked, fetch_settled, install, joined
from .host import DataProvider, Exchange, Fetch, Row
from .settings import FeedSettings, candle_type_of
from .stream import SettledStream

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SettledFetch:
    """Stands in the place of a producer's ``fetch_ohlcv``: no just-closed candle before it has settled."""

    original: Fetch
    exchange: Exchange
    settle_seconds: float
    candle_type: str

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
        return await fetch_settled(self.original, joined(asked, self.exchange, self.candle_type), self.settle_seconds)


class CandleProducer:
    """To be named before ``IStrategy``: ``class StrategyNone(CandleProducer, IStrategy)``."""

    config: Mapping[str, Any]
    dp: DataProvider

    def bot_start(self, **kwargs: object) -> None:
        """See to it that only settled candles are taken. Without that this bot must not produce: an error stops it."""
        settle_seconds = FeedSettings.of(self.config).settle_seconds
        exchange = self.dp._exchange  # noqa: SLF001 - freqtrade offers strategies no other way to the exchange
        candle_type = candle_type_of(self.config)
        install(
            exchange._api_async,  # noqa: SLF001 - as above
            lambda original: SettledFetch(original, exchange, settle_seconds, candle_type),
        )
        cache = exchange._exchange_ws  # noqa: SLF001 - as above
        if cache:
            cache.get_ohlcv = SettledStream(cache.get_ohlcv, cache, exchange, settle_seconds)
        logger.info("Candle producer: candles are taken %.1f s after their close", settle_seconds)
        super().bot_start(**kwargs)  # type: ignore[misc]  # IStrategy stands behind this one

    def populate_indicators(self, dataframe: DataFrame, _metadata: dict[str, Any]) -> DataFrame:
        """Return the candles with their exact bits."""
        return with_bits(dataframe)

    def populate_entry_trend(self, dataframe: DataFrame, _metadata: dict[str, Any]) -> DataFrame:
        """Enter nothing."""
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, _metadata: dict[str, Any]) -> DataFrame:
        """Exit nothing."""
        return dataframe
