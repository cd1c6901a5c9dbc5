"""How candles travel between two bots: a question in JSON, an answer in numpy's own format, which keeps every bit."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .series import NONE, Candles, Key

FORMAT = 2
PATH = "/api/v1/candle_feed"
_META = "meta"


class NotOurs(ValueError):
    """Bytes that are no question, or no answer, of this version of the feed."""


@dataclass(frozen=True)
class Want:
    """Candles of one series: from ``since`` on (ms); it is answered once the one that opens at ``need`` (ms) is there."""

    key: Key
    since: int
    need: int


@dataclass(frozen=True)
class Ask:
    """A question. ``who``: the asking bot's name; ``exchange``: the market it trades on, by ccxt's name.

    ``wait_seconds``: how long the answer may be held back for candles that are still to come.
    """

    who: str
    exchange: str
    wait_seconds: float
    wants: tuple[Want, ...] = ()


class Status(StrEnum):
    """Of one wanted series."""

    HAVE = "have"
    COMING = "coming"
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
            "wait_seconds": ask.wait_seconds,
            "wants": [[*want.key, want.since, want.need] for want in ask.wants],
        }
    ).encode()


def ask_from_bytes(body: bytes) -> Ask:
    """Read a question. Raises NotOurs, with words for whoever asked."""
    try:
        said = json.loads(body)
        if said["format"] != FORMAT:
            raise NotOurs(f"format {said['format']}, this producer speaks {FORMAT}")
        return Ask(
            str(said["who"]),
            str(said["exchange"]),
            float(said["wait_seconds"]),
            tuple(Want(Key(*map(str, want[:3])), int(want[3]), int(want[4])) for want in said["wants"]),
        )
    except NotOurs:
        raise
    except (ValueError, KeyError, TypeError, IndexError) as error:
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
            meta = json.loads(arrays[_META].tobytes())
            if meta["format"] != FORMAT:
                raise NotOurs(f"format {meta['format']}, this bot speaks {FORMAT}")
            dates = arrays["dates"].astype(np.int64) if "dates" in arrays else NONE.dates
            values = arrays["values"].astype(np.float64) if "values" in arrays else NONE.values
        told, at = [], 0
        for pair, timeframe, candle_type, status, why, count in meta["told"]:
            candles = Candles(dates[at : at + count], values[at : at + count])
            told.append(Told(Key(pair, timeframe, candle_type), Status(status), why, candles))
            at += count
        if at != len(dates):
            raise NotOurs(f"{len(dates)} candles, {at} announced")
        return Answer(
            str(meta["name"]),
            float(meta["clock"]),
            frozenset(meta["owns"]),
            tuple(Key(*key) for key in meta["held"]),
            tuple(told),
        )
    except NotOurs:
        raise
    except Exception as error:  # numpy, zipfile and json each have errors of their own for damaged bytes
        raise NotOurs(f"not an answer of the candle feed: {error!r}") from None
