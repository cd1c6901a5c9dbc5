import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from runbook_lib.freqtrade.feed.candle.series import Candles, Key
from runbook_lib.freqtrade.feed.candle.store import CandleStore
from runbook_lib.freqtrade.feed.candle.times import OVERLAP, Window
from runbook_lib.freqtrade.feed.exchange.asked import Asked
from runbook_lib.freqtrade.feed.exchange.budget import Need
from runbook_lib.freqtrade.feed.exchange.direct import Blocked
from runbook_lib.freqtrade.feed.peers.outlook import BEHIND, CLOCK, UNANSWERED, Outlook
from runbook_lib.freqtrade.feed.peers.own import OwnFetch
from runbook_lib.freqtrade.feed.reasons import Reason
from runbook_lib.freqtrade.feed.state import FeedState

STEP = 60_000
FORMING = 30_000_000 * STEP
KEY = Key("BTC/USDT", "1m", "spot")


def rows(first: int, last: int, close: float = 1.0) -> list[list[float]]:
    return [[date, 1.0, 2.0, 0.5, close, 3.0] for date in range(first, last + 1, STEP)]


@dataclass
class Exchange:
    """The way to the exchange: answers, or raises ``error``; ``meanwhile`` happens while it is asked."""

    error: Exception | None = None
    meanwhile: Callable[[], None] = lambda: None
    asked: list[tuple[Asked, Need]] = field(default_factory=list)
    unasked_for: list[str] = field(default_factory=list)

    async def ask(self, asked: Asked, need: Need) -> list[list[float]]:
        self.asked.append((asked, need))
        self.meanwhile()
        if self.error:
            raise self.error
        assert asked.window is not None
        return rows(asked.window.first, min(asked.window.last + STEP, FORMING))

    async def __call__(self, _asked: Asked, _need: Need) -> list[list[float]]:
        return []

    def unasked(self, _asked: Asked, why: Blocked) -> list[list[float]]:
        self.unasked_for.append(str(why))
        return []


class Bench:
    def __init__(self, where: Path) -> None:
        self.now, self.wrong, self.held = FORMING / 1000 + 3, False, 0
        self.exchange, self.store = Exchange(), CandleStore()
        self.others: list[tuple[Key, Window]] = []
        self.theirs: list[list[float]] | Reason | Exception = Reason.MISSING
        guard: Any = SimpleNamespace(state="closed")
        self.outlook = Outlook(self.store, guard, lambda: self.wrong, "1m", "spot", 35.0, 12.0, lambda: self.now)
        self.outlook.own_pairs = frozenset({"BTC/USDT"})
        freqtrade: Any = SimpleNamespace(klines=self._klines, get_option=lambda _name, default: default)
        self.state = FeedState(where / "state.json", "producer", "p")
        direct: Any = self.exchange
        self.own = OwnFetch(direct, self.store, self.outlook, self._ask_others, self.state, freqtrade, lambda: self.now)

    def _klines(self, _key: object, copy: bool) -> pd.DataFrame:
        assert not copy
        return pd.DataFrame({"date": pd.to_datetime([self.held] if self.held else [], unit="ms", utc=True)})

    async def _ask_others(self, key: Key, window: Window) -> list[list[float]] | Reason:
        self.others.append((key, window))
        if isinstance(self.theirs, Exception):
            raise self.theirs
        return self.theirs

    def ask(self, since: int | None = None, **params: str) -> Awaitable[list[list[float]]]:
        return self.own("BTC/USDT", "1m", since, 100, dict(params))

    def in_step(self, back: int = 2) -> None:
        """Bot and store hold all up to so many candles before the forming one."""
        self.held = FORMING - back * STEP
        self.store.put(KEY, Candles.of(rows(FORMING - 200 * STEP, self.held, close=7.0)))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_in_step_it_asks_the_exchange_for_what_is_new(bench: Bench) -> None:
    bench.in_step()
    answer = await bench.ask()
    assert answer[-1][0] == FORMING
    (asked, need) = bench.exchange.asked[0]
    assert (asked.enough, need) == (3 + OVERLAP, Need.LIVE)
    assert not bench.others
    assert bench.store.newest(KEY) == FORMING - STEP, "what is forming is not for the store"
    closes = [row[4] for row in bench.store.get(KEY).rows()]
    assert closes[-3 - OVERLAP :] == [7.0] + [1.0] * (OVERLAP + 2), "corrections count"


async def test_what_the_store_has_costs_nothing(bench: Bench) -> None:
    bench.in_step()
    bench.store.put(KEY, Candles.of(rows(FORMING - STEP, FORMING - STEP, close=7.0)))
    answer = await bench.ask()
    assert [row[4] for row in answer] == [7.0] * (3 + OVERLAP)
    assert answer[-1][0] == FORMING, "freqtrade drops the last one"
    assert not bench.exchange.asked


async def test_at_first_the_others_are_asked(bench: Bench) -> None:
    bench.theirs = [*rows(FORMING - 99 * STEP, FORMING - STEP, close=9.0), [FORMING, 9.0, 9.0, 9.0, 9.0, 0.0]]
    assert await bench.ask() == bench.theirs
    assert not bench.exchange.asked
    assert len(bench.store.get(KEY)) == 99
    key, window = bench.others[0]
    assert (key, window.first, window.last) == (KEY, FORMING - 99 * STEP, FORMING - STEP)


@pytest.mark.parametrize("theirs", [Reason.MISSING, Reason.DEAD, RuntimeError("the feed's thread has ended")])
async def test_if_they_have_nothing_it_downloads(bench: Bench, theirs: Reason | Exception) -> None:
    bench.theirs = theirs
    assert len(await bench.ask()) == 100
    assert bench.exchange.asked[0][1] is Need.FIRST
    assert len(bench.store.get(KEY)) == 99


async def test_after_a_pause_the_others_are_asked_first(bench: Bench) -> None:
    bench.in_step(back=5)
    bench.theirs = rows(FORMING - 10 * STEP, FORMING)
    await bench.ask()
    assert not bench.exchange.asked
    assert bench.store.newest(KEY) == FORMING - STEP


async def test_while_the_others_are_asked_nothing_is_promised(bench: Bench) -> None:
    why: list[str] = []

    async def others(_key: Key, _window: Window) -> Reason:
        why.append(bench.outlook.why_not(KEY, FORMING - STEP, kept=False, blocked=False, peer=True))
        return Reason.MISSING

    bench.own.others = others
    bench.exchange.meanwhile = lambda: why.append(
        bench.outlook.why_not(KEY, FORMING - STEP, kept=False, blocked=False, peer=True)
    )
    await bench.ask()
    assert why == [BEHIND, ""]


async def test_where_the_exchange_does_not_answer_the_others_may_have_it(bench: Bench) -> None:
    bench.in_step()
    bench.exchange.error = ConnectionResetError("cut")
    bench.theirs = rows(FORMING - 7 * STEP, FORMING)
    assert await bench.ask() == bench.theirs
    assert bench.outlook.why_not(KEY, FORMING, kept=False, blocked=False, peer=True) == ""
    bench.theirs = Reason.DEAD
    bench.now += 60
    with pytest.raises(ConnectionResetError):
        await bench.ask()
    assert bench.outlook.why_not(KEY, FORMING, kept=False, blocked=False, peer=True) == UNANSWERED


async def test_while_the_exchange_refuses_freqtrade_is_told_in_its_way(bench: Bench) -> None:
    bench.in_step()
    bench.exchange.error = Blocked("the exchange is not asked")
    assert await bench.ask() == []
    assert len(bench.others) == 1


async def test_what_a_wrong_clock_took_for_settled_is_not_kept(bench: Bench) -> None:
    bench.in_step()
    bench.exchange.meanwhile = lambda: setattr(bench, "wrong", True)
    assert await bench.ask()
    assert bench.store.newest(KEY) == FORMING - 2 * STEP


async def test_one_whose_clock_was_wrong_asks_the_exchange_what_time_it_is(bench: Bench) -> None:
    bench.theirs = rows(FORMING - 99 * STEP, FORMING)
    bench.wrong = True
    bench.exchange.meanwhile = lambda: setattr(bench, "wrong", False)
    assert await bench.ask()
    assert (len(bench.exchange.asked), bench.others) == (1, [])
    assert bench.store.newest(KEY) == FORMING - STEP


async def test_as_long_as_its_clock_is_wrong_it_looks_now_and_then(bench: Bench) -> None:
    bench.wrong = True
    for _ in range(25):  # rounds of a bot to which candles seem to be missing
        await asyncio.gather(bench.ask(), bench.ask())
        bench.now += 5
    assert len(bench.exchange.asked) == 7
    assert set(bench.exchange.unasked_for) == {CLOCK}
    assert not bench.others
    bench.now -= 3600  # somebody sets it, and not right
    assert await bench.ask()
    assert len(bench.exchange.asked) == 8


async def test_prices_of_another_kind_are_the_exchanges_alone(bench: Bench) -> None:
    assert await bench.ask(price="mark") == []
    assert not bench.others
    assert not bench.store.series()


async def test_history_comes_from_whoever_has_it(bench: Bench) -> None:
    bench.in_step()
    await bench.ask(since=FORMING - 150 * STEP)
    assert not bench.others
    await bench.ask(since=FORMING - 300 * STEP)
    assert len(bench.others) == 1
    assert bench.exchange.asked[0][1] is Need.HISTORY


async def test_candles_that_are_none_stop_nobody(bench: Bench) -> None:
    bench.own.keep(KEY, [[FORMING - STEP, None, 1.0, 1.0, 1.0, 1.0]])  # type: ignore[list-item]  # as some exchanges do
    bench.own.keep(KEY, [[FORMING - STEP, 1.0]])
    assert len(bench.store.get(KEY)) <= 1


async def test_what_it_keeps_is_told_whichever_way_it_came(bench: Bench) -> None:
    bench.own.keep(KEY, rows(FORMING - STEP, FORMING - STEP))  # as websockets bring it
    assert bench.state.as_json()["newest_candle_ms"] == {"BTC/USDT 1m": FORMING - STEP}
    bench.now += 60
    bench.wrong = True
    bench.own.keep(KEY, rows(FORMING, FORMING))
    assert bench.state.as_json()["newest_candle_ms"] == {"BTC/USDT 1m": FORMING - STEP}, "it is not kept"


async def test_a_state_that_cannot_be_told_costs_no_candle(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.in_step()
    monkeypatch.setattr(bench.state, "keep", lambda *_: 1 / 0)
    assert (await bench.ask())[-1][0] == FORMING
    assert bench.store.newest(KEY) == FORMING - STEP


async def test_every_request_is_a_sign_of_life(bench: Bench) -> None:
    bench.in_step()
    assert bench.outlook.why_not(KEY, FORMING - STEP, kept=False, blocked=False, peer=True)
    await bench.ask()
    bench.now += 60
    assert bench.outlook.why_not(KEY, FORMING, kept=False, blocked=False, peer=True)
    bench.own.keep(KEY, [])
    assert not bench.outlook.why_not(KEY, FORMING, kept=False, blocked=False, peer=True)
