"""Measures the fleet over some whole candles; the same code before and after, so that the two can be compared.

A window begins when a candle opens and ends when another does: each request belongs to a candle that closed in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from runbook_lib.fleet import Fleet
from runbook_lib.freqtrade import probes
from runbook_lib.freqtrade.bots import Bot
from runbook_lib.freqtrade.candles import (
    CandleSet,
    Comparison,
    analysis_delays,
    common_window,
    compare,
    newest_age,
    timeframe_ms,
)
from runbook_lib.freqtrade.exchange_count import exchange_count
from runbook_lib.freqtrade.market_data import MarketData, settled_candles
from runbook_lib.freqtrade.meters import FleetMeter, fleet_meter
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.reading import Reading
from runbook_lib.view.progress import Reporter, Waiting, countdown, steady

HISTORY = 1000  # candles read of every pair
READ_AFTER_SECONDS = 40.0  # of the last candle: the bots have had time for the one before it, whose age is judged
LOOK_EVERY_SECONDS = 10.0  # at the exchange's count of request weight
PING = "ping"  # what looking at the weight costs; bots never ask for it
LAST_LOOK_SECONDS = 4.0  # before the minute ends


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Calls to the exchange in some time, by every meter there is. ``whole``: host -> its log covers all of it."""

    bots: FleetMeter
    exchange: FleetMeter | None
    whole: Mapping[str, bool]

    @property
    def best(self) -> FleetMeter:
        """The exchange's own count where it can be asked."""
        return self.exchange or self.bots

    @property
    def other_calls(self) -> dict[str, int]:
        """Endpoint -> calls of bots that are not for candles, without the measurement's own pings."""
        return {name: calls for name, calls in self.best.other_by_endpoint.items() if name != PING}


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One measurement with all its evidence.

    ``counts``: over the measured candles; ``ever``: since the bots began, where over those candles nothing was called;
    ``asked``: what the measurement cost the exchange itself, in request weight.
    """

    reading: Reading
    counts: Counts
    ever: Counts
    comparison: Comparison
    asked: int


def measure(  # noqa: PLR0913 - one measurement
    fleet: Fleet,
    site: FreqtradeSite,
    bots: Mapping[str, Bot],
    held_by: Mapping[str, Bot],
    report: Reporter,
    *,
    candles: int,
) -> Measured:
    """Measure ``bots`` over so many closed ``candles``; compare what those of ``held_by`` hold, pair by pair.

    Waits for the next candle to open and until the last has closed. Raises HostError if a host cannot be asked.
    """
    clock = steady()
    length = timeframe_ms(site.freqtrade.timeframe) / 1000
    since = (clock() // length + 1) * length
    until = since + candles * length
    countdown("the next candle to open", since, report, clock=clock)
    with _aside() as aside:
        weights = aside.submit(_weights, fleet, site, list(bots), until - clock())
        latencies = _latencies(fleet, site, report)
        countdown(
            f"candle {candles} of {candles} to be in the bots' hands",
            when_read(until, length),
            report,
            clock=clock,
        )
        held, truth, read_at = _read_candles(fleet, site, held_by, report)
        countdown(f"candle {candles} of {candles} to close", until, report, clock=clock)
        peaks = weights.result()
    counts = count(fleet, site, bots, since=since, until=until)
    window = common_window(
        held.values(),
        truth.candles,
        timeframe=site.freqtrade.timeframe,
        now_ms=min(read_at.values()),
        settle_ms=round(site.feed.settle_seconds * 1000),
    )
    comparison = compare(held, truth.candles, window=window)
    reading = Reading(
        since=since,
        until=until,
        candles=candles,
        meter=counts.best.meter,
        candle_requests=dict(counts.best.candle_requests),
        other_calls=counts.other_calls,
        own_pings=counts.best.other_by_endpoint.get(PING, 0),
        streams=dict(counts.best.streams),
        weight_peak=peaks,
        weight_limit=site.exchange.weight_per_minute,
        rejected={host: sum(statuses.values()) for host, statuses in counts.best.rejected.items()},
        cells=comparison.cells,
        mismatching=comparison.mismatching_cells,
        missing=comparison.missing_candles + comparison.extra_candles,
        newest_age={
            host: max(newest_age(candles, read_at[host], site.freqtrade.timeframe).values())
            for host, candles in held.items()
        },
        delays={
            host: [round(delay, 3) for delay in analysis_delays(candles, site.freqtrade.timeframe).values()]
            for host, candles in held.items()
        },
        latency_ms=latencies,
    )
    return Measured(reading, counts, count(fleet, site, bots, since=0, until=until), comparison, truth.weight)


def when_read(until: float, length: float) -> float:
    """Return when bots are read, in the last candle of a time that ends at ``until``: unix seconds."""
    return until - length + min(READ_AFTER_SECONDS, length * 2 / 3)


@contextmanager
def _aside() -> Iterator[ThreadPoolExecutor]:
    """Lend a thread for what goes on beside; when the measurement breaks off, nobody waits until it ends."""
    pool = ThreadPoolExecutor(1)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def count(fleet: Fleet, site: FreqtradeSite, bots: Mapping[str, Bot], *, since: float, until: float) -> Counts:
    """Count the calls to the exchange in some time (unix seconds), as the bots logged them and as the exchange did."""
    logs = fleet.on_all(
        lambda session: probes.request_counts(session, bots[session.name].request_log, since=since, until=until),
        [host for host, bot in bots.items() if bot.request_log],
    ).unwrap()
    exchange = None
    if site.exchange.admin_url is not None:
        exchange = exchange_count(site.exchange.admin_url, bots, since=since, until=until)
    return Counts(
        bots=fleet_meter("the bots' own logs", logs),
        exchange=exchange,
        whole={host: found.whole for host, found in logs.items()},
    )


def _weights(fleet: Fleet, site: FreqtradeSite, hosts: list[str], left: float) -> dict[str, int | None]:
    """Follow the exchange's own count of each host's request weight for just under ``left`` seconds; return the peaks.

    None for a host that was refused: nobody looked on after that, and the peak seen before it says too little.
    """
    seconds = left - LAST_LOOK_SECONDS
    series = fleet.on_all(
        lambda session: probes.weight_series(
            session, site.rest_url(session.name), seconds=seconds, every=LOOK_EVERY_SECONDS
        ),
        hosts,
    ).unwrap()
    return {host: None if found.refused else found.peak for host, found in series.items()}


def _latencies(fleet: Fleet, site: FreqtradeSite, report: Reporter) -> dict[str, list[float]]:
    """Return the round trips of every consumer to every producer, in milliseconds."""
    found: dict[str, list[float]] = {}
    with Waiting("round trips between consumers and producers", report):
        for name, producer in site.producers.items():
            reached = probes.reach(
                fleet[name],
                {host: fleet[host] for host in site.consumers},
                address=site.hosts[name].address,
                port=producer.port,
            )
            found |= {f"{host} → {name}": [round(ms, 4) for ms in one.connect_ms] for host, one in reached.items()}
    return found


def _read_candles(
    fleet: Fleet, site: FreqtradeSite, bots: Mapping[str, Bot], report: Reporter
) -> tuple[dict[str, CandleSet], MarketData, dict[str, int]]:
    """Read what every bot holds and, right after, what the exchange has settled. Times: unix ms, hosts' clocks."""
    with Waiting(f"the candles that {len(bots)} bots hold", report):
        read = fleet.on_all(
            lambda session: (
                round(probes.clock(session, times=1).said * 1000),
                probes.frames(
                    session,
                    bots[session.name].config,
                    bots[session.name].pairs,
                    timeframe=site.freqtrade.timeframe,
                    limit=HISTORY,
                ),
            ),
            bots,
        ).unwrap()
    with Waiting("the exchange's own settled candles", report) as waiting:
        truth = settled_candles(
            site.rest_url_here,
            site.pairs,
            timeframe=site.freqtrade.timeframe,
            candles=HISTORY,
            settle_seconds=site.feed.settle_seconds,
            on_progress=waiting.report,
        )
    return {host: held for host, (_, held) in read.items()}, truth, {host: at for host, (at, _) in read.items()}
