"""How candles travel between two bots: a question in JSON, an answer in numpy's own format, which keeps every bit."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from .series import NONE, Candles, Key

FORMAT = 3
MOST_WANTS = 2_000  # series in one question
PATH = "/api/v1/candle_feed"
_META = "meta"


DAMAGED = (
    ValueError, KeyError, TypeError, IndexError, AttributeError, OSError, EOFError, NotImplementedError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What json, zipfile and numpy raise for bytes that are not what they should be."""


class NotOurs(Exception):
    """Bytes that are no question, or no answer, of this version of the feed."""


@dataclass(frozen=True)
class Want:
    """Candles of one series from ``since`` on (ms), answered once the one that opens at ``need`` (ms) is there."""

    key: Key
    since: int
    need: int


@dataclass(frozen=True)
class Ask:
    """A question. ``who``: the asking bot's name; ``exchange``: the market it trades on, by ccxt's name.

    ``candle_type``: the kind of candles it trades on. With nothing wanted it only asks how a producer stands.
    ``wait_seconds``: how long the answer may be held back for candles that are still to come.
    """

    who: str
    exchange: str
    candle_type: str
    wait_seconds: float = 0.0
    wants: tuple[Want, ...] = ()


class Status(StrEnum):
    """Of one wanted series."""

    HAVE = "have"
    COMING = "coming"
    LACKS = "lacks"  # the exchange was just asked and has nothing newer than what is told
    NO = "no"


@dataclass(frozen=True)
class Told:
    """What a producer says of one wanted series. ``why``: why it is not there (empty if it is)."""

    key: Key
    status: Status
    why: str
    candles: Candles


@dataclass(frozen=True)
class Answer:
    """What a producer says. ``clock``: its own, seconds since 1970, as it answered; ``owns``: the pairs it downloads.

    ``held``: every series that it keeps up to date, whoever downloads it.
    """

    name: str
    clock: float
    owns: frozenset[str]
    held: tuple[Key, ...]
    told: tuple[Told, ...]


def ask_to_bytes(ask: Ask) -> bytes:
    """Write a question down."""
    return json.dumps(
        {
            "format": FORMAT,
            "who": ask.who,
            "exchange": ask.exchange,
            "candle_type": ask.candle_type,
            "wait_seconds": ask.wait_seconds,
            "wants": [[*want.key, want.since, want.need] for want in ask.wants],
        }
    ).encode()


def ask_from_bytes(body: bytes) -> Ask:
    """Read a question. Raises NotOurs, with words for whoever asked."""
    try:
        said = _of_our_format(json.loads(body))
        return Ask(
            str(said["who"]),
            str(said["exchange"]),
            str(said["candle_type"]),
            float(said["wait_seconds"]),
            tuple(Want(Key(*map(str, want[:3])), int(want[3]), int(want[4])) for want in said["wants"]),
        )
    except DAMAGED as error:
        raise NotOurs(f"not a question of the candle feed: {error!r}") from None


def answer_to_bytes(answer: Answer) -> bytes:
    """Write an answer down."""
    meta = {
        "format": FORMAT,
        "name": answer.name,
        "clock": answer.clock,
        "owns": sorted(answer.owns),
        "held": [list(key) for key in answer.held],
        "told": [[*told.key, told.status, told.why, len(told.candles)] for told in answer.told],
    }
    arrays = {_META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    if answer.told:
        arrays["dates"] = np.concatenate([told.candles.dates for told in answer.told]).astype("<i8")
        arrays["values"] = np.concatenate([told.candles.values for told in answer.told]).astype("<f8")
    written = io.BytesIO()
    np.savez(written, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own option
    return written.getvalue()


def answer_from_bytes(body: bytes) -> Answer:
    """Read an answer. Raises NotOurs."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            meta = _of_our_format(json.loads(arrays[_META].tobytes()))
            dates = arrays["dates"].astype(np.int64) if "dates" in arrays else NONE.dates
            values = arrays["values"].astype(np.float64) if "values" in arrays else NONE.values
        ends = list(accumulate((int(told[-1]) for told in meta["told"]), initial=0))
        if ends[-1] != len(dates):
            raise NotOurs(f"{ends[-1]} candles announced, {len(dates)} found")
        told = tuple(
            Told(Key(pair, timeframe, kind), Status(status), why, Candles(dates[begin:end], values[begin:end]))
            for (pair, timeframe, kind, status, why, _), (begin, end) in zip(meta["told"], pairwise(ends), strict=True)
        )
        return Answer(
            str(meta["name"]),
            float(meta["clock"]),
            frozenset(meta["owns"]),
            tuple(Key(*key) for key in meta["held"]),
            told,
        )
    except DAMAGED as error:
        raise NotOurs(f"not an answer of the candle feed: {error!r}") from None


def _of_our_format(said: dict[str, Any]) -> dict[str, Any]:
    """Return what was said if it is in this version's words."""
    if said["format"] != FORMAT:
        raise NotOurs(f"it speaks format {said['format']} of the candle feed, this is format {FORMAT}")
    return said
