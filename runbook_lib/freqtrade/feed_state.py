"""What a consumer's feed says of itself: the file that it writes on its host, read over SSH."""

from __future__ import annotations

import json
from dataclasses import dataclass

from runbook_lib.errors import CommandFailed
from runbook_lib.fleet import Files, Session
from runbook_lib.freqtrade.bots import in_directory
from runbook_lib.freqtrade.params import FreqtradeSite

STATE_FILE = "user_data/candle_feed_state.json"


@dataclass(frozen=True, slots=True)
class FeedReport:
    """Counts since the bot started (unix seconds). ``own_requests``: made to the exchange itself."""

    started: float
    state: str
    served: int
    own_requests: int
    fallbacks: dict[str, int]
    by_producer: dict[str, int]


def read(session: Session, site: FreqtradeSite) -> FeedReport:
    """Read the state of the feed on a host.

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
        told = json.loads(text)
        return FeedReport(
            started=told["started"],
            state=told["state"],
            served=told["served"],
            own_requests=told["own_requests"],
            fallbacks=told["fallbacks"],
            by_producer=told["served_by_producer"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(
            f"{path} is no state of the feed: {error!r}", remedy="run 40_consumers again", host=session.name
        ) from None
