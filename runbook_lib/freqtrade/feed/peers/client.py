"""One link to one producer: a question, its answer, and whether that producer lives, is willing and tells the time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import aiohttp

from ..candle.series import Key
from ..candle.wire import PATH, Answer, Ask, NotOurs, Want, answer_from_bytes, ask_to_bytes
from ..reasons import Reason
from ..settings import ProducerAddress
from ..state import LinkState

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
GRACE_SECONDS = 2.0  # how long after the time it may hold its answer back a producer is asked once more
SILENCE_SECONDS = 6.0  # how long it may say nothing before it counts as hung: one busy with its own pairs is only slow
SILENT_PROBE_SECONDS = 0.5
WHOLE_SECONDS = 30.0  # for a long answer on a slow line, as long as it flows
PROBE_SECONDS = {None: 5.0, Reason.DEAD: 2.0, Reason.CLOCK: 2.0, Reason.REFUSED: 300.0}
_STATES: dict[Reason, LinkState] = {Reason.DEAD: "dead", Reason.CLOCK: "clock", Reason.REFUSED: "refused"}


class Post(Protocol):
    """Sends questions to one producer."""

    async def __call__(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Return the HTTP status and the body; raise whatever is wrong, at the latest after ``seconds`` of silence."""

    async def close(self) -> None:
        """Close what is open."""


class Note(Protocol):
    """Where it is said how a producer stands."""

    def __call__(self, name: str, state: LinkState, why: str = ..., round_trip_ms: float | None = ...) -> None:
        """Take it down."""


class Http:
    """Sends questions to a producer's api_server. Belongs to one event loop."""

    def __init__(self, address: ProducerAddress) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, body: bytes, seconds: float) -> tuple[int, bytes]:
        """Send one question."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # api_servers close idle connections at times of their own choice: a question never meets such a one
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Authorization": f"Bearer {self._address.token}", "Content-Type": "application/json"},
            )
        timeout = aiohttp.ClientTimeout(total=WHOLE_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=seconds)
        async with self._session.post(
            f"{self._address.url}{PATH}", data=body, timeout=timeout, allow_redirects=False
        ) as response:
            return response.status, await response.read()

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None


@dataclass(eq=False)
class Client:
    """Asks one producer and keeps in mind how it stands. ``standing``: the question how it stands.

    ``trouble``: why it is not asked for candles at present, None if it is; ``owns`` and ``held``: as it said last.
    """

    name: str
    post: Post
    standing: Ask
    clock_seconds: float
    note: Note
    clock: Callable[[], float] = time.time
    trouble: Reason | None = field(default=None, init=False)
    why: str = field(default="", init=False)
    owns: frozenset[str] = field(default=frozenset(), init=False)
    held: tuple[Key, ...] = field(default=(), init=False)
    _asked: float = field(default=float("-inf"), init=False)
    _heard: float = field(default=float("-inf"), init=False)
    _silent_since: float | None = field(default=None, init=False)

    async def ask(self, wants: tuple[Want, ...] = (), wait_seconds: float = 0.0) -> Answer | Reason:
        """Ask for candles, or with nothing wanted only how it stands. LATE: it is silent, and may be asked again."""
        begun = self._asked = asyncio.get_running_loop().time()
        sent = self.clock()
        question = ask_to_bytes(replace(self.standing, wait_seconds=wait_seconds, wants=wants))
        try:
            status, body = await self.post(question, wait_seconds + GRACE_SECONDS)
        except TimeoutError as error:
            return self._dead(begun, _words(error)) if _unreachable(error) else self._silent(begun)
        except Exception as error:  # noqa: BLE001 - whatever keeps a question from being answered: this producer is of no use
            return self._dead(begun, _words(error))
        if status != 200:
            return self._declined(begun, status, body)
        try:
            answer = answer_from_bytes(body)
        except NotOurs as error:
            return self._dead(begun, str(error))
        self._heard, self._silent_since = asyncio.get_running_loop().time(), None
        return self._believe(answer, sent, self.clock(), 1000 * (self._heard - begun) if not wants else None)

    async def watch(self) -> None:
        """Ask how it stands whenever nobody has asked it for a while, for ever: so nobody waits to find that out."""
        said = False
        while True:
            try:
                await self._look()
            except Exception:
                if not said:
                    said = True
                    logger.exception("Candle feed: %s: error, it is asked again all the same (said once)", self.name)
                await asyncio.sleep(PROBE_SECONDS[Reason.DEAD])

    async def _look(self) -> None:
        silent = self._silent_since is not None and self.trouble is None
        pause = SILENT_PROBE_SECONDS if silent else PROBE_SECONDS[self.trouble]
        due = self._asked + pause - asyncio.get_running_loop().time()
        if due <= 0:
            await self.ask()
        else:
            await asyncio.sleep(min(due, PROBE_SECONDS[Reason.DEAD]))

    async def close(self) -> None:
        """Close the link; another question opens it again."""
        await self.post.close()

    def _believe(self, answer: Answer, sent: float, arrived: float, round_trip_ms: float | None) -> Answer | Reason:
        # it read its clock somewhere between sending and arrival
        off = answer.clock - (sent + arrived) / 2
        # one at the limit would be believed and not by turns: once it was wrong it has to come well inside
        limit = self.clock_seconds / 2 if self.trouble is Reason.CLOCK else self.clock_seconds
        right = abs(off) <= limit + abs(arrived - sent) / 2
        if not right:  # one that is no number is not right, either
            return self._stand(Reason.CLOCK, f"its clock is {off:+.1f} s off")
        self.owns, self.held = answer.owns, answer.held
        self.trouble, self.why = None, ""
        self.note(self.name, "alive", "", round_trip_ms)
        return answer

    def _declined(self, begun: float, status: int, body: bytes) -> Reason:
        if status in {401, 403}:
            return self._stand(Reason.REFUSED, f"wrong token ({status})")
        if status == 409:
            return self._stand(Reason.REFUSED, _line(body))
        return self._dead(begun, f"its api_server answers {status}: {_line(body)}")

    def _dead(self, begun: float, why: str) -> Reason:
        # it may have answered another question since this one began: then only this one is lost
        return Reason.DEAD if begun < self._heard else self._stand(Reason.DEAD, why)

    def _silent(self, begun: float) -> Reason:
        if begun < self._heard:
            return Reason.LATE
        if self._silent_since is None:
            self._silent_since = begun
        if asyncio.get_running_loop().time() - self._silent_since < SILENCE_SECONDS:
            return Reason.LATE
        return self._stand(Reason.DEAD, "does not answer in time")

    def _stand(self, trouble: Reason, why: str) -> Reason:
        self.trouble, self.why = trouble, why
        self.note(self.name, _STATES[trouble], why)
        return trouble


def clients(addresses: Iterable[ProducerAddress], standing: Ask, clock_seconds: float, note: Note) -> list[Client]:
    """Return a link to each of these producers."""
    return [Client(address.name, Http(address), standing, clock_seconds, note) for address in addresses]


def _unreachable(error: TimeoutError) -> bool:
    """Whether not even a connection came about: its host is gone, or the way to it."""
    return isinstance(error, aiohttp.ConnectionTimeoutError)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"


def _line(body: bytes) -> str:
    """Return what an api_server says, fit for a log: one line, no more than 200 characters."""
    return " ".join(body[:1000].decode("utf-8", "replace").split())[:200]
