"""This host's clock against the exchange's: read off the ``Date`` of its answers, costs no call."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple

WRONG_SECONDS = 1.5
LONGEST_WAIT_SECONDS = 30.0
KEPT_SECONDS = 600.0
KEPT = 200
AGREEING = 2  # answers; a single one may have come from a server whose own clock is wrong


class _Seen(NamedTuple):
    """This clock minus the exchange's lies between ``least`` and ``most`` seconds; learned ``at`` (since 1970)."""

    at: float
    least: float
    most: float


class ClockCheck:
    """Thread-safe.

    ``Date`` names the second in which an answer was made, and it was made after the question was sent and before the
    answer came. Answers at different moments of a second narrow it down.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: deque[_Seen] = deque(maxlen=KEPT)

    def saw(self, headers: Mapping[str, str], sent_at: float, received_at: float) -> None:
        """Learn from one answer. ``sent_at``, ``received_at``: this host's clock, seconds since 1970."""
        date = date_of(headers)
        if date is None or received_at < sent_at:  # the clock was set meanwhile
            return
        seen = _Seen(received_at, sent_at - (date + 1), received_at - date)
        with self._lock:
            fresh = [each for each in self._seen if 0 <= received_at - each.at < KEPT_SECONDS]
            if any(each.least > seen.most or each.most < seen.least for each in fresh):
                fresh = []  # both cannot be true: a clock was set, and what was known of it is history
            self._seen = deque([*fresh, seen], maxlen=KEPT)

    @property
    def bounds(self) -> tuple[float, float]:
        """Return between which values (seconds) this clock minus the exchange's lies."""
        with self._lock:
            if len(self._seen) < AGREEING:
                return -float("inf"), float("inf")
            return max(each.least for each in self._seen), min(each.most for each in self._seen)

    @property
    def offset_seconds(self) -> float:
        """Return by how much this clock is ahead of the exchange's (behind: negative) at the very least."""
        least, most = self.bounds
        return max(least, 0.0) + min(most, 0.0)

    @property
    def wait_seconds(self) -> float:
        """Return how much longer to wait by this clock for what happens by the exchange's.

        As long as this clock is surely ahead; once it is known to be wrong, as long as it may be. One so far ahead that
        the bot would stand still is not waited for.
        """
        least, most = self.bounds
        ahead = most if least > WRONG_SECONDS else max(least, 0.0)
        return ahead if ahead <= LONGEST_WAIT_SECONDS else 0.0

    @property
    def wrong(self) -> bool:
        """Whether it is surely off by so much that what it calls settled may not be."""
        return abs(self.offset_seconds) > WRONG_SECONDS


def date_of(headers: Mapping[str, str]) -> float | None:
    """Return when (seconds since 1970, by the sender's clock) an answer was made, None if it does not say.

    ``headers`` in lower case. What a cache had kept says when it was kept, not what time it is.
    """
    if "age" in headers:
        return None
    return instant(headers.get("date", ""))


def instant(text: str) -> float | None:
    """Read an HTTP date."""
    try:
        told = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
