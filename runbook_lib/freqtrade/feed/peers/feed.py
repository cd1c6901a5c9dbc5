"""Answers a candle request from the producers' frames: at once, after waiting while waiting can help, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from . import bits
from .answers import Reason, take
from .host import DataProvider, Row
from .liveness import Liveness
from .settings import FeedSettings, ProducerAddress
from .state import FeedState
from .times import Window

CLOCKS_MAY_DIFFER_SECONDS = 0.5


@dataclass(frozen=True)
class Key:
    """One series of candles."""

    pair: str
    timeframe: str
    candle_type: str

    def __str__(self) -> str:
        return f"{self.pair} {self.timeframe}"


@dataclass(frozen=True)
class Look:
    """What one producer's frame says: the answer, or why there is none, and its newest candle (ms) if it has any."""

    producer: ProducerAddress
    answer: list[Row] | Reason
    newest: int | None


@dataclass
class Feed:
    """The producers' frames as one source of candles."""

    frames: DataProvider
    producers: tuple[ProducerAddress, ...]
    settings: FeedSettings
    state: FeedState
    own_timeframe: str
    liveness: Liveness = field(default_factory=Liveness)
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _early: dict[tuple[str, Key], int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Start the time in which producers may still send their first frames."""
        self._start_until = self.monotonic() + self.settings.start_seconds

    async def answer(self, key: Key, window: Window) -> list[Row] | Reason:
        """Return the rows that answer the request, or the reason why the exchange must be asked."""
        begun, slept = self.monotonic(), False
        longest = self.settings.settle_seconds + self.settings.wait_seconds
        # How long is told by a clock that nobody sets: a wall clock that jumps must not hang the bot
        patience = min(window.settled_at(longest) - self.clock(), longest)
        while True:
            looks = [self._look(producer, key, window) for producer in self._carriers(key)]
            waited = self.monotonic() - begun
            for look in looks:
                if not isinstance(look.answer, Reason):
                    self.state.serve(str(key), window, look.producer.name, waited if slept else 0.0)
                    return look.answer
            reason = await self._cannot_help(looks, window, overdue=waited >= patience)
            if reason is not None:
                return reason
            unsettled = window.settled_at(self.settings.settle_seconds) - self.clock()
            slept = True
            await self.sleep(max(self.settings.poll_seconds, min(unsettled, self.settings.settle_seconds)))

    def _carriers(self, key: Key) -> list[ProducerAddress]:
        """Return the producers that may have this series, those that say so first."""
        said = {producer: self.frames.get_producer_pairs(producer.name) for producer in self.producers}
        return sorted(
            (producer for producer, pairs in said.items() if not pairs or key.pair in pairs),
            key=lambda producer: key.pair not in said[producer],
        )

    def _look(self, producer: ProducerAddress, key: Key, window: Window) -> Look:
        frame, _ = self.frames.get_producer_df(key.pair, key.timeframe, key.candle_type, producer.name)
        newest = bits.newest(frame)
        if newest is None:
            # Only the series that every producer broadcasts, its own timeframe, may still come
            expected = key.timeframe == self.own_timeframe
            return Look(producer, Reason.SILENT if expected else Reason.FOREIGN, None)
        if self._too_early(producer, key, newest, window):
            return Look(producer, Reason.EARLY, newest)
        if newest < window.last:
            return Look(producer, Reason.STALE, newest)
        try:
            return Look(producer, take(bits.candles(frame), window), newest)
        except bits.NotExact:
            return Look(producer, Reason.NOT_EXACT, newest)

    def _too_early(self, producer: ProducerAddress, key: Key, newest: int, window: Window) -> bool:
        """Whether the frame holds a candle that no honest clock can have settled; remembered for that candle."""
        settled_at = (newest + window.step) / 1000 + self.settings.settle_seconds
        if self.clock() < settled_at - CLOCKS_MAY_DIFFER_SECONDS:
            self._early[producer.name, key] = newest
        return self._early.get((producer.name, key)) == newest

    async def _cannot_help(self, looks: list[Look], window: Window, *, overdue: bool) -> Reason | None:
        """Return why waiting cannot help, or None if it may. ``overdue``: a known series has had its time."""
        if not looks:
            return Reason.FOREIGN
        hopeful = [look for look in looks if self._may_come(look, window)]
        if not hopeful:
            return next((look.answer for look in looks if isinstance(look.answer, Reason)), Reason.ERROR)
        first_frame = all(look.newest is None for look in hopeful)
        if overdue and not first_frame:
            return Reason.LATE
        if not any([await self.liveness.alive(look.producer) for look in hopeful]):
            return Reason.DEAD
        if first_frame:
            self.state.wait_for_first_frames()
        return None

    def _may_come(self, look: Look, window: Window) -> bool:
        """Whether the producer may still deliver: it had the candle before, or was never heard of and we just began."""
        if look.newest is None:
            return look.answer is Reason.SILENT and self.monotonic() < self._start_until
        return look.answer is Reason.STALE and look.newest == window.forming - 2 * window.step
