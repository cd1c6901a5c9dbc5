"""A producer's counter: it answers questions for candles on the bot's own api_server."""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from ..candle.series import NONE, Key
from ..candle.store import CandleStore
from ..candle.wire import MOST_WANTS, Answer, Ask, NotOurs, Status, Told, Want, answer_to_bytes, ask_from_bytes
from .kept import Series
from .outlook import CLOCK, LACKING, Outlook

POLL_SECONDS = 0.05
LOOK_EVERY = 5  # polls, when nothing was put into the store: what was promised may turn out not to come
FRESH_SECONDS = 6.0  # how long after a look at the exchange it still tells what that has: bots look every five
LONGEST_WAIT_SECONDS = 5.0
MOST_BYTES = 1_000_000
MOST_TOLD = 500_000  # candles of one answer, 24 MB; a bot of 110 pairs asks for 110,000 at its start

Read = Callable[[], Awaitable[bytes]]
"""Reads a question."""


@dataclass
class Counter:
    """Answers questions. ``exchange``: the market, by ccxt's name; ``peers``: the names of the other producers."""

    name: str
    exchange: str
    tokens: tuple[str, ...]
    peers: Collection[str]
    store: CandleStore
    outlook: Outlook
    series: Series
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def answer(self, read: Read, token: str | None) -> tuple[int, bytes]:
        """Return the HTTP status, and the answer or the words that go with a refusal.

        The question is not read before the token is known to be right.
        """
        if not any(hmac.compare_digest((token or "").encode(), each.encode()) for each in self.tokens):
            return 401, b"wrong token"
        body = await read()
        if len(body) > MOST_BYTES:
            return 413, b"a question of this size is none"
        try:
            ask = ask_from_bytes(body)
        except NotOurs as error:
            return 409, str(error).encode()
        refusal = self._refusal(ask)
        if refusal is not None:
            return refusal
        told = _as_many_as_fit(await self._when_decided(ask))
        # the clock is read last: it is to tell when the answer left
        return 200, answer_to_bytes(
            Answer(self.name, self.clock(), self.outlook.own_pairs, tuple(self._held()), tuple(told))
        )

    async def _when_decided(self, ask: Ask) -> list[Told]:
        """Look until everything wanted is there or will not come, or the asker wants to hear what is there so far."""
        patient = 0.0 <= ask.wait_seconds <= LONGEST_WAIT_SECONDS  # else it is too long, or no number
        looks = int((ask.wait_seconds if patient else LONGEST_WAIT_SECONDS) / POLL_SECONDS)
        while True:
            version, wrong, blocked = self.store.version, self.outlook.clock_wrong(), self.outlook.blocked()
            told = [
                Told(want.key, Status.NO, CLOCK, NONE) if wrong else self._tell(want, ask.who, blocked=blocked)
                for want in ask.wants
            ]
            if looks <= 0 or all(each.status is not Status.COMING for each in told):
                return told
            for _ in range(LOOK_EVERY):
                looks -= 1
                await self.sleep(POLL_SECONDS)
                if looks <= 0 or self.store.version != version:
                    break

    def _tell(self, want: Want, who: str, *, blocked: bool) -> Told:
        # the other producers ask for what they see to themselves: that makes nobody here download it
        peer = who in self.peers
        unwilling = "" if peer else self.series.want(want)
        held = self.store.get(want.key)
        if held.newest is not None and held.newest >= want.need:
            if not peer and int(held.dates[0]) > want.since and self.series.deepens(want):
                return Told(want.key, Status.COMING, "", NONE)
            return Told(want.key, Status.HAVE, "", held.between(want.since, held.newest))
        lacking_for = self.outlook.lacking_for(want.key, want.need)
        if lacking_for is not None and lacking_for < math.inf:
            # another producer only keeps up to date; a consumer is told no more than it would see itself
            if peer or lacking_for < FRESH_SECONDS:
                return Told(want.key, Status.LACKS, LACKING, held.between(want.since, want.need))
            if not self.outlook.own(want.key):
                self.outlook.look_again(want.key)
        keeps = self.series.keeps(want.key)
        why = self.outlook.why_not(want.key, want.need, kept=keeps, blocked=blocked, peer=peer)
        if not why or (not blocked and self.series.brings(want.key, peer=peer)):
            return Told(want.key, Status.COMING, "", NONE)
        return Told(want.key, Status.NO, unwilling or why, NONE)

    def _refusal(self, ask: Ask) -> tuple[int, bytes] | None:
        """Return what is answered to a question that is none, with the HTTP status; None if candles are."""
        another_market = self._of_another_market(ask)
        if another_market:
            return 409, another_market.encode()
        if len(ask.wants) > MOST_WANTS:
            return 413, f"{len(ask.wants)} series in one question, {MOST_WANTS} are answered".encode()
        if len({want.key for want in ask.wants}) < len(ask.wants):
            return 400, b"a series is wanted twice in one question"
        return None

    def _of_another_market(self, ask: Ask) -> str:
        if ask.exchange.lower() != self.exchange.lower():
            return f"{ask.who or 'this bot'} trades on {ask.exchange}, this producer serves {self.exchange}"
        kinds = sorted({ask.candle_type, *(want.key.candle_type for want in ask.wants)} - {self.outlook.candle_type})
        if kinds:
            return f"{ask.who or 'this bot'} wants {', '.join(kinds)}, this producer serves {self.outlook.candle_type}"
        return ""

    def _held(self) -> list[Key]:
        return [*(key for key in self.store.series() if self.outlook.own(key)), *self.series.held()]


def _as_many_as_fit(told: Sequence[Told]) -> list[Told]:
    """Tell as coming what would make the answer too long: the asker asks for it again, without what it has by then."""
    ends = accumulate(len(each.candles) for each in told)
    return [
        each if end <= MOST_TOLD or not len(each.candles) else replace(each, status=Status.COMING, why="", candles=NONE)
        for each, end in zip(told, ends, strict=True)
    ]
