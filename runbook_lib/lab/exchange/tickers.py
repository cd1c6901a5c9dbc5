"""What the exchange tells besides candles: its markets, tickers and order books, all drawn from the candles. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runbook_lib.lab.exchange.candles import MINUTE_MS, Lateness, after, aggregate, seen
from runbook_lib.lab.exchange.markets import QUOTE_DECIMALS, Market, decimal
from runbook_lib.lab.exchange.noise import key_of, unit

DAY_MINUTES = 1440
_LARGEST_AMOUNT = 1 << 40
"""Of an order, steps."""
_BOOK = key_of("book")


def exchange_info(markets: Iterable[Market], weight_per_minute: int, now_ms: int) -> dict[str, Any]:
    """Return the rules of all markets."""
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_per_minute}
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [limit],
        "exchangeFilters": [],
        "symbols": [_rules(market) for market in markets],
    }


def _rules(market: Market) -> dict[str, Any]:
    tick, step = market.tick_decimals, market.step_decimals
    price = {"minPrice": decimal(1, tick), "maxPrice": decimal(1 << 24, tick), "tickSize": decimal(1, tick)}
    lot = {"minQty": decimal(1, step), "maxQty": decimal(_LARGEST_AMOUNT, step), "stepSize": decimal(1, step)}
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": QUOTE_DECIMALS,
        "quoteAsset": market.quote,
        "quotePrecision": QUOTE_DECIMALS,
        "quoteAssetPrecision": QUOTE_DECIMALS,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", **price},
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00000000"},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def ticker_24h(market: Market, now_ms: int, late: Lateness) -> dict[str, Any]:
    """Return the last 24 hours of a market, the forming minute included."""
    tick, step = market.tick_decimals, market.step_decimals
    day = aggregate(seen(market, now_ms // MINUTE_MS - DAY_MINUTES + 1, now_ms, late), DAY_MINUTES)
    opened, high, low, last, volume, quote, trades, *_ = (column[0] for column in day.lists())
    sign = "-" if last < opened else ""
    book = bid_ask(market, now_ms)
    return {
        **book,
        "priceChange": sign + decimal(abs(last - opened), tick),
        "priceChangePercent": f"{100 * (last - opened) / opened:.3f}",
        "weightedAvgPrice": decimal(quote // max(volume, 1), tick),
        "prevClosePrice": decimal(opened, tick),
        "lastPrice": decimal(last, tick),
        "lastQty": decimal(1, step),
        "openPrice": decimal(opened, tick),
        "highPrice": decimal(high, tick),
        "lowPrice": decimal(low, tick),
        "volume": decimal(volume, step),
        "quoteVolume": decimal(quote, tick + step),
        "openTime": now_ms - DAY_MINUTES * MINUTE_MS,
        "closeTime": now_ms,
        "firstId": 0,
        "lastId": trades,
        "count": trades,
    }


def last_price(market: Market, now_ms: int) -> int:
    """Return the price of the last trade, ticks."""
    return int(after(market, now_ms // MINUTE_MS, now_ms % MINUTE_MS // 1000).close[0])


def price(market: Market, now_ms: int) -> dict[str, Any]:
    """Return the price of the last trade."""
    return {"symbol": market.symbol, "price": decimal(last_price(market, now_ms), market.tick_decimals)}


def bid_ask(market: Market, now_ms: int) -> dict[str, Any]:
    """Return the best bid and ask."""
    book = depth(market, now_ms, 1)
    (bid, bid_amount), (ask, ask_amount) = book["bids"][0], book["asks"][0]
    return {
        "symbol": market.symbol,
        "bidPrice": bid,
        "bidQty": bid_amount,
        "askPrice": ask,
        "askQty": ask_amount,
    }


def depth(market: Market, now_ms: int, levels: int) -> dict[str, Any]:
    """Return an order book round the last price: ``levels`` bids and asks, one tick apart, none at or below zero."""
    last = last_price(market, now_ms)
    bid = max(1, last - 1)

    def side(prices: Iterable[int], salt: int) -> list[list[str]]:
        second = now_ms // 1000
        return [
            [decimal(at, market.tick_decimals), decimal(_amount(market, second, 2 * at + salt), market.step_decimals)]
            for at in prices
        ]

    return {
        "lastUpdateId": now_ms,
        "bids": side(range(bid, max(0, bid - levels), -1), 0),
        "asks": side(range(bid + 1, bid + 1 + levels), 1),
    }


def _amount(market: Market, second: int, place: int) -> int:
    """Return what is offered at a price, steps: about a usual minute's volume, enough for a bot's order."""
    share = unit(market.key ^ _BOOK, second * 31 + place)
    return 1 + int(2**market.volume_exponent * (0.5 + share))
