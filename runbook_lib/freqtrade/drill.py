"""What was seen while producers were killed on purpose, candle by candle, and what is to be thought of it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.freqtrade.candles import timeframe_ms
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.gates import at_least, at_most, equal, holds
from runbook_lib.gates.checks import number
from runbook_lib.values import Check

SAME_MOMENT_SECONDS = 5.0  # in which several feeds that say the same speak of the same
TAKEOVER_CANDLES = 2
"""Within how many candles the other producer has to take over."""


class Stage(enum.StrEnum):
    """How the producers stood when a candle closed."""

    BEFORE = "before"
    DOWN = "one down"
    BACK = "back"
    ALL_DOWN = "all down"


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle over the fleet. ``closed``: unix seconds.

    By host: ``ages``, seconds after its close at which the last of all pairs had arrived at a consumer, None if that
    was not within the time that the gates allow; ``requests``, for candles, from this close to the next; ``downloads``,
    those of them for candles of the fleet's own timeframe: longer ones may close at the same time, and cost their own.
    """

    closed: float
    stage: Stage
    ages: Mapping[str, float | None]
    requests: Mapping[str, int]
    downloads: Mapping[str, int]

    @property
    def total(self) -> int:
        """Candle requests of the whole fleet, in its own timeframe."""
        return sum(self.downloads.values())

    @property
    def oldest(self) -> float | None:
        """Age at which the last consumer had it; None if one had not."""
        known = [age for age in self.ages.values() if age is not None]
        return max(known) if len(known) == len(self.ages) else None


@dataclass(frozen=True, slots=True)
class Down:
    """A time in which some producers were down. ``killed``, ``started``: unix seconds."""

    hosts: tuple[str, ...]
    killed: float
    started: float


@dataclass(frozen=True, slots=True)
class Course:
    """The whole drill. Times are unix seconds.

    ``takeover``: when another producer said that it downloads in its place, ``owned``: when the one that was killed had
    its pairs back; None: that was never seen. ``cells`` of all consumers were compared with the exchange's settled
    values, ``mismatching`` differ, ``missing`` candles are held by one side only. ``repeated``: downloads of a pair
    beyond the first in one candle, by the exchange's ledger; None where there is none.
    """

    one: Down
    candles: tuple[Candle, ...]
    takeover: float | None
    owned: float | None
    cells: int
    mismatching: int
    missing: int
    repeated: int | None
    all_down: Down | None = None

    @property
    def producer(self) -> str:
        """The host whose producer was killed."""
        return self.one.hosts[0]

    @property
    def takeover_seconds(self) -> float | None:
        """From the kill until another producer said that it downloads in its place."""
        return None if self.takeover is None else max(0.0, self.takeover - self.one.killed)

    def of(self, *stages: Stage) -> list[Candle]:
        """Return the candles that closed while the producers stood so."""
        return [candle for candle in self.candles if candle.stage in stages]

    @property
    def fed(self) -> list[Candle]:
        """Candles that a producer was there for."""
        return [candle for candle in self.candles if candle.stage is not Stage.ALL_DOWN]


def late(candles: Iterable[Candle], host: str, limit: float) -> int:
    """Count the candles that a consumer had later than ``limit`` seconds after their close, or never."""
    ages = [candle.ages[host] for candle in candles]
    return sum(age is None or age > limit for age in ages)


def own_requests(candles: Iterable[Candle], hosts: Iterable[str]) -> int:
    """Count the candle requests that some hosts made themselves."""
    asked = list(hosts)
    return sum(candle.requests[host] for candle in candles for host in asked)


def failover_checks(site: FreqtradeSite, course: Course) -> list[Check]:
    """Judge what the consumers noticed while one producer was down and came back: nothing at all."""
    remedy = "the timeline says in which candle; read the feeds' events, and the journals of bots and producers"
    limit, fed = site.gates.candle_age_seconds, course.fed
    length = timeframe_ms(site.freqtrade.timeframe) / 1000
    return [
        at_least("candles with a producer down", len(course.of(Stage.DOWN)), site.gates.drill_candles),
        *(
            equal(
                f"candles later than {number(limit)} s, of {len(fed)}",
                late(fed, host, limit),
                0,
                host=host,
                remedy=remedy,
            )
            for host in site.consumers
        ),
        *(
            equal("candle requests of a consumer", own_requests(fed, [host]), 0, host=host, remedy=remedy)
            for host in site.consumers
        ),
        *_data(course, remedy),
        at_most("until the takeover", course.takeover_seconds, TAKEOVER_CANDLES * length, unit="s", remedy=remedy),
        *_downloads(site, course, remedy),
        *_ownership(site, course, remedy),
    ]


def _data(course: Course, remedy: str) -> list[Check]:
    return [
        at_least("cells compared", course.cells, 1, too_little_is_inconclusive=True),
        equal("cells that differ from the exchange", course.mismatching, 0, remedy=remedy),
        equal("candles missing", course.missing, 0, remedy=remedy),
    ]


def _downloads(site: FreqtradeSite, course: Course, remedy: str) -> list[Check]:
    """Check that nothing was downloaded twice: one request per pair and candle, whoever makes it."""
    checks = [at_most("candle requests in any candle", _most(course.fed), len(site.pairs), remedy=remedy)]
    if site.exchange.admin_url is not None:
        checks.append(equal("downloads of a pair beyond one per candle", course.repeated, 0, remedy=remedy))
    return checks


def _ownership(site: FreqtradeSite, course: Course, remedy: str) -> list[Check]:
    """Check that after the return each producer downloads its own pairs; by streams it needs no request for them."""
    after = course.of(Stage.BACK)
    back = None if course.owned is None else course.owned - course.one.started
    return [
        holds(
            "owns its pairs again",
            passed=back is not None,
            expected="after its return",
            observed="never" if back is None else f"{number(round(back, 1))} s after it was started",
            host=course.producer,
            remedy=remedy,
        ),
        *(
            (at_most if site.freqtrade.enable_ws else equal)(
                "candle requests in the last candle, for its own pairs",
                after[-1].downloads[host] if after else None,
                len(producer.pairs),
                host=host,
                remedy=remedy,
            )
            for host, producer in site.producers.items()
        ),
    ]


def fallback_checks(site: FreqtradeSite, course: Course) -> list[Check]:
    """Judge the candles for which no producer was there: fresh in time, by the consumers' own requests, none twice."""
    alone = course.of(Stage.ALL_DOWN)
    limit, most = site.gates.candle_age_seconds, len(site.pairs) * len(alone)
    remedy = "read the consumer's feed: why it waited, or what the exchange answered it"
    checks = [at_least("candles with all producers down", len(alone), 1, too_little_is_inconclusive=True)]
    for host in site.consumers if alone else ():
        asked = sum(candle.downloads[host] for candle in alone)
        checks += [
            equal(f"candles later than {number(limit)} s", late(alone, host, limit), 0, host=host, remedy=remedy),
            at_least("candle requests of its own", asked, most, host=host, remedy=remedy),
            at_most("candle requests of its own", asked, most, host=host, remedy=remedy),
        ]
    return checks


def failover_words(site: FreqtradeSite, course: Course) -> str:
    """Say in one sentence what happened while one producer was down."""
    fed, consumers = course.fed, list(site.consumers)
    missed = sum(late(fed, host, site.gates.candle_age_seconds) for host in consumers)
    taken = course.takeover_seconds
    others = ", ".join(host for host in site.producers if host != course.producer)
    return (
        f"{course.producer} killed for {number(round(course.one.started - course.one.killed))} s: "
        + (f"{others} took over {_when(course, taken)}; " if taken is not None else "no takeover was seen; ")
        + f"{missed} of {len(fed) * len(consumers)} candles late at {len(consumers)} consumers, "
        f"{course.missing} missing, {course.mismatching} of {number(course.cells)} cells differ; "
        f"{own_requests(fed, consumers)} requests of their own, "
        f"{number(_most(fed))} requests per candle at most"
    )


def _when(course: Course, taken: float) -> str:
    """Say when the takeover came: it can not before there is a candle to download."""
    closes = [candle.closed - course.one.killed for candle in course.of(Stage.DOWN)]
    after = [taken - close for close in closes if close <= taken]
    close = f", {number(round(min(after), 1))} s after a candle's close" if after else ""
    return f"after {number(round(taken, 1))} s{close}"


def fallback_words(site: FreqtradeSite, course: Course) -> str:
    """Say in one sentence what happened while no producer was there."""
    alone, consumers = course.of(Stage.ALL_DOWN), list(site.consumers)
    if not alone:
        return "not all producers were stopped at once: gates.drill_both is off"
    oldest = _oldest(alone)
    when = "not all in time" if oldest is None else f"within {number(round(oldest, 1))} s"
    return (
        f"all producers down: {len(consumers)} consumers had the candle {when}, "
        f"by {own_requests(alone, consumers)} requests of their own"
    )


def gathered(events: Iterable[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """Tell once what several feeds said at about the same moment: when first, on which hosts, what."""
    told: list[tuple[float, list[str], str]] = []
    for at, host, what in events:
        same = next((one for one in told if one[2] == what and at - one[0] <= SAME_MOMENT_SECONDS), None)
        if same is None:
            told.append((at, [host], what))
        elif host not in same[1]:
            same[1].append(host)
    return [(at, ", ".join(hosts), what) for at, hosts, what in told]


def figures(site: FreqtradeSite, course: Course) -> dict[str, tuple[str, float | None]]:
    """Return the drill's figures for the record: name -> unit and value, None where it was not observed."""
    fed, alone, consumers = course.fed, course.of(Stage.ALL_DOWN), list(site.consumers)
    limit = site.gates.candle_age_seconds
    one, none = "one producer down", "all producers down"
    found: dict[str, tuple[str, float | None]] = {
        "takeover_seconds": ("seconds from the kill until another producer took over", course.takeover_seconds),
        "drill_late_candles": (f"candles late or never, {one}", sum(late(fed, host, limit) for host in consumers)),
        "drill_missing_candles": ("candles", course.missing),
        "drill_own_requests": (f"candle requests of consumers, {one}", own_requests(fed, consumers)),
        "drill_requests_per_candle": (f"requests per candle, whole fleet, at most, {one}", _most(fed)),
        "drill_candle_age": (f"seconds from close to the last consumer, at most, {one}", _oldest(fed)),
    }
    if alone:
        found["fallback_candle_age"] = (f"seconds from close to the last consumer, at most, {none}", _oldest(alone))
        found["fallback_own_requests"] = (f"candle requests of consumers, {none}", own_requests(alone, consumers))
    return found


def _most(candles: Sequence[Candle]) -> int | None:
    return max((candle.total for candle in candles), default=None)


def _oldest(candles: Sequence[Candle]) -> float | None:
    """Return the age at which the last consumer had the latest of some candles; None if one was never seen."""
    ages = [candle.oldest for candle in candles]
    known = [age for age in ages if age is not None]
    return max(known) if known and len(known) == len(ages) else None
