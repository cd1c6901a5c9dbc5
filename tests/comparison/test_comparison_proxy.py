from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import aiohttp
import caching_proxy
import pytest
from aiohttp import web

PROXY, EXCHANGE = "127.0.57.201:18257", "127.0.57.202:18257"


def test_every_rest_address_goes_to_the_proxy_and_streams_stay() -> None:
    urls = {"public": "http://{address}:18080/api/v3", "ws": {"spot": "ws://{address}:18080/ws"}}
    turned = caching_proxy.in_front(
        {"urls": {"api": urls}, "timeout": 5}, exchange="http://{address}:18080", proxy="http://127.0.3.9:8080"
    )
    assert turned == {
        "urls": {"api": {"public": "http://127.0.3.9:8080/api/v3", "ws": {"spot": "ws://{address}:18080/ws"}}},
        "timeout": 5,
    }


async def test_equal_questions_at_once_are_one_for_the_exchange(tmp_path: Path) -> None:
    program = caching_proxy.program()
    if program is None:
        pytest.skip("nginx is not installed: `make compare` leaves its column out, too")
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        asked[request.path_qs] += 1
        await asyncio.sleep(0.1)  # so that all of them ask before the first is answered
        return web.json_response([str(asked[request.path_qs])])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, *EXCHANGE.split(":")).start()
    config = caching_proxy.config(listen=PROXY, exchange=EXCHANGE, as_user=caching_proxy.ourselves())
    (tmp_path / "nginx.conf").write_text(config)
    nginx = await asyncio.create_subprocess_exec(program, "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr")
    try:
        async with aiohttp.ClientSession(f"http://{PROXY}") as session:

            async def ask(path: str) -> str:
                async with session.get(path) as response:
                    return str((await response.json())[0])

            for _ in range(100):
                try:
                    await ask("/api/v3/ping")
                    break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
            asked.clear()
            await asyncio.sleep(2 if time.time() % caching_proxy.KEPT_SECONDS > 8 else 0)  # not over the turn of a key
            bitcoin, ether = "/api/v3/klines?symbol=BTCUSDT", "/api/v3/klines?symbol=ETHUSDT"
            answers = await asyncio.gather(*(ask(path) for path in [bitcoin, ether] * 8))
            again = await ask(bitcoin)
            await asyncio.gather(*(ask("/api/v3/ping") for _ in range(3)))
    finally:
        nginx.terminate()
        await nginx.wait()
        await runner.cleanup()
    assert set(answers) == {"1"}
    assert again == "1"
    assert asked == {bitcoin: 1, ether: 1, "/api/v3/ping": 3}
