"""One fleet measured: some whole candles in quiet, then what happens to the bots when what they share dies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumption import Memory, ProcessorMeter, memory, processor_seconds
from fleets import Part, Running, require_ready

from runbook_lib.errors import LabError
from runbook_lib.fleet import Units
from runbook_lib.freqtrade import bots, probes
from runbook_lib.freqtrade.candles import CandleSet, analysis_delays, common_window, compare, timeframe_ms
from runbook_lib.freqtrade.exchange_count import exchange_count
from runbook_lib.freqtrade.market_data import settled_candles
from runbook_lib.freqtrade.measure import HISTORY, when_read
from runbook_lib.freqtrade.meters import FleetMeter
from runbook_lib.view.progress import Reporter, countdown, steady

KILLED_BEFORE_SECONDS = 5.0  # a candle's close: what is shared is dead when the bots want the candle


@dataclass(frozen=True, slots=True)
class Outage:
    """What was killed just before a candle's close, and stayed dead until the bots were read.

    ``missed``: bot -> pairs of which it had not analysed that candle then; ``ages``: of those that it had, in seconds
    after the close; ``requests``: source -> candle requests from the close until the bots were read.
    """

    what: str
    missed: dict[str, int]
    ages: list[float]
    requests: dict[str, int]

    @property
    def bots_that_missed(self) -> int:
        """Bots that lacked the candle of one pair at least."""
        return sum(1 for pairs in self.missed.values() if pairs)


@dataclass(frozen=True, slots=True)
class Measured:
    """A fleet over ``candles`` whole candles.

    By source, as the exchange counted: ``requests`` for candles, ``weight_peak`` (busiest minute), ``rejected``.
    ``ages``: seconds from a candle's close until a bot had analysed it, each bot, pair and candle; ``late``: those that
    a bot did not have when it was read. ``cells`` were compared with the exchange's settled values, ``differing`` of
    them differ, ``missing`` candles were held by one side only. By part (host): ``processor_seconds`` over all candles,
    without what the reading itself cost; ``memory_bytes``, of which ``memory_kind`` tells the kind: PSS or RSS.
    ``shared``: the parts that are no trader's own bot. ``load``: of the machine over the last minute, at the end.
    """

    candles: int
    requests: dict[str, int]
    weight_peak: dict[str, int]
    rejected: int
    ages: list[float]
    late: int
    cells: int
    differing: int
    missing: int
    processor_seconds: dict[str, float]
    memory_bytes: dict[str, int]
    memory_kind: str
    shared: list[str]
    load: float
    outages: list[Outage]


def measure(running: Running, candles: int, report: Reporter) -> Measured:
    """Measure a fleet from the next candle on, then let what it shares die."""
    clock = steady()
    length = timeframe_ms(running.site.freqtrade.timeframe) / 1000
    since = (clock() // length + 1) * length
    until = since + candles * length
    ages: list[float] = []
    late = 0
    countdown("the next candle to open", since, report, clock=clock)
    pids = main_pids(running)
    meter = ProcessorMeter(lambda: {host: processor_seconds(pid) for host, pid in pids.items()})
    held_memory: dict[str, Memory] = {}
    for number in range(1, candles + 1):
        close = since + (number - 1) * length
        what = f"candle {number} of {candles} to be in the bots' hands"
        countdown(what, when_read(close + length, length), report, clock=clock)
        if number == candles:
            held_memory = {host: memory(pid) for host, pid in pids.items()}
        with meter.paused():
            newest = _held(running, bots.NEWEST)
        for held in newest.values():
            found, missed = arrived(held, running.site.freqtrade.timeframe, close)
            ages += found
            late += missed
    countdown("the last candle to end", until, report, clock=clock)
    used, load = meter.spent(), os.getloadavg()[0]
    if main_pids(running) != pids:
        raise LabError("a bot was restarted while it was measured", remedy="read its journal, then measure again")
    counted = _count(running, since, until)
    countdown("the next to be in the bots' hands", when_read(until + length, length), report, clock=clock)
    cells, differing, missing = _cells(running)
    outages = [outage(running, what, parts, report) for what, parts in running.outages.items()]
    return Measured(
        candles=candles,
        requests=dict(counted.candle_requests),
        weight_peak=dict(counted.weight_peak),
        rejected=sum(sum(statuses.values()) for statuses in counted.rejected.values()),
        ages=ages,
        late=late,
        cells=cells,
        differing=differing,
        missing=missing,
        processor_seconds=used,
        memory_bytes={host: found.resident for host, found in held_memory.items()},
        memory_kind="PSS" if all(found.shared_out for found in held_memory.values()) else "RSS",
        shared=[part.host for part in running.shared],
        load=load,
        outages=outages,
    )


def outage(running: Running, what: str, parts: Sequence[Part], report: Reporter) -> Outage:
    """Kill parts just before a candle closes, see who misses it, and bring them back."""
    clock = steady()
    length = timeframe_ms(running.site.freqtrade.timeframe) / 1000
    close = ((clock() + 2 * KILLED_BEFORE_SECONDS) // length + 1) * length
    countdown(f"the moment to kill {what}", close - KILLED_BEFORE_SECONDS, report, clock=clock)
    for part in parts:
        units = Units(running.fleet[part.host], running.site.units)
        running.fleet[part.host].run(f"systemctl --user kill --signal=SIGKILL {part.unit}")
        units.stop(part.unit)  # or its own Restart= would bring it back
    read_at = when_read(close + length, length)
    countdown(f"a candle without {what}", read_at, report, clock=clock)
    ages: list[float] = []
    missed: dict[str, int] = {}
    for host, held in _held(running, bots.NEWEST).items():
        found, missed[host] = arrived(held, running.site.freqtrade.timeframe, close)
        ages += found
    counted = _count(running, close, read_at)
    for part in parts:
        Units(running.fleet[part.host], running.site.units).start(part.unit)
    require_ready(running)
    return Outage(what, missed, ages, dict(counted.candle_requests))


def arrived(held: CandleSet, timeframe: str, close: float) -> tuple[list[float], int]:
    """Say of the candle that closed at ``close`` (unix seconds): its ages when analysed, and how many pairs lack it."""
    opened_ms = round(close * 1000) - timeframe_ms(timeframe)
    newest = {pair: int(frame.dates[-1]) if len(frame) else 0 for pair, frame in held.frames.items()}
    delays = analysis_delays(held, timeframe)
    ages = [round(delay, 3) for pair, delay in delays.items() if newest[pair] == opened_ms]
    return ages, sum(1 for date in newest.values() if date < opened_ms)


def main_pids(running: Running) -> Mapping[str, int]:
    """Return host -> its service's main process; the lab's hosts are on this machine."""
    found = {}
    for part in running.parts:
        state = Units(running.fleet[part.host], running.site.units).observe([part.unit])[part.unit]
        if not state.main_pid:
            raise LabError(f"{part.unit} does not run on {part.host}", remedy="read its journal")
        found[part.host] = state.main_pid
    return found


def _held(running: Running, limit: int) -> dict[str, CandleSet]:
    return running.fleet.on_all(
        lambda session: bots.newest(session, running.site, running.traders[session.name], limit), running.traders
    ).unwrap()


def _count(running: Running, since: float, until: float) -> FleetMeter:
    return exchange_count(running.site.exchange.admin_url or "", running.sources, since=since, until=until)


def _cells(running: Running) -> tuple[int, int, int]:
    """Hold all that the traders hold against the exchange: cells compared, differing, candles on one side only."""
    site = running.site
    read_ms = min(
        round(probes.clock(running.fleet[host], times=1).said * 1000) for host in running.traders
    )  # before the reading: what closes during it is held against nobody
    held = _held(running, HISTORY)
    truth = settled_candles(
        site.rest_url_here,
        site.pairs,
        timeframe=site.freqtrade.timeframe,
        candles=HISTORY,
        settle_seconds=site.feed.settle_seconds,
    ).candles
    window = common_window(
        held.values(),
        truth,
        timeframe=site.freqtrade.timeframe,
        now_ms=read_ms,
        settle_ms=round(site.feed.settle_seconds * 1000),
    )
    found = compare(held, truth, window=window)
    return found.cells, found.mismatching_cells, found.missing_candles + found.extra_candles
