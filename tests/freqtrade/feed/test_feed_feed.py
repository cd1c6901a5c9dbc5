import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from runbook_lib.freqtrade.feed.answers import Reason
from runbook_lib.freqtrade.feed.bits import VALUES, with_bits
from runbook_lib.freqtrade.feed.feed import Feed, Key
from runbook_lib.freqtrade.feed.liveness import Liveness
from runbook_lib.freqtrade.feed.settings import FeedSettings, ProducerAddress
from runbook_lib.freqtrade.feed.state import FeedState
from runbook_lib.freqtrade.feed.times import Window, window

STEP = 60_000
FORMING = 1_000 * STEP
OPEN = FORMING / 1000
LENGTH = 30
FIRST, SECOND = ProducerAddress("first", "127.0.0.1", 1), ProducerAddress("second", "127.0.0.1", 2)
KEY = Key("BTC/USDT", "1m", "spot")
SETTINGS = FeedSettings(settle_seconds=2, wait_seconds=20, start_seconds=60, poll_seconds=0.5)


class World:
    """Producers' frames, their pings and the time, all under the test's hand."""

    def __init__(self, path: Path) -> None:
        self.now = OPEN + 1
        self.frames: dict[tuple[str, str, str, str], pd.DataFrame] = {}
        self.pairs: dict[str, list[str]] = {}
        self.dead: set[str] = set()
        self.wall_clock_off = 0.0
        self.pings = 0
        self.looks = 0
        self.plan: list[tuple[float, Callable[[], None]]] = []
        self.state = FeedState(path / "state.json", clock=lambda: self.now)
        self.feed = self.start()

    def start(self, *, ago: float = 1000.0) -> Feed:
        """Return a feed that started ``ago`` seconds before now."""
        self.now -= ago
        self.feed = Feed(
            self,  # type: ignore[arg-type]  # as much of a data provider as the feed may use
            (FIRST, SECOND),
            SETTINGS,
            self.state,
            own_timeframe="1m",
            liveness=Liveness(self.ping, clock=lambda: self.now),
            clock=lambda: self.now + self.wall_clock_off,
            monotonic=lambda: self.now,
            sleep=self.sleep,
        )
        self.now += ago
        return self.feed

    async def ping(self, producer: ProducerAddress) -> bool:
        self.pings += 1
        await asyncio.sleep(0)
        return producer.name not in self.dead

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)
        for at, happens in [each for each in self.plan if each[0] <= self.now]:
            self.plan.remove((at, happens))
            happens()

    def get_producer_df(
        self, pair: str, timeframe: str = "", candle_type: str = "", producer_name: str = ""
    ) -> tuple[pd.DataFrame, datetime]:
        self.looks += 1
        frame = self.frames.get((producer_name, pair, timeframe, candle_type), pd.DataFrame())
        return frame, datetime.fromtimestamp(0, UTC)

    def get_producer_pairs(self, producer_name: str = "") -> list[str]:
        return self.pairs.get(producer_name, [])

    def send(self, producer: ProducerAddress, last: int, *, key: Key = KEY, exact: bool = True) -> None:
        """Let a frame arrive that ends ``last`` candles before the forming one."""
        dates = np.arange(FORMING - LENGTH * STEP, FORMING - last * STEP + 1, STEP)
        frame = pd.DataFrame(dict.fromkeys(VALUES, dates / 7.0))
        frame["date"] = pd.to_datetime(dates, unit="ms", utc=True)
        self.frames[producer.name, key.pair, key.timeframe, key.candle_type] = with_bits(frame) if exact else frame

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen ``seconds`` after the candle's close."""
        self.plan.append((OPEN + seconds, happens))

    def asked(self) -> Window:
        return window(now=self.now, step=STEP, since=None, limit=20)

    async def ask(self, key: Key = KEY) -> object:
        return await self.feed.answer(key, self.asked())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def newest_closed(answer: object) -> int:
    assert isinstance(answer, list), answer
    assert answer[-1][0] == FORMING
    return int(answer[-2][0])


async def test_serves_at_once_what_is_there(world: World) -> None:
    world.now = OPEN + 5
    world.send(FIRST, 1)
    before = world.now
    assert newest_closed(await world.ask()) == FORMING - STEP
    assert world.now == before
    assert world.pings == 0
    assert (world.state.served, world.state.waited, dict(world.state.by_producer)) == (1, 0, {"first": 1})


async def test_the_second_producer_serves_what_the_first_has_not(world: World) -> None:
    world.now = OPEN + 5
    world.send(FIRST, 3)
    world.send(SECOND, 1)
    assert newest_closed(await world.ask()) == FORMING - STEP
    assert dict(world.state.by_producer) == {"second": 1}


async def test_waits_for_a_live_producers_next_candle(world: World) -> None:
    world.send(FIRST, 2)
    world.later(4.2, lambda: world.send(FIRST, 1))
    assert newest_closed(await world.ask()) == FORMING - STEP
    assert 4.2 <= world.now - OPEN <= 4.2 + 2 * SETTINGS.poll_seconds
    assert (world.state.served, world.state.waited) == (1, 1)


async def test_a_hundred_who_wait_cost_few_looks_and_pings(world: World) -> None:
    keys = [Key(f"C{number}/USDT", "1m", "spot") for number in range(110)]
    for key in keys:
        world.send(FIRST, 2, key=key)
        world.later(4.2, partial(world.send, FIRST, 1, key=key))
    world.pairs = {"first": [key.pair for key in keys], "second": ["XRP/USDT"]}
    answers = await asyncio.gather(*[world.ask(key) for key in keys])
    assert {newest_closed(answer) for answer in answers} == {FORMING - STEP}
    assert world.pings <= 3
    assert world.looks <= 110 * 8


async def test_gives_up_at_the_deadline(world: World) -> None:
    world.send(FIRST, 2)
    assert await world.ask() is Reason.LATE
    assert 22 <= world.now - OPEN <= 22 + SETTINGS.poll_seconds


async def test_does_not_wait_for_a_dead_producer(world: World) -> None:
    world.send(FIRST, 2)
    world.dead = {"first"}
    assert await world.ask() is Reason.DEAD
    assert world.now == OPEN + 1


async def test_stops_waiting_when_the_producer_dies(world: World) -> None:
    world.send(FIRST, 2)
    world.later(6, lambda: world.dead.add("first"))
    assert await world.ask() is Reason.DEAD
    assert world.now - OPEN < 6 + 4


async def test_does_not_wait_for_a_producer_that_missed_candles(world: World) -> None:
    world.send(FIRST, 3)
    assert await world.ask() is Reason.STALE
    assert world.now == OPEN + 1
    assert world.pings == 0


async def test_a_producer_that_returns_is_trusted_when_its_candle_is_there(world: World) -> None:
    world.send(FIRST, 20)
    assert await world.ask() is Reason.STALE
    world.now = OPEN + 30
    world.send(FIRST, 1)
    assert newest_closed(await world.ask()) == FORMING - STEP


async def test_at_its_start_it_waits_for_the_first_frame(world: World) -> None:
    world.start(ago=0)
    world.later(40, lambda: world.send(SECOND, 1))
    assert newest_closed(await world.ask()) == FORMING - STEP
    assert world.state.state == "waiting"


async def test_at_its_start_a_silent_producer_is_given_up_in_time(world: World) -> None:
    world.start(ago=0)
    assert await world.ask() is Reason.SILENT
    assert 61 <= world.now - OPEN <= 62


async def test_at_its_start_it_does_not_wait_for_dead_producers(world: World) -> None:
    world.start(ago=0)
    world.dead = {"first", "second"}
    assert await world.ask() is Reason.DEAD
    assert world.now == OPEN + 1


async def test_long_after_its_start_a_silent_producer_is_not_waited_for(world: World) -> None:
    assert await world.ask() is Reason.SILENT
    assert world.now == OPEN + 1


@pytest.mark.parametrize(
    "foreign",
    [Key("ETH/USDT", "1m", "spot"), Key("BTC/USDT", "5m", "spot"), Key("BTC/USDT", "1m", "futures")],
)
async def test_nothing_of_another_series_is_served(world: World, foreign: Key) -> None:
    world.send(FIRST, 1)
    world.pairs = {"first": ["BTC/USDT"], "second": ["BTC/USDT"]}
    assert isinstance(await world.ask(foreign), Reason)


async def test_another_timeframe_or_pair_is_never_waited_for(world: World) -> None:
    world.start(ago=0)
    world.pairs = {"first": ["BTC/USDT"], "second": ["XRP/USDT"]}
    assert await world.ask(Key("BTC/USDT", "5m", "spot")) is Reason.FOREIGN
    assert await world.ask(Key("ETH/USDT", "1m", "spot")) is Reason.FOREIGN
    assert world.now == OPEN + 1


async def test_an_emitted_other_timeframe_is_served(world: World) -> None:
    world.now = OPEN + 5
    world.send(FIRST, 1, key=Key("BTC/USDT", "1h", "spot"))
    assert isinstance(await world.ask(Key("BTC/USDT", "1h", "spot")), list)


async def test_a_candle_before_it_can_have_settled_is_refused_for_good(world: World) -> None:
    world.send(FIRST, 1)
    assert await world.ask() is Reason.EARLY
    world.now = OPEN + 10
    assert await world.ask() is Reason.EARLY
    world.send(SECOND, 1)
    assert newest_closed(await world.ask()) == FORMING - STEP


async def test_a_producers_clock_may_be_half_a_second_ahead(world: World) -> None:
    world.now = OPEN + 1.6
    world.send(FIRST, 1)
    assert newest_closed(await world.ask()) == FORMING - STEP


async def test_a_producers_forming_candle_is_refused(world: World) -> None:
    world.now = OPEN + 5
    world.send(FIRST, 0)
    assert await world.ask() is Reason.EARLY


async def test_a_frame_without_exact_candles_is_refused(world: World) -> None:
    world.now = OPEN + 5
    world.send(FIRST, 1, exact=False)
    assert await world.ask() is Reason.NOT_EXACT


async def test_a_wall_clock_set_back_does_not_hang_the_bot(world: World) -> None:
    world.send(FIRST, 2)
    world.later(3, lambda: setattr(world, "wall_clock_off", -7200.0))
    assert isinstance(await world.ask(), Reason)
    assert world.now - OPEN < 30
