"""What a bot's feed says of itself: the file that it writes on its host, read over SSH."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runbook_lib.errors import CommandFailed
from runbook_lib.fleet import Files, Session
from runbook_lib.freqtrade.bots import in_directory
from runbook_lib.freqtrade.params import FreqtradeSite

FORMAT: Final = 2
STATE_FILE: Final = "user_data/candle_feed_state.json"
METRICS_FILE: Final = "user_data/candle_feed_state.prom"
FILES: Final = (STATE_FILE, f"{STATE_FILE}.tmp", METRICS_FILE, f"{METRICS_FILE}.tmp")
"""All that the feed writes in user_data: half of a file is left beside it where the bot died while it wrote."""


@dataclass(frozen=True, slots=True)
class Link:
    """How a bot sees a producer: alive, dead, refused or clock, ``since`` then (unix seconds)."""

    state: str
    why: str
    since: float
    round_trip_ms: float


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a producer downloads in another one's place ``since`` then (unix seconds)."""

    since: float
    pairs: int
    requests: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """Whether a bot may ask the exchange: closed means yes. ``until``: unix seconds."""

    state: str = "closed"
    until: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of state at that time (unix seconds)."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class FeedReport:
    """Counts since the bot started; times are unix seconds by the host's own clock.

    ``own_requests``: made to the exchange itself; ``weight_used``: request weight of its last minute;
    ``corrected``: candles that the exchange revised when the bot held them already. By producer:
    ``by_producer`` counts what it served, ``producers`` says how it stands, ``takeover`` what is downloaded in its
    place. By series ("BTC/USDT 1m"): the open of its ``newest`` closed candle in milliseconds, and the ``age``, seconds
    after its close, at which that one arrived.
    """

    started: float
    state: str
    served: int
    own_requests: int
    fallbacks: Mapping[str, int]
    by_producer: Mapping[str, int]
    role: str = ""
    name: str = ""
    written: float = 0.0
    reason: str = ""
    waited: int = 0
    longest_wait_seconds: float = 0.0
    producers: Mapping[str, Link] = field(default_factory=dict)
    takeover: Mapping[str, Takeover] = field(default_factory=dict)
    breaker: Breaker = Breaker()
    weight_used: float = 0.0
    corrected: int = 0
    newest: Mapping[str, int] = field(default_factory=dict)
    age: Mapping[str, float] = field(default_factory=dict)
    events: tuple[Event, ...] = ()


def read(session: Session, site: FreqtradeSite) -> FeedReport:
    """Read the state of the feed on a host, a consumer's or a producer's.

    Raises CommandFailed when there is none: then the bot does not run the feed, or another version of it.
    """
    path = in_directory(site, STATE_FILE)
    text = Files(session).read(path)
    if text is None:
        raise CommandFailed(
            f"no {path}: the bot does not run the feed",
            remedy="read its journal for a line that begins with Candle feed",
            host=session.name,
        )
    try:
        return _report(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CommandFailed(
            f"{path} is no state of the feed: {error!r}",
            remedy="run the phase that set this bot up again: it brings the feed up to date",
            host=session.name,
        ) from None


def _report(told: Mapping[str, Any]) -> FeedReport:
    if told["format"] != FORMAT:
        raise ValueError(f"format {told['format']}, not {FORMAT}")
    return FeedReport(
        started=told["started"],
        state=told["state"],
        served=told["served"],
        own_requests=told["own_requests"],
        fallbacks=told["fallbacks"],
        by_producer=told["served_by_producer"],
        role=told["role"],
        name=told["name"],
        written=told["written"],
        reason=told["reason"],
        waited=told["waited"],
        longest_wait_seconds=told["longest_wait_seconds"],
        producers={name: Link(**link) for name, link in told["producers"].items()},
        takeover={name: Takeover(**takeover) for name, takeover in told["takeover"].items()},
        breaker=Breaker(**told["breaker"]),
        weight_used=told["weight_used"],
        corrected=told["corrected"],
        newest=told["newest_candle_ms"],
        age=told["age_at_arrival_seconds"],
        events=tuple(Event(**event) for event in told["events"]),
    )
