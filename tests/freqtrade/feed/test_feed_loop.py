import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.freqtrade.feed.loop import NAME, FeedLoop, Hung, Stopped


@pytest.fixture
def loop() -> FeedLoop:
    return FeedLoop()


async def here() -> tuple[str, asyncio.AbstractEventLoop]:
    await asyncio.sleep(0)
    return threading.current_thread().name, asyncio.get_running_loop()


async def forever(begun: threading.Event, ended: threading.Event | None = None) -> None:
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        if ended is not None:
            ended.set()


async def test_work_is_done_in_its_thread_and_the_answer_comes_back(loop: FeedLoop) -> None:
    loop.start()
    name, other = await loop.call(here())
    assert name == NAME
    assert other is not asyncio.get_running_loop()
    assert loop.run(here()).result(5) == (NAME, other)
    loop.stop()


def test_work_comes_from_any_thread_and_any_loop(loop: FeedLoop) -> None:
    loop.start()
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(asyncio.run(loop.call(here()))[0])),
        threading.Thread(target=lambda: found.append(loop.run(here()).result(5)[0])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert found == [NAME, NAME]
    loop.stop()


async def test_an_error_comes_back_as_it_is(loop: FeedLoop) -> None:
    async def fails() -> None:
        raise KeyError("candle")

    loop.start()
    with pytest.raises(KeyError, match="candle"):
        await loop.call(fails())
    assert loop.alive
    loop.stop()


async def test_whoever_no_longer_waits_cancels_the_work(loop: FeedLoop) -> None:
    begun, ended = threading.Event(), threading.Event()
    loop.start()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await loop.call(forever(begun, ended))
    assert ended.wait(5)
    loop.stop()


async def test_a_cancelled_request_is_cancelled_and_not_told_of_an_end(loop: FeedLoop) -> None:
    begun = threading.Event()
    loop.start()
    task = asyncio.create_task(loop.call(forever(begun)))
    await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    loop.stop()


async def test_one_that_hangs_is_waited_for_once_until_it_lives_again(
    loop: FeedLoop, caplog: pytest.LogCaptureFixture
) -> None:
    async def hangs() -> None:
        goes_on.wait(30)

    goes_on = threading.Event()
    loop.start()
    loop.run(hangs())
    try:
        told = await asyncio.gather(*[loop.call_within(0.05, here()) for _ in range(3)], return_exceptions=True)
        assert [str(each) for each in told] == ["no answer from the candle feed in 0.05 s"] * 3
        async with asyncio.timeout(5):
            with pytest.raises(Hung, match="the candle feed's thread hangs"):
                await loop.call_within(60, here())
    finally:
        goes_on.set()
    assert loop._sign_of_life is not None
    loop._sign_of_life.result(5)
    assert (await loop.call_within(60, here()))[0] == NAME
    assert caplog.text.count("said once") == 1
    loop.stop()


async def test_work_that_takes_too_long_is_no_thread_that_hangs(loop: FeedLoop) -> None:
    ended = threading.Event()
    loop.start()
    with pytest.raises(Hung):
        await loop.call_within(0.05, forever(threading.Event(), ended))
    assert ended.wait(5)
    assert loop._sign_of_life is not None
    loop._sign_of_life.result(5)
    assert (await loop.call_within(60, here()))[0] == NAME
    loop.stop()
    with pytest.raises(Stopped):
        await loop.call_within(60, here())


async def test_who_waits_is_told_when_it_is_stopped(loop: FeedLoop) -> None:
    # not as a cancellation: freqtrade would take that for one of its own
    begun = threading.Event()
    loop.start()
    task = asyncio.create_task(loop.call(forever(begun)))
    await asyncio.to_thread(begun.wait, 5)
    await asyncio.to_thread(loop.stop)
    with pytest.raises(Stopped):
        await task


async def test_who_waits_is_told_when_its_thread_breaks_down(loop: FeedLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    async def breaks() -> None:
        raise SystemExit("enough")

    begun = threading.Event()
    loop.start()
    task = asyncio.create_task(loop.call(forever(begun)))
    await asyncio.to_thread(begun.wait, 5)
    with pytest.raises(SystemExit):
        loop.run(breaks()).result(5)
    with pytest.raises(Stopped):
        await task
    loop._thread.join(5)
    assert not loop.alive


@pytest.mark.parametrize("started", [False, True])
async def test_nobody_is_left_waiting_who_comes_too_early_or_too_late(loop: FeedLoop, started: bool) -> None:
    if started:
        loop.start()
        loop.stop()
    with pytest.raises(Stopped):
        await loop.call(here())


def test_its_end_is_in_order_and_comes_once(loop: FeedLoop) -> None:
    ends: list[str] = []

    async def last() -> None:
        ends.append(threading.current_thread().name)

    async def fails() -> None:
        raise OSError("already closed")

    loop.start()
    loop.at_end(fails)
    loop.at_end(last)
    loop.stop()
    loop.stop()
    assert ends == [NAME]
    assert NAME not in {thread.name for thread in threading.enumerate()}


def test_work_that_ignores_its_end_does_not_hold_up_the_bot(loop: FeedLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook_lib.freqtrade.feed.loop.WIND_DOWN_SECONDS", 0.05)

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(0.3)
            except asyncio.CancelledError:
                continue
            return

    loop.start()
    loop.run(stubborn())
    loop.stop()
    assert not loop.alive


@given(st.integers(1, 20))
def test_many_who_end_as_it_ends_are_all_told(many: int) -> None:
    loop = FeedLoop()
    loop.start()

    async def all_of_them() -> list[object]:
        asked = [asyncio.create_task(loop.call(asyncio.sleep(0.0005 * number, number))) for number in range(many)]
        stopping = asyncio.create_task(asyncio.to_thread(loop.stop))
        told = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5)
        await stopping
        return told

    assert all(told == number or isinstance(told, Stopped) for number, told in enumerate(asyncio.run(all_of_them())))
