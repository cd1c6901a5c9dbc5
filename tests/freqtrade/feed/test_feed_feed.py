"""The choice between producers, played in virtual time with real questions and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from played_producer import FORMING, KEY, OPEN, STEP, Producer, history, later, same_bits, settled
from virtual_time import now, run

from runbook_lib.freqtrade.feed.candle.series import Key, Row
from runbook_lib.freqtrade.feed.candle.times import Window, window
from runbook_lib.freqtrade.feed.candle.wire import MOST_WANTS, Ask
from runbook_lib.freqtrade.feed.peers.client import PROBE_SECONDS, Client
from runbook_lib.freqtrade.feed.peers.feed import AGAIN_SECONDS, Feed
from runbook_lib.freqtrade.feed.reasons import Reason
from runbook_lib.freqtrade.feed.settings import FeedSettings

SETTINGS = FeedSettings(settle_seconds=2, wait_seconds=20, hedge_seconds=4, clock_seconds=0.5)
NEWEST = FORMING - STEP
BTC = frozenset({KEY.pair})


@dataclass
class Scene:
    """Two producers, the first owns the pair, and a bot that begins to ask ``after`` seconds after the close."""

    after: float = 1.0
    first: Producer = field(default_factory=lambda: Producer(owns=BTC))
    second: Producer = field(default_factory=lambda: Producer(owns=frozenset({"XRP/USDT"})))
    wall_off: float = 0.0
    served: list[tuple[str, float]] = field(default_factory=list)
    links: list[tuple[str, str, str]] = field(default_factory=list)
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.first.begins = self.second.begins = OPEN + self.after
        self.feed = Feed(
            [self.link("second", self.second), self.link("first", self.first)], SETTINGS, self, clock=self.wall
        )

    def link(self, name: str, producer: Producer) -> Client:
        return Client(name, producer, Ask("bot", "binance", "spot"), SETTINGS.clock_seconds, self.note, self.wall)

    def wall(self) -> float:
        return OPEN + self.after + now() + self.wall_off

    def note(self, name: str, state: str, why: str = "", round_trip_ms: float | None = None) -> None:  # noqa: ARG002 - as FeedState.link
        self.links.append((name, state, why))

    def serve(self, key: Key, window: Window, producer: str, waited: float) -> None:  # noqa: ARG002 - as FeedState.serve
        self.served.append((producer, waited))

    async def ask(
        self, key: Key = KEY, *, limit: int = 20, since: int | None = None, **more: Any
    ) -> list[Row] | Reason:
        asked = window(now=self.wall(), step=STEP, since=since, limit=limit)
        return await self.feed.answer(key, asked, **more)

    def since_close(self) -> float:
        return self.after + now()

    def at(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen ``seconds`` after the close."""
        later(seconds - self.after, happens)


def play(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(scene)


def newest_closed(answer: list[Row] | Reason) -> int:
    assert isinstance(answer, list), answer
    assert answer[-1][0] == FORMING
    assert same_bits(answer[:-1], [settled(int(row[0])) for row in answer[:-1]])
    return int(answer[-2][0])


def test_serves_at_once_what_is_there() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.take(NEWEST)
        await world.feed.start()
        begun = now()
        assert newest_closed(await world.ask()) == NEWEST
        assert now() - begun < 0.05
        assert world.served == [("first", 0.0)]
        assert [len(ask.wants) for ask in world.second.asked] == [0]
        await world.feed.stop()
        assert world.first.closed
        assert world.second.closed

    play(scene)


def test_one_that_starts_before_all_others_waits_for_the_first_to_come_up() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.dead = world.second.dead = True
        world.first.take(NEWEST)
        world.at(5 + 9, lambda: setattr(world.first, "dead", False))
        await world.feed.start()
        assert await world.feed.first_up()
        assert 9 <= now() < 9 + PROBE_SECONDS[Reason.DEAD] + AGAIN_SECONDS
        assert newest_closed(await world.ask()) == NEWEST
        await world.feed.stop()

    play(scene)


def test_one_whose_producers_stay_down_starts_without_them() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.dead = world.second.dead = True
        await world.feed.start()
        assert not await world.feed.first_up()
        assert SETTINGS.start_seconds <= now() < SETTINGS.start_seconds + 2 * AGAIN_SECONDS
        assert await world.ask() is Reason.DEAD
        await world.feed.stop()

    play(scene)


@pytest.mark.parametrize("replies", [None, (401, b"no"), (409, b"another market")])
def test_nobody_is_waited_for_who_is_up_or_will_never_answer(replies: tuple[int, bytes] | None) -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.dead, world.second.replies = True, replies
        await world.feed.start()
        begun = now()
        assert await world.feed.first_up() is (replies is None)
        assert now() == begun
        await world.feed.stop()

    play(scene)


def test_one_whose_own_clock_is_set_right_does_not_call_the_others_wrong_any_longer() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.take(NEWEST)
        world.wall_off = -90.0
        await world.feed.start()
        assert {link.trouble for link in world.feed.links} == {Reason.CLOCK}
        assert await world.ask() is Reason.CLOCK
        world.wall_off, asked, begun = 0.0, len(world.first.asked), now()
        answers = await asyncio.gather(*[world.ask() for _ in range(20)])
        assert {newest_closed(answer) for answer in answers} == {NEWEST}
        assert now() - begun < 0.1
        assert len(world.first.asked) - asked == 2  # how it stands, and for the candles
        await world.feed.stop()

    play(scene)


def test_a_candle_is_not_asked_for_before_it_has_settled() -> None:
    async def scene() -> None:
        world = Scene(after=0.1)
        world.at(2.0, lambda: world.first.take(NEWEST))
        assert newest_closed(await world.ask()) == NEWEST
        assert 2.0 <= world.since_close() < 2.2

    play(scene)


def test_waits_for_the_owner_alone_while_it_may_still_deliver() -> None:
    async def scene() -> None:
        world = Scene()
        world.at(5.2, lambda: world.first.take(NEWEST))
        await world.feed.start()
        assert newest_closed(await world.ask()) == NEWEST
        assert 5.2 <= world.since_close() < 5.4
        assert world.served == [("first", pytest.approx(3.2, abs=0.2))]
        assert not any(ask.wants for ask in world.second.asked)

    play(scene)


def test_the_other_is_asked_as_well_when_the_owner_takes_too_long() -> None:
    async def scene() -> None:
        world = Scene()
        world.at(3, lambda: world.second.take(NEWEST))
        await world.feed.start()
        assert newest_closed(await world.ask()) == NEWEST
        assert 6.0 <= world.since_close() < 6.2
        assert world.served[0][0] == "second"

    play(scene)


def test_the_owner_may_still_win_once_both_are_asked() -> None:
    async def scene() -> None:
        world = Scene()
        world.at(9, lambda: world.first.take(NEWEST))
        await world.feed.start()
        assert newest_closed(await world.ask()) == NEWEST
        assert 9.0 <= world.since_close() < 9.2
        assert world.served[0][0] == "first"

    play(scene)


@pytest.mark.parametrize("how", ["dead", "says no", "wrong token", "another market", "wrong clock", "no feed"])
def test_the_other_is_asked_at_once_when_the_owner_cannot_help(how: str) -> None:
    async def scene() -> None:
        world = Scene(after=3)
        world.second.take(NEWEST)
        world.first.dead, world.first.promises = how == "dead", how != "says no"
        world.first.off = 2.0 if how == "wrong clock" else 0.0
        world.first.replies = {
            "wrong token": (401, b"no"),
            "another market": (409, b"this producer serves kraken"),
            "no feed": (404, b"Not Found"),
        }.get(how)
        if how == "wrong clock":  # seen in answers that come at once
            await world.feed.start()
        begun = now()
        assert newest_closed(await world.ask()) == NEWEST
        assert now() - begun < 0.1
        assert world.served[0][0] == "second"

    play(scene)


def test_a_producer_that_dies_while_it_is_waited_for_is_left_at_once() -> None:
    async def scene() -> None:
        world = Scene()
        world.second.take(NEWEST - STEP)
        world.at(2.5, lambda: world.second.take(NEWEST))
        world.at(3.3, world.first.die)
        await world.feed.start()
        assert newest_closed(await world.ask()) == NEWEST
        assert world.since_close() < 3.5

    play(scene)


def test_a_hundred_who_ask_together_cost_one_question() -> None:
    async def scene() -> None:
        world = Scene(after=0.5)
        keys = [Key(f"C{number}/USDT", "1m", "spot") for number in range(100)]
        world.first.owns = frozenset(key.pair for key in keys)
        world.first.held = {key: history(40) for key in keys}
        for key in keys:
            world.at(2.7, lambda key=key: world.first.take(NEWEST, key))  # type: ignore[misc]  # mypy cannot infer it
        await world.feed.start()
        answers = await asyncio.gather(*[world.ask(key) for key in keys])
        assert {newest_closed(answer) for answer in answers} == {NEWEST}
        assert [len(ask.wants) for ask in world.first.asked] == [0, 100]

    play(scene)


def test_more_than_one_question_may_hold_are_asked_in_several() -> None:
    async def scene() -> None:
        world = Scene(after=5.0)
        keys = [Key(f"C{number}/USDT", "1m", "spot") for number in range(MOST_WANTS + 1)]
        world.first.owns = frozenset(key.pair for key in keys)
        world.first.held = dict.fromkeys(keys, history(40, 1))
        await world.feed.start()
        answers = await asyncio.gather(*[world.ask(key) for key in keys])
        assert {newest_closed(answer) for answer in answers} == {NEWEST}
        assert [len(ask.wants) for ask in world.first.asked] == [0, MOST_WANTS, 1]

    play(scene)


def test_pages_of_one_series_are_asked_for_once_and_each_gets_its_own() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.held[KEY] = history(3000, 1)
        pages = [FORMING - back * STEP for back in (3500, 2500, 1500, 500, 0)]
        answers = await asyncio.gather(*[world.ask(since=since, limit=1000) for since in pages])
        assert answers[0] is Reason.SHORT
        assert [len(answer) for answer in answers[1:]] == [1000, 1000, 501, 1]
        assert answers[1][0] == settled(pages[1])
        assert answers[2][-1] == settled(pages[2] + 999 * STEP)
        assert sum(len(ask.wants) for ask in world.first.asked) == 1

    play(scene)


def test_who_no_longer_asks_does_not_take_the_others_question_away() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.at(6.0, lambda: world.first.take(NEWEST))
        hasty, patient = asyncio.create_task(world.ask()), asyncio.create_task(world.ask())
        await asyncio.sleep(0.3)
        hasty.cancel()
        assert newest_closed(await patient) == NEWEST
        assert hasty.cancelled()

    play(scene)


def test_gives_up_when_its_patience_ends_and_is_not_patient_again_with_that_candle() -> None:
    async def scene() -> None:
        world = Scene()
        await world.feed.start()
        assert await world.ask() is Reason.LATE
        assert 22 <= world.since_close() <= 22.1
        assert await world.ask(limit=10) is Reason.LATE
        assert world.since_close() <= 23.2
        world.first.take(NEWEST)
        assert newest_closed(await world.ask()) == NEWEST

    play(scene)


def test_who_is_in_a_hurry_says_so() -> None:
    async def scene() -> None:
        world = Scene(after=2)
        assert await world.ask(patience=3.0) is Reason.LATE
        assert 5 <= world.since_close() <= 5.1

    play(scene)


def test_only_those_named_are_asked() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.second.take(NEWEST)
        world.first.promises = False
        assert await world.ask(only={"first"}) is Reason.MISSING
        assert world.second.asked == []
        assert await world.ask(only=()) is Reason.DEAD

    play(scene)


def test_nobody_waits_for_producers_that_are_all_dead() -> None:
    async def scene() -> None:
        world = Scene(after=0.2)
        world.first.dead = world.second.dead = True
        await world.feed.start()
        begun = now()
        assert await world.ask() is Reason.DEAD  # nor for the candle to settle: whoever downloads it sees to that
        assert now() == begun
        world.first.dead = False
        await asyncio.sleep(2.1)
        world.first.take(NEWEST)
        assert newest_closed(await world.ask()) == NEWEST

    play(scene)


def test_that_both_just_died_is_found_out_at_once() -> None:
    async def scene() -> None:
        world = Scene(after=3)
        await world.feed.start()
        world.first.dead = world.second.dead = True
        begun = now()
        assert await world.ask() is Reason.DEAD
        assert now() - begun < 0.1

    play(scene)


def test_a_hung_producer_is_known_before_the_next_candle() -> None:
    async def scene() -> None:
        world = Scene(after=-20.0)
        world.second.take(NEWEST - STEP)
        await world.feed.start()
        world.first.hangs = True
        await asyncio.sleep(22.1)
        world.second.take(NEWEST)
        begun = now()
        assert newest_closed(await world.ask()) == NEWEST
        assert now() - begun < 0.1

    play(scene)


def test_the_last_producer_that_is_only_busy_is_waited_for() -> None:
    async def scene() -> None:
        world = Scene(after=0.2)
        world.second.dead = True
        await world.feed.start()
        world.first.hangs = True
        world.at(3, lambda: world.first.take(NEWEST))
        world.at(5.5, lambda: setattr(world.first, "hangs", False))
        assert newest_closed(await world.ask()) == NEWEST
        assert not any(link[:2] == ("first", "dead") for link in world.links)

    play(scene)


def test_a_refusal_is_said_at_once_and_not_asked_about_for_minutes() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.replies = (403, b"")
        await world.feed.start()
        assert ("first", "refused", "wrong token (403)") in world.links
        await asyncio.sleep(290)
        assert len(world.first.asked) == 1
        world.first.replies = None
        await asyncio.sleep(15)
        assert world.links[-1][1] == "alive"
        assert ("first", "alive", "") in world.links[-10:]

    play(scene)


def test_a_series_that_nobody_owns_is_asked_of_the_same_one_by_everybody() -> None:
    async def scene() -> None:
        key = Key("ODD/USDT", "1h", "spot")
        world = Scene(after=5)
        world.first.held[key] = world.second.held[key] = history(40, 1)
        assert newest_closed(await world.ask(key)) == NEWEST
        assert (len(world.first.asked), len(world.second.asked)) == (1, 0)

    play(scene)


@pytest.mark.parametrize(
    "foreign", [Key("ETH/USDT", "1m", "spot"), Key("BTC/USDT", "5m", "spot"), Key("BTC/USDT", "1m", "futures")]
)
def test_nothing_of_another_series_is_served(foreign: Key) -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.take(NEWEST)
        world.second.take(NEWEST)
        assert await world.ask(foreign) is Reason.MISSING

    play(scene)


def test_a_hole_is_not_handed_on_and_the_other_is_asked() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.take(NEWEST)
        world.first.lose(NEWEST - 3 * STEP)
        assert await world.ask(only={"first"}) is Reason.HOLE
        world.second.take(NEWEST)
        assert newest_closed(await world.ask()) == NEWEST
        assert world.served == [("second", 0.0)]

    play(scene)


def test_a_forming_candle_makes_a_producers_series_suspect_for_good() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        world.first.take(NEWEST)
        world.first.take(FORMING)
        assert newest_closed(await world.ask()) == NEWEST  # that one is not the forming one
        assert await world.ask(only={"first"}, since=FORMING - 5 * STEP, limit=9, patience=1.0) != Reason.EARLY
        world.after += 70
        world.first.begins += 70  # it never asked again for what it took too early
        asked = window(now=world.wall(), step=STEP, since=None, limit=5)
        assert await world.feed.answer(KEY, asked, only={"first"}) is Reason.EARLY

    play(scene)


def test_a_wall_clock_set_back_does_not_hang_the_bot() -> None:
    async def scene() -> None:
        world = Scene(after=0.5)
        later(1.0, lambda: setattr(world, "wall_off", -7200.0))
        assert isinstance(await world.ask(), Reason)
        assert now() < 23

    play(scene)


def test_nothing_is_asked_for_what_lies_in_the_future() -> None:
    async def scene() -> None:
        world = Scene(after=5)
        assert await world.ask(since=FORMING + STEP) == []
        assert world.first.asked == []

    play(scene)


@st.composite
def trouble(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what is wrong with a producer, if anything."""
    seconds = st.floats(0, 25, allow_nan=False)
    return {
        "off": draw(st.sampled_from([0.0, 0.0, 0.3, -0.4, 0.8, -2.0, 60.0])),
        "latency": draw(st.sampled_from([0.001, 0.05, 0.6])),
        "holds_back": draw(st.booleans()),
        "promises": draw(st.booleans()),
        "takes": draw(st.none() | st.floats(2, 30, allow_nan=False)),
        "reach": draw(st.sampled_from([3, 40, 40, 40])),
        "hole": draw(st.none() | st.integers(1, 30)),
        "dies": draw(st.none() | seconds),
        "hangs": draw(st.none() | seconds),
        "revives": draw(st.none() | seconds),
        "early": draw(st.integers(0, 2)),
        "replies": draw(st.sampled_from([None] * 6 + [(401, b""), (409, b"other"), (500, b"oops"), (200, b"what?")])),
        "owns": draw(st.booleans()),
    }


def troubled(world: Scene, producer: Producer, what: dict[str, Any]) -> None:
    for name in ("off", "latency", "holds_back", "promises", "replies"):
        setattr(producer, name, what[name])
    producer.owns = BTC if what["owns"] else frozenset()
    producer.held[KEY] = history(what["reach"])
    if what["takes"] is not None:  # by its own clock, as it knows no other
        world.at(max(what["takes"] - what["off"], world.after), lambda: producer.take(NEWEST))
    if what["hole"] is not None:
        producer.lose(FORMING - what["hole"] * STEP)
    for early in range(what["early"]):  # candles of a future that it believes in
        producer.put([[FORMING + early * STEP, *[1.0] * 5]])
    if what["dies"] is not None:
        world.at(max(what["dies"], world.after), producer.die)
    if what["hangs"] is not None:
        world.at(max(what["hangs"], world.after), lambda: setattr(producer, "hangs", True))
    if what["revives"] is not None:
        world.at(max(what["revives"], world.after), lambda: vars(producer).update(dead=False, hangs=False))


@given(
    producers=st.tuples(trouble(), trouble()),
    after=st.floats(0, 28, allow_nan=False),
    background=st.booleans(),
    since=st.none() | st.integers(-3, 45),
    limit=st.integers(1, 40),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_served_is_the_exchanges_own_and_in_time(
    producers: tuple[dict[str, Any], dict[str, Any]], after: float, background: bool, since: int | None, limit: int
) -> None:
    async def scene() -> None:
        world = Scene(after=after)
        troubled(world, world.first, producers[0])
        troubled(world, world.second, producers[1])
        if background:
            await world.feed.start()
        asked = window(
            now=world.wall(), step=STEP, since=None if since is None else FORMING - since * STEP, limit=limit
        )
        begun = now()
        answer = await world.feed.answer(KEY, asked)
        assert now() - begun <= SETTINGS.settle_seconds + SETTINGS.wait_seconds + 0.01
        if not isinstance(answer, Reason):
            closed = [row for row in answer if row[0] < asked.forming]
            assert [row[0] for row in closed] == list(range(asked.first, asked.last + 1, STEP))
            assert same_bits(closed, [settled(int(row[0])) for row in closed])
            assert [row[0] for row in answer[len(closed) :]] == [asked.forming] * asked.with_forming
            if asked.touches_newest:
                assert world.wall() >= asked.settled_at(SETTINGS.settle_seconds) - 0.001
        await world.feed.stop()

    play(scene)
