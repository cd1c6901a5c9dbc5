"""The feed's own event loop, in a thread of its own: freqtrade's loop runs only while the bot refreshes its candles."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")

NAME = "candle-feed"
WIND_DOWN_SECONDS = 2.0
GRACE_SECONDS = 10.0  # how long after its own patience a feed that says nothing counts as broken


class Stopped(RuntimeError):
    """The feed's thread has ended, or never began."""


class Hung(TimeoutError):
    """The feed's thread does not answer."""


class FeedLoop:
    """One thread with one event loop. It ends with the bot's process, or with ``stop``; whoever still waits is told.

    A bot that reads its config anew stops the first one and makes another.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._work, name=NAME, daemon=True)
        self._lock = threading.Lock()
        self._open = False
        self._at_end: list[Callable[[], Awaitable[object]]] = []
        self._sign_of_life: Future[None] | None = None
        self._said = False

    @property
    def alive(self) -> bool:
        """Whether it takes work."""
        return self._open and self._thread.is_alive()

    def start(self) -> None:
        """Begin. Returns once the thread takes work."""
        self._loop = asyncio.new_event_loop()
        began = threading.Event()
        self._loop.call_soon(began.set)
        self._thread.start()
        began.wait()
        self._open = True

    def at_end(self, last: Callable[[], Awaitable[object]]) -> None:
        """Do this in the loop before it ends: connections want to be closed."""
        self._at_end.append(last)

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Hand over work, from any thread. Raises Stopped if nobody is there to do it."""
        with self._lock:
            if not self.alive:
                work.close()
                raise Stopped("the candle feed's thread has ended")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Hand over work and wait for it in another loop. Whoever is cancelled here cancels the work as well."""
        try:
            return await asyncio.wrap_future(self.run(work))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # it was the work that was cancelled, as its thread ended: no reason to cancel the bot's own request
            raise Stopped("the candle feed's thread ended meanwhile") from None

    async def call_within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """Do as ``call``, but raise Hung after so many seconds, and then at once until the thread answers again."""
        if self._sign_of_life is not None and not self._sign_of_life.done():
            work.close()
            raise Hung("the candle feed's thread hangs")
        try:
            async with asyncio.timeout(seconds):
                return await self.call(work)
        except TimeoutError as error:
            self._hangs(seconds)
            raise Hung(f"no answer from the candle feed in {seconds:g} s") from error

    def _hangs(self, seconds: float) -> None:
        """Ask the thread for a sign of life, as whoever waited for it did so in vain."""
        with suppress(Stopped):
            self._sign_of_life = self.run(asyncio.sleep(0))
        if not self._said:
            self._said = True
            words = "Candle feed: no answer in %g s, nobody waits for it before its thread lives again (said once)"
            logger.warning(words, seconds)

    def stop(self) -> None:
        """Cancel what is under way and end the thread. May be called twice, but not from the thread itself."""
        with self._lock:
            if not self.alive:
                return
            self._open = False
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2 * WIND_DOWN_SECONDS)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            with self._lock:  # work that was handed over before this is cancelled below, later work is refused
                self._open = False
            self._loop.run_until_complete(self._wind_down())
            self._loop.close()

    async def _wind_down(self) -> None:
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way, timeout=WIND_DOWN_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(WIND_DOWN_SECONDS):
                await asyncio.gather(*[last() for last in self._at_end], return_exceptions=True)
