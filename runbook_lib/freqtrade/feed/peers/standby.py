"""Brings what the bot itself does not download: the other producers' series, and what consumers ask for besides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from ..candle.series import Candles, Key, Row
from ..candle.times import OVERLAP, Window, timeframe_ms
from ..exchange.asked import Asked
from ..exchange.budget import Need
from ..reasons import Reason
from .kept import LONGEST_PAUSE_SECONDS, Kept, Series
from .outlook import CLOCK

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
BACK_CANDLES = 2  # of the bot's own timeframe
CLOCK_SECONDS = 300.0  # without an answer of the exchange, after which it is asked what time it is
PAUSE_SECONDS = 5.0  # after a download that did not bring what was missing; doubled when that goes on


class Others(Protocol):
    """The other producers as a source of candles."""

    async def answer(
        self, key: Key, window: Window, *, only: Collection[str] | None = None, patience: float | None = None
    ) -> list[Row] | Reason:
        """Return the rows that answer, or why there are none."""


class Exchange(Protocol):
    """The way to the exchange."""

    async def ask(self, asked: Asked, need: Need) -> list[Row]:
        """Return settled candles, or raise."""


class Notes(Protocol):
    """Where it is said what is done in another producer's place."""

    def own(self, key: Key, rows: list[Row], window: Window | None) -> None:
        """Note one request made to the exchange."""

    def take_over(self, producer: str, pairs: int, requests: int) -> None:
        """Note how many pairs are downloaded in its place, and the requests so far."""

    def give_back(self, producer: str) -> None:
        """Note that it downloads them itself again."""


@dataclass
class _Place:
    """What is downloaded in one producer's place. ``keys``: each series, and when it last was (seconds since 1970)."""

    keys: dict[Key, float] = field(default_factory=dict)
    requests: int = 0


@dataclass
class Standby:
    """Belongs to the feed's event loop.

    After each candle it asks whoever sees to a series, and downloads it in that one's place at once if that one is
    dead or says no, or has not delivered in ``takeover_seconds``. ``params``: what freqtrade adds to a request for
    candles.
    """

    series: Series
    others: Others
    direct: Exchange
    notes: Notes
    takeover_seconds: float
    params: dict[str, object] = field(default_factory=dict)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _places: dict[str, _Place] = field(default_factory=dict, init=False)
    _tried_at: float = field(default=float("-inf"), init=False)
    _said: bool = field(default=False, init=False)

    async def run(self) -> None:
        """Look round for ever. Whatever goes wrong, it is said once and the next look is taken."""
        while True:
            try:
                self.look()
            except Exception:
                if not self._said:
                    self._said = True
                    logger.exception("Candle producer: error in the standby (said once)")
            await self.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Begin to bring whatever is missing now."""
        self.series.looked_at = self.series.clock()
        self.series.follow()
        for key in self.series.forget():
            for owner in list(self._places):
                self._give_back(owner, {key})
        for key, kept in self._worth_bringing():
            kept.task = asyncio.create_task(self._bring(key, kept))

    def _worth_bringing(self) -> list[tuple[Key, Kept]]:
        """Return what is missing; nothing while its bot has yet to load its own pairs, which come first.

        While the clock is wrong nothing either, but now and then one to see whether it still is.
        """
        outlook, now = self.series.outlook, self.series.clock()
        if outlook.beginning():
            return []
        missing = self.series.missing()
        if not missing or not outlook.clock_wrong():
            return missing
        if any(0 <= now - at < CLOCK_SECONDS for at in (outlook.answered_at, self._tried_at)):
            return []
        self._tried_at = now
        return missing[:1]

    async def _bring(self, key: Key, kept: Kept) -> None:
        """Bring what is missing of a series: from the others if they have it, else from the exchange."""
        series, why = self.series, None
        try:
            seer = series.sees_to(key)
            # whoever was away asks the others first, even for its own: they have seen to it meanwhile
            if series.behind(key) and (seer != series.name or not series.outlook.in_step(key)):
                kept.asking = True
                why = await self._from_others(key, kept)
                kept.asking = False
                if why in {None, Reason.LACKING}:
                    self._give_back(seer, {key, *self._delivered_again(seer)})
            if series.behind(key) and why is not Reason.LACKING:
                await self._download_newest(key, seer)
            if series.shallow(key, kept):
                await self._download_older(key, kept)
        except Exception as error:  # noqa: BLE001 - whatever it is: this series is tried again after a pause
            logger.debug("Candle producer: %s: %r", key, error)
        finally:
            kept.asking = False
        if series.behind(key) or series.shallow(key, kept):
            pause = min(PAUSE_SECONDS * 2**kept.failures, LONGEST_PAUSE_SECONDS)
            kept.failures, kept.not_before = kept.failures + 1, series.clock() + pause
        else:
            kept.failures, kept.not_before = 0, 0.0

    async def _from_others(self, key: Key, kept: Kept) -> Reason | None:
        """Return why none of the others had what is missing, None if one had."""
        back, step = self.series.back, timeframe_ms(key.timeframe) or 0
        newest, deep = self.series.store.newest(key), max(kept.since, back(step, self.series.page - 1))
        first = deep if newest is None else max(deep, newest - OVERLAP * step)
        why = Reason.MISSING
        # one that has fewer candles, or a hole among them, is still a better source than the exchange
        for since in (first, max(first, back(step, OVERLAP + 1)), back(step, 1)):
            forming = back(step, 0)
            window = Window(since, forming - step, forming, step, with_forming=False)
            answer = await self.others.answer(key, window, patience=self.takeover_seconds)
            if not isinstance(answer, Reason):
                self._put(key, answer)
                return None
            why = answer
            if why is Reason.LACKING:
                self.series.outlook.looked(key, window, (), heard=True)
            if why not in {Reason.SHORT, Reason.HOLE}:
                break
        return why

    async def _download_newest(self, key: Key, seer: str) -> None:
        newest, outlook = self.series.store.newest(key), self.series.outlook
        asked = Asked(key.pair, key.timeframe, None, self.series.page, self.params, self.series.clock(), held_to=newest)
        need = asked.need(outlook.own_timeframe)
        rows = await self._asked(key, asked, need, seer)
        if newest is not None and asked.window is not None and newest < asked.window.first - asked.window.step:
            self.series.store.drop(key)  # what is held is so old that a hole would be left
        self._put(key, rows)

    async def _download_older(self, key: Key, kept: Kept) -> None:
        """Download page by page, backwards, so that what is held never has a hole.

        It ends with a page that brought nothing older, whatever was the matter: the next one would be the same.
        """
        series, step = self.series, timeframe_ms(key.timeframe) or 0
        while series.shallow(key, kept):
            oldest = int(series.store.get(key).dates[0])
            # no fewer than one: its bot may just have put in a newer candle, for which the store dropped the oldest
            count = min(series.page, max(1, -(-(oldest - series.reach(key, kept)) // step)))
            since = oldest - count * step
            asked = Asked(key.pair, key.timeframe, since, count, self.params, self.series.clock())
            rows = [row for row in await self._asked(key, asked, Need.HISTORY, series.sees_to(key)) if row[0] < oldest]
            kept.begins = not rows or rows[0][0] > since
            self._put(key, rows)
            if int(series.store.get(key).dates[0]) >= oldest:
                return
            if series.behind(key):  # that took until after the next close
                await self._download_newest(key, series.sees_to(key))

    async def _asked(self, key: Key, asked: Asked, need: Need, seer: str) -> list[Row]:
        """Ask the exchange, in the place of whoever sees to the series."""
        if any(peer.name == seer for peer in self.series.peers):
            place = self._places.setdefault(seer, _Place())
            place.keys[key] = self.series.clock()
            place.requests += 1
            self.notes.take_over(seer, len({each.pair for each in place.keys}), place.requests)
        with self.series.outlook.asking_exchange(key):
            rows = await self.direct.ask(asked, need)
        self.notes.own(key, rows, asked.window)
        if self.series.outlook.clock_wrong():
            raise ValueError(CLOCK)
        if asked.window is not None:
            self.series.outlook.looked(key, asked.window, rows)
        return [row for row in rows if asked.window is not None and row[0] < asked.window.forming]

    def _delivered_again(self, owner: str) -> list[Key]:
        """Return what one that delivers again will deliver, too: it keeps it, and no candle of it has come since."""
        place = self._places.get(owner, _Place())
        held = {key for peer in self.series.peers if peer.name == owner for key in peer.held}
        long_ago = self.series.clock() - BACK_CANDLES * (timeframe_ms(self.series.outlook.own_timeframe) or 0) / 1000
        return [key for key, downloaded_at in place.keys.items() if key in held and downloaded_at < long_ago]

    def _give_back(self, owner: str, keys: Collection[Key]) -> None:
        place = self._places.get(owner)
        if place is None:
            return
        for key in keys:
            place.keys.pop(key, None)
        if not place.keys:
            del self._places[owner]
            self.notes.give_back(owner)

    def _put(self, key: Key, rows: list[Row]) -> None:
        self.series.store.put(key, Candles.of(rows))
