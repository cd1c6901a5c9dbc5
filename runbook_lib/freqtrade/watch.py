"""Follows the fleet candle by candle: when each consumer has it, and who stands in for which producer.

All of it is read from the state that each bot's feed writes on its host; no bot is asked anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from runbook_lib.fleet import Fleet
from runbook_lib.freqtrade import bots, feed_state
from runbook_lib.freqtrade.candles import timeframe_ms
from runbook_lib.freqtrade.configs.producer import producer_name
from runbook_lib.freqtrade.feed_state import FeedReport
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.view.progress import Clock, Reporter, Sleep, countdown, steady, wait_until

LOOK_EVERY_SECONDS = 2.0
QUIET_SECONDS = 8.0  # before the next close nothing new is begun
TRIES = 3  # candles that may pass until one was in everybody's hands in time


class Watch:
    """Follows one fleet. Times are unix seconds of this machine, whose clock the hosts' agree with."""

    def __init__(
        self,
        fleet: Fleet,
        site: FreqtradeSite,
        report: Reporter,
        *,
        clock: Clock | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.now = clock or steady()
        self.length = timeframe_ms(site.freqtrade.timeframe) / 1000
        self._fleet = fleet
        self._site = site
        self._report = report
        self._sleep = sleep
        self._patience = min(site.gates.candle_age_seconds, self.length * 0.9)

    def quiet(self) -> tuple[float, dict[str, float | None]]:
        """Come back in the middle of a candle, when everybody has the one that closed last: its close, and its ages.

        After some candles that were late it comes back all the same; its ages say so.
        """
        for attempt in range(TRIES):
            closed = self.now() // self.length * self.length
            ages = self.candle(closed)
            if self.is_quiet(closed) or attempt == TRIES - 1:
                break
            countdown("the next candle", closed + self.length, self._report, clock=self.now, sleep=self._sleep)
        return closed, ages

    def is_quiet(self, closed: float) -> bool:
        """Whether there is time left for something to be done before the candle after this one closes."""
        return self.now() < closed + self.length - QUIET_SECONDS

    def candle(self, closed: float) -> dict[str, float | None]:
        """Follow one candle from its close until every consumer has it of all pairs; return its ages by host.

        None for a consumer that had not when the time was up that a candle may take.
        """
        told = time.strftime("%H:%M:%S", time.gmtime(closed))
        countdown(
            f"the candle of {told} UTC to close",
            closed + self._site.feed.settle_seconds,
            self._report,
            clock=self.now,
            sleep=self._sleep,
        )
        ages: dict[str, float | None] = dict.fromkeys(self._site.consumers)

        def all_have_it() -> bool:
            waiting = [host for host, age in ages.items() if age is None]
            for host, report in self._reports(waiting).items():
                ages[host] = self._age(report, closed)
            return None not in ages.values()

        self.until(f"the candle of {told} UTC to be in the consumers' hands", all_have_it, closed + self._patience)
        return ages

    def until(
        self, what: str, condition: Callable[[], bool], when: float, *, every: float = LOOK_EVERY_SECONDS
    ) -> bool:
        """Wait for a condition, until some moment at most; say whether it came true."""
        left = max(0.0, when - self.now())
        return bool(
            wait_until(
                what, condition, seconds=left, every=every, reporter=self._report, clock=self.now, sleep=self._sleep
            )
        )

    def takeover(self, producer: str) -> float | None:
        """Return since when another producer says that it downloads in the place of the one on this host."""
        name = producer_name(producer)
        others = self._reports(self._others(producer)).values()
        return min((report.takeover[name].since for report in others if name in report.takeover), default=None)

    def runs(self, producer: str) -> bool:
        """Say whether the producer on a host runs and holds fresh candles of its pairs, whoever downloaded them."""
        who = bots.producers(self._site)[producer]
        found = self._fleet.on_all(lambda session: bots.standing(session, self._site, who), [producer])[producer]
        return found.error is None and found.unwrap().ready

    def given_back(self, producer: str) -> bool:
        """Say whether every other producer says that it stands in for this one no more."""
        others = self._reports(self._others(producer))
        told = all(producer_name(producer) not in report.takeover for report in others.values())
        return told and len(others) == len(self._others(producer))

    def events(self, since: float) -> list[tuple[float, str, str]]:
        """Return what all feeds have said since then: when, on which host, what; in the order of time."""
        hosts = [*self._site.producers, *self._site.consumers]
        told = [
            (event.at, host, event.what)
            for host, report in self._reports(hosts).items()
            for event in report.events
            if event.at >= since
        ]
        return sorted(told)

    def _others(self, producer: str) -> list[str]:
        return [host for host in self._site.producers if host != producer]

    def _reports(self, hosts: list[str]) -> dict[str, FeedReport]:
        """Read the state of feeds; a host that cannot be asked now, or has none, is left out."""
        found = self._fleet.on_all(lambda session: feed_state.read(session, self._site), hosts)
        return {host: result.unwrap() for host, result in found.items() if result.error is None}

    def _age(self, report: FeedReport, closed: float) -> float | None:
        """Return how old a candle was when the last of all pairs had arrived; None if one has not."""
        keys = [f"{pair} {self._site.freqtrade.timeframe}" for pair in self._site.pairs]
        opened = round((closed - self.length) * 1000)
        if any(report.newest.get(key) != opened for key in keys):
            return None
        return max(report.age[key] for key in keys)
