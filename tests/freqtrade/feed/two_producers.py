"""Two producers and a consumer in one event loop whose clock jumps from one event to the next: an hour in a second.

Everything is the feed's own but three things: the exchange, which counts; freqtrade, which asks for its pairs' candles
a second after each close; and the connections between the bots.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import zlib
from collections import Counter as Tally
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from runbook_lib.freqtrade.feed.candle.series import Key
from runbook_lib.freqtrade.feed.candle.store import CandleStore
from runbook_lib.freqtrade.feed.candle.times import timeframe_ms
from runbook_lib.freqtrade.feed.candle.wire import Ask
from runbook_lib.freqtrade.feed.exchange.asked import Asked, joined
from runbook_lib.freqtrade.feed.exchange.breaker import Breaker
from runbook_lib.freqtrade.feed.exchange.budget import Budget
from runbook_lib.freqtrade.feed.exchange.clock import ClockCheck
from runbook_lib.freqtrade.feed.exchange.direct import STATUS, Direct
from runbook_lib.freqtrade.feed.peers.client import Client
from runbook_lib.freqtrade.feed.peers.feed import Feed
from runbook_lib.freqtrade.feed.peers.kept import Series
from runbook_lib.freqtrade.feed.peers.outlook import Outlook
from runbook_lib.freqtrade.feed.peers.own import OwnFetch
from runbook_lib.freqtrade.feed.peers.serve import Counter, Read
from runbook_lib.freqtrade.feed.peers.standby import Standby
from runbook_lib.freqtrade.feed.reasons import Reason
from runbook_lib.freqtrade.feed.settings import FeedSettings
from runbook_lib.freqtrade.feed.state import FeedState

STEP = 60_000
EPOCH = 1_800_000_000.0  # a candle begins here
FIRST_DEPTH = 1000
PAIRS = {"a": ("A1/USDT", "A2/USDT", "A3/USDT"), "b": ("B1/USDT", "B2/USDT", "B3/USDT")}
EVERY = [pair for pairs in PAIRS.values() for pair in pairs]


class _Jumping(selectors.DefaultSelector):
    """Never waits: it lets the clock jump to the next event instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            assert timeout is not None, "everybody waits for everybody"
            self.now += max(0.0, timeout)
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def play(story: Coroutine[Any, Any, None]) -> None:
    """Play a story in which no real time passes."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(story)


def now() -> float:
    return EPOCH + asyncio.get_running_loop().time()


def arrived(body: bytes) -> Read:
    """Return what reads a question that lies there."""

    async def read() -> bytes:
        return body

    return read


def settled(pair: str, date: int, step: int = STEP) -> list[float]:
    price = 1 + zlib.crc32(f"{pair}{date}{step}".encode()) / 7
    return [date, price, price * 1.1, price * 0.9, price, 3.0]


class Story(FeedState):
    """What a feed says of itself, kept in memory: the disk is not made for a second an hour."""

    def write(self) -> None:
        """Write nothing."""


@dataclass(frozen=True)
class Call:
    at: float
    who: str
    pair: str
    timeframe: str
    since: int | None
    limit: int


@dataclass
class Exchange:
    """Answers like the real one, the forming candle last; what has just closed is still revised for 1.5 s."""

    calls: list[Call] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    listed: int = 0
    halted: dict[str, float] = field(default_factory=dict)  # none of that pair's candles opens from then on (seconds)
    latency: float = 0.1

    def fetch_for(self, who: str) -> tuple[Callable[..., Any], Callable[[], dict[str, str]]]:
        status = {STATUS: "200"}

        async def fetch(pair: str, timeframe: str, since: int | None, limit: int, _params: object) -> list[list[float]]:
            self.calls.append(Call(now(), who, pair, timeframe, since, limit))
            await asyncio.sleep(self.latency)
            status[STATUS] = "200"
            if who in self.cut:
                raise ConnectionResetError("no way to the exchange")
            if who in self.refuses:
                status[STATUS] = "429"
                raise ConnectionError("429")
            step = timeframe_ms(timeframe) or 0
            at = int(now() * 1000)
            forming = at // step * step
            first = forming - (limit - 1) * step if since is None else since
            first = max(first, self.listed)
            dates = range(first, min(first + limit * step, forming + 1), step)
            rows = [settled(pair, date, step) for date in dates if self.has(pair, date)]
            for row in rows:
                if at < row[0] + step + 1500:
                    row[4] += 0.5
            return rows

        return fetch, lambda: status

    def has(self, pair: str, date: int) -> bool:
        return pair not in self.halted or date < self.halted[pair] * 1000

    def per_candle(self, since: float, until: float) -> Tally[tuple[str, int]]:
        """Return how often each pair was asked for, by the candle in which it was."""
        return Tally((call.pair, int(call.at // 60)) for call in self.calls if since <= call.at < until)

    def by(self, who: str, since: float = 0.0) -> int:
        return sum(call.who == who and call.at >= since for call in self.calls)


@dataclass
class World:
    where: Path
    exchange: Exchange = field(default_factory=Exchange)
    settings: FeedSettings = field(default_factory=FeedSettings)
    producers: dict[str, Producer] = field(default_factory=dict)
    partitioned: set[tuple[str, str]] = field(default_factory=set)
    consuming: list[asyncio.Task[None]] = field(default_factory=list)

    def producer(self, name: str) -> Producer:
        self.producers[name] = Producer(self, name)
        return self.producers[name]

    def clients(self, who: str, note: Callable[..., None], clock: Callable[[], float] = now) -> list[Client]:
        return [
            Client(other, Wire(self, who, other), Ask(who, "binance", "spot"), self.settings.clock_seconds, note, clock)
            for other in PAIRS
            if other != who
        ]


@dataclass
class Wire:
    """What connects one bot with one producer."""

    world: World
    who: str
    name: str

    async def __call__(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        await asyncio.sleep(0.005)
        producer = self.world.producers.get(self.name)
        if producer is None or not producer.up or (self.who, self.name) in self.world.partitioned:
            raise ConnectionRefusedError(111, "Connection refused")
        async with asyncio.timeout(seconds):
            await producer.awake.wait()
            return await producer.counter.answer(arrived(body), "token")

    async def close(self) -> None:
        """Nothing is open."""


class Producer:
    """One producer's process; ``begin`` starts it, and again after ``kill`` as if it had never run."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name, self.up, self.ahead = world, name, False, 0.0
        self.awake = asyncio.Event()
        self.awake.set()
        self._tasks: list[asyncio.Task[Any]] = []
        self.rows: dict[str, list[list[float]]] = {}

    def clock(self) -> float:
        return now() + self.ahead

    def begin(self, pairs: tuple[str, ...] | None = None, first_round: float = 0.0) -> None:
        """Start. ``first_round``: seconds after which its bot first asks for candles; it answers others at once."""
        world, settings, name = self.world, self.world.settings, self.name
        self.pairs = PAIRS[name] if pairs is None else pairs
        self.state = Story(world.where / f"{name}.json", "producer", name, now)
        self.store, self.check = CandleStore(), ClockCheck()
        breaker = Breaker(world.where / f"{name}.breaker", self.clock)
        budget = Budget(settings.weight_per_minute, asyncio.get_running_loop().time)
        fetch, headers = world.exchange.fetch_for(name)

        def dated() -> dict[str, str]:
            date = pd.Timestamp(now(), unit="s", tz="UTC").strftime("%a, %d %b %Y %H:%M:%S GMT")
            return headers() | {"date": date}

        direct = Direct(
            fetch,
            dated,
            breaker,
            budget,
            settings.settle_seconds,
            self.state.guard,
            self.clock,
            check=self.check,
            sent=self.state.sent,
        )
        links = world.clients(name, self.state.link, self.clock)
        self.feed = Feed(links, settings, self.state, self.clock)
        self.outlook = Outlook(self.store, breaker, lambda: self.check.wrong, "1m", "spot", 35.0, 12.0, self.clock)
        self.outlook.own_pairs = frozenset(self.pairs)
        self.outlook.beat()
        self.series = Series(
            name, settings.settle_seconds, self.store, self.outlook, links, EVERYTHING, clock=self.clock
        )
        self.standby = Standby(self.series, self.feed, direct, self.state, settings.takeover_seconds, sleep=self._sleep)
        peers = frozenset(link.name for link in links)
        self.counter = Counter(name, "binance", ("token",), peers, self.store, self.outlook, self.series, self.clock)
        freqtrade: Any = SimpleNamespace(klines=self._klines, get_option=lambda _name, default: default)
        self.own = OwnFetch(direct, self.store, self.outlook, self.feed.answer, self.state, freqtrade, self.clock)
        self.rows.clear()
        self.up = True
        self._tasks = [
            asyncio.create_task(work) for work in (self._start(), self.standby.run(), self._bot(first_round))
        ]

    async def kill(self) -> None:
        """As SIGKILL: it answers nobody, and what it was about to do is not done."""
        self.up = False
        await self.feed.stop()
        tasks = [*self._tasks, *(kept.task for _, kept in self.series._kept.items() if kept.task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def newest(self) -> set[float]:
        """Return the newest candles of its bot, as seconds of their open after the beginning."""
        return {rows[-1][0] / 1000 - EPOCH for rows in self.rows.values()}

    async def _start(self) -> None:
        await self.feed.start()

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.awake.wait()

    def _klines(self, key: tuple[str, str, str], copy: bool) -> pd.DataFrame:
        assert not copy
        rows = self.rows.get(key[0], [])
        return pd.DataFrame({"date": pd.to_datetime([row[0] for row in rows[-1:]], unit="ms", utc=True)})

    async def _bot(self, first_round: float) -> None:
        """Ask as freqtrade does: at start, then a second after each close; a look round every five seconds."""
        await asyncio.sleep(first_round)
        while True:
            await self.awake.wait()
            self.outlook.beat()
            forming = int(self.clock() * 1000) // STEP * STEP
            due = [pair for pair in self.pairs if not self.rows.get(pair) or self.rows[pair][-1][0] < forming - STEP]
            await asyncio.gather(*[self._refresh(pair) for pair in due])
            await self._sleep(min(5.0, 61.0 - self.clock() % 60))

    async def _refresh(self, pair: str) -> None:
        forming = int(self.clock() * 1000) // STEP * STEP
        with contextlib.suppress(Exception):  # freqtrade tries again, too
            rows = await self.own(pair, "1m", None, FIRST_DEPTH, {})
            held = {row[0]: row for row in self.rows.get(pair, [])}
            held |= {row[0]: row for row in rows if row[0] < forming}
            self.rows[pair] = [held[date] for date in sorted(held)]


EVERYTHING: Callable[[str], bool] = EVERY.__contains__


@dataclass
class Consumer:
    """A consumer's feed, asked as its bot would: for every series, a second after each close."""

    world: World
    name: str = "c"
    timeframes: tuple[str, ...] = ("1m",)
    throttle: float = 60.0
    direct: list[tuple[float, Key, Reason]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    held: dict[Key, int] = field(default_factory=dict)
    polls: Tally[tuple[str, str]] = field(default_factory=Tally)

    def begin(self, depth: int = 50) -> None:
        self.world.consuming.append(asyncio.create_task(self.run(depth)))

    async def run(self, depth: int) -> None:
        state = Story(self.world.where / f"{self.name}.json", "consumer", self.name, now)
        feed = Feed(self.world.clients(self.name, state.link), self.world.settings, state, now)
        await feed.start()
        try:
            while True:
                keys = [Key(pair, timeframe, "spot") for pair in EVERY for timeframe in self.timeframes]
                await asyncio.gather(*[self._refresh(feed, key, depth) for key in keys])
                await asyncio.sleep(min(self.throttle, 61.0 - now() % 60))
        finally:
            await feed.stop()

    async def _refresh(self, feed: Feed, key: Key, depth: int) -> None:
        step = timeframe_ms(key.timeframe) or 0
        forming = int(now() * 1000) // step * step
        if self.held.get(key) == forming - step:
            return
        asked = Asked(key.pair, key.timeframe, None, depth, {}, now(), self.held.get(key))
        assert asked.window is not None
        self.polls[key.pair, key.timeframe] += 1
        begun, newest = now(), forming - step
        answer = await feed.answer(key, asked.window)
        if isinstance(answer, Reason):
            self.direct.append((now() - EPOCH, key, answer))
        else:
            wanted = [
                date for date in range(asked.window.first, forming, step) if self.world.exchange.has(key.pair, date)
            ]
            assert answer[:-1] == [settled(key.pair, date, step) for date in wanted], "not what the exchange settled on"
            self.ages.append(now() - forming / 1000)
            self.waits.append(now() - begun)
            newest = int(answer[-2][0])
        self.held[key] = newest


__all__ = ["EVERY", "PAIRS", "Consumer", "Exchange", "Producer", "World", "arrived", "joined", "now", "play", "settled"]
