"""Binance's public REST, as far as bots in dry run ask for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from runbook_lib.lab.exchange.candles import MINUTE_MS
from runbook_lib.lab.exchange.ledger import Entry
from runbook_lib.lab.exchange.limits import weight
from runbook_lib.lab.exchange.markets import Market
from runbook_lib.lab.exchange.rows import INTERVALS, listed
from runbook_lib.lab.exchange.tickers import bid_ask, depth, exchange_info, price, ticker_24h
from runbook_lib.lab.exchange.venue import Venue

MOST_ROWS = 1000


@dataclass(eq=False)
class Refusal(Exception):
    """A request that Binance would refuse: its HTTP status, Binance's code, and the words."""

    status: int
    code: int
    words: str


class Rest:
    """Answers requests and writes each of them down."""

    def __init__(self, venue: Venue, source_of: Callable[[web.BaseRequest], str]) -> None:
        self._venue = venue
        self._source_of = source_of
        self._answers: dict[str, Callable[[Mapping[str, str]], bytes]] = {
            "ping": lambda _: b"{}",
            "time": lambda _: _json({"serverTime": self._venue.now_ms()}),
            "exchangeInfo": self._exchange_info,
            "klines": self._klines,
            "ticker/24hr": self._each(lambda market, now: ticker_24h(market, now, self._venue.rows.late)),
            "ticker/bookTicker": self._each(bid_ask),
            "ticker/price": self._each(price),
            "depth": self._depth,
            # futures have no markets here: bots ask, and get an empty list instead of a way out of the lab
            "fapi/exchangeInfo": self._no_markets,
            "dapi/exchangeInfo": self._no_markets,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request: fault, limit, then the answer itself; written down in any case."""
        arrived = self._venue.now_ms()
        source, endpoint, query = self._source_of(request), _endpoint(request.path), request.query
        admission = self._venue.limiter.admit(source, weight(endpoint, query))
        fault = self._venue.faults.hit(source, endpoint)

        def note(status: int) -> None:
            charged, used = admission.charged, admission.used
            symbol, interval = query.get("symbol", ""), query.get("interval", "")
            self._venue.ledger.add(Entry(arrived, source, endpoint, symbol, interval, status, charged, used))

        if fault and fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault and fault.drop:
            note(0)
            return cut(request)
        retry_after = admission.retry_after
        if fault and fault.status:
            status, body = fault.status, _refused(fault.status)
            retry_after = fault.retry_after or 0
        elif admission.status != 200:
            status, body = admission.status, _refused(admission.status)
        else:
            status, body = self._answer(endpoint, query)
        note(status)
        used = str(admission.used)
        headers = {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}
        if retry_after:
            headers["Retry-After"] = str(retry_after)
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")

    def _answer(self, endpoint: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        answer = self._answers.get(endpoint)
        if answer is None:
            return 404, _error(-1000, f"the simulated exchange has no {endpoint}")
        try:
            return 200, answer(query)
        except Refusal as refusal:
            return refusal.status, _error(refusal.code, refusal.words)

    def _market(self, query: Mapping[str, str]) -> Market:
        symbol = query.get("symbol")
        if not symbol:
            raise Refusal(400, -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        found = self._venue.markets.get(symbol)
        if found is None:
            raise Refusal(400, -1121, "Invalid symbol.")
        return found

    def _each(self, describe: Callable[[Market, int], dict[str, Any]]) -> Callable[[Mapping[str, str]], bytes]:
        """Return an answer for one symbol, for several, or for all of them."""

        def answer(query: Mapping[str, str]) -> bytes:
            now = self._venue.now_ms()
            if "symbol" in query:
                return _json(describe(self._market(query), now))
            names = _names(query["symbols"]) if "symbols" in query else list(self._venue.markets)
            return _json([describe(self._market({"symbol": name}), now) for name in names])

        return answer

    def _exchange_info(self, _query: Mapping[str, str]) -> bytes:
        venue = self._venue
        return _json(exchange_info(venue.markets.values(), venue.limiter.weight_per_minute, venue.now_ms()))

    def _no_markets(self, _query: Mapping[str, str]) -> bytes:
        return _json({"timezone": "UTC", "serverTime": self._venue.now_ms(), "rateLimits": [], "symbols": []})

    def _depth(self, query: Mapping[str, str]) -> bytes:
        levels = max(1, min(_whole(query, "limit") or 100, 5000))
        return _json(depth(self._market(query), self._venue.now_ms(), levels))

    def _klines(self, query: Mapping[str, str]) -> bytes:
        market = self._market(query)
        size = INTERVALS.get(query.get("interval", ""))
        if size is None:
            raise Refusal(400, -1120, "Invalid interval.")
        span, now = size * MINUTE_MS, self._venue.now_ms()
        start, end, asked = _whole(query, "startTime"), _whole(query, "endTime"), _whole(query, "limit")
        limit = max(1, min(asked or 500, MOST_ROWS))
        last = min(now, now if end is None else end) // span + 1
        if start is None:
            first = last - limit
        else:
            first = max(-(-start // span), listed(size))
            last = min(last, first + limit)
        return b"[" + b",".join(self._venue.rows.shown(market, size, first, last, now)) + b"]"


def cut(request: web.Request) -> web.Response:
    """Cut the connection under a request; what is returned will not reach anybody."""
    if request.transport:
        request.transport.abort()
    return web.Response()


def _endpoint(path: str) -> str:
    """Return the name an endpoint is counted under: /api/v3/klines is klines, /fapi/v1/klines is fapi/klines."""
    family, _, rest = path.strip("/").partition("/")
    name = rest.partition("/")[2]
    return name if family == "api" else f"{family}/{name}"


def _whole(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Refusal(400, -1100, f"Illegal characters found in parameter '{name}'.") from None


def _names(text: str) -> list[str]:
    try:
        return [str(name) for name in json.loads(text)]
    except (ValueError, TypeError):
        raise Refusal(400, -1100, "Illegal characters found in parameter 'symbols'.") from None


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _error(code: int, words: str) -> bytes:
    return _json({"code": code, "msg": words})


def _refused(status: int) -> bytes:
    """Return the words that go with a refusal; the firewall's 403 speaks HTML, as Binance's does."""
    if status == 403:
        return b"<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>"
    if status == 429:
        return _error(-1003, "Too much request weight used; please use WebSocket Streams to avoid bans.")
    if status == 418:
        return _error(-1003, "Way too much request weight used; IP banned until later.")
    return _error(-1001, "Internal error; unable to process your request. Please try again.")
