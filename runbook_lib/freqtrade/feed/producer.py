"""``CandleProducer``: a bot that downloads its pairs' candles once, after they have settled, and answers for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .candle.store import CandleStore
from .candle.wire import Ask
from .exchange.asked import ask_again, install
from .exchange.breaker import Breaker, shared_file
from .exchange.budget import Budget
from .exchange.clock import ClockCheck
from .exchange.direct import Direct, listen
from .exchange.stream import SettledStream
from .exchange.twin import fetch_of, twin_of
from .host import Ccxt, DataProvider, Fetch
from .loop import GRACE_SECONDS, FeedLoop
from .peers.client import clients
from .peers.feed import Feed
from .peers.kept import Series
from .peers.outlook import Outlook
from .peers.own import OwnFetch
from .peers.route import app_of, put_up
from .peers.serve import Counter
from .peers.standby import Standby
from .settings import FeedSettings, candle_type_of, producers_of, state_file
from .state import FeedState

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

START_SECONDS = 10.0  # for the first look at the other producers
STILL_SECONDS = 30.0  # without a sign of life beyond its own pause, after which the bot counts as standing still


@dataclass(frozen=True)
class Producing:
    """What runs beside one producer's bot."""

    loop: FeedLoop
    outlook: Outlook
    series: Series
    state: FeedState
    direct: Direct

    def turn(self, own_pairs: Iterable[str]) -> None:
        """End a round of its bot, which sees to these pairs."""
        outlook, series = self.outlook, self.series
        outlook.own_pairs = frozenset(own_pairs)
        outlook.beat()
        self.direct.tell()
        self.state.want([*filter(outlook.own, series.store.series()), *series.held()])
        self.state.turn()


class CandleProducer:
    """To be named before ``IStrategy``: ``class StrategyNone(CandleProducer, IStrategy)``."""

    config: Mapping[str, Any]
    dp: DataProvider
    timeframe: str
    _candle_feed: Producing | None = None

    def ft_bot_start(self, **kwargs: object) -> None:
        """Take only settled candles and answer for them. Where that cannot be this bot must not run: errors stop it."""
        if self._candle_feed is None and self.config.get("runmode", "live") in {"live", "dry_run"}:
            self._candle_feed = produce(self.config, self.dp, self.timeframe)
        super().ft_bot_start(**kwargs)  # type: ignore[misc]  # IStrategy stands behind this one

    def bot_loop_start(self, **kwargs: object) -> None:
        """Say that the bot lives, and which pairs it sees to."""
        try:
            if self._candle_feed is not None:
                self._candle_feed.turn(self.dp.current_whitelist())
                ask_again(self.dp._exchange, self._candle_feed.direct.left_out, self._candle_feed.outlook.candle_type)  # noqa: SLF001 - freqtrade offers strategies no other way to the exchange
        except Exception:
            logger.exception("Candle producer: error at the end of a round")
        super().bot_loop_start(**kwargs)  # type: ignore[misc]  # as above

    def ft_bot_cleanup(self) -> None:
        """End the feed with the bot; one that reads its config anew starts another."""
        try:
            if self._candle_feed is not None:
                self._candle_feed.loop.stop()
        except Exception:
            logger.exception("Candle producer: the feed could not be ended")
        super().ft_bot_cleanup()  # type: ignore[misc]  # as above

    def populate_indicators(self, dataframe: DataFrame, _metadata: dict[str, Any]) -> DataFrame:
        """Add nothing: whoever wants the candles asks for them."""
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, _metadata: dict[str, Any]) -> DataFrame:
        """Enter nothing."""
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, _metadata: dict[str, Any]) -> DataFrame:
        """Exit nothing."""
        return dataframe


def produce(config: Mapping[str, Any], dp: DataProvider, timeframe: str) -> Producing:
    """Take the place of the bot's candle sources, begin to answer for its candles, and stand by for the others."""
    settings, app = FeedSettings.of(config), app_of(dp)
    exchange = dp._exchange  # noqa: SLF001 - freqtrade offers strategies no other way to the exchange
    bots, cache, twin = exchange._api_async, exchange._exchange_ws, twin_of(exchange, config)  # noqa: SLF001 - as above
    name, market = str(config.get("bot_name", "freqtrade")), str(config["exchange"]["name"])
    candle_type = candle_type_of(config)
    state, store, check = FeedState(state_file(config), "producer", name), CandleStore(), ClockCheck()
    breaker, budget = Breaker(shared_file(market)), Budget(settings.weight_per_minute)

    def direct(ccxt: Ccxt, fetch: Fetch) -> Direct:
        return Direct(
            fetch, listen(ccxt), breaker, budget, settings.settle_seconds, state.guard, check=check, sent=state.sent
        )

    links = clients(
        [each for each in producers_of(config) if each.name != name],
        Ask(name, market, candle_type),
        settings.clock_seconds,
        state.link,
    )
    feed = Feed(links, settings, state)
    still = STILL_SECONDS + float(config.get("internals", {}).get("process_throttle_secs", 5))
    late = settings.settle_seconds + settings.takeover_seconds
    outlook = Outlook(store, breaker, lambda: check.wrong, timeframe, candle_type, still, late)
    outlook.own_pairs = frozenset(dp.current_whitelist())
    outlook.beat()
    page = exchange.ohlcv_candle_limit(timeframe, candle_type)
    series = Series(
        name, settings.settle_seconds, store, outlook, links, lambda pair: pair in (bots.markets or {}), page
    )
    standby = Standby(
        series,
        feed,
        direct(twin, fetch_of(twin, exchange)),
        state,
        settings.takeover_seconds,
        exchange.get_option("ohlcv_params", {}) or {},
    )
    counter = Counter(name, market, tokens_of(config), frozenset(link.name for link in links), store, outlook, series)
    loop, patience = FeedLoop(), settings.settle_seconds + settings.wait_seconds + GRACE_SECONDS
    directly = direct(bots, bots.fetch_ohlcv)
    own = OwnFetch(
        directly,
        store,
        outlook,
        lambda key, window: loop.call_within(patience, feed.answer(key, window)),
        state,
        exchange,
    )
    install(bots, lambda _original: own)
    if cache:
        cache.get_ohlcv = SettledStream(cache.get_ohlcv, cache, exchange, settings.settle_seconds, own.keep)
    loop.start()
    loop.at_end(twin.close)
    loop.at_end(feed.stop)
    put_up(app, counter.answer)
    try:
        loop.run(feed.start()).result(START_SECONDS)
    except TimeoutError:
        logger.info("Candle producer: the other producers take their time, it goes on without them")
    except Exception:
        logger.exception("Candle producer: the other producers cannot be asked")
    loop.run(standby.run())
    others = ", ".join(link.name for link in links) or "no other producer"
    logger.info("Candle producer: candles are taken %.1f s after their close; with %s", settings.settle_seconds, others)
    return Producing(loop, outlook, series, state, directly)


def tokens_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tokens by which consumers are known. Raises ValueError if there is none: anybody could ask."""
    tokens = config["api_server"].get("ws_token") or ()
    if not tokens:
        raise ValueError("api_server.ws_token is missing in this producer's config: nobody could ask it for candles")
    return (tokens,) if isinstance(tokens, str) else tuple(tokens)
