"""The route on a real FastAPI, as freqtrade brings it."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.freqtrade.feed.peers.route import NoServer, app_of

SCRIPT = """
import asyncio, sys, time
sys.path.insert(0, "ROOM")
from fastapi import FastAPI
from feed.candle.wire import PATH
from feed.peers import route as module
from feed.peers.route import put_up
from feed.peers.serve import MOST_BYTES

app = FastAPI()

@app.get("/{rest_of_path:path}")
async def web_interface(rest_of_path: str):
    return "index.html"

@app.get("/api/v1/ping")
async def behind():
    return "pong"

module.READ_SECONDS = 0.1

async def call(method="POST", body=b"", token="Bearer t", path=PATH, stalls=False):
    headers = [(b"authorization", token.encode())] if token else []
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
             "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": headers,
             "server": ("h", 1), "client": ("c", 1), "state": {}}
    parts = [body[at:at + 65536] for at in range(0, len(body), 65536)] or [b""]
    said = []
    async def receive():
        if stalls and not parts:
            await asyncio.sleep(30)
        part = parts.pop(0) if parts else b""
        return {"type": "http.request", "body": part, "more_body": bool(parts) or (stalls and part != b"")}
    async def send(message):
        said.append(message)
    await app(scope, receive, send)
    return said[0]["status"], b"".join(message.get("body", b"") for message in said)

async def echo(read, token):
    return 200, await read() + repr(token).encode()

async def refuses(read, token):
    return 401, b"wrong token"

async def breaks(read, token):
    raise RuntimeError("secret words")

async def main():
    print((await call())[0])
    put_up(app, echo)
    print(await call(body=b"question"))
    print(await call(token="Basic t"))
    print(await call(token=""))
    print((await call(body=b"x" * (MOST_BYTES + 1)))[0])
    print((await call(method="GET"))[0], (await call(method="GET", path="/elsewhere"))[1])
    begun = time.monotonic()
    print(await call(body=b"quest", stalls=True))
    put_up(app, refuses)
    print(await call(body=b"quest", stalls=True))
    print(time.monotonic() - begun < 10)
    put_up(app, breaks)
    print(await call())
    print(await call())
    print(sum(getattr(route, "path", "") == PATH for route in app.router.routes))

asyncio.run(main())
"""


def app(*modules: object) -> Any:
    return app_of(SimpleNamespace(_DataProvider__rpc=SimpleNamespace(registered_modules=list(modules))))  # type: ignore[arg-type]  # as much of a dp as it looks at


def test_it_finds_the_api_server_among_what_the_bot_talks_through() -> None:
    assert app(SimpleNamespace(name="telegram"), SimpleNamespace(app="the app")) == "the app"


def test_without_one_it_says_what_is_missing() -> None:
    with pytest.raises(NoServer, match="api_server is not enabled"):
        app(SimpleNamespace(name="telegram"))
    with pytest.raises(NoServer):
        app_of(SimpleNamespace())  # type: ignore[arg-type]  # a dp without anything


@pytest.mark.bots
def test_on_a_real_server_it_stands_in_front_and_once_and_an_error_stays_inside() -> None:
    root = Path(__file__).parents[3]
    python = Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", root / ".venv/freqtrade/bin/python"))
    if not python.exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    script = SCRIPT.replace("ROOM", str(root / "runbook_lib/freqtrade"))
    done = subprocess.run([python, "-"], input=script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "405",
        "(200, b\"question't'\")",
        "(200, b'None')",
        "(200, b'None')",
        "413",
        "200 b'\"index.html\"'",
        "(408, b'the question did not arrive in time')",
        "(401, b'wrong token')",
        "True",
        "(500, b'error in the candle feed')",
        "(500, b'error in the candle feed')",
        "1",
    ]
    assert done.stderr.count("RuntimeError: secret words") == 1
