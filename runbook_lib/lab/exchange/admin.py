"""The exchange's back door, on 127.0.0.1 alone: what was counted, the settled truth, faults on demand. JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from aiohttp import web

from runbook_lib.lab.exchange.candles import MINUTE_MS, first_unsettled
from runbook_lib.lab.exchange.faults import Fault
from runbook_lib.lab.exchange.ledger import plain
from runbook_lib.lab.exchange.rows import INTERVALS
from runbook_lib.lab.exchange.venue import Venue

MOST_ROWS = 10_000


class Admin:
    """Answers those who run the lab; nothing here counts as anybody's request."""

    def __init__(self, venue: Venue, on_fault: Callable[[Fault], None]) -> None:
        self._venue = venue
        self._on_fault = on_fault

    def app(self) -> web.Application:
        """Return the routes."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/requests", self._requests),
                web.get("/counts", self._counts),
                web.get("/settled", self._settled),
                web.get("/faults", self._list),
                web.post("/faults", self._add),
                web.delete("/faults", self._clear),
            ]
        )
        return app

    async def _health(self, _request: web.Request) -> web.Response:
        sources, now = list(self._venue.ledger.streams), self._venue.now_ms()
        return web.json_response({"ok": True, "time_ms": now, "pairs": len(self._venue.markets), "sources": sources})

    async def _requests(self, request: web.Request) -> web.Response:
        since, until = _period(request)
        return web.json_response(plain(self._venue.ledger.entries(since, until, request.query.get("source"))))

    async def _counts(self, request: web.Request) -> web.Response:
        return web.json_response({"sources": self._venue.ledger.counts(*_period(request))})

    async def _settled(self, request: web.Request) -> web.Response:
        """Return the newest ``limit`` candles that closed by ``end_ms`` and will never change, as klines rows."""
        market = self._venue.markets.get(request.query.get("symbol", ""))
        size = INTERVALS.get(request.query.get("interval", ""))
        if market is None or size is None:
            return _wrong(f"need symbol and interval; intervals: {', '.join(INTERVALS)}")
        limit = _number(request, "limit", 1000)
        if not 1 <= limit <= MOST_ROWS:
            return _wrong(f"limit {limit}; 1 to {MOST_ROWS}")
        now = self._venue.now_ms()
        settled = first_unsettled(market, now, self._venue.rows.late)
        closed = min(_number(request, "end_ms", now) // MINUTE_MS, settled) // size
        rows = self._venue.rows.settled(market, size, closed - limit, closed)
        return web.Response(body=b"[" + b",".join(rows) + b"]", content_type="application/json")

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([fault.plain() for fault in self._venue.faults.active()])

    async def _add(self, request: web.Request) -> web.Response:
        try:
            wish = await request.json()
            if not isinstance(wish, dict):
                return _wrong("a fault is a JSON object")
            fault = self._venue.faults.add(wish)
        except (json.JSONDecodeError, TypeError, ValueError) as error:
            return _wrong(str(error))
        self._on_fault(fault)
        return web.json_response({"id": fault.id})

    async def _clear(self, _request: web.Request) -> web.Response:
        return web.json_response({"ended": self._venue.faults.clear()})


def _period(request: web.Request) -> tuple[int, int | None]:
    until = _number(request, "until_ms", -1)
    return _number(request, "since_ms", 0), None if until < 0 else until


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    try:
        return int(text)
    except ValueError:
        raise web.HTTPBadRequest(text=json.dumps({"error": f"{name} is no whole number: {text}"})) from None


def _wrong(words: str) -> web.Response:
    return web.json_response({"error": words}, status=400)
