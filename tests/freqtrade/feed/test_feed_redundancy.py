"""Two producers that stand by for each other, through whole lives and deaths, in a time that jumps."""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from two_producers import EPOCH, EVERY, PAIRS, Consumer, World, now, play

from runbook_lib.freqtrade.feed.candle.series import Key
from runbook_lib.freqtrade.feed.peers import serve

Story = Callable[[World], Awaitable[None]]


def told(story: Story, where: Path) -> None:
    async def whole() -> None:
        world = World(where)
        await story(world)
        for task in world.consuming:
            assert not task.done(), task.exception()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    play(whole())


async def until(seconds: float) -> None:
    await asyncio.sleep(EPOCH + seconds - now())


async def running(world: World) -> Consumer:
    """Both producers and a consumer, in step since the candle that begins at 60 s."""
    world.producer("a").begin()
    world.producer("b").begin()
    await until(20)
    consumer = Consumer(world)
    consumer.begin()
    await until(60)
    assert not consumer.direct
    return consumer


def test_both_at_once_from_nothing_download_every_pair_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.producer("a").begin()
        world.producer("b").begin()
        await until(3.0)
        assert len(world.exchange.calls) == len(EVERY), "nobody waits for the other"
        await until(15.0)
        assert len(world.exchange.calls) == len(EVERY)
        for name, pairs in PAIRS.items():
            producer = world.producers[name]
            assert {call.pair for call in world.exchange.calls if call.who == name} == set(pairs)
            # each has the other's series, too, in the depth that it would need
            assert {key.pair for key in producer.store.series()} == set(EVERY)
            assert min(len(producer.store.get(key)) for key in producer.store.series()) == 999

    told(story, tmp_path)


def test_after_a_power_cut_everybody_waits_for_the_producers(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = Consumer(world, timeframes=("1m", "5m"))
        world.producer("a").begin()
        await until(0.1)
        consumer.begin(depth=1000)
        await until(1.5)
        world.producer("b").begin()
        await until(50)
        assert not consumer.direct
        asked = [(call.pair, call.timeframe) for call in world.exchange.calls]
        assert len(asked) == len(set(asked)) == 2 * len(EVERY)

    told(story, tmp_path)


def test_each_pair_is_downloaded_once_a_candle(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(60 + 10 * 60)
        counts = world.exchange.per_candle(EPOCH + 60, EPOCH + 660)
        assert len(counts) == 10 * len(EVERY)
        assert set(counts.values()) == {1}
        assert not consumer.direct
        assert max(consumer.ages[len(EVERY) :]) < 3.0

    told(story, tmp_path)


def test_a_dead_one_is_replaced_within_the_candle(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        await world.producers["a"].kill()
        await until(60 + 6 * 60)
        counts = world.exchange.per_candle(EPOCH + 120, EPOCH + 420)
        assert len(counts) == 5 * len(EVERY)
        assert set(counts.values()) == {1}
        assert not consumer.direct
        assert max(consumer.ages[len(EVERY) :]) < 4.0
        state = world.producers["b"].state.as_json()
        takeover = state["takeover"]
        assert isinstance(takeover, dict)
        assert takeover["a"]["pairs"] == 3
        assert takeover["a"]["requests"] == 15

    told(story, tmp_path)


# in the middle, before the close, while the candle settles, while the other one downloads, after that
@pytest.mark.parametrize("first_round", [0.0, 2.1])
@pytest.mark.parametrize("back", [210.0, 238.5, 239.9, 240.9, 242.0, 242.05, 245.0])
def test_a_dead_one_that_comes_back_gets_what_is_its_own_without_a_request(
    tmp_path: Path, back: float, first_round: float
) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        await world.producers["a"].kill()
        await until(back)
        world.producers["a"].begin(first_round=first_round)
        await until(420)
        counts = world.exchange.per_candle(EPOCH + 120, EPOCH + 420)
        assert len(counts) == 5 * len(EVERY)
        assert set(counts.values()) == {1}
        assert not consumer.direct
        assert world.producers["a"].newest() == {360 - 60}
        assert max(consumer.ages[len(EVERY) :]) < 4.0
        # it downloads its own again, and the other one no longer does
        assert {call.who for call in world.exchange.calls if call.pair == "A1/USDT" and call.at > EPOCH + 300} == {"a"}
        assert world.producers["b"].state.as_json()["takeover"] == {}
        assert [event for event in told_by(world, "b") if "gives back" in event]

    told(story, tmp_path)


def test_one_that_hangs_is_replaced_and_goes_on_later_without_a_request(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        world.producers["a"].awake.clear()  # SIGSTOP: connections are accepted, nothing is answered
        await until(330)
        stopped = world.exchange.by("a")
        world.producers["a"].awake.set()
        await until(355)
        assert world.exchange.by("a") == stopped, "the other one had all that it missed"
        assert world.producers["a"].newest() == {240}
        await until(480)
        counts = world.exchange.per_candle(EPOCH + 120, EPOCH + 480)
        assert len(counts) == 6 * len(EVERY)
        assert set(counts.values()) == {1}
        assert not consumer.direct
        assert max(consumer.ages[len(EVERY) :]) < 2.0 + 3.0 + 4.0 + 1.0

    told(story, tmp_path)


def test_one_that_the_exchange_refuses_is_fed_by_the_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        world.exchange.refuses = {"a"}
        await until(420)
        assert world.producers["a"].newest() == {360 - 60}, "its own bot misses nothing"
        assert not consumer.direct
        assert max(consumer.ages[len(EVERY) :]) < 4.0
        assert world.exchange.by("a", since=EPOCH + 120) <= 8
        world.exchange.refuses = set()
        await until(900)
        assert world.producers["b"].state.as_json()["takeover"] == {}
        assert not consumer.direct
        assert {call.who for call in world.exchange.calls if call.pair == "A1/USDT" and call.at > EPOCH + 840} == {"a"}

    told(story, tmp_path)


def test_one_that_cannot_reach_the_exchange_is_fed_by_the_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        world.exchange.cut = {"a"}
        await until(300)
        assert world.producers["a"].newest() == {240 - 60 + 0}
        assert not consumer.direct
        assert world.exchange.by("b", since=EPOCH + 120) == 3 * len(EVERY)

    told(story, tmp_path)


def test_one_whose_clock_is_wrong_is_replaced_and_puts_nothing_wrong_into_the_feed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        world.producers["a"].ahead = 30.0
        await until(300)
        assert not consumer.direct  # the consumer compares every value with what the exchange settled on
        world.producers["a"].ahead = 0.0
        await until(600)
        assert not consumer.direct
        for pair in PAIRS["a"]:
            assert {call.who for call in world.exchange.calls if call.pair == pair and call.at > EPOCH + 540} == {"a"}

    told(story, tmp_path)


def test_one_whose_clock_is_wrong_downloads_nothing_that_it_would_throw_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        longer = Consumer(world, "d", ("1m", "5m"))
        longer.begin()
        await until(230)
        world.producers["a"].ahead = 5.0
        await until(290)
        await until(890)
        assert not longer.direct
        calls = [call for call in world.exchange.calls if call.at > EPOCH + 290]
        of_5m = Tally((call.pair, call.who) for call in calls if call.timeframe == "5m")
        assert of_5m == {(pair, "b"): 2 for pair in EVERY}
        # its bot goes on asking for its own pairs, and so learns when the clock is right again
        assert sum(call.who == "a" for call in calls) <= 10 * len(PAIRS["a"]) * 2
        world.producers["a"].ahead = 0.0
        await until(1490)
        asked = Tally((call.pair, call.who) for call in world.exchange.calls if call.at > EPOCH + 1190)
        assert asked == {(pair, name): 6 for name, pairs in PAIRS.items() for pair in pairs}

    told(story, tmp_path)


@pytest.mark.parametrize("dead", ["", "a"])
def test_a_halted_market_holds_nobody_up_and_costs_no_more_than_direct_downloading(tmp_path: Path, dead: str) -> None:
    async def story(world: World) -> None:
        await running(world)
        consumer = Consumer(world, "d", ("1m", "5m"), throttle=5.0)
        consumer.begin()
        await until(290)
        world.exchange.halted = {"A1/USDT": EPOCH + 240}
        if dead:
            await world.producers[dead].kill()
        await until(310)
        consumer.waits.clear()
        consumer.polls.clear()
        before = len(world.exchange.calls)
        await until(910)
        assert not consumer.direct
        assert max(consumer.waits) < 2.5, "it has settled, and was looked for"
        calls = world.exchange.calls[before:]
        asked = Tally((call.pair, call.timeframe) for call in calls)
        for timeframe in ("1m", "5m"):  # one bot alone would ask as often as this one did
            assert 0 < asked["A1/USDT", timeframe] <= consumer.polls["A1/USDT", timeframe]
        assert {asked[pair, "1m"] for pair in EVERY if pair != "A1/USDT"} == {10}
        assert "takes over from a" not in told_by(world, "b") or dead
        world.exchange.halted = {}
        await until(990)
        assert not consumer.direct
        assert set(consumer.held.values()) == {(EPOCH + 900) * 1000, (EPOCH + 600) * 1000}

    told(story, tmp_path)


def test_both_dead_are_told_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        for producer in world.producers.values():
            await producer.kill()
        await until(190)
        assert {str(reason) for _, _, reason in consumer.direct} == {"no producer answers"}
        assert max(at % 60 for at, _, _ in consumer.direct) < 2.0, "the exchange is asked as soon as ever"

    told(story, tmp_path)


def test_what_consumers_want_besides_is_downloaded_once_and_survives_its_producer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        more = Consumer(world, "d", ("1m", "5m"))
        more.begin(depth=300)
        await until(290)
        first_of_5m = [call for call in world.exchange.calls if call.timeframe == "5m"]
        assert len(first_of_5m) == len(EVERY), "by the pair's owner, once"
        await until(590)
        await world.producers["a"].kill()
        await until(960)
        world.producers["a"].begin()
        await until(1260)
        of_5m = [(call.pair, int(call.at // 300)) for call in world.exchange.calls if call.timeframe == "5m"]
        assert len(of_5m) == len(set(of_5m)) == 5 * len(EVERY)
        assert not more.direct
        assert not consumer.direct

    told(story, tmp_path)


def test_the_older_candles_that_a_consumer_wants_are_downloaded_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        deep = Consumer(world, "d")
        deep.begin(depth=2500)
        await until(115)
        assert not deep.direct
        older = [call for call in world.exchange.calls if call.since is not None]
        assert len(older) == 2 * len(EVERY)
        again = Consumer(world, "e")
        again.begin(depth=2500)
        await until(118)
        assert not again.direct
        assert len([call for call in world.exchange.calls if call.since is not None]) == 2 * len(EVERY)

    told(story, tmp_path)


def test_the_older_candles_of_a_dead_one_are_downloaded_by_the_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        await until(110)
        await world.producers["a"].kill()
        await until(130)
        deep = Consumer(world, "d")
        deep.begin(depth=2500)
        await until(175)
        assert not deep.direct
        older = Tally((call.pair, call.who) for call in world.exchange.calls if call.since is not None)
        assert older == {(pair, "b"): 2 for pair in EVERY}

    told(story, tmp_path)


def test_candles_too_many_for_one_answer_come_in_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "MOST_TOLD", 1000)

    async def story(world: World) -> None:
        await running(world)
        large = Consumer(world, "d")
        large.begin(depth=900)
        await until(65)
        assert set(large.held) == {Key(pair, "1m", "spot") for pair in EVERY}
        assert max(large.waits) < 2.0 + 1.0, "three answers of each producer, once the newest has settled"
        assert not large.direct

    told(story, tmp_path)


def test_a_line_that_is_cut_between_the_producers_leaves_consumers_served(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        consumer = await running(world)
        await until(110)
        world.partitioned = {("a", "b"), ("b", "a")}
        await until(300)
        assert not consumer.direct
        counts = world.exchange.per_candle(EPOCH + 120, EPOCH + 300)
        assert len(counts) == 3 * len(EVERY)
        assert max(counts.values()) <= 2, "by each of the two, never more"
        world.partitioned = set()
        await until(420)
        counts = world.exchange.per_candle(EPOCH + 360, EPOCH + 420)
        assert set(counts.values()) == {1}

    told(story, tmp_path)


def test_one_that_comes_back_takes_up_its_longer_timeframes_before_their_next_candle(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        longer = Consumer(world, "d", ("1m", "5m", "1h"))
        longer.begin()
        await until(290)
        await world.producers["a"].kill()
        await until(320)  # candles of five minutes closed meanwhile
        assert "takes over from a" in told_by(world, "b")
        world.producers["a"].begin()
        before = len(world.exchange.calls)
        await until(355)
        assert len(world.exchange.calls) == before, "b has everything"
        assert {key.timeframe for key in world.producers["a"].series.held() if key.pair in PAIRS["a"]} == {"5m", "1h"}
        await until(480)
        assert "gives back to a: 3 pairs, 6 requests in its place" in told_by(world, "b"), "not in an hour"
        await until(890)
        assert told_by(world, "b").count("takes over from a") == 1
        of_5m = {
            (call.pair, call.who) for call in world.exchange.calls if call.timeframe == "5m" and call.at > EPOCH + 590
        }
        assert of_5m == {(pair, owner) for owner, pairs in PAIRS.items() for pair in pairs}
        assert not longer.direct

    told(story, tmp_path)


@pytest.mark.parametrize("away", [30, 90, 150])
def test_one_that_slept_over_the_close_of_longer_candles_downloads_none_again(tmp_path: Path, away: float) -> None:
    async def story(world: World) -> None:
        await running(world)
        longer = Consumer(world, "d", ("1m", "5m"))
        longer.begin()
        await until(290)
        world.producers["a"].awake.clear()
        await until(290 + away)
        world.producers["a"].awake.set()
        await until(890)
        asked = Tally((call.pair, call.timeframe) for call in world.exchange.calls if call.at > EPOCH + 290)
        assert asked == {(pair, each): times for pair in EVERY for each, times in (("1m", 10), ("5m", 2))}
        back = {(call.pair, call.who) for call in world.exchange.calls if call.at > EPOCH + 540}
        assert back == {(pair, owner) for owner, pairs in PAIRS.items() for pair in pairs}
        assert not longer.direct

    told(story, tmp_path)


def test_what_nobody_wants_any_more_is_let_go_by_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await running(world)
        once = Consumer(world, "d", ("5m",))
        once.begin()
        await until(290)
        world.consuming.pop().cancel()
        await world.producers["a"].kill()
        world.producers["a"].begin()
        await until(350)
        assert any(key.timeframe == "5m" for key in world.producers["a"].series.held())
        await until(2 * 3600)
        for producer in world.producers.values():
            assert {key.timeframe for key in producer.series.held()} == {"1m"}

    told(story, tmp_path)


def test_without_another_producer_it_is_on_its_own(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.producer("a").begin(tuple(EVERY))
        await until(20)
        consumer = Consumer(world)
        consumer.begin()
        await until(310)
        counts = world.exchange.per_candle(EPOCH, EPOCH + 300)
        assert set(counts.values()) == {1}
        assert not consumer.direct

    told(story, tmp_path)


def told_by(world: World, name: str) -> list[str]:
    events = world.producers[name].state.as_json()["events"]
    assert isinstance(events, list)
    return [event["what"] for event in events]
