"""Phase 70: a producer is killed on purpose; the others must take over, and no consumer may notice. It is brought back.

If this very process dies while one is down, running the phase again starts it first; a rollback ends where the change
began all the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runbook_lib.change.resources import Unit, Wanted
from runbook_lib.errors import ChangeError, RecordError
from runbook_lib.freqtrade import bots
from runbook_lib.freqtrade import claims as plan_claims
from runbook_lib.freqtrade.candles import Comparison, timeframe_ms
from runbook_lib.freqtrade.drill import (
    Candle,
    Course,
    failover_checks,
    failover_words,
    fallback_checks,
    fallback_words,
    figures,
    gathered,
)
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import drilling
from runbook_lib.freqtrade.phases.measured import DIFFERENCES_SHOWN
from runbook_lib.freqtrade.watch import Watch
from runbook_lib.gates.checks import number
from runbook_lib.record.plain import claims as read_claims
from runbook_lib.runner import changing
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check
from runbook_lib.view import over_time, tables
from runbook_lib.view.chart import Chart
from runbook_lib.view.over_time import Span
from runbook_lib.view.rendered import RenderedAs
from runbook_lib.view.tables import GateView, Table

BAR = 0.6  # of a candle


@dataclass(frozen=True, slots=True)
class Drill(RenderedAs):
    """The course of the drill. ``course``: None of a dry run; ``ready``: how all bots stand at its end.

    ``events``: what feeds said, with when (unix seconds) and on which host.
    """

    course: Course | None
    ready: tuple[Check, ...]
    events: Table
    differences: Table

    def shown(self) -> Table:
        """Show it candle by candle."""
        if self.course is None:
            return Table("The drill", ("",), (("a dry run kills nothing",),))
        hosts = list(self.course.candles[0].requests)
        rows = [
            (_clock(each.closed), each.stage, each.oldest, sum(each.requests.values()), *each.requests.values())
            for each in self.course.candles
        ]
        heads = ("candle closed (UTC)", "producers", "the last consumer had it after (s)", "candle requests", *hosts)
        return Table("The drill, candle by candle", heads, rows, _told(self.course))


def _told(course: Course) -> str:
    one = course.one
    owned = "it never had its pairs back"
    if course.owned is not None:
        owned = f"had its pairs back {course.owned - one.started:.0f} s after that"
    down = f"started again after {one.started - one.killed:.0f} s"
    return f"Producer {course.producer} was killed at {_clock(one.killed)} UTC, {down}, and {owned}."


def plan(phase: Phase[FreqtradeSite]) -> Planned:
    """Plan to start what an earlier drill may have left down; most often there is nothing to do."""
    who, seconds = bots.producers(phase.site), phase.site.gates.settle_seconds
    wanted = {host: Wanted(host, (Unit(bot.unit, settle_seconds=seconds),)) for host, bot in who.items()}
    return changing.plan(phase, "Producers that are down", wanted)


def restore(phase: Phase[FreqtradeSite], plan: Planned) -> Rollout:
    """Start what is down; leave alone what runs."""
    who = bots.producers(phase.site)

    def up(hosts: tuple[str, ...]) -> list[Check]:
        return bots.await_ready(phase.fleet, phase.site, {host: who[host] for host in hosts}, phase.report)

    return changing.change_all(phase, plan, up, hosts=list(plan.wanted), size=len(plan.wanted))


def ready(phase: Phase[FreqtradeSite], restored: Rollout) -> GateView:
    """Judge whether the fleet is well: it must be before anything is taken from it."""
    if phase.dry_run:
        return phase.gate("ready_for_drill", [changing.dry()])
    consumers = bots.await_ready(phase.fleet, phase.site, bots.feeders(phase.site), phase.report)
    return phase.gate("ready_for_drill", [*restored.checks, *consumers])


def drill(phase: Phase[FreqtradeSite]) -> Drill:
    """Kill the first producer, follow the fleet, bring it back; then all of them, if the site file says so.

    A pause takes hold before the first kill, and then not before the end: nothing is left down to wait for anybody.
    """
    if phase.dry_run:
        nothing = Table("", ("",), ())
        return Drill(None, (), nothing, nothing)
    if len(phase.site.producers) < 2:
        raise ChangeError("there is no other producer to take over", remedy="name two producers in the site file")
    phase.must_not_be_stopped()
    watch = Watch(phase.fleet, phase.site, phase.report)
    with phase.apply_lock() as may_step:
        for producer in phase.site.producers:
            may_step(producer)
        course, comparison, told = drilling.carry_out(phase, watch)
    who = {**bots.producers(phase.site), **bots.feeders(phase.site)}
    standing = bots.await_ready(phase.fleet, phase.site, who, phase.report)
    _keep(phase, course)
    return Drill(course, tuple(standing), _events(course, told), _differences(comparison))


def _keep(phase: Phase[FreqtradeSite], course: Course) -> None:
    """Keep the course, and its figures with those of the phases before: the record shows what was kept last."""
    found = figures(phase.site, course)
    phase.keep("course", course)
    phase.keep("figures", {**_earlier(phase, "figures", {}), **{name: value for name, (_, value) in found.items()}})
    units = [*_earlier(phase, "figure_units", []), *((name, unit) for name, (unit, _) in found.items())]
    phase.keep("figure_units", units)
    phase.keep("headline", [*_earlier(phase, "headline", []), "failover_age", "failover_requests"])


def _earlier(phase: Phase[FreqtradeSite], name: str, default: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return what 60_validate kept, if it was run in this change."""
    try:
        return phase.earlier("60_validate", name)
    except RecordError:
        return default


def _events(course: Course, told: Iterable[tuple[float, str, str]]) -> Table:
    rows = [(round(at - course.one.killed, 1), host, what) for at, host, what in gathered(told)]
    return Table(
        "What the feeds said", ("seconds since the kill", "host", "event"), rows, align=("right", "left", "left")
    )


def _differences(comparison: Comparison) -> Table:
    detail = comparison.detail.head(DIFFERENCES_SHOWN)
    left = len(comparison.detail) + comparison.left_out - len(detail)
    return tables.from_frame(detail, "Cells that differ", f"and {left} more" if left else "", exact=True)


def ages(phase: Phase[FreqtradeSite], drill: Drill) -> Chart:
    """Draw how old each candle was when each consumer had it."""
    candles = drill.course.candles if drill.course is not None else ()
    series = {
        f"consumer {host}": [(_since(drill, each), _drawn(each.ages[host])) for each in candles]
        for host in phase.site.consumers
    }
    title = f"Age of a candle when its last pair had arrived{_at_most(phase, drill, 'drill_candle_age', ' s')}"
    limit = phase.site.gates.candle_age_seconds
    return phase.chart(
        "failover_age", over_time.lines(title, "seconds", series, axis=_AXIS, spans=_spans(drill), limit=limit)
    )


def requests(phase: Phase[FreqtradeSite], drill: Drill) -> Chart:
    """Draw who asked the exchange for candles, candle by candle; the dotted line is one request per pair."""
    site, candles = phase.site, drill.course.candles if drill.course is not None else ()
    parts = {f"producer {host}": [each.requests[host] for each in candles] for host in site.producers}
    fed = f"{len(site.consumers)} consumers"
    parts[fed] = [sum(each.requests[host] for host in site.consumers) for each in candles]
    chart = over_time.stacks(
        f"Candle requests, candle by candle{_at_most(phase, drill, 'drill_requests_per_candle', '')}",
        "requests per candle",
        [_since(drill, each) for each in candles],
        parts,
        width=BAR * timeframe_ms(site.freqtrade.timeframe) / 1000,
        axis=_AXIS,
        spans=_spans(drill),
        limit=len(site.pairs),
    )
    return phase.chart("failover_requests", chart)


_AXIS = "seconds since the kill; a candle stands at its close"


def _at_most(phase: Phase[FreqtradeSite], drill: Drill, figure: str, unit: str) -> str:
    """End a title with a figure of the drill, if it was observed."""
    value = figures(phase.site, drill.course)[figure][1] if drill.course is not None else None
    return "" if value is None else f": {number(round(value, 1))}{unit} at most, one producer down"


def _since(drill: Drill, candle: Candle) -> float:
    return candle.closed - (drill.course.one.killed if drill.course is not None else 0.0)


def _drawn(age: float | None) -> float:
    return math.inf if age is None else age


def _spans(drill: Drill) -> list[Span]:
    course = drill.course
    if course is None:
        return []
    downs = [(course.one, f"{course.producer} down")]
    downs += [(course.all_down, "all down")] if course.all_down is not None else []
    zero = course.one.killed
    return [Span(down.killed - zero, down.started - zero, words) for down, words in downs]


def claims(phase: Phase[FreqtradeSite], drill: Drill) -> Table:
    """Give the claims that the drill speaks for their verdict; the others stay as they stood."""
    found = list(read_claims(_earlier(phase, "claims", []))) or plan_claims.unproven()
    if drill.course is not None:
        site, course = phase.site, drill.course
        told = {
            "C5": plan_claims.drilled("C5", failover_words(site, course), failover_checks(site, course)),
            "C8": plan_claims.drilled("C8", fallback_words(site, course), fallback_checks(site, course)),
        }
        found = [told.get(claim.id, claim) for claim in found]
    phase.keep("claims", found)
    return tables.claims(found)


def gate(phase: Phase[FreqtradeSite], drill: Drill) -> GateView:
    """Judge the drill: no candle missed, nothing asked twice, everything as before at its end."""
    if drill.course is None:
        return phase.gate("failover", [changing.dry()])
    checks = failover_checks(phase.site, drill.course)
    if drill.course.all_down is not None:
        checks += fallback_checks(phase.site, drill.course)
    return phase.gate("failover", [*checks, *drill.ready])


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at))
