"""Request weight: how much of it candles may cost in a minute, and who is served first when it is scarce."""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum

MINUTE = 60.0
AT_ONCE = 8
"""Requests under way: when refusals begin, no more than these go out."""
LOST_SECONDS = 120.0  # a request that has not ended by then never will
SHARE_OF_OTHERS = 4.0
"""Live candles give way to what others behind this address cost from so many budgets on (4800 of Binance's 6000)."""
LOOK_SECONDS = 0.25  # how often one who waits looks whether waiting still makes sense


class Need(IntEnum):
    """What candles are wanted for, the most urgent first."""

    LIVE = 0  # the newest candle of a series that is held
    FIRST = 1  # first load of the bot's own timeframe
    MORE = 2  # first load of other timeframes
    HISTORY = 3


@dataclass(eq=False)
class Spent:
    """One request. It is charged from before it is sent until a minute after its answer.

    Whenever in between it reached the exchange: no minute of the exchange's clock can hold more than was allowed here.
    """

    weight: float
    at: float
    ended: float | None = None
    sent: bool = True

    def give_back(self) -> None:
        """Say that it was not sent after all."""
        self.sent = False

    def until(self) -> float:
        """Return to when it is charged."""
        return (self.at + LOST_SECONDS if self.ended is None else self.ended) + MINUTE


@dataclass(order=True)
class _Waiter:
    need: Need
    turn: int
    weight: float = field(compare=False)
    loop: asyncio.AbstractEventLoop = field(compare=False)
    woken: asyncio.Event = field(compare=False, default_factory=asyncio.Event)


class Budget:
    """Thread-safe, and waited for in several event loops at once. ``clock``: seconds that never jump."""

    def __init__(self, weight_per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.weight_per_minute = weight_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[_Waiter] = []
        self._turns = 0
        self._spent: deque[Spent] = deque()
        self._counted = self._counted_until = 0.0

    @property
    def used(self) -> float:
        """Return the weight of the last minute: this bot's own, or what the exchange counts, if that is more."""
        with self._lock:
            now = self._clock()
            return max(self._own(now), self._count(now))

    def heard(self, used: float, minute_ends_in: float) -> None:
        """Learn what the exchange has counted for this address in its present minute, which ends in so many seconds."""
        with self._lock:
            self._counted, self._counted_until = used, self._clock() + minute_ends_in

    @asynccontextmanager
    async def turn(self, weight: float, need: Need, unless: Callable[[], None]) -> AsyncIterator[Spent]:
        """Wait for a turn to send one request, which ends with the block.

        ``unless`` is called while waiting, and raises when waiting makes no sense any more.
        """
        spent = await self._admitted(weight, need, unless)
        try:
            yield spent
        finally:
            with self._lock:
                spent.ended = self._clock()
                if not spent.sent:
                    self._spent = deque(each for each in self._spent if each is not spent)
            self._wake()

    async def _admitted(self, weight: float, need: Need, unless: Callable[[], None]) -> Spent:
        with self._lock:
            self._turns += 1
            waiter = _Waiter(need, self._turns, weight, asyncio.get_running_loop())
            heapq.heappush(self._waiting, waiter)
        try:
            while True:
                unless()
                waiter.woken.clear()
                spent = self._try(waiter)
                if spent:
                    return spent
                with suppress(TimeoutError):
                    await asyncio.wait_for(waiter.woken.wait(), LOOK_SECONDS)
        finally:
            with self._lock:
                self._waiting = [each for each in self._waiting if each is not waiter]
                heapq.heapify(self._waiting)
            self._wake()

    def _try(self, waiter: _Waiter) -> Spent | None:
        with self._lock:
            now = self._clock()
            if self._first() is not waiter or not self._room(waiter, now):
                return None
            spent = Spent(waiter.weight, now)
            self._spent.append(spent)
            return spent

    def _room(self, waiter: _Waiter, now: float) -> bool:
        own = self._own(now)
        under_way = [each.weight for each in self._spent if each.ended is None and now - each.at < LOST_SECONDS]
        if len(under_way) >= AT_ONCE or (own and own + waiter.weight > self.weight_per_minute):
            return False
        count = self._count(now)
        allowed = self.weight_per_minute * (SHARE_OF_OTHERS if waiter.need is Need.LIVE else 1.0)
        return not count or count + sum(under_way) + waiter.weight <= allowed

    def _own(self, now: float) -> float:
        self._spent = deque(each for each in self._spent if each.until() > now)
        return sum(each.weight for each in self._spent)

    def _count(self, now: float) -> float:
        return self._counted if now < self._counted_until else 0.0

    def _wake(self) -> None:
        """Let the one whose turn it is look again."""
        with self._lock:
            first = self._first()
        if first:
            with suppress(RuntimeError):  # its loop has just been closed
                first.loop.call_soon_threadsafe(first.woken.set)

    def _first(self) -> _Waiter | None:
        while self._waiting and self._waiting[0].loop.is_closed():  # as on /reload_config
            heapq.heappop(self._waiting)
        return self._waiting[0] if self._waiting else None


def counted(headers: Mapping[str, str]) -> float | None:
    """Return the weight that the exchange says this address has used in its present minute; names in lower case."""
    told = headers.get("x-mbx-used-weight-1m", "")
    return float(told) if told.isdigit() else None
