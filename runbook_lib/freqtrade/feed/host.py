"""All that the feed touches of freqtrade, named in one place; underscored names are freqtrade's own and may move."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .candle.series import Row

if TYPE_CHECKING:
    from pandas import DataFrame

Fetch = Callable[..., Awaitable[list[Row]]]
Answer = tuple[str, str, str, list[Row], bool]


class Ccxt(Protocol):
    """The bot's asynchronous ccxt object. Every candle comes through ``fetch_ohlcv``, which ccxt documents.

    ``on_rest_response`` is called with every answer, documented as the place to look at them.
    """

    fetch_ohlcv: Fetch
    on_rest_response: Callable[..., Any]
    markets: Mapping[str, object] | None


class Twin(Ccxt, Protocol):
    """A ccxt object of the feed's own, which knows the markets from the bot's."""

    def set_markets_from_exchange(self, source: Ccxt) -> object:
        """Take over what another object knows, so that the exchange is not asked for it again."""

    async def close(self) -> object:
        """Close its connections."""


class Exchange(Protocol):
    """The bot's exchange."""

    _api_async: Ccxt
    _exchange_ws: StreamCache | None
    _ccxt_config: dict[str, Any]
    _klines: dict[tuple[str, str, str], DataFrame]

    def _init_ccxt(self, exchange_config: dict[str, Any], sync: bool, ccxt_kwargs: dict[str, Any]) -> Twin:
        """Make a ccxt object."""

    def ohlcv_candle_limit(self, timeframe: str, candle_type: str) -> int:
        """Return how many candles the exchange gives in one answer."""

    def klines(self, pair_interval: tuple[str, str, str], copy: bool = ...) -> DataFrame:
        """Return the candles that the bot holds of a series."""

    def get_option(self, param: str, default: Any = ...) -> Any:  # noqa: ANN401 - options are of any type
        """Return one of the exchange's traits."""

    async def _async_get_candle_history(
        self, pair: str, timeframe: str, candle_type: str, since_ms: int | None = ...
    ) -> Answer:
        """Ask the exchange for candles."""


class StreamCache(Protocol):
    """The candles that came by websocket."""

    get_ohlcv: Callable[..., Awaitable[Answer]]

    def get_ohlcv_with_refresh(self, pair: str, timeframe: str, candle_type: str) -> tuple[list[Row], float]:
        """Return the cached candles of a series and when (ms) the stream spoke last."""


class DataProvider(Protocol):
    """``dp`` of a strategy. Its ``_DataProvider__rpc`` holds the bot's api_server."""

    _exchange: Exchange

    def current_whitelist(self) -> Sequence[str]:
        """Return the pairs that the bot looks at."""
