"""Does a producer live? Asked of its api_server's ``ping``, which needs no login, by one question for all who wait."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable

from .settings import ProducerAddress

Ping = Callable[[ProducerAddress], Awaitable[bool]]

ANSWER_SECONDS = 5.0
KEEP_SECONDS = 2.0


async def ping(producer: ProducerAddress) -> bool:
    """Return whether the producer's api_server answers. Refused is known at once; a hung host after some seconds."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(
                producer.host, producer.port, ssl=ssl.create_default_context() if producer.secure else None
            )
            try:
                head = (
                    f"GET /api/v1/ping HTTP/1.1\r\nHost: {producer.host}:{producer.port}\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode())
                await writer.drain()
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status


class Liveness:
    """Remembers every producer's last answer for a moment, so that a hundred waiting requests cost one question."""

    def __init__(self, ask: Ping = ping, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._answers: dict[str, tuple[float, bool]] = {}
        self._asking: dict[str, asyncio.Task[bool]] = {}

    async def alive(self, producer: ProducerAddress) -> bool:
        """Return whether the producer answered within the last moments, asking it if nobody has."""
        at, answer = self._answers.get(producer.name, (float("-inf"), False))
        if self._clock() - at < KEEP_SECONDS:
            return answer
        task = self._asking.get(producer.name)
        if task is None or task.done():
            task = asyncio.ensure_future(self._ask(producer))
            self._asking[producer.name] = task
        answer = await asyncio.shield(task)
        self._answers[producer.name] = (self._clock(), answer)
        return answer
