import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from runbook_lib.freqtrade.feed import liveness
from runbook_lib.freqtrade.feed.liveness import Liveness, ping
from runbook_lib.freqtrade.feed.settings import ProducerAddress

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[ProducerAddress]:
    listening = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with listening:
        yield ProducerAddress("it", "127.0.0.1", listening.sockets[0].getsockname()[1])


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: bytes) -> None:
    request = await reader.readuntil(b"\r\n\r\n")
    assert request.startswith(b"GET /api/v1/ping HTTP/1.1\r\n")
    writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
    writer.close()


async def test_a_server_that_answers_lives() -> None:
    async with server(lambda r, w: answer(r, w, b"200 OK")) as producer:
        assert await ping(producer)


async def test_something_else_on_that_port_does_not() -> None:
    async with server(lambda r, w: answer(r, w, b"404 Not Found")) as producer:
        assert not await ping(producer)


async def test_a_closed_port_is_dead() -> None:
    async with server(lambda r, w: answer(r, w, b"200 OK")) as producer:
        pass
    assert not await ping(producer)


async def test_a_hung_server_is_dead_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "ANSWER_SECONDS", 0.05)
    let_go = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_go.wait()
        writer.close()

    async with server(hang) as producer:
        assert not await ping(producer)
        let_go.set()


async def test_all_who_wait_share_one_question() -> None:
    asked = 0
    now = 0.0

    async def ask(_producer: ProducerAddress) -> bool:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked == 1

    known = Liveness(ask, clock=lambda: now)
    producer = ProducerAddress("it", "127.0.0.1", 1)
    assert all(await asyncio.gather(*[known.alive(producer) for _ in range(100)]))
    assert asked == 1
    now += liveness.KEEP_SECONDS + 0.1
    assert not await known.alive(producer)
    assert asked == 2
