"""One link to a producer: in virtual time what it makes of answers, over a real connection how it asks."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from played_producer import FORMING, KEY, OPEN, STEP, Producer
from virtual_time import now, run

from runbook_lib.freqtrade.feed.candle.wire import PATH, Answer, Ask, Status, Want, answer_to_bytes, ask_from_bytes
from runbook_lib.freqtrade.feed.peers.client import SILENCE_SECONDS, Client, Http, clients
from runbook_lib.freqtrade.feed.reasons import Reason
from runbook_lib.freqtrade.feed.settings import ProducerAddress

WANT = Want(KEY, FORMING - 9 * STEP, FORMING - 2 * STEP)
COMING = Want(KEY, FORMING - 9 * STEP, FORMING - STEP)


class Scene:
    """One producer and the link to it, at the beginning 5 s after a candle's close."""

    def __init__(self, **producer: Any) -> None:
        self.producer = Producer(begins=OPEN + 5, **producer)
        self.said: list[tuple[str, str, float | None]] = []
        self.client = Client("p", self.producer, Ask("bot", "binance", "spot"), 0.5, self.note, self.wall)

    def note(self, name: str, state: str, why: str = "", round_trip_ms: float | None = None) -> None:
        assert name == "p"
        self.said.append((state, why, round_trip_ms))

    def wall(self) -> float:
        return OPEN + 5 + now()


def test_an_answer_is_believed_and_remembered() -> None:
    async def scene() -> None:
        world = Scene(owns=frozenset({"BTC/USDT"}), latency=0.03)
        answer = await world.client.ask((WANT,), 1.0)
        assert isinstance(answer, Answer)
        assert answer.told[0].status is Status.HAVE
        assert (world.client.owns, world.client.held) == (frozenset({"BTC/USDT"}), (KEY,))
        assert world.producer.asked[0].who == "bot"
        assert (world.producer.asked[0].exchange, world.producer.asked[0].candle_type) == ("binance", "spot")
        await world.client.ask()
        assert world.said[-1] == ("alive", "", pytest.approx(60.0))

    run(scene)


@pytest.mark.parametrize(
    ("producer", "reason", "state", "why"),
    [
        ({"dead": True}, Reason.DEAD, "dead", "Connection refused"),
        ({"replies": (401, b"wrong token")}, Reason.REFUSED, "refused", "wrong token (401)"),
        ({"replies": (403, b"\xff")}, Reason.REFUSED, "refused", "wrong token (403)"),
        (
            {"replies": (409, b"it speaks format 3 of the candle feed,\nthis is format 2")},
            Reason.REFUSED,
            "refused",
            "it speaks format 3 of the candle feed, this is format 2",
        ),
        ({"replies": (404, b"Not Found")}, Reason.DEAD, "dead", "its api_server answers 404: Not Found"),
        ({"replies": (502, b"x" * 9999)}, Reason.DEAD, "dead", f"its api_server answers 502: {'x' * 200}"),
        ({"off": 1.5}, Reason.CLOCK, "clock", "its clock is +1.5 s off"),
        ({"off": -3.0}, Reason.CLOCK, "clock", "its clock is -3.0 s off"),
        ({"off": math.nan}, Reason.CLOCK, "clock", "its clock is +nan s off"),
    ],
)
def test_why_a_producer_is_not_asked_for_candles(
    producer: dict[str, Any], reason: Reason, state: str, why: str
) -> None:
    async def scene() -> None:
        world = Scene(**producer)
        assert await world.client.ask((WANT,)) is reason
        assert world.client.trouble is reason
        assert world.said == [(state, why, None)]

    run(scene)


def test_silence_is_slowness_at_first_and_death_when_it_lasts() -> None:
    async def scene() -> None:
        world = Scene(hangs=True)
        assert await world.client.ask((WANT,), 1.0) is Reason.LATE
        assert (world.client.trouble, world.said) == (None, [])
        world.producer.hangs = False
        assert isinstance(await world.client.ask(), Answer)
        world.producer.hangs = True
        begun = now()
        answers = [await world.client.ask((WANT,), 1.0) for _ in range(2)]
        assert answers == [Reason.LATE, Reason.DEAD], "what it did not say before it answered does not count"
        assert now() - begun == pytest.approx(SILENCE_SECONDS)
        assert world.said[-1] == ("dead", "does not answer in time", None)

    run(scene)


def test_a_silent_one_is_asked_again_soon() -> None:
    async def scene() -> None:
        world = Scene(hangs=True)
        watching = asyncio.create_task(world.client.watch())
        await asyncio.sleep(SILENCE_SECONDS + 2.1)
        assert world.client.trouble is Reason.DEAD
        watching.cancel()

    run(scene)


def test_whatever_goes_wrong_in_a_look_the_next_one_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        world = Scene()

        def broken(*_: object) -> None:
            raise MemoryError("no room for a note")

        world.client.note = broken
        watching = asyncio.create_task(world.client.watch())
        await asyncio.sleep(30)
        world.client.note = world.note
        await asyncio.sleep(10)
        assert world.said, "it is asked again"
        assert caplog.text.count("said once") == 1
        watching.cancel()

    run(scene)


def test_a_host_that_cannot_be_reached_is_dead_at_once() -> None:
    async def scene() -> None:
        world = Scene(unreachable=True)
        assert await world.client.ask() is Reason.DEAD
        assert world.said == [("dead", "does not answer in time", None)]

    run(scene)


def test_what_is_no_answer_of_ours_is_no_answer() -> None:
    async def scene() -> None:
        world = Scene(replies=(200, b"<html>"))
        assert await world.client.ask() is Reason.DEAD
        assert "not an answer of the candle feed" in world.said[0][1]

    run(scene)


def test_a_slow_way_is_not_taken_for_a_wrong_clock() -> None:
    async def scene() -> None:
        assert isinstance(await Scene(latency=0.9, off=0.4).client.ask(), Answer)
        assert isinstance(await Scene(latency=0.9, off=-1.2).client.ask(), Answer)  # it cannot be told apart
        assert await Scene(latency=0.9, off=1.5).client.ask() is Reason.CLOCK
        assert await Scene(latency=0.01, off=0.6).client.ask() is Reason.CLOCK

    run(scene)


def test_a_clock_at_the_limit_is_not_believed_and_disbelieved_by_turns() -> None:
    async def scene() -> None:
        world = Scene()
        for off in (0.49, 0.53, 0.49, 0.53, 0.3, 0.24, 0.49):
            world.producer.off = off
            await world.client.ask()
        assert [state for state, _, _ in world.said] == ["alive", *["clock"] * 4, "alive", "alive"]

    run(scene)


def test_an_answer_that_is_held_back_proves_no_clock_wrong() -> None:
    async def scene() -> None:
        world = Scene()
        answer = await world.client.ask((COMING,), 1.0)
        assert isinstance(answer, Answer)
        assert now() >= 1.0
        assert answer.told[0].status is Status.COMING

    run(scene)


def test_a_question_that_got_lost_says_nothing_of_a_producer_that_answered_since() -> None:
    async def scene() -> None:
        world = Scene(hangs=True)
        lost = asyncio.create_task(world.client.ask((WANT,), 1.0))
        await asyncio.sleep(0.5)
        world.producer.hangs = False
        assert isinstance(await world.client.ask(), Answer)
        assert await lost is Reason.LATE
        assert world.client.trouble is None
        assert {state for state, _, _ in world.said} == {"alive"}

    run(scene)


@pytest.mark.parametrize(
    ("producer", "most", "least"),
    [({}, 7, 6), ({"dead": True}, 16, 14), ({"off": 9.0}, 16, 14), ({"replies": (401, b"")}, 1, 1)],
)
def test_how_often_it_is_looked_after(producer: dict[str, Any], most: int, least: int) -> None:
    async def scene() -> None:
        world = Scene(**producer)
        watch = asyncio.create_task(world.client.watch())
        await asyncio.sleep(31)
        watch.cancel()
        assert least <= len(world.said) <= most

    run(scene)


def test_who_is_asked_for_candles_all_the_time_needs_no_looking_after() -> None:
    async def scene() -> None:
        world = Scene()
        watch = asyncio.create_task(world.client.watch())
        for _ in range(20):
            await asyncio.sleep(1)
            await world.client.ask((WANT,))
        watch.cancel()
        assert len([ask for ask in world.producer.asked if not ask.wants]) == 1

    run(scene)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[ProducerAddress]:
    app = web.Application()
    app.router.add_post(PATH, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.52.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's own server
    try:
        yield ProducerAddress("p", "127.0.52.1", port, "s3cret")
    finally:
        await runner.cleanup()


async def test_over_a_real_connection_a_question_is_answered_and_the_connection_closed() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        sock = request.transport.get_extra_info("socket")
        seen.append((request.headers["Authorization"], ask_from_bytes(await request.read()).who, request.keep_alive))
        seen.append(sock.getpeername())
        return web.Response(body=answer_to_bytes(Answer("p", asyncio.get_running_loop().time(), frozenset(), (), ())))

    async with server(handler) as address:
        said: list[str] = []
        [client] = clients(
            [address], Ask("bot", "binance", "spot"), 0.5, lambda _name, state, *_more: said.append(state)
        )
        client.clock = asyncio.get_running_loop().time
        assert isinstance(await client.ask(), Answer)
        assert isinstance(await client.ask(), Answer)
        assert seen[0] == ("Bearer s3cret", "bot", False)
        assert seen[1] != seen[3]
        assert said == ["alive", "alive"]
        await client.close()
        assert isinstance(await client.ask(), Answer)
        await client.close()


async def test_over_a_real_connection_silence_ends_in_time_but_a_slow_answer_may_flow() -> None:
    over = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(4):
            await asyncio.sleep(0.15)
            await response.write(b"bit")
        return response

    async with server(silent) as address:
        http, begun = Http(address), asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await http(b"", 0.2)
        assert asyncio.get_running_loop().time() - begun < 5
        over.set()
        await http.close()
    async with server(slow) as address:
        http = Http(address)
        assert await http(b"", 0.4) == (200, b"bit" * 4)
        await http.close()


async def test_over_a_real_connection_nobody_there_is_known_at_once_and_a_redirect_is_not_followed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.52.1", 0))
        port = free.getsockname()[1]
    http = Http(ProducerAddress("p", "127.0.52.1", port, "s3cret"))
    begun = asyncio.get_running_loop().time()
    with pytest.raises(OSError, match="Connect call failed") as caught:
        await http(b"", 5)
    assert asyncio.get_running_loop().time() - begun < 1
    assert "s3cret" not in repr(caught.value)
    await http.close()

    async def elsewhere(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "http://127.0.52.2:1/"})

    async with server(elsewhere) as address:
        http = Http(address)
        assert (await http(b"", 1))[0] == 307
        await http.close()
