"""Which series a producer keeps beside its bot's own, for whom, and whose business each of them is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..candle.series import Key
from ..candle.store import CandleStore
from ..candle.times import timeframe_ms
from ..candle.wire import Want
from ..reasons import Reason
from .outlook import Outlook

DEEPEST = 5000  # candles that are downloaded on demand; further back each bot's own history download is as cheap
KEPT_CANDLES, KEPT_SECONDS = 3, 600.0  # how long a series is kept that nobody asks for
MOST_SERIES = 2000
LONGEST_PAUSE_SECONDS = 60.0
OLDER_SECONDS = 60.0  # how long older candles that somebody asked for are brought in the place of one in trouble
ALIVE_SECONDS = 30.0  # without a look round, after which nothing is promised any more


class Peer(Protocol):
    """Another producer, as it stood when it was last heard of."""

    name: str
    trouble: Reason | None
    owns: frozenset[str]
    held: tuple[Key, ...]


@dataclass
class Kept:
    """One series. ``since``: how far back it is to reach (ms); ``wanted_at``: when somebody last cared for it.

    ``older_wanted_at``: when somebody last asked for older candles than were held;
    ``begins``: the exchange has nothing older than what is held; ``asking``: the others are being asked;
    ``failures``: downloads in a row that did not bring what was missing; ``not_before``: when to try again.
    """

    since: int
    wanted_at: float
    older_wanted_at: float = float("-inf")
    begins: bool = False
    asking: bool = False
    failures: int = 0
    not_before: float = 0.0
    task: asyncio.Task[None] | None = None


@dataclass
class Series:
    """Thread-safe. Times in seconds since 1970, candle dates in milliseconds.

    A series has one producer that sees to it: the pair's owner, or where nobody owns the pair the first by name of
    those that live. The others have it from that one. ``page``: candles that the exchange gives in one answer, which is
    what freqtrade loads of a series at first.
    """

    name: str
    settle_seconds: float
    store: CandleStore
    outlook: Outlook
    peers: Sequence[Peer]
    has_market: Callable[[str], bool]
    page: int = 1000
    clock: Callable[[], float] = time.time
    looked_at: float = field(default=float("-inf"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _kept: dict[Key, Kept] = field(default_factory=dict, init=False)
    _let_go: set[Key] = field(default_factory=set, init=False)

    def want(self, want: Want) -> str:
        """Note that a consumer wants this. Return why nobody here will see to it, empty if somebody does."""
        key, step = want.key, timeframe_ms(want.key.timeframe)
        if step is None:
            return "no timeframe that producers carry"
        if not self.has_market(key.pair):
            return "the exchange has no such market"
        # what lies too far back is not begun with: whoever wants it has to get it elsewhere in any case
        since = want.since if want.since >= self.back(step, DEEPEST) else self.back(step, self.page - 1)
        with self._lock:
            if key not in self._kept and len(self._kept) >= MOST_SERIES:
                return "too many series are kept already"
            kept = self._kept.setdefault(key, Kept(since, 0.0))
            kept.since, kept.wanted_at = min(kept.since, since), self.clock()
            if self._begins_after(key, since):
                kept.older_wanted_at = kept.wanted_at
            self._let_go.discard(key)
        return ""

    def follow(self) -> None:
        """Keep what the others see to, as long as they do: so nothing is missing here when one of them dies.

        Of what is one's own business take up what they kept meanwhile, so that whoever comes back has it before it is
        asked. Once, and not what nobody wanted here any more: else two would keep it for each other for ever.
        """
        for peer in self.peers:
            for key in peer.held if peer.trouble is None else ():
                step, seer = timeframe_ms(key.timeframe), self.sees_to(key)
                if step is None or seer not in {peer.name, self.name} or key.candle_type != self.outlook.candle_type:
                    continue
                if seer == self.name and (key in self._kept or key in self._let_go or self.outlook.own(key)):
                    continue
                with self._lock:
                    if key in self._kept or len(self._kept) < MOST_SERIES:
                        kept = self._kept.setdefault(key, Kept(self.back(step, self.page - 1), 0.0))
                        kept.wanted_at = self.clock()

    def forget(self) -> list[Key]:
        """Drop the series that nobody has wanted for a while, and return them."""
        now, unwanted = self.clock(), []
        with self._lock:
            for key, kept in list(self._kept.items()):
                patience = KEPT_SECONDS + KEPT_CANDLES * (timeframe_ms(key.timeframe) or 0) / 1000
                if now - kept.wanted_at > patience and (kept.task is None or kept.task.done()):
                    del self._kept[key]
                    self._let_go.add(key)
                    unwanted.append(key)
        for key in unwanted:
            if not self.outlook.own(key):
                self.store.drop(key)
        return unwanted

    def missing(self) -> list[tuple[Key, Kept]]:
        """Return the series of which something is missing that nobody is bringing."""
        with self._lock:
            every = list(self._kept.items())
        return [
            (key, kept)
            for key, kept in every
            if (kept.task is None or kept.task.done())
            and not self._pausing(kept)
            and (self.behind(key) or self.shallow(key, kept))
        ]

    def held(self) -> list[Key]:
        """Return all series that are kept, the bot's own not among them."""
        with self._lock:
            return [key for key in self._kept if not self.outlook.own(key)]

    def keeps(self, key: Key) -> bool:
        """Whether a series is kept up to date by one who lives."""
        return key in self._kept and 0 <= self.clock() - self.looked_at < ALIVE_SECONDS

    def brings(self, key: Key, *, peer: bool) -> bool:
        """Whether what is missing of a series is about to be brought, its newest candles or older ones.

        ``peer``: whether another producer asks. It is promised nothing that may have to come from itself.
        """
        kept = self._kept.get(key)
        if kept is None or not self.keeps(key) or self._pausing(kept):
            return False
        if peer and (kept.asking or self.sees_to(key) != self.name):
            return False
        return self.behind(key) or self.shallow(key, kept)

    def deepens(self, want: Want) -> bool:
        """Whether all that is wanted of a series is about to be there: older candles than are held are on their way."""
        kept = self._kept.get(want.key)
        return kept is not None and self.reach(want.key, kept) <= want.since and self.brings(want.key, peer=False)

    def reach(self, key: Key, kept: Kept) -> int:
        """Return how far back a series is to reach (ms): as wanted, as far as the store holds that many candles.

        What the store would drop again at once could be downloaded for ever.
        """
        newest, step = self.store.newest(key), timeframe_ms(key.timeframe) or 0
        return kept.since if newest is None else max(kept.since, newest - (self.store.most - 1) * step)

    def sees_to(self, key: Key) -> str:
        """Return the name of the producer whose business a series is."""
        if key.pair in self.outlook.own_pairs:
            return self.name
        owner = next((peer.name for peer in self.peers if key.pair in peer.owns), None)
        return owner or self._first_that_lives()

    def behind(self, key: Key) -> bool:
        """Whether a candle that has settled is missing, of a series that the bot itself does not download."""
        step, known = timeframe_ms(key.timeframe), self.outlook.known_to(key)
        if step is None or self.outlook.own(key):
            return False
        settled = int((self.clock() - self.settle_seconds) * 1000) // step * step - step
        return known is None or known < settled

    def shallow(self, key: Key, kept: Kept) -> bool:
        """Whether older candles are wanted than are held, and it is to download them that nobody else has to.

        In the place of one in trouble only those that somebody asks for now: what was asked of that one long ago would
        be many requests at once, for nobody.
        """
        if kept.begins or not self._begins_after(key, self.reach(key, kept)):
            return False
        asked_for = 0 <= self.clock() - kept.older_wanted_at < OLDER_SECONDS
        return self.sees_to(key) == self.name or (asked_for and self._stands_in(key))

    def back(self, step: int, candles: int) -> int:
        """Return the open of the candle so many before the forming one (ms)."""
        return int(self.clock() * 1000) // step * step - candles * step

    def _stands_in(self, key: Key) -> bool:
        """Whether the one that sees to a series is in trouble, and its place is taken here and nowhere else."""
        seer = self.sees_to(key)
        in_trouble = any(peer.name == seer and peer.trouble is not None for peer in self.peers)
        return in_trouble and self._first_that_lives() == self.name

    def _first_that_lives(self) -> str:
        return min([self.name, *(peer.name for peer in self.peers if peer.trouble is None)])

    def _begins_after(self, key: Key, since: int) -> bool:
        held = self.store.get(key)
        return bool(len(held)) and int(held.dates[0]) > since

    def _pausing(self, kept: Kept) -> bool:
        return 0 < kept.not_before - self.clock() <= LONGEST_PAUSE_SECONDS
