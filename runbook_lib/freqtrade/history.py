"""Training history that FreqAI loads at its start: who needs what, who fetches it, what takes whose place. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

FOLDER: Final = "user_data/candle_history"
"""Where producers keep history for consumers, relative to freqtrade's directory: a folder of the runbook's own."""
BRIDGED: Final = 900
"""Candles that may be missing at the end of what is handed over: the feed hands over the newest page of a thousand."""
DAY: Final = 86_400

Series = tuple[str, str]
"""Pair and timeframe."""
Choice = Literal["leave", "take", "join"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of candle files; ``path``: relative to freqtrade's directory; ``format``: as freqtrade calls it."""

    path: str
    format: str


@dataclass(frozen=True, slots=True)
class Need:
    """What one consumer's FreqAI loads when it starts: every pair in every timeframe, ``seconds`` back."""

    pairs: tuple[str, ...]
    timeframes: tuple[str, ...]
    seconds: int
    folder: Folder

    @property
    def days(self) -> int:
        """Whole days that reach back far enough, with one to spare: consumers start later than producers fetch."""
        return -(-self.seconds // DAY) + 1

    @property
    def series(self) -> list[Series]:
        """All of it."""
        return [(pair, timeframe) for pair in self.pairs for timeframe in self.timeframes]

    def among(self, produced: Iterable[str]) -> Need:
        """Return the same with its patterns (``.*/USDT``, as freqtrade allows them) replaced by what is produced."""
        known = list(produced)
        found: dict[str, None] = {}
        for wanted in self.pairs:
            matching = [pair for pair in known if re.fullmatch(wanted, pair, re.IGNORECASE)]
            plain = [wanted] if re.fullmatch(r"[\w/:-]+", wanted) else []  # a correlated pair that nobody trades
            found |= dict.fromkeys(matching or plain)
        return replace(self, pairs=tuple(found))


@dataclass(frozen=True, slots=True)
class Kept:
    """One series as it lies in a file: its first and last candle, unix ms, and how many; no candle: no file."""

    path: str
    first: int
    last: int
    candles: int

    @property
    def there(self) -> bool:
        """Whether there is anything."""
        return self.candles > 0


@dataclass(frozen=True, slots=True)
class Share:
    """What one producer fetches for all consumers that train."""

    pairs: tuple[str, ...]
    timeframes: tuple[str, ...]
    days: int
    folder: Folder

    @property
    def series(self) -> list[Series]:
        """All of it."""
        return [(pair, timeframe) for pair in self.pairs for timeframe in self.timeframes]


def shares(needs: Iterable[Need], produced: Mapping[str, Sequence[str]]) -> dict[str, tuple[Share, ...]]:
    """Say what each producer fetches, so that nothing is fetched twice; one share for each format.

    ``produced``: the pairs of each producer. A pair that none of them has, as a correlated one may be, is the first's.
    """
    wanted = list(needs)
    found: dict[str, tuple[Share, ...]] = {}
    for host in produced:
        mine = [_share(host, kind, wanted, produced) for kind in dict.fromkeys(need.folder.format for need in wanted)]
        if some := tuple(share for share in mine if share.pairs):
            found[host] = some
    return found


def owner(pair: str, produced: Mapping[str, Sequence[str]]) -> str:
    """Return the producer of a pair; of one that nobody produces, the first."""
    return next((host for host, pairs in produced.items() if pair in pairs), next(iter(produced)))


def _share(host: str, kind: str, needs: Sequence[Need], produced: Mapping[str, Sequence[str]]) -> Share:
    alike = [need for need in needs if need.folder.format == kind]
    pairs = dict.fromkeys(pair for need in alike for pair in need.pairs if owner(pair, produced) == host)
    timeframes = dict.fromkeys(timeframe for need in alike for timeframe in need.timeframes)
    days = max(need.days for need in alike)
    return Share(tuple(pairs), tuple(timeframes), days, Folder(FOLDER, kind))


def choose(ours: Kept, theirs: Kept) -> Choice:
    """Say what becomes of the consumer's file (``ours``) beside the producer's.

    Nothing of the operator's is lost: what reaches further back is joined with the newer part, or left where the two
    do not meet, for freqtrade never fills a hole in a file.
    """
    if not theirs.there or (ours.there and theirs.last <= ours.last):
        return "leave"
    if not ours.there or theirs.first <= ours.first:
        return "take"
    return "join" if theirs.first <= ours.last else "leave"


def seconds_of(timeframe: str) -> int:
    """Return how long a candle is."""
    return int(timeframe[:-1]) * {"m": 60, "h": 3600, "d": DAY, "w": 7 * DAY, "M": 30 * DAY}[timeframe[-1]]


def late(theirs: Kept, timeframe: str, now_ms: float) -> bool:
    """Whether what a producer kept ends too early for the feed to hand over the rest."""
    return not theirs.there or theirs.last < now_ms - BRIDGED * 1000 * seconds_of(timeframe)
