"""A second ccxt object: the bot's own belongs to freqtrade's event loop, which stands still between its rounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..candle.series import Row
from ..host import Exchange, Fetch, Twin


def twin_of(exchange: Exchange, config: Mapping[str, Any]) -> Twin:
    """Return an object made as freqtrade makes its own, but without keys: it only asks for candles."""
    from freqtrade.misc import deep_merge_dicts  # noqa: PLC0415 - there on hosts only

    given = config["exchange"]
    settings = exchange._ccxt_config  # noqa: SLF001 - freqtrade makes its own objects of it, too
    for key in ("ccxt_config", "ccxt_async_config"):
        settings = deep_merge_dicts(given.get(key, {}), settings)
    names = {key: given[key] for key in ("name", "demo_trading") if key in given}
    return exchange._init_ccxt(names, False, settings)  # noqa: SLF001 - as above


def fetch_of(twin: Twin, exchange: Exchange) -> Fetch:
    """Return its ``fetch_ohlcv``, with the markets as the bot knows them now: they cost no request of its own."""

    async def fetch(*args: object) -> list[Row]:
        twin.set_markets_from_exchange(exchange._api_async)  # noqa: SLF001 - freqtrade offers no other way to them
        return await twin.fetch_ohlcv(*args)

    return fetch
