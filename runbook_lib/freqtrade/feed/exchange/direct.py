"""The one way to the exchange for candles: settled ones only, within the budget, and not while it refuses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..candle.series import Row
from ..host import Fetch
from .asked import Asked
from .breaker import REFUSALS, Breaker, Entry
from .budget import MINUTE, Budget, Need, counted
from .clock import LONGEST_WAIT_SECONDS, ClockCheck, date_of, instant
from .early import early_seconds, settled_rows

logger = logging.getLogger(__name__)

KLINES_WEIGHT = 2.0  # https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
LOOK_SECONDS = 0.05
LOOKS = 100  # for the answer of the one that went ahead
STATUS = ":status"
"""Where the HTTP status stands among the headers, as in HTTP/2."""

Headers = Mapping[str, str]
Note = Callable[[str, float, str, float], None]
"""Told after every answer and every refusal: the breaker's state, until when, why, and the weight used."""
Begun = Callable[[], object]
"""Called as ccxt is handed the request: whatever goes wrong from then on, sending it again would be a second one."""

_heard: ContextVar[dict[str, str] | None] = ContextVar("candle_feed_heard", default=None)


class Blocked(Exception):
    """The exchange refuses, or was not asked because it did."""


class Early(Blocked):
    """By the exchange's clock the newest candle has yet to settle. ``rows``: those before it, if it was asked."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__("by the exchange's clock that candle has yet to settle")
        self.rows = rows


class Rest(Protocol):
    """A ccxt object. It calls this with every answer, documented as the place to look at them."""

    on_rest_response: Callable[..., Any]


def listen(ccxt_object: Rest) -> Callable[[], Headers]:
    """Return what tells, within one call of this object's ``fetch_ohlcv``, the status and the headers of its answer.

    Calls are made side by side: ``last_response_headers`` may belong to another one, and ccxt's errors do not name
    every status. Names of headers come in lower case.
    """
    original = ccxt_object.on_rest_response

    def hear(code: int, reason: str, url: str, method: str, headers: Headers, *more: object) -> Any:  # noqa: ANN401 - whatever ccxt makes of it
        heard = _heard.get()
        if heard is not None:
            heard.clear()
            heard.update({name.lower(): value for name, value in headers.items()})
            heard[STATUS] = str(code)
        return original(code, reason, url, method, headers, *more)

    ccxt_object.on_rest_response = hear
    return lambda: _heard.get() or {}


@dataclass
class Direct:
    """Asks one ccxt object. ``headers``: what ``listen`` returned for it.

    Several of them share one breaker and one budget. ``note`` takes what ``FeedState.guard`` does; ``sent`` is called
    once for every request that went out, whatever came back.
    """

    fetch: Fetch
    headers: Callable[[], Headers]
    breaker: Breaker
    budget: Budget
    settle_seconds: float
    note: Note
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    check: ClockCheck = field(default_factory=ClockCheck)
    sent: Callable[[], object] = lambda: None
    left_out: set[tuple[str, str]] = field(default_factory=set, init=False)
    """Pair and timeframe of every live request that was answered without its newest candle: for ``asked.ask_again``."""
    _early: dict[tuple[str, str], float] = field(default_factory=dict, init=False)  # until when (since 1970) not to ask
    _said: bool = field(default=False, init=False)

    async def __call__(self, asked: Asked, need: Need, begun: Begun = lambda: None) -> list[Row]:
        """Answer freqtrade; while the exchange refuses, as ``unasked`` does."""
        try:
            return await self.ask(asked, need, begun)
        except Early as early:
            if asked.since is None:
                self.left_out.add((asked.symbol, asked.timeframe))
            return early.rows
        except Blocked as blocked:
            return self.unasked(asked, blocked)

    def unasked(self, asked: Asked, why: Blocked) -> list[Row]:
        """Answer freqtrade without the exchange, in a way that makes it neither retry nor take a hole for data.

        A live request is answered with no candles: freqtrade keeps those it has. A request for history fails: without
        candles in the middle it would go on, and never know.
        """
        if asked.since is None:
            self.left_out.add((asked.symbol, asked.timeframe))
            return []
        from ccxt import ExchangeNotAvailable  # noqa: PLC0415 - comes with freqtrade, not where this is tested

        raise ExchangeNotAvailable(str(why)) from why

    async def ask(self, asked: Asked, need: Need, begun: Begun = lambda: None) -> list[Row]:
        """Return settled candles, or raise Blocked, or whatever ccxt raises, once ``begun`` was called."""
        self._unless_early(asked)
        ahead = await self._settled(asked)
        for _ in range(LOOKS):
            async with self.budget.turn(KLINES_WEIGHT, need, unless=self._unless_shut) as spent:
                ahead = await self._settled(asked, ahead)  # those before it may have learned what time it is
                entry = self.breaker.enter()
                if entry is Entry.GO:
                    begun()
                    return await self._fetch(asked)
                spent.give_back()
            if entry is Entry.SHUT:
                break
            await self.sleep(LOOK_SECONDS)
        raise self._blocked()

    async def _settled(self, asked: Asked, waited_for: float = -1.0) -> float:
        """Wait until what is asked for has settled; return by how much (seconds) this clock was taken to be ahead.

        ``waited_for``: what it returned before; there is more to wait for only if this clock is further ahead.
        """
        ahead = self.check.wait_seconds
        if asked.window is None or ahead <= waited_for:
            return waited_for
        wait = min(asked.window.settled_at(self.settle_seconds) - self.clock(), self.settle_seconds)
        wait += ahead  # it is by the exchange's clock that a candle settles
        if wait > 0:
            await self.sleep(wait)
        return ahead

    def _judged(self, asked: Asked, rows: list[Row], made_at: float | None) -> list[Row]:
        """Return what had settled by the exchange's clock. Raises Early if that lacks what is newest.

        That is asked for again once it has settled; now and then before, by a clock that is far ahead: somebody may
        have put it right.
        """
        if asked.window is None:
            return rows
        settled = settled_rows(rows, asked.window, made_at, self.settle_seconds)
        early = early_seconds(asked.window, made_at, self.settle_seconds)
        if not early:
            return settled
        if asked.since is None:
            self._early[asked.symbol, asked.timeframe] = self.clock() + min(early, LONGEST_WAIT_SECONDS)
        raise Early(settled)

    def _unless_early(self, asked: Asked) -> None:
        series = (asked.symbol, asked.timeframe)
        left = self._early.get(series, 0.0) - self.clock()
        if asked.since is None and 0 < left <= LONGEST_WAIT_SECONDS:
            raise Early([])
        if left > LONGEST_WAIT_SECONDS:  # the clock was put right since
            del self._early[series]

    async def _fetch(self, asked: Asked) -> list[Row]:
        heard: dict[str, str] = {}
        token = _heard.set(heard)
        sent_at, sent, made_at = self.clock(), True, None
        try:
            rows = await self.fetch(asked.symbol, asked.timeframe, asked.since, asked.enough, asked.params)
        except Exception as error:
            status = self._learn(self.headers(), sent_at)
            sent = bool(status) or _on_the_way(error)
            if status in REFUSALS:
                raise self._blocked() from error
            if not 200 <= status < 500:
                self.breaker.unanswered(asked=_on_the_way(error))
            raise
        else:
            try:
                made_at = date_of(self.headers())
                self._learn({STATUS: "200", **self.headers()}, sent_at)
            except Exception:  # the candles are there, whatever can be learned besides
                if not self._said:
                    self._said = True
                    logger.exception("Candle feed: error in the bookkeeping of requests (said once)")
            return self._judged(asked, rows, made_at)
        finally:
            _heard.reset(token)
            if sent:
                with suppress(Exception):  # as below
                    self.sent()

    def _learn(self, headers: Headers, sent_at: float) -> int:
        """Take from an answer all that it says besides candles; return its status, 0 if there was none."""
        now, status = self.clock(), int(headers.get(STATUS, 0))
        if status in REFUSALS:  # first what others wait for
            self.breaker.refused(status, _retry_after(headers))
        elif 200 <= status < 500:
            self.breaker.succeeded()
        self.check.saw(headers, sent_at, now)
        used, made_at = counted(headers), date_of(headers)
        if used is not None:
            self.budget.heard(used, MINUTE - ((now if made_at is None else made_at) % MINUTE))
        self.tell()
        return status

    def _unless_shut(self) -> None:
        if self.breaker.blocked_until():
            raise self._blocked()

    def _blocked(self) -> Blocked:
        self.tell()
        return Blocked(f"the exchange is not asked: {self.breaker.reason}")

    def tell(self) -> None:
        """Note whether the exchange may be asked now: that changes also while nobody asks."""
        with suppress(Exception):  # a state that cannot be kept is no reason to go without candles
            self.note(self.breaker.state, self.breaker.blocked_until(), self.breaker.reason, self.budget.used)


def _on_the_way(error: Exception) -> bool:
    """Whether the request was sent, as far as ccxt's error tells."""
    return any(base.__name__ == "NetworkError" for base in type(error).__mro__)


def _retry_after(headers: Headers) -> float | None:
    """Return for how many seconds the exchange does not want to be asked: it says so in seconds, or as a date."""
    told = headers.get("retry-after", "").strip()
    if told.isdigit():
        return float(told)
    until, made_at = instant(told), date_of(headers)
    return None if until is None or made_at is None else until - made_at
