"""How the drill is carried out: producers killed and brought back while the fleet is followed, then all of it counted.

What is killed is brought back whatever happens in between (`change.outage`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from runbook_lib.change.outage import Outage, outage
from runbook_lib.freqtrade import bots
from runbook_lib.freqtrade.candles import CandleSet, Comparison, Window, compare
from runbook_lib.freqtrade.drill import Candle, Course, Down, Stage
from runbook_lib.freqtrade.exchange_count import repeated_downloads
from runbook_lib.freqtrade.market_data import settled_candles
from runbook_lib.freqtrade.measure import count
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.watch import Watch
from runbook_lib.runner.phase import Phase
from runbook_lib.view.progress import Waiting

MARGIN = 2  # candles read beyond those that are compared: the next ones may have closed by then


@dataclass(frozen=True, slots=True)
class Followed:
    """One candle as it was followed, before anything was counted. ``closed``: unix seconds; ``ages``: see `Candle`."""

    closed: float
    stage: Stage
    ages: dict[str, float | None]


Told = list[tuple[float, str, str]]
"""What feeds said: when (unix seconds), on which host, what."""


def carry_out(phase: Phase[FreqtradeSite], watch: Watch) -> tuple[Course, Comparison, Told]:
    """Kill the first producer, follow the fleet, bring it back; then all of them, if the site file says so; count.

    A feed's own story begins anew with its bot: what was told before all are killed is read before that.
    """
    site, every = phase.site, list(phase.site.producers)
    victim = every[0]
    closed, ages = watch.quiet()
    followed = [Followed(closed, Stage.BEFORE, ages)]
    takeover: float | None = None
    with _killed(phase, [victim]) as times:
        for _ in range(site.gates.drill_candles):
            followed.append(_next(watch, followed, Stage.DOWN))
            takeover = watch.takeover(victim) or takeover
    one, all_down = _down(times), None
    owned = _until_it_owns(site, watch, one, followed)
    told = watch.events(one.killed)
    if site.gates.drill_both:
        while not watch.is_quiet(followed[-1].closed):
            followed.append(_next(watch, followed, Stage.BACK))
        with _killed(phase, every) as times:
            followed.append(_next(watch, followed, Stage.ALL_DOWN))
        all_down = _down(times)
    candles = tuple(_counted(phase, watch, each) for each in followed)
    comparison = _compared(phase, watch, followed)
    course = Course(
        one=one,
        candles=candles,
        takeover=takeover,
        owned=owned,
        cells=comparison.cells,
        mismatching=comparison.mismatching_cells,
        missing=comparison.missing_candles + comparison.extra_candles,
        repeated=_repeated(site, watch, followed),
        all_down=all_down,
    )
    return course, comparison, sorted({*told, *watch.events(one.killed)})


def _killed(phase: Phase[FreqtradeSite], hosts: Sequence[str]) -> AbstractContextManager[Outage]:
    who, site = bots.producers(phase.site), phase.site
    units = [(phase.fleet[host], who[host].unit) for host in hosts]
    return outage(phase.journal, site.units, units, settle_seconds=site.gates.settle_seconds)


def _down(times: Outage) -> Down:
    return Down(tuple(times.killed), min(times.killed.values()), max(times.started.values()))


def _next(watch: Watch, followed: Sequence[Followed], stage: Stage) -> Followed:
    """Follow the candle after the last one."""
    closed = followed[-1].closed + watch.length
    return Followed(closed, stage, watch.candle(closed))


def _until_it_owns(site: FreqtradeSite, watch: Watch, one: Down, followed: list[Followed]) -> float | None:
    """Follow candles until the producer has its pairs again, and some with it; return since when it has.

    It gets them back with a candle: the first that closes when it runs counts. None if it had not after the time that a
    bot may take to start.
    """
    host, runs = one.hosts[0], False
    owned: float | None = None
    left = site.gates.drill_candles_after
    while left and (owned is not None or watch.now() < one.started + site.gates.start_seconds):
        closes = followed[-1].closed + watch.length
        runs = runs or watch.until(f"{host} to run and hold its candles", lambda: watch.runs(host), closes)
        followed.append(_next(watch, followed, Stage.BACK))
        if runs and owned is None:
            what = f"{host} to have its pairs again"
            owned = (
                watch.now() if watch.until(what, lambda: watch.given_back(host), closes + watch.length / 2) else None
            )
        left -= owned is not None
    return owned


def _counted(phase: Phase[FreqtradeSite], watch: Watch, each: Followed) -> Candle:
    """Count who asked the exchange for candles, from this close to the next, or until now."""
    site = phase.site
    who = {**bots.producers(site), **bots.feeders(site)}
    counts = count(phase.fleet, site, who, since=each.closed, until=_end(watch, each))
    hosts = [host for host in site.hosts if host in who]
    asked, by_interval = counts.best.candle_requests, counts.best.by_interval
    return Candle(
        each.closed,
        each.stage,
        each.ages,
        requests={host: asked[host] for host in hosts},
        downloads={host: by_interval[host].get(site.freqtrade.timeframe, 0) for host in hosts},
    )


def _repeated(site: FreqtradeSite, watch: Watch, followed: Sequence[Followed]) -> int | None:
    """Count downloads beyond one per pair and candle while a producer was there; None without the exchange's ledger."""
    if site.exchange.admin_url is None:
        return None
    hosts = [*site.producers, *site.consumers]
    return sum(
        repeated_downloads(
            site.exchange.admin_url, hosts, site.freqtrade.timeframe, since=each.closed, until=_end(watch, each)
        )
        for each in followed
        if each.stage is not Stage.ALL_DOWN
    )


def _end(watch: Watch, each: Followed) -> float:
    return min(each.closed + watch.length, watch.now())


def _compared(phase: Phase[FreqtradeSite], watch: Watch, followed: Sequence[Followed]) -> Comparison:
    """Hold every candle of the drill, at every consumer, against the exchange's settled ones."""
    site, who = phase.site, bots.feeders(phase.site)
    begin, end = followed[0].closed - watch.length, followed[-1].closed
    limit = math.ceil((watch.now() - begin) / watch.length) + MARGIN
    with Waiting(f"the drill's candles, as {len(who)} consumers hold them", phase.report):
        held: dict[str, CandleSet] = phase.fleet.on_all(
            lambda session: bots.newest(session, site, who[session.name], limit), who
        ).unwrap()
    with Waiting("the exchange's own settled candles", phase.report) as waiting:
        truth = settled_candles(
            site.rest_url_here,
            site.pairs,
            timeframe=site.freqtrade.timeframe,
            candles=limit,
            settle_seconds=site.feed.settle_seconds,
            on_progress=waiting.report,
        )
    return compare(held, truth.candles, window=Window(round(begin * 1000), round(end * 1000)))
