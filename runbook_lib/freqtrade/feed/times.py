"""Candle arithmetic: which candle is forming, which one a request asks for, when that one may be trusted."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTES = {"m": 1, "h": 60, "d": 1440}


def timeframe_ms(timeframe: str) -> int | None:
    """Return the length of a candle in milliseconds, or None where candles do not start at multiples of their length.

    Weeks start on Mondays and months are uneven: requests for them are none of the feed's business.
    """
    count, unit = timeframe[:-1], timeframe[-1:]
    if unit not in _MINUTES or not count.isdigit() or int(count) == 0:
        return None
    minutes = int(count) * _MINUTES[unit]
    return minutes * 60_000 if 1440 % minutes == 0 else None


@dataclass(frozen=True)
class Window:
    """The candles that a request asks for, by their opens in milliseconds.

    ``first`` to ``last`` are closed (none if ``last`` < ``first``); ``forming`` is the open of the one still forming at
    the time of the request; ``with_forming`` says that the exchange would append it to its answer. ``open_start`` says
    that the request named no start: it takes what there is, ``first`` is the oldest that it could hold.
    """

    first: int
    last: int
    forming: int
    step: int
    with_forming: bool
    open_start: bool

    @property
    def touches_newest(self) -> bool:
        """Whether the newest closed candle, which the exchange may still revise, is part of the answer."""
        return self.first <= self.forming - self.step <= self.last

    def settled_at(self, settle_seconds: float) -> float:
        """Return when (seconds since 1970) the answer can no longer change."""
        return self.forming / 1000 + settle_seconds if self.touches_newest else 0.0


def window(*, now: float, step: int, since: int | None, limit: int) -> Window:
    """Return what an exchange would answer at ``now`` (seconds) to a request for candles of ``step`` milliseconds."""
    forming = int(now * 1000) // step * step
    if since is None:
        first = forming - (limit - 1) * step
        return Window(first, forming - step, forming, step, with_forming=True, open_start=True)
    first = -(-since // step) * step
    end = first + (limit - 1) * step
    return Window(first, min(end, forming - step), forming, step, with_forming=end >= forming, open_start=False)
