"""Why a candle did not come from a producer, in the words that the log, the state and the runbook show."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a request was not answered from producers."""

    FOREIGN = "no candles of the kind that producers carry"
    DEAD = "no producer answers"
    REFUSED = "refused by the producers"
    LATE = "a producer lives but the candle did not come in time"
    MISSING = "no producer has it or will have it"
    LACKING = "the exchange itself has no such candle"
    SHORT = "no producer reaches back far enough"
    HOLE = "the producers' candles have a hole"
    EARLY = "a candle came that cannot have settled yet: compare the clocks"
    CLOCK = "a producer's clock is wrong"
    OWN_CLOCK = "this host's own clock is wrong by the exchange's"
    ERROR = "an error in the feed"
