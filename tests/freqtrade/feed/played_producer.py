"""A producer played in virtual time: it answers with the feed's own bytes, late, wrongly, or not at all, as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import aiohttp
import numpy as np
from virtual_time import now

from runbook_lib.freqtrade.feed.candle.series import NONE, Candles, Key, Row
from runbook_lib.freqtrade.feed.candle.wire import Answer, Ask, Status, Told, answer_to_bytes, ask_from_bytes

STEP = 60_000
FORMING = 28_000_000 * STEP
OPEN = FORMING / 1000
"""When the scene's last candle closed, seconds since 1970. Scenes begin so many seconds after it as they say."""
REVISED_SECONDS = 1.0  # the exchange corrects a candle until then
KEY = Key("BTC/USDT", "1m", "spot")


def settled(date: int) -> Row:
    """Return the candle that opens at ``date`` (ms) as the exchange has it for ever."""
    return [date, *[date / 7.0 + column for column in range(5)]]


def seen(date: int, at: float) -> Row:
    """Return the candle as the exchange shows it at ``at`` (seconds since 1970)."""
    final = settled(date)
    return final if at >= (date + STEP) / 1000 + REVISED_SECONDS else [date, *[value + 0.125 for value in final[1:]]]


def history(first: int, last: int = 2) -> Candles:
    """Return settled candles from ``first`` to ``last`` candles before the forming one."""
    return Candles.of([settled(FORMING - back * STEP) for back in range(first, last - 1, -1)])


@dataclass
class Producer:
    """Stands in the place of a link's HTTP connection. ``begins``: wall clock as the scene begins, seconds since 1970.

    ``off``: seconds that its clock is ahead; ``latency``: of each way; ``replies``: what it sends instead of an answer.
    """

    begins: float = OPEN + 1
    off: float = 0.0
    latency: float = 0.002
    holds_back: bool = True
    promises: bool = True
    dead: bool = False
    hangs: bool = False
    unreachable: bool = False
    owns: frozenset[str] = frozenset()
    replies: tuple[int, bytes] | None = None
    held: dict[Key, Candles] = field(default_factory=lambda: {KEY: history(40)})
    asked: list[Ask] = field(default_factory=list)
    closed: bool = False

    async def __call__(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(ask_from_bytes(body))
        except aiohttp.ConnectionTimeoutError:
            raise
        except TimeoutError:
            raise TimeoutError("nothing came") from None

    async def close(self) -> None:
        self.closed = True

    def wall(self) -> float:
        return self.begins + now()

    def take(self, date: int, key: Key = KEY) -> None:
        """Put in the candle as the exchange shows it now."""
        self.put([seen(date, self.wall())], key)

    def put(self, rows: Iterable[Row], key: Key = KEY) -> None:
        self.held[key] = self.held.get(key, NONE).joined(Candles.of(list(rows)))

    def lose(self, date: int, key: Key = KEY) -> None:
        kept = self.held[key].dates != date
        self.held[key] = Candles(self.held[key].dates[kept], self.held[key].values[kept])

    def die(self) -> None:
        self.dead = True

    async def _answer(self, ask: Ask) -> tuple[int, bytes]:
        self.asked.append(ask)
        await self._travel()
        if self.replies is not None:
            return self.replies
        until = now() + ask.wait_seconds
        while True:
            told = tuple(
                self._tell(ask.wants[index].key, ask.wants[index].since, ask.wants[index].need)
                for index in range(len(ask.wants))
            )
            if not self.holds_back or now() >= until or all(each.status is not Status.COMING for each in told):
                break
            await asyncio.sleep(0.05)
            self._alive()
        clock = self.wall() + self.off
        await self._travel()
        return 200, answer_to_bytes(Answer("played", clock, self.owns, tuple(self.held), told))

    async def _travel(self) -> None:
        self._alive()
        if self.unreachable:
            raise aiohttp.ConnectionTimeoutError("no way there")
        if self.hangs:
            await asyncio.sleep(3600)
        await asyncio.sleep(self.latency)
        self._alive()

    def _alive(self) -> None:
        if self.dead:
            raise ConnectionRefusedError(111, "Connection refused")

    def _tell(self, key: Key, since: int, need: int) -> Told:
        held = self.held.get(key, NONE)
        candles = held.between(since, 2**62)
        if held.newest is not None and held.newest >= need:
            return Told(key, Status.HAVE, "", candles)
        coming = self.promises and held.newest is not None
        return Told(key, Status.COMING if coming else Status.NO, "not there yet", candles if coming else NONE)


def later(at: float, happens: Callable[[], None]) -> None:
    """Let something happen so many seconds after the scene began."""
    asyncio.get_running_loop().call_at(at, happens)


def same_bits(rows: list[Row], truth: list[Row]) -> bool:
    return np.array(rows, np.float64).tobytes() == np.array(truth, np.float64).tobytes()
