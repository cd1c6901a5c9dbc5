"""What one bot's feed has done and how it stands: in a file that others read, and in one log line per change."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from . import disk, metrics
from .arrivals import Arrivals
from .candle.series import Key, Row
from .candle.times import Window, timeframe_ms
from .reasons import Reason

logger = logging.getLogger(__name__)

FORMAT = 2
WRITE_EVERY_SECONDS = 1.0
EVENTS = 200  # kept: enough for the whole story of a bad night

Role = Literal["consumer", "producer"]
LinkState = Literal["alive", "dead", "refused", "clock"]
_LINK_LEVEL = {"alive": logging.INFO, "dead": logging.WARNING, "refused": logging.ERROR, "clock": logging.WARNING}


@dataclass
class _Link:
    """How a producer stands. ``since``: when it came to stand so (seconds since 1970)."""

    state: str
    why: str
    since: float
    round_trip_ms: float = 0.0


@dataclass
class _Takeover:
    """Pairs that are downloaded in a producer's place, and the requests that this has cost so far."""

    since: float
    pairs: int
    requests: int


@dataclass
class _Breaker:
    """Whether the exchange may be asked: ``closed`` means yes. ``until``: when it is tried again."""

    state: str = "closed"
    until: float = 0.0
    reason: str = ""


class FeedState:
    """Counts since the bot started. Times are seconds since 1970, candle dates milliseconds.

    It may be called from any thread: the bot's own and the feed's both do.
    """

    def __init__(self, path: Path, role: Role, name: str, clock: Callable[[], float] = time.time) -> None:
        self._path, self._role, self._name = path, role, name
        self._clock = clock
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._started = clock()
        self._written = float("-inf")
        self._dirty = True
        self._turn: Counter[Reason] = Counter()
        self._turn_answered = False
        self._example = ""
        self._state, self._reason = "starting", ""
        self._served = self._waited = self._own_requests = 0
        self._corrected = 0
        self._corrected_series: set[str] = set()
        self._longest_wait = 0.0
        self._fallbacks: Counter[str] = Counter()
        self._by_producer: Counter[str] = Counter()
        self._links: dict[str, _Link] = {}
        self._takeovers: dict[str, _Takeover] = {}
        self._breaker = _Breaker()
        self._weight_used = 0.0
        self._arrivals = Arrivals(clock)
        self._events: deque[dict[str, object]] = deque(maxlen=EVENTS)
        other = disk.other_writer(path, name, self._started)
        if other is not None:
            words = f"{path} can tell of one bot only: start each of them with a --userdir of its own"
            self._say(logging.ERROR, f"{other} and {name} write one file", words)

    def serve(self, key: Key | str, window: Window, producer: str, waited: float) -> None:
        """Note one request answered by a producer after ``waited`` seconds (0 if it had the candles)."""
        with self._lock:
            self._served += 1
            self._by_producer[producer] += 1
            if waited > 0:
                self._waited += 1
                self._longest_wait = max(self._longest_wait, waited)
            self._came(key, window.last, window.step)

    def fall_back(self, key: Key | str, reason: Reason) -> None:
        """Note one request that no producer could answer."""
        with self._lock:
            self._fallbacks[str(reason)] += 1
            self._turn[reason] += 1
            self._example = str(key)
            self._arrivals.want([key])
            self._dirty = True

    def sent(self) -> None:
        """Count one request that went out to the exchange."""
        with self._lock:
            self._own_requests += 1
            self._dirty = True

    def own(self, key: Key | str, rows: list[Row], window: Window | None) -> None:
        """Note an answer of the exchange itself."""
        closed = [row for row in rows if window is not None and row[0] < window.forming]
        with self._lock:
            self._came(key, int(closed[-1][0]) if closed else None, window.step if window is not None else None)

    def keep(self, key: Key, rows: list[Row]) -> None:
        """Note closed candles that a producer keeps, whichever way they came."""
        with self._lock:
            self._came(key, int(rows[-1][0]) if rows else None, timeframe_ms(key.timeframe))

    def correct(self, key: Key | str, candles: int) -> None:
        """Note how many candles the bot held otherwise than the exchange has them by now."""
        with self._lock:
            self._corrected += candles
            if candles and str(key) not in self._corrected_series:
                self._corrected_series.add(str(key))
                self._say(logging.WARNING, f"{key}: corrected", "the exchange revised a candle after it had settled")

    def want(self, keys: Iterable[Key | str]) -> None:
        """Note that somebody still wants these series: what nobody has wanted for a while is told of no more."""
        with self._lock:
            self._arrivals.want(keys)

    def _came(self, key: Key | str, newest: int | None, step: int | None) -> None:
        self._turn_answered = self._dirty = True
        if newest is not None and step is not None:
            self._arrivals.came(key, newest, step)

    def link(self, name: str, state: LinkState, why: str = "", round_trip_ms: float | None = None) -> None:
        """Note how a producer stands: whether it answers, and is believed."""
        with self._lock:
            link = self._links.get(name)
            # why it is dead may read differently at every try; why it refuses is for somebody to mend
            if link is None or link.state != state or (state == "refused" and link.why != why):
                self._say(_LINK_LEVEL[state], f"{name}: {link.state if link else 'unknown'} -> {state}", why)
                link = self._links[name] = _Link(state, why, self._clock(), link.round_trip_ms if link else 0.0)
            link.why = why
            if round_trip_ms is not None:
                link.round_trip_ms = round(round_trip_ms, 3)
            self._dirty = True
        self.write()

    def take_over(self, producer: str, pairs: int, requests: int) -> None:
        """Note what is downloaded in a producer's place: how many pairs, and how many requests it has cost in all."""
        with self._lock:
            takeover = self._takeovers.get(producer)
            if takeover is None:
                takeover = self._takeovers[producer] = _Takeover(self._clock(), pairs, requests)
                self._say(logging.WARNING, f"takes over from {producer}")
            takeover.pairs, takeover.requests = pairs, requests
            self._dirty = True
        self.write()

    def give_back(self, producer: str) -> None:
        """Note that a producer downloads its pairs itself again."""
        with self._lock:
            takeover = self._takeovers.pop(producer, None)
            if takeover is None:
                return
            words = f"{takeover.pairs} pairs, {takeover.requests} requests in its place"
            self._say(logging.INFO, f"gives back to {producer}", words)
        self.write()

    def guard(self, breaker_state: str, until: float, reason: str, weight_used: float) -> None:
        """Note whether the exchange may be asked, and the request weight of the last minute."""
        with self._lock:
            told, before = _Breaker(breaker_state, until, reason), self._breaker.state
            if (told, weight_used) == (self._breaker, self._weight_used):
                return
            self._breaker, self._weight_used, self._dirty = told, weight_used, True
            if breaker_state != before:
                # a probe that is refused leads from half-open back to open, again and again: no line for that
                level = logging.WARNING if "closed" in (before, breaker_state) else logging.DEBUG
                self._say(level, f"breaker: {before} -> {breaker_state}", reason)
        if breaker_state != before:  # the rest is written with the round's end, which a write here would put off
            self.write()

    def turn(self) -> None:
        """End one round of the bot: say what changed, write if something did."""
        with self._lock:
            self._judge()
            self._arrivals.forget()
            self._turn.clear()
            self._turn_answered = False
        self.write()

    def _judge(self) -> None:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in sorted(self._turn.items()))
        example = f"{reasons} (for example {self._example})" if reasons else ""
        needed = self._role == "producer" or bool(self._turn)  # a consumer that is fed does not need the exchange
        if self._breaker.state != "closed" and needed:
            self._change("blocked", "", f"the exchange is not asked: {self._breaker.reason}")
        elif self._turn and self._role == "consumer":
            self._change("fallback", ", ".join(sorted(self._turn)), example)
        elif self._takeovers:
            names = ", ".join(sorted(self._takeovers))
            self._change("takeover", names, f"in place of {names}")
        elif self._turn_answered:
            source = "the producers" if self._role == "consumer" else "the exchange or the other producers"
            self._change("serving", "", f"candles come from {source}")
        elif self._role == "producer" and self._state in {"blocked", "takeover"}:
            self._change("serving", "", "its own pairs again")

    def _change(self, state: str, reason: str, words: str) -> None:
        if (state, reason) == (self._state, self._reason):
            return
        level = logging.WARNING if state in {"fallback", "blocked"} else logging.INFO
        self._say(level, f"{self._state} -> {state}", words)
        self._state, self._reason = state, reason

    def _say(self, level: int, what: str, words: str = "") -> None:
        said = f"{what}: {words}" if words else what
        logger.log(level, "Candle feed: %s", said)
        self._events.append({"at": self._clock(), "what": said})
        self._dirty = True

    def as_json(self) -> dict[str, object]:
        """Return the state as it stands in the file."""
        with self._lock:
            return {
                "format": FORMAT,
                "role": self._role,
                "name": self._name,
                "started": self._started,
                "written": self._clock(),
                "state": self._state,
                "reason": self._reason,
                "served": self._served,
                "waited": self._waited,
                "longest_wait_seconds": round(self._longest_wait, 3),
                "own_requests": self._own_requests,
                "corrected": self._corrected,
                "fallbacks": dict(self._fallbacks),
                "served_by_producer": dict(self._by_producer),
                "producers": {name: asdict(link) for name, link in self._links.items()},
                "takeover": {name: asdict(takeover) for name, takeover in self._takeovers.items()},
                "breaker": asdict(self._breaker),
                "weight_used": self._weight_used,
                "newest_candle_ms": self._arrivals.newest,
                "age_at_arrival_seconds": self._arrivals.age,
                "events": list(self._events),
            }

    def write(self) -> None:
        """Replace both files whole, at most once a second; a reader never sees half of one."""
        with self._lock:
            now = self._clock()
            if (
                not self._dirty
                or 0 <= now - self._written < WRITE_EVERY_SECONDS
                or not self._writing.acquire(blocking=False)
            ):
                return
            self._written, self._dirty = now, False
            told = self.as_json()
        try:  # outside the lock: a slow disk must not hold up the other thread
            disk.replace(self._path, json.dumps(told))
            disk.replace(self._path.with_suffix(".prom"), metrics.text(told))
        except OSError as error:
            logger.debug("Candle feed: state not written: %s", error)
            self._dirty = True
        finally:
            self._writing.release()
