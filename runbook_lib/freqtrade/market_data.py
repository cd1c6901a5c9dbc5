"""Settled candles of the exchange itself, fetched by the operator's machine from its public REST.

They are the truth that all hosts are held against. The fetch stays a good guest: the weight that the exchange reports
is kept under a budget, and the first refusal ends it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from runbook_lib.errors import HostError, Unreachable
from runbook_lib.freqtrade.candles import CandleSet, Frame, timeframe_ms
from runbook_lib.values import Progress

PAGE = 1000  # candles that one request may ask for
KLINES_WEIGHT = 2
TIME_WEIGHT = 1
AT_ONCE = 4
REFUSALS = (403, 418, 429)
NAME = "exchange"


@dataclass(frozen=True, slots=True, eq=False)
class MarketData:
    """The exchange's own settled candles. ``weight``: what the fetch cost; ``seconds``: how long it took.

    ``now_ms``: the exchange's clock when the fetch began.
    """

    candles: CandleSet
    now_ms: int
    weight: int
    seconds: float


class Budget:
    """Keeps the weight that this address uses in a minute under ``ceiling``, by the exchange's own count.

    ``wait(seconds)`` is called when the minute is used up: the exchange's counter starts anew with each minute.
    """

    def __init__(self, ceiling: int, wait: Callable[[float], None], clock: Callable[[], float] = time.time) -> None:
        self.spent = 0
        self._ceiling = ceiling
        self._wait = wait
        self._clock = clock
        self._minute = 0
        self._used = 0
        self._refused: HostError | None = None
        self._lock = threading.Lock()

    def take(self, weight: int) -> None:
        """Book ``weight`` before a request; wait for the next minute if it would go over the ceiling.

        Raises HostError once the exchange has refused one: each more would only lengthen a ban.
        """
        with self._lock:
            if self._refused is not None:
                raise HostError(self._refused.what, remedy=self._refused.remedy, host=NAME)
            self._turn()
            if self._used + weight > self._ceiling and self._used:
                self._wait((self._minute + 1) * 60 - self._clock() + 0.5)
                self._turn()
            self._used += weight
            self.spent += weight

    def told(self, used: str | None) -> None:
        """Learn what the exchange says is used by this address: others may share it."""
        with self._lock:
            self._turn()
            if used is not None and used.isdecimal():
                self._used = max(self._used, int(used))

    def end(self, refused: HostError) -> HostError:
        """Let nothing more be asked; return the refusal."""
        with self._lock:
            self._refused = refused
        return refused

    def _turn(self) -> None:
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0


def settled_candles(  # noqa: PLR0913 - named settings of one fetch
    rest_url: str,
    pairs: Sequence[str],
    *,
    timeframe: str,
    candles: int = PAGE,
    settle_seconds: float = 2.0,
    weight_ceiling: int = 3000,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    transport: httpx.BaseTransport | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> MarketData:
    """Fetch the newest ``candles`` settled candles of each pair; a young listing has fewer.

    ``rest_url`` as in the site file (https://api.binance.com/api/v3). A candle is settled ``settle_seconds`` after its
    close by the exchange's clock; the forming one is never among them. ``weight_ceiling``: request weight that this
    machine's address may use in a minute. Raises Unreachable, or HostError at the first 403, 418 or 429.
    """
    begun, length = time.monotonic(), timeframe_ms(timeframe)

    def pause(seconds: float) -> None:
        what = f"the request weight of this minute ({weight_ceiling}) is used up; going on with the next"
        on_progress(Progress(what, until=time.time() + seconds))
        wait(seconds)

    budget = Budget(weight_ceiling, pause)
    with httpx.Client(base_url=rest_url, timeout=20, trust_env=False, transport=transport) as client:
        now_ms = int(_get(client, budget, "time", {}, TIME_WEIGHT)["serverTime"])
        end = int(now_ms - settle_seconds * 1000) // length * length

        def fetch(pair: str) -> tuple[str, Frame]:
            return pair, _frame(client, budget, pair, timeframe, (end - candles * length, end))

        frames: dict[str, Frame] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for pair, frame in pool.map(fetch, pairs):  # the first error cancels what is not begun yet
                frames[pair] = frame
                on_progress(Progress("settled candles of the exchange", done=len(frames), total=len(pairs)))
    return MarketData(CandleSet(NAME, frames), now_ms, budget.spent, time.monotonic() - begun)


def _frame(client: httpx.Client, budget: Budget, pair: str, timeframe: str, span: tuple[int, int]) -> Frame:
    """Fetch one pair's candles that open in ``span``, page by page."""
    start, end = span
    rows: list[list[Any]] = []
    while start < end:
        asked: dict[str, str | int] = {"symbol": pair.replace("/", ""), "interval": timeframe, "limit": PAGE}
        page = _get(client, budget, "klines", {**asked, "startTime": start, "endTime": end - 1}, KLINES_WEIGHT)
        rows += [row for row in page if row[0] < end]  # whatever the exchange makes of endTime
        if len(page) < PAGE:
            break
        start = int(page[-1][0]) + timeframe_ms(timeframe)
    dates = np.array([row[0] for row in rows], dtype=np.int64)
    ohlcv = np.array([[float(text) for text in row[1:6]] for row in rows], dtype=np.float64).reshape(-1, 5)
    try:
        return Frame(dates, ohlcv)
    except ValueError as error:
        raise HostError(f"klines of {pair}: {error}", remedy="fetch again", host=NAME) from None


def _get(client: httpx.Client, budget: Budget, endpoint: str, asked: dict[str, str | int], weight: int) -> Any:  # noqa: ANN401 - JSON
    """Ask once, within the budget; every other answer than 200 is an error."""
    budget.take(weight)
    try:
        answer = client.get(endpoint, params=asked)
    except httpx.HTTPError as error:
        remedy = "check rest_url in the site file, and the network"
        raise Unreachable(f"{client.base_url}{endpoint}: {error}", remedy=remedy, host=NAME) from error
    budget.told(answer.headers.get("x-mbx-used-weight-1m"))
    if answer.status_code == 200:
        return answer.json()
    after = answer.headers.get("Retry-After")
    if answer.status_code in REFUSALS:
        refused = HostError(
            f"{endpoint} refused with {answer.status_code}; nothing more is asked of it",
            remedy=f"wait {after} s, then fetch again" if after else "wait some minutes, then fetch again",
            host=NAME,
        )
        raise budget.end(refused)
    raise HostError(
        f"{endpoint} {asked.get('symbol', '')} answers {answer.status_code}: {answer.text[:200]}",
        remedy="check the pairs in the site file",
        host=NAME,
    )
