"""Candle arithmetic: which candle is forming, which one a request asks for, when that one may be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace

OVERLAP = 5  # candles asked for again although they are held, so that a late correction still arrives
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
    the time of the request; ``with_forming`` says that the exchange would append it to its answer, ``joins`` that the
    asker holds what lies before ``first``.
    """

    first: int
    last: int
    forming: int
    step: int
    with_forming: bool
    joins: bool = False

    @property
    def closed(self) -> int:
        """How many closed candles it asks for."""
        return max(0, (self.last - self.first) // self.step + 1)

    @property
    def touches_newest(self) -> bool:
        """Whether the newest closed candle, which the exchange may still revise, is part of the answer."""
        return self.first <= self.forming - self.step <= self.last

    def ending(self, newest: int) -> Window:
        """Return the same where the exchange has nothing after ``newest`` (ms) but perhaps the forming candle."""
        return replace(self, last=min(self.last, newest))

    def settled_at(self, settle_seconds: float) -> float:
        """Return when (seconds since 1970) the answer can no longer change."""
        return self.forming / 1000 + settle_seconds if self.touches_newest else 0.0


def window(*, now: float, step: int, since: int | None, limit: int, held_to: int | None = None) -> Window:
    """Return what an exchange would answer at ``now`` (seconds) to a request for candles of ``step`` milliseconds.

    ``held_to``: the newest candle that the asker holds already. freqtrade asks for a thousand candles again and again,
    to join them to what it holds; without a start named, the last few before ``held_to`` and all after do the same.
    """
    forming = int(now * 1000) // step * step
    if since is None:
        first = forming - (limit - 1) * step
        if held_to is not None:
            first = max(first, min(held_to, forming - step) - OVERLAP * step)
        return Window(
            first,
            forming - step,
            forming,
            step,
            with_forming=True,
            joins=held_to is not None and held_to >= first - step,
        )
    first = -(-since // step) * step
    end = first + (limit - 1) * step
    return Window(first, min(end, forming - step), forming, step, with_forming=first <= forming <= end)
