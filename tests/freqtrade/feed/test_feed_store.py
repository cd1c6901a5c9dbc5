import threading

import numpy as np

from runbook_lib.freqtrade.feed.candle.series import Candles, Key
from runbook_lib.freqtrade.feed.candle.store import CandleStore

KEY = Key("BTC/USDT", "1m", "spot")
STEP = 60_000


def candles(first: int, count: int, close: float = 1.0) -> Candles:
    return Candles.of([[(first + i) * STEP, 1.0, 2.0, 0.5, close, 7.0] for i in range(count)])


def test_what_is_put_in_can_be_had() -> None:
    store = CandleStore()
    store.put(KEY, candles(10, 5))
    store.put(KEY, candles(15, 1))
    assert store.newest(KEY) == 15 * STEP
    assert len(store.get(KEY)) == 6
    assert store.series() == (KEY,)


def test_of_what_was_never_put_in_there_is_nothing() -> None:
    store = CandleStore()
    store.put(KEY, candles(0, 0))
    assert store.newest(KEY) is None
    assert store.series() == ()


def test_a_later_correction_counts() -> None:
    store = CandleStore()
    store.put(KEY, candles(10, 5, close=1.0))
    store.put(KEY, candles(13, 3, close=1.5))
    assert store.get(KEY).values[:, 3].tolist() == [1.0, 1.0, 1.0, 1.5, 1.5, 1.5]


def test_older_candles_go_before_the_newer_ones() -> None:
    store = CandleStore()
    store.put(KEY, candles(10, 5))
    store.put(KEY, candles(5, 5))
    assert store.get(KEY).dates.tolist() == [at * STEP for at in range(5, 15)]


def test_the_oldest_are_dropped() -> None:
    store = CandleStore(most=3)
    store.put(KEY, candles(10, 5))
    store.put(KEY, candles(15, 1))
    assert store.get(KEY).dates.tolist() == [13 * STEP, 14 * STEP, 15 * STEP]


def test_what_was_handed_out_does_not_change() -> None:
    store = CandleStore()
    store.put(KEY, candles(10, 2, close=1.0))
    before = store.get(KEY)
    store.put(KEY, candles(10, 2, close=9.0))
    assert before.values[:, 3].tolist() == [1.0, 1.0]


def test_the_version_tells_of_every_change_and_of_nothing_else() -> None:
    store = CandleStore()
    seen = [store.version]
    store.put(KEY, candles(0, 0))
    seen.append(store.version)
    store.put(KEY, candles(1, 1))
    seen.append(store.version)
    assert seen[0] == seen[1] < seen[2]


def test_a_series_can_be_forgotten() -> None:
    store = CandleStore()
    store.put(KEY, candles(1, 1))
    store.drop(KEY)
    store.drop(KEY)
    assert store.series() == ()


def test_threads_that_put_at_once_lose_nothing() -> None:
    store = CandleStore()

    def put(lane: int) -> None:
        for at in range(100):
            store.put(KEY, candles(at * 4 + lane, 1))

    threads = [threading.Thread(target=put, args=(lane,)) for lane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(store.get(KEY).dates, np.arange(400) * STEP)
