"""Puts the counter of a producer on the bot's api_server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from ..candle.wire import PATH
from ..host import DataProvider
from .serve import MOST_BYTES, Read

logger = logging.getLogger(__name__)

NAME = "candle_feed"
READ_SECONDS = 5.0  # in which a question has to arrive: it is no more than a megabyte, and mostly a few kilobytes

Answerer = Callable[[Read, str | None], Awaitable[tuple[int, bytes]]]


class Unreadable(Exception):
    """A question that is too long, or does not arrive. ``status``: what is answered, in HTTP's numbers."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class NoServer(ValueError):
    """The bot has no api_server on which anybody could ask it."""


def app_of(dp: DataProvider) -> Any:  # noqa: ANN401 - a FastAPI, which is there on hosts only
    """Return the application of the bot's api_server. Raises NoServer."""
    modules = getattr(getattr(dp, "_DataProvider__rpc", None), "registered_modules", [])
    app = next((module.app for module in modules if hasattr(module, "app")), None)
    if app is None:
        raise NoServer("api_server is not enabled in this producer's config: nobody could ask it for candles")
    return app


def put_up(app: Any, answer: Answerer) -> None:  # noqa: ANN401 - as above
    """Answer questions from now on, in the place of whoever did before."""
    from starlette.requests import Request  # type: ignore[import-not-found]  # noqa: PLC0415 - there on hosts only
    from starlette.responses import Response  # type: ignore[import-not-found]  # noqa: PLC0415 - there on hosts only
    from starlette.routing import Route  # type: ignore[import-not-found]  # noqa: PLC0415 - there on hosts only

    said = False

    async def handle(request: Request) -> Response:
        nonlocal said
        try:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            status, words = await answer(lambda: _read(request.stream()), token if scheme.lower() == "bearer" else None)
        except Unreadable as error:
            return Response(str(error).encode(), error.status)
        except Exception:
            if not said:
                said = True
                logger.exception("Candle producer: error in answering (said once)")
            return Response(b"error in the candle feed", 500)
        return Response(words, status, media_type="application/octet-stream" if status == 200 else "text/plain")

    # in front of all others: the web interface answers every path that stands behind it
    route = Route(PATH, handle, methods=["POST"], name=NAME)
    app.router.routes[:] = [route, *(each for each in app.router.routes if getattr(each, "name", None) != NAME)]


async def _read(chunks: AsyncIterable[bytes]) -> bytes:
    """Return a whole question. Raises Unreadable."""
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in chunks:
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Unreadable(413, "a question of this size is none")
    except TimeoutError:
        raise Unreadable(408, "the question did not arrive in time") from None
    return bytes(body)
