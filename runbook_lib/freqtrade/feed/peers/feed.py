"""The producers as one source of candles: whom to ask, when to ask the other one as well, when to give up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ..candle.answers import take
from ..candle.series import Key, Row
from ..candle.times import Window
from ..candle.wire import MOST_WANTS, Answer, Status, Told, Want
from ..reasons import Reason
from ..settings import FeedSettings

COLLECT_SECONDS = 0.02  # a bot asks for all its series at once: they go into one question
HOLD_SECONDS = 1.0  # how long a producer may hold its answer back for a candle that is to come
AGAIN_SECONDS = 0.25  # who does not hold it back is not asked more often than this
CLOCKS_MAY_DIFFER_SECONDS = 0.5
WAITED_SECONDS = 0.25  # what is answered sooner was there

# Of several producers' reasons the one that was nearest to an answer is told
_NEAREST = (
    Reason.LACKING,
    Reason.LATE,
    Reason.HOLE,
    Reason.SHORT,
    Reason.EARLY,
    Reason.MISSING,
    Reason.CLOCK,
    Reason.REFUSED,
    Reason.DEAD,
)


class Link(Protocol):
    """One producer. ``trouble``: why it is not asked at present; ``owns``: the pairs that it downloads."""

    name: str
    trouble: Reason | None
    owns: frozenset[str]

    async def ask(self, wants: tuple[Want, ...] = (), wait_seconds: float = 0.0) -> Answer | Reason:
        """Ask it for candles."""

    async def watch(self) -> None:
        """Find out for ever how it stands."""

    async def close(self) -> None:
        """Close what is open."""


class Served(Protocol):
    """Where it is counted who answered."""

    def serve(self, key: Key, window: Window, producer: str, waited: float) -> None:
        """Count one answer that came after ``waited`` seconds, 0 if it was there."""


class Together:
    """Puts what many ask of one producer at the same time into one question."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._wants: dict[Key, Want] = {}
        self._question: asyncio.Task[list[Told] | Reason] | None = None

    async def ask(self, want: Want) -> Told | Reason:
        """Return what the producer says of this series."""
        if self._question is None:
            self._question = asyncio.create_task(self._send())
        before = self._wants.get(want.key, want)
        self._wants[want.key] = Want(want.key, min(before.since, want.since), max(before.need, want.need))
        # the question is everybody's: it goes on if one of them no longer wants to know
        answer = await asyncio.shield(self._question)
        if isinstance(answer, Reason):
            return answer
        return next((told for told in answer if told.key == want.key), Reason.MISSING)

    async def _send(self) -> list[Told] | Reason:
        await asyncio.sleep(COLLECT_SECONDS)
        wants, self._wants, self._question = tuple(self._wants.values()), {}, None
        answers = await asyncio.gather(
            *[self._link.ask(wants[at : at + MOST_WANTS], HOLD_SECONDS) for at in range(0, len(wants), MOST_WANTS)]
        )
        told = list[Told]()
        for answer in answers:
            if isinstance(answer, Reason):
                return answer
            told += answer.told
        return told


@dataclass
class Feed:
    """Answers candle requests from producers. Belongs to one event loop, the feed's own.

    ``clock`` tells seconds since 1970. How long somebody waits is told by the loop's clock, which nobody sets.
    """

    links: Sequence[Link]
    settings: FeedSettings
    state: Served
    clock: Callable[[], float] = time.time
    _together: dict[str, Together] = field(default_factory=dict, init=False)
    _early: dict[tuple[str, Key], tuple[int, int]] = field(default_factory=dict, init=False)
    _gave_up_on: int = field(default=0, init=False)
    _watching: list[asyncio.Task[None]] = field(default_factory=list, init=False)
    _asking_clocks: asyncio.Future[list[Answer | Reason]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Take the links as they are."""
        self._together = {link.name: Together(link) for link in self.links}

    async def start(self) -> None:
        """Ask every producer how it stands, then keep asking in the background."""
        await asyncio.gather(*[link.ask() for link in self.links])
        self._watching = [asyncio.create_task(link.watch()) for link in self.links]

    @property
    def down(self) -> bool:
        """Whether nobody answers at any producer; one that refuses or is wrong in its clock is up."""
        return all(link.trouble is Reason.DEAD for link in self.links)

    async def first_up(self) -> bool:
        """Wait until a producer lives, as long as all are down; say whether one does.

        After a power cut all hosts start at once: a consumer that is ahead of them would download all that it lacks.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self.settings.start_seconds
        while self.down and loop.time() < end:  # noqa: ASYNC110 - a link is looked at, it calls nobody
            await asyncio.sleep(AGAIN_SECONDS)
        return any(link.trouble is None for link in self.links)

    async def stop(self) -> None:
        """End what ``start`` began, and close the links."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._watching = []
        await asyncio.gather(*[link.close() for link in self.links])

    async def answer(
        self, key: Key, window: Window, *, only: Collection[str] | None = None, patience: float | None = None
    ) -> list[Row] | Reason:
        """Return the rows that answer the request, or the reason why the exchange must be asked.

        ``only``: names of the producers that may be asked; ``patience``: seconds after the candle has settled, or
        from now if it has, in which they may still deliver it, ``wait_seconds`` if not given.
        """
        if not window.closed and not window.with_forming:
            return []
        if all(link.trouble for link in self._order(key, only)):
            await self._clocks_again()
        links = self._order(key, only)
        if all(link.trouble for link in links):  # then not even the settling is waited for here
            return _nearest([link.trouble for link in links])
        await asyncio.sleep(self._unsettled(window))
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._patience(window, patience)):
                answer = await self._race(links, key, window)
        except TimeoutError:
            # the next ones of the same moment are not waited for as long again
            self._gave_up_on = window.forming if window.touches_newest else self._gave_up_on
            return Reason.LATE
        if isinstance(answer, Reason):
            return answer
        rows, link = answer
        waited = asyncio.get_running_loop().time() - begun
        newest = max((int(row[0]) for row in rows if row[0] < window.forming), default=window.last)
        with suppress(Exception):  # candles that came are not lost for a count of them
            self.state.serve(key, window.ending(newest), link.name, waited if waited > WAITED_SECONDS else 0.0)
        return rows

    async def _clocks_again(self) -> None:
        """Ask those anew whose clock differed: it may be one's own that was wrong, and has been set right since."""
        if self._asking_clocks is None or self._asking_clocks.done():
            differing = [link for link in self.links if link.trouble is Reason.CLOCK]
            self._asking_clocks = asyncio.gather(*[link.ask() for link in differing])
        await asyncio.shield(self._asking_clocks)

    def _order(self, key: Key, only: Collection[str] | None) -> list[Link]:
        """Return whom to ask in turn: the pair's owner first, else the same one for everybody who asks."""
        links = [link for link in self.links if only is None or link.name in only]
        return sorted(links, key=lambda link: (link.trouble is not None, key.pair not in link.owns, link.name))

    def _unsettled(self, window: Window) -> float:
        """Return the seconds until the answer is final; never more than settling takes, should a clock be set back."""
        settle = self.settings.settle_seconds
        return max(0.0, min(window.settled_at(settle) - self.clock(), settle))

    def _patience(self, window: Window, patience: float | None) -> float:
        if patience is not None:
            return patience
        gave_up = window.touches_newest and window.forming == self._gave_up_on
        return HOLD_SECONDS if gave_up else self.settings.wait_seconds

    async def _race(self, links: Sequence[Link], key: Key, window: Window) -> tuple[list[Row], Link] | Reason:
        """Ask the first; the next one as well once that one cannot help, or takes too long."""
        waiting, reasons = list(links), list[Reason | None]()
        running: dict[asyncio.Task[list[Row] | Reason], Link] = {}
        hedge = asyncio.get_running_loop().time() + self.settings.hedge_seconds
        try:
            while waiting or running:
                left = hedge - asyncio.get_running_loop().time()
                if waiting and (not running or left <= 0):
                    link = waiting.pop(0)
                    running[asyncio.create_task(self._pursue(link, key, window))] = link
                    continue
                done, _ = await asyncio.wait(
                    running, timeout=left if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    link, answer = running.pop(task), task.result()
                    if not isinstance(answer, Reason):
                        return answer, link
                    reasons.append(answer)
        finally:
            for task in running:
                task.cancel()
        return _nearest(reasons)

    async def _pursue(self, link: Link, key: Key, window: Window) -> list[Row] | Reason:
        """Ask one producer until it has the candles or cannot help."""
        loop = asyncio.get_running_loop()
        since = min(window.first, window.last, window.forming - 2 * window.step)
        want = Want(key, window.first if window.closed else since, window.last if window.closed else since)
        while link.trouble is None:
            again = loop.time() + AGAIN_SECONDS
            told = await self._together[link.name].ask(want)
            if told is Reason.LATE:
                continue
            if isinstance(told, Reason):
                return told
            answer = self._judge(link, key, window, told)
            if answer is not Reason.MISSING or told.status is not Status.COMING:
                return answer
            await asyncio.sleep(max(0.0, again - loop.time()))
        return link.trouble

    def _judge(self, link: Link, key: Key, window: Window, told: Told) -> list[Row] | Reason:
        """Return the rows if they answer the request and none of them was taken before it can have settled."""
        candles = told.candles
        settled = (self.clock() - self.settings.settle_seconds + CLOCKS_MAY_DIFFER_SECONDS) * 1000
        early = candles.dates[candles.dates + window.step > settled]
        if len(early):
            begin = self._early.get((link.name, key), (int(early[0]), 0))[0]
            self._early[link.name, key] = (min(begin, int(early[0])), int(early[-1]))
        first, last = self._early.get((link.name, key), (0, -1))
        if first <= window.last and window.first <= last:
            return Reason.EARLY
        if told.status is Status.LACKS:
            # who joins them to what it holds gets what the exchange has; others ask it: it may answer with older ones
            newest = candles.newest if window.joins else None
            return Reason.LACKING if newest is None or newest < window.first else take(candles, window.ending(newest))
        return take(candles, window)


def _nearest(reasons: Sequence[Reason | None]) -> Reason:
    return min((reason for reason in reasons if reason), key=_NEAREST.index, default=Reason.DEAD)
