from __future__ import annotations

import numpy as np
from measuring import arrived

from runbook_lib.freqtrade.candles import CandleSet, Frame

MINUTE = 60_000
CLOSE = 1_800_000_000.0
OPENED = round(CLOSE * 1000) - MINUTE


def held(newest: dict[str, int], analysed: dict[str, float]) -> CandleSet:
    """Hold two candles of each pair; ``newest``: open time in ms; ``analysed``: seconds after the close."""
    frames = {
        pair: Frame(np.array([opened - MINUTE, opened], np.int64), np.zeros((2, 5))) for pair, opened in newest.items()
    }
    return CandleSet("75", frames, {pair: round((CLOSE + at) * 1000) for pair, at in analysed.items()})


def test_the_age_is_from_the_close_until_it_was_analysed() -> None:
    found = held({"BTC/USDT": OPENED, "ETH/USDT": OPENED}, {"BTC/USDT": 1.5, "ETH/USDT": 2.25})
    assert arrived(found, "1m", CLOSE) == ([1.5, 2.25], 0)


def test_a_pair_that_stands_at_an_older_candle_missed_it_and_has_no_age() -> None:
    found = held({"BTC/USDT": OPENED - MINUTE, "ETH/USDT": OPENED}, {"BTC/USDT": -58.0, "ETH/USDT": 3.0})
    assert arrived(found, "1m", CLOSE) == ([3.0], 1)


def test_a_pair_that_is_a_candle_further_already_missed_nothing_and_says_nothing_of_this_one() -> None:
    assert arrived(held({"BTC/USDT": OPENED + MINUTE}, {"BTC/USDT": 61.0}), "1m", CLOSE) == ([], 0)


def test_a_pair_without_any_candle_missed_it() -> None:
    empty = CandleSet("75", {"BTC/USDT": Frame(np.empty(0, np.int64), np.empty((0, 5)))})
    assert arrived(empty, "1m", CLOSE) == ([], 1)
