"""A producer's own requests: answered from the exchange, or after an absence from the other producers."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from ..candle.answers import take
from ..candle.series import Candles, Key, Row
from ..candle.store import CandleStore
from ..candle.times import Window
from ..exchange.asked import Asked, joined, plain
from ..exchange.budget import Need
from ..exchange.direct import Blocked, Direct
from ..host import Exchange
from ..reasons import Reason
from ..state import FeedState
from .outlook import CLOCK, Outlook

logger = logging.getLogger(__name__)

CLOCK_SECONDS = 20.0
"""One whose clock is wrong looks no more often whether it still is; its bot, to which candles seem late, asks on."""

Others = Callable[[Key, Window], Awaitable[list[Row] | Reason]]


@dataclass
class OwnFetch:
    """Stands in the place of a producer's ``fetch_ohlcv``, and puts what it gets into the store.

    A series that is held up to the candle before comes from the exchange. One that is not, because the bot has just
    begun or stood still, is had from the other producers if they have seen to it meanwhile.
    """

    direct: Direct
    store: CandleStore
    outlook: Outlook
    others: Others
    state: FeedState
    exchange: Exchange
    clock: Callable[[], float] = time.time
    _looked_at: float = field(default=float("-inf"), init=False)

    async def __call__(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, object] | None = None,
    ) -> list[Row]:
        """Answer like ccxt's ``fetch_ohlcv``."""
        asked = Asked(symbol, timeframe, since, limit, params or {}, self.clock())
        key = Key(symbol, timeframe, self.outlook.candle_type)
        self.outlook.beat()
        asked = joined(asked, self.exchange, self.outlook.candle_type)
        need, window = asked.need(self.outlook.own_timeframe), asked.window
        if window is None or not plain(asked, self.exchange):
            return await self.direct(asked, need)
        rows = take(self.store.get(key), window)
        if not isinstance(rows, Reason):
            return rows
        if self.outlook.clock_wrong():
            # that it is right again is found by what the exchange answers, not by what the others have
            if not self._time_to_look():
                return self.direct.unasked(asked, Blocked(CLOCK))
        elif since is not None or not self.outlook.in_step(key):
            rows = await self._from_others(key, window)
            if not isinstance(rows, Reason):
                return rows
        return await self._from_exchange(key, asked, window, need)

    def _time_to_look(self) -> bool:
        """Whether one request may go out though nothing that it brings can be kept."""
        if 0 <= self.clock() - self._looked_at < CLOCK_SECONDS:
            return False
        self._looked_at = self.clock()
        return True

    async def _from_exchange(self, key: Key, asked: Asked, window: Window, need: Need) -> list[Row]:
        try:
            with self.outlook.asking_exchange(key):
                rows = await self.direct.ask(asked, need)
        except Exception as error:
            # the others see that this one cannot, and do it in its place
            answer = await self._from_others(key, window)
            if not isinstance(answer, Reason):
                return answer
            if isinstance(error, Blocked):
                return await self.direct(asked, need)  # no more than its words for freqtrade
            raise
        self.outlook.looked(key, window, rows)
        self.keep(key, [row for row in rows if row[0] < window.forming])
        return rows

    async def _from_others(self, key: Key, window: Window) -> list[Row] | Reason:
        try:
            # where they say that the exchange lacks a candle, this one looks for itself
            rows = await self.others(key, replace(window, joins=False))
        except Exception:
            logger.debug("Candle producer: the others could not be asked", exc_info=True)
            return Reason.ERROR
        if not isinstance(rows, Reason):
            self.keep(key, [row for row in rows if row[0] < window.forming])
        return rows

    def keep(self, key: Key, rows: list[Row]) -> None:
        """Put settled candles into the store; those that a wrong clock took for settled are none."""
        self.outlook.beat()
        if self.outlook.clock_wrong():
            return
        try:
            self.store.put(key, Candles.of(rows))
            self.state.keep(key, rows)
        except Exception:  # an exchange that leaves values out: the bot may know what to do with them
            logger.debug("Candle producer: %s: candles that cannot be kept", key, exc_info=True)
