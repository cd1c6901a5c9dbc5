"""Two producers that stand by for each other, through whole lives and deaths, in a time that jumps."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from two_producers import EPOCH, EVERY, PAIRS, Consumer, World, now, play

Story = Callable[[World], Awaitable[None]]


def told(story: Story, where: Path) -> None:
    async def whole() -> None:
        await story(World(where))
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
    world.task = asyncio.create_task(consumer.run())  # type: ignore[attr-defined]  # somebody must hold it
    await until(60)
    assert not consumer.direct
    return consumer


def test_both_at_once_from_nothing_download_every_pair_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.producer("a").begin()
        world.producer("b").begin()
        await until(50)
        assert len(world.exchange.calls) == len(EVERY)
        for name, pairs in PAIRS.items():
            producer = world.producers[name]
            assert {call.pair for call in world.exchange.calls if call.who == name} == set(pairs)
            # each has the other's series, too, in the depth that it would need
            assert {key.pair for key in producer.store.series()} == set(EVERY)
            assert min(len(producer.store.get(key)) for key in producer.store.series()) == 999

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


def test_a_dead_one_that_comes_back_gets_what_is_its_own_without_a_request(tmp_path: Path) -> None:
    async def story(world: World, back: float) -> None:
        consumer = await running(world)
        await until(110)
        await world.producers["a"].kill()
        await until(back)
        world.producers["a"].begin()
        await until(600)
        counts = world.exchange.per_candle(EPOCH + 120, EPOCH + 600)
        assert len(counts) == 8 * len(EVERY), f"back at {back}"
        assert set(counts.values()) == {1}, f"back at {back}"
        assert not consumer.direct
        assert world.producers["a"].newest() == {540 - 60}
        # it downloads its own again, and the other one no longer does
        assert {call.who for call in world.exchange.calls if call.pair == "A1/USDT" and call.at > EPOCH + 480} == {"a"}
        assert world.producers["b"].state.as_json()["takeover"] == {}
        assert [event for event in told_by(world, "b") if "gives back" in event]

    def one(back: float) -> Story:
        return lambda world: story(world, back)

    # in the middle, around the close, while the candle settles, while the other one downloads
    for back in (330.0, 358.0, 359.9, 360.0, 361.5, 361.99, 362.0, 362.05, 362.2, 365.0):
        where = tmp_path / str(back)
        where.mkdir()
        told(one(back), where)


def told_by(world: World, name: str) -> list[str]:
    events = world.producers[name].state.as_json()["events"]
    assert isinstance(events, list)
    return [event["what"] for event in events]
