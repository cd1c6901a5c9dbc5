import asyncio
import random
import threading
from collections import Counter

import pytest

from runbook_lib.freqtrade.feed.exchange import budget as module
from runbook_lib.freqtrade.feed.exchange.budget import AT_ONCE, Budget, Need, counted


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)


def go_on() -> None:
    """Say that waiting makes sense."""


async def request(budget: Budget, need: Need = Need.LIVE, *, weight: float = 2.0) -> None:
    async with budget.turn(weight, need, go_on):
        pass


async def fits(budget: Budget, need: Need = Need.LIVE) -> bool:
    task = asyncio.create_task(request(budget, need))
    done, _ = await asyncio.wait([task], timeout=0.02)
    task.cancel()
    return bool(done)


async def test_a_minute_holds_so_much() -> None:
    clock = Clock()
    budget = Budget(10, clock)
    for _ in range(5):
        await request(budget)
    assert budget.used == 10
    assert not await fits(budget)
    clock.now += 59.9
    assert not await fits(budget)
    clock.now += 0.2
    assert await fits(budget)


async def test_a_request_counts_until_a_minute_after_its_answer() -> None:
    clock = Clock()
    budget = Budget(2, clock)
    async with budget.turn(2, Need.LIVE, go_on):
        clock.now += 30
    clock.now += 59
    assert not await fits(budget), "it may have reached the exchange just before its answer came"
    clock.now += 1
    assert await fits(budget)


@pytest.mark.parametrize("seed", range(5))
async def test_no_minute_of_the_exchange_holds_more_whenever_requests_reach_it(seed: int) -> None:
    clock, rng = Clock(), random.Random(seed)
    budget, limit = Budget(20, clock), 20
    arrived: list[float] = []

    async def ask() -> None:
        async with budget.turn(2, Need.LIVE, go_on):
            sent = clock.now
            ends = sent + rng.choice([0.0, 0.1, 3.0, 20.0])
            arrived.append(rng.uniform(sent, ends))
            while clock.now < ends:  # noqa: ASYNC110 - the clock is not asyncio's
                await asyncio.sleep(0)

    async def tick() -> None:
        while True:
            clock.now += rng.uniform(0, 4)
            await asyncio.sleep(0.0005)

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(ask() for _ in range(60)))
    ticking.cancel()
    assert len(arrived) == 60
    for offset in range(60):
        assert max(Counter((at + offset) // 60 for at in arrived).values()) * 2 <= limit


async def test_the_urgent_first_and_each_in_its_turn() -> None:
    clock = Clock()
    budget = Budget(2, clock)
    await request(budget)
    order: list[tuple[Need, int]] = []

    async def ask(need: Need, number: int) -> None:
        async with budget.turn(2, need, go_on):
            order.append((need, number))
        clock.now += 61

    wanted = [(need, number) for number in range(3) for need in sorted(Need, reverse=True)]
    tasks = [asyncio.create_task(ask(*each)) for each in wanted]
    await asyncio.sleep(0.01)
    assert order == []
    clock.now += 61
    await asyncio.gather(*tasks)
    assert order == sorted(wanted)


async def test_so_many_at_once() -> None:
    budget, inside, most = Budget(10_000, Clock()), 0, 0

    async def ask() -> None:
        nonlocal inside, most
        async with budget.turn(2, Need.LIVE, go_on):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(ask() for _ in range(100)))
    assert most == AT_ONCE


async def test_one_that_never_ends_does_not_keep_its_place() -> None:
    clock = Clock()
    budget = Budget(1_000, clock)
    places = [budget.turn(2, Need.LIVE, go_on) for _ in range(AT_ONCE)]
    for place in places:
        await place.__aenter__()
    assert not await fits(budget)
    clock.now += module.LOST_SECONDS
    assert await fits(budget)


async def test_what_was_not_sent_costs_nothing() -> None:
    budget = Budget(2, Clock())
    for _ in range(3):
        async with budget.turn(2, Need.LIVE, go_on) as spent:
            assert budget.used == 2
            spent.give_back()
    assert budget.used == 0


async def test_who_fails_or_gives_up_is_in_nobodys_way() -> None:
    budget = Budget(4, Clock())
    with pytest.raises(KeyError):
        async with budget.turn(2, Need.LIVE, go_on):
            raise KeyError
    assert budget.used == 2, "it may have been sent"

    async def too_big() -> None:
        await request(budget, weight=4)

    waiting = asyncio.create_task(too_big())
    await asyncio.sleep(0.005)
    assert not await fits(budget)
    waiting.cancel()
    assert await fits(budget)


async def test_waits_only_while_that_makes_sense() -> None:
    budget, shut = Budget(2, Clock()), False

    def look() -> None:
        if shut:
            raise ConnectionRefusedError

    async def ask() -> None:
        async with budget.turn(2, Need.LIVE, look):
            await asyncio.sleep(0)

    await ask()
    waiting = [asyncio.create_task(ask()) for _ in range(100)]
    await asyncio.sleep(0.01)
    shut = True
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in ended} == {ConnectionRefusedError}
    assert budget.used == 2


async def test_a_budget_smaller_than_one_request_lets_one_through() -> None:
    clock = Clock()
    budget = Budget(1, clock)
    assert await fits(budget)
    assert not await fits(budget)
    clock.now += 61
    assert await fits(budget)


async def test_obeys_the_exchanges_own_count_which_holds_what_others_use() -> None:
    clock = Clock()
    budget = Budget(100, clock)
    budget.heard(97, 20)
    assert await fits(budget, Need.FIRST)
    budget.heard(99, 20)
    assert budget.used == 99
    assert [await fits(budget, need) for need in Need] == [True, False, False, False], "live candles are not starved"
    budget.heard(399, 20)
    assert not await fits(budget, Need.LIVE)
    clock.now += 20
    assert await fits(budget, Need.HISTORY), "its next minute"


def test_two_event_loops_at_once() -> None:
    budget, inside, most, served = Budget(10_000), 0, 0, 0
    lock = threading.Lock()

    async def ask() -> None:
        nonlocal inside, most, served
        async with budget.turn(2, Need.LIVE, go_on):
            with lock:
                inside += 1
                most = max(most, inside)
            await asyncio.sleep(0.001)
            with lock:
                inside -= 1
                served += 1

    async def many() -> None:
        await asyncio.gather(*(ask() for _ in range(100)))

    threads = [threading.Thread(target=asyncio.run, args=(many(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert (served, most, budget.used) == (200, AT_ONCE, 400)


def test_a_loop_that_was_closed_with_somebody_waiting_in_it_stops_nobody() -> None:
    clock = Clock()
    budget = Budget(2, clock)
    asyncio.run(request(budget))
    gone = asyncio.new_event_loop()
    waiting = gone.create_task(request(budget))
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # it is left behind on purpose
    gone.run_until_complete(asyncio.sleep(0.005))
    gone.close()
    assert len(budget._waiting) == 1
    clock.now += 61
    assert asyncio.run(fits(budget))


@pytest.mark.parametrize(
    ("headers", "weight"),
    [({"x-mbx-used-weight-1m": "117"}, 117.0), ({"x-mbx-used-weight-1m": "?"}, None), ({}, None)],
)
def test_reads_the_exchanges_count(headers: dict[str, str], weight: float | None) -> None:
    assert counted(headers) == weight
