"""Real bots: a producer is lost in one way after the other, and comes back; the consumer never notices.

Counted by the exchange, and compared with it bit by bit. ``make outages`` loses it in all ways and prints the figures.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cable import Cable, cut, mend
from real_bots import (
    ADDRESSES,
    API,
    FED,
    OWNED,
    PAIRS,
    PORT,
    age,
    asked,
    bots,
    closes,
    counting,
    holds,
    producing,
    same_as_the_exchange,
    seen,
    state,
    until,
)

from runbook_lib.lab.exchange import Exchange

sys.path.append(str(Path(__file__).parents[2] / "faults"))
from clock_jump import COMPILER, Jump

pytestmark = [pytest.mark.bots, pytest.mark.xdist_group("fed")]  # one after the other: others start bots, too
LOST, OTHER = OWNED
UNDER_WAY = 2  # candles
LATE_SECONDS = 20.0
FLEET = (*OWNED, FED)


class Night:
    """The fleet, and what can happen to its producer ``LOST``."""

    def __init__(self, exchange: Exchange, base: Path, cables: dict[tuple[str, str], Cable], jump: Jump | None) -> None:
        self.exchange, self.cables, self._jump = exchange, cables, jump
        self.homes = {bot: base / bot for bot in FLEET}
        self._paths = {way: cable.near for way, cable in cables.items()}
        self._stack = AsyncExitStack()

    async def start(self, bot: str) -> None:
        """Start a bot, for the first time or again."""
        clock = self._jump.environment if self._jump and bot == LOST else {}
        await self._stack.enter_async_context(bots({bot: self.homes[bot]}, self._paths, clock))
        (self.homes[bot] / "go").touch()

    async def end(self) -> None:
        """End all bots."""
        await self._stack.aclose()

    @asynccontextmanager
    async def killed(self) -> AsyncIterator[None]:
        """Kill it, and start it again."""
        self._signal(signal.SIGKILL)
        (self.homes[LOST] / "user_data/candle_feed_state.json").unlink()
        yield
        await self.start(LOST)

    @asynccontextmanager
    async def without_power(self) -> AsyncIterator[None]:
        """Take its power away: from one moment to the next there is nobody, and nobody who says so."""
        cables = [cable for way, cable in self.cables.items() if LOST in way]
        cut(cables)
        self._signal(signal.SIGKILL)
        (self.homes[LOST] / "user_data/candle_feed_state.json").unlink()
        try:
            yield
        finally:
            mend(cables)
        await self.start(LOST)

    @asynccontextmanager
    async def hung(self) -> AsyncIterator[None]:
        """Let it stand still, its sockets open."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    @asynccontextmanager
    async def cut_off(self) -> AsyncIterator[None]:
        """Take its network away: nobody reaches it, it reaches nobody."""
        cables = [cable for way, cable in self.cables.items() if LOST in way]
        cut(cables)
        try:
            yield
        finally:
            mend(cables)

    @asynccontextmanager
    async def parted(self) -> AsyncIterator[None]:
        """Let it reach the exchange still, but no bot, and no bot it."""
        cables = [cable for way, cable in self.cables.items() if LOST in way and "" not in way]
        cut(cables)
        try:
            yield
        finally:
            mend(cables)

    def ahead(self) -> AbstractAsyncContextManager[None]:
        """Put its clock two minutes ahead: candles seem closed that have not begun."""
        return self._clock(120)

    def behind(self) -> AbstractAsyncContextManager[None]:
        """Put its clock a minute and a half behind."""
        return self._clock(-90)

    @asynccontextmanager
    async def _clock(self, seconds: int) -> AsyncIterator[None]:
        assert self._jump is not None
        self._jump.by(seconds)
        try:
            yield
        finally:
            self._jump.by(0)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(int((self.homes[LOST] / "pid").read_text()), number)


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(counting())
        cables = {}
        for bot in FLEET:
            near = f"127.0.58.{bot}"
            cables[bot, ""] = Cable((near, PORT), (ADDRESSES[bot], PORT))
            for to in OWNED:
                if to != bot:
                    cables[bot, to] = Cable((near, API + int(to)), (ADDRESSES[to], API))
        for cable in cables.values():
            await stack.enter_async_context(cable.laid())
        found = Night(exchange, tmp_path, cables, Jump(tmp_path / "clock") if COMPILER else None)
        try:
            for bot in OWNED:
                await found.start(bot)
            await producing(found.homes)
            await found.start(FED)
            await until("first candles", lambda: bool(seen(found.homes[FED])), 90)
            yield found
        finally:
            await found.end()


@dataclass(frozen=True)
class Seen:
    """What a stretch of candles cost, and how late the consumer held the latest of them (seconds after its close)."""

    asked: Counter[str]
    closed: int
    latest: float

    def __str__(self) -> str:
        return f"{dict(self.asked)} for {self.closed} of each pair, held after {self.latest:.1f} s at the latest"

    @property
    def each_its_own(self) -> dict[str, int]:
        return {bot: self.closed * len(pairs) for bot, pairs in OWNED.items()}


async def candles(night: Night, count: int) -> Seen:
    """Wait until the consumer holds the next candles that close, and is past what they may cost."""
    since = time.time()
    last = since // 60 * 60 + 60 * count
    home = night.homes[FED]
    await until("candles", lambda: holds(home, last), last - since + LATE_SECONDS)
    await until("end of the candle's requests", lambda: time.time() > last + LATE_SECONDS, LATE_SECONDS + 1)
    ages = [age(home, last - 60 * earlier) for earlier in range(count)]
    return Seen(asked(night.exchange, since), closes(since, last), max(ages))


def told(night: Night, since: float) -> str:
    """Return what the others' feeds have said since."""
    events = [(bot, each) for bot in (OTHER, FED) for each in state(night.homes[bot])["events"] if each["at"] >= since]
    return "".join(f"\n    {each['at'] - since:+.1f} s {bot}: {each['what']}" for bot, each in events)


def course(night: Night, bot: str, since: float) -> str:
    """Return when a bot asked the exchange for candles, and of which timeframes."""
    entries = [each for each in night.exchange.venue.ledger.entries(int(since * 1000), 2**62) if each.source == bot]
    seconds = Counter((each.time_ms // 1000, each.interval) for each in entries if each.endpoint == "klines")
    return ", ".join(f"{at - since:+.0f} s {count} x {interval}" for (at, interval), count in sorted(seconds.items()))


@dataclass(frozen=True)
class Way:
    """A way in which a producer is lost.

    ``silent``: it asks the exchange nothing meanwhile. ``clean``: nor anything twice when it is back; ``late``: candles
    until it downloads its pairs again.
    """

    name: str
    silent: bool = True
    clean: bool = True
    late: int = 0


WAYS = (
    Way("killed"),
    Way("without_power"),
    Way("hung"),
    Way("cut_off", clean=False),  # what it had sent when the line went arrives when the line is back, as TCP does
    Way("parted", silent=False),  # each of two that do not reach each other sees to all pairs
    Way("ahead", silent=False, clean=False, late=2),  # freqtrade itself waits for the time that it had seen
    Way("behind", silent=False, clean=False),
)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, id=way.name, marks=[] if way.name == "hung" else pytest.mark.whole_sweep)
        for way in WAYS
        if COMPILER or way.name not in {"ahead", "behind"}
    ],
)
async def test_a_producer_is_lost_and_comes_back_and_the_consumer_never_notices(night: Night, way: Way) -> None:
    # so that candles of five minutes close meanwhile, too
    await until("calm moment", lambda: 180 < time.time() % 300 < 290 and 15 < time.time() % 60 < 50, 300)
    at = time.time()
    async with getattr(night, way.name)():
        away = await candles(night, UNDER_WAY)
        taken = state(night.homes[OTHER])["takeover"]
    returning = await candles(night, 1 + way.late)
    back = await candles(night, 1)
    compared = await same_as_the_exchange(night.homes[FED])
    print(f"""
{way.name}: {getattr(night, way.name).__doc__}
    candle requests meanwhile {away},
    at its return {returning},
    then {back}
    {compared} candles compared{told(night, at)}
    {LOST} asked: {course(night, LOST, at)}""")  # noqa: T201 - figures to read

    for stretch in (away, returning, back):
        assert stretch.asked[FED] == 0
        assert stretch.latest < LATE_SECONDS
    assert state(night.homes[FED])["fallbacks"] == {}
    assert away.asked[OTHER] == away.closed * len(PAIRS)
    assert f"producer-{LOST}" in taken
    assert taken[f"producer-{LOST}"]["since"] < at + 60 * UNDER_WAY, "within two candles"
    assert away.asked[LOST] <= (0 if way.silent else away.closed * len(PAIRS)), "no more than who downloads directly"
    if way.clean:
        assert returning.asked == returning.each_its_own
    else:
        assert returning.asked[LOST] <= (1 + returning.closed) * len(PAIRS)
    assert back.asked == back.each_its_own
    await until("end of the takeover", lambda: not state(night.homes[OTHER])["takeover"], 10)
