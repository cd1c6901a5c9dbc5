"""Phase 40: feeders become consumers, a canary first, then in batches; what does not come up well is put back."""

from __future__ import annotations

import hashlib
import shlex
import time

from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.errors import ChangeError, RunbookError
from runbook_lib.fleet import Files, Session, Units
from runbook_lib.freqtrade import bots, feed_state, measure, strategies
from runbook_lib.freqtrade.candles import CandleSet
from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets, read_secrets
from runbook_lib.freqtrade.configs.consumer import ConsumerEdit, consumer_config
from runbook_lib.freqtrade.configs.producer import producer_name
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import handover, new_configs, producers
from runbook_lib.gates import at_least, at_most, equal, holds, reported
from runbook_lib.runner import changing
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check
from runbook_lib.view.tables import GateView

HISTORY = 1500  # candles asked of each consumer
WRITTEN_IN_WHOLE_SECONDS = 1.0  # systemd tells no fractions
TOLD_WITHIN_SECONDS = 15.0  # a bot's round takes five, and longer where many share two cores
ENOUGH_HISTORY = 900  # candles; freqtrade itself starts with one page of 1000, less the forming one
START_CHECKS = ("own candle requests since start", "history handed over")
_CACHE_TAG = """
import sys
def main(_):
    return sys.implementation.cache_tag
"""


def plan(phase: Phase[FreqtradeSite]) -> Planned:
    """Plan the edited config, the strategy's subclass and the restart of every consumer."""
    site = phase.site
    access = _access(phase)
    who = bots.feeders(site)
    found = phase.fleet.on_all(lambda session: _wanted(session, site, who[session.name], access), who).unwrap()
    for host, (_, notes) in found.items():
        for note in notes:
            phase.report.done(f"{host}: {note}")
    fed = {host: wanted for host, (wanted, _) in found.items()}
    return changing.plan(phase, "Consumers", handover.handed_over(phase, fed))


def _access(phase: Phase[FreqtradeSite]) -> dict[str, ProducerAccess]:
    """Read each producer's token where it stands: in its config, on its host."""
    site, who = phase.site, bots.producers(phase.site)
    texts = phase.fleet.on_all(lambda session: Files(session).read(who[session.name].config), who).unwrap()
    found = {}
    for host, text in texts.items():
        secrets = read_secrets(text.decode("utf-8", "replace")) if text is not None else None
        if secrets is None and not phase.dry_run:
            raise ChangeError("no producer is set up here", remedy="run 30_producers first", host=host)
        # a dry run shows the diff with a token of no use
        found[host] = producers.access(site, host, secrets or ProducerSecrets.generate())
    return found


def _wanted(
    session: Session, site: FreqtradeSite, bot: bots.Bot, access: dict[str, ProducerAccess]
) -> tuple[Wanted, tuple[str, ...]]:
    """Return what the consumer should have, and what its operator will miss then."""
    original = Files(session).read(bot.config)
    if original is None:
        raise ChangeError(f"no config at {bot.config}", remedy="mend consumers in the site file", host=bot.host)
    state = Files(session).stat(bot.config)
    edit = consumer_config(original.decode(), site=site, host=bot.host, producers=access)
    compiled = f"__pycache__/{edit.fed_strategy}.{session.python(_CACHE_TAG, interpreter=site.freqtrade.python)}.pyc"
    wanted = Wanted(
        bot.host,
        (
            *producers.feed_files(site),
            File(producers.in_strategies(site, f"{edit.fed_strategy}.py"), _subclass(session, site, edit).encode()),
            File(bot.config, edit.text.encode(), state.mode, made_of=hashlib.sha256(original).hexdigest()),
            Unit(bot.unit, settle_seconds=site.gates.settle_seconds),
        ),
        leaves=(*producers.feed_leaves(site), producers.in_strategies(site, compiled)),
        folders=(producers.CACHES,),
    )
    return wanted, edit.notes


def _subclass(session: Session, site: FreqtradeSite, edit: ConsumerEdit) -> str:
    """Write the subclass of the operator's strategy, which is looked for in the strategies folder."""
    folder = bots.in_directory(site, producers.STRATEGIES)
    pattern = shlex.quote(f"^class {edit.strategy}[(:]")
    found = session.run(f"grep -lE {pattern} {shlex.quote(folder)}/*.py", check=False).text.split()
    if len(found) != 1:
        raise ChangeError(
            f"strategy {edit.strategy} stands in {len(found)} files of {folder}, one was expected",
            remedy="leave one file there that defines it",
            host=session.name,
        )
    module = found[0].rpartition("/")[2].removesuffix(".py")
    return strategies.consumer_module(edit.strategy, module)


def fit(phase: Phase[FreqtradeSite], plan: Planned) -> GateView:
    """Judge the edited configs, the units that start them, and the producers they will rely on."""
    checks = [*producers.serving(phase), *new_configs.judge(phase, plan, bots.feeders(phase.site)), *_units(phase)]
    return phase.gate("consumer_configs", checks)


def _units(phase: Phase[FreqtradeSite]) -> list[Check]:
    """Look at the units: a strategy on the bot's command line would win over the one in its config."""
    site, who = phase.site, bots.feeders(phase.site)
    texts = phase.fleet.on_all(lambda session: Units(session, site.units).cat(who[session.name].unit), who)
    expected = "no --strategy on its command line"
    return [
        reported("unit", result.error, expected=expected)
        if result.error is not None
        else holds(
            "unit",
            passed="--strategy" not in result.unwrap() and " -s " not in result.unwrap(),
            expected=expected,
            observed=f"{who[host].unit} read",
            host=host,
            remedy="move the strategy's name from the unit into the config",
        )
        for host, result in texts.items()
    ]


def canary(phase: Phase[FreqtradeSite], plan: Planned) -> Rollout:
    """Change the first consumers alone."""
    return _roll_out(phase, plan, _canaries(phase, plan))


def _canaries(phase: Phase[FreqtradeSite], plan: Planned) -> list[str]:
    return list(plan.wanted)[: phase.site.rollout.canary]


def rest(phase: Phase[FreqtradeSite], plan: Planned, canary: Rollout) -> Rollout:
    """Change the others, in batches; return how all of them came up."""
    others = _roll_out(phase, plan, list(plan.wanted)[len(_canaries(phase, plan)) :])
    return Rollout((*canary.attempts, *others.attempts))


def _roll_out(phase: Phase[FreqtradeSite], plan: Planned, hosts: list[str]) -> Rollout:
    def up(changed: tuple[str, ...]) -> list[Check]:
        ready = bots.await_ready(phase.fleet, phase.site, {host: who[host] for host in changed}, phase.report)
        return [*ready, *_started(phase, changed)]

    who, limits = bots.feeders(phase.site), phase.site.rollout
    return changing.change_all(phase, plan, up, hosts=hosts, size=limits.batch, budget=limits.failure_budget)


def _started(phase: Phase[FreqtradeSite], hosts: tuple[str, ...]) -> list[Check]:
    """Look how consumers came up."""
    site, who = phase.site, bots.feeders(phase.site)
    producing = [producer_name(producer) for producer in site.producers]

    def look(session: Session) -> list[Check]:
        bot = who[session.name]
        unit = Units(session, site.units).observe([bot.unit])[bot.unit]
        held = bots.newest(session, site, bot, HISTORY)
        return _start(session.name, _report(session, site, producing), held, unit.active_since, producing)

    found = phase.fleet.on_all(look, hosts)
    return [
        check
        for host, result in found.items()
        for check in (
            [reported("feed", result.error, expected="serves", host=host)] if result.error else result.unwrap()
        )
    ]


def _report(session: Session, site: FreqtradeSite, producing: list[str]) -> feed_state.FeedReport:
    """Read what a feed says once it tells of every producer: it writes at the end of a round, after the bot has them.

    After some seconds it is taken as it is.
    """
    until = time.monotonic() + TOLD_WITHIN_SECONDS
    while True:
        report = feed_state.read(session, site)
        if all(report.by_producer.get(name) for name in producing) or time.monotonic() >= until:
            return report
        time.sleep(1.0)


def _start(
    host: str, report: feed_state.FeedReport, held: CandleSet, since: float | None, producing: list[str]
) -> list[Check]:
    """Judge how a consumer came up. ``since``: when its service was started, by the host's own clock, as the feed's."""
    ours = since is not None and report.started >= since - WRITTEN_IN_WHOLE_SECONDS
    silent = [name for name in producing if not report.by_producer.get(name)]
    return [
        holds(
            "the feed speaks of this start",
            passed=ours,
            expected="its counts begin with the service",
            observed="yes" if ours else "older counts",
            host=host,
            remedy="the bot runs without the feed: read its journal for a line that begins with Candle feed",
        ),
        equal(
            "own candle requests since start",
            report.own_requests,
            0,
            host=host,
            remedy=f"the feed fell back: {report.fallbacks}; read the bot's journal for Candle feed",
        ),
        holds(
            "answered by its producers",
            passed=not silent,
            expected="each of them",
            observed=", ".join(f"{name} {count}" for name, count in report.by_producer.items()) or "by none",
            host=host,
            remedy=f"look at {', '.join(silent)}, and at the way there",
        ),
        at_least(
            "history handed over",
            min((len(frame) for frame in held.frames.values()), default=0),
            ENOUGH_HISTORY,
            unit="candles",
            host=host,
            remedy="give the producers time to gather history, then run this phase again",
        ),
    ]


def watched(phase: Phase[FreqtradeSite], plan: Planned, canary: Rollout) -> GateView:
    """Watch the canary over whole candles: fresh, no request of its own, every cell the exchange's settled value."""
    checks = list(canary.checks)
    if not phase.dry_run and not any(attempt.failed for attempt in canary.attempts):
        checks += _nothing_left(plan) if plan.empty else _watch(phase, _canaries(phase, plan))
    return phase.gate("canary", checks)


def _nothing_left(plan: Planned) -> list[Check]:
    hosts = len(plan.wanted)
    return [holds("roll-out", passed=True, expected="a well canary first", observed=f"all {hosts} are done already")]


def _watch(phase: Phase[FreqtradeSite], hosts: list[str]) -> list[Check]:
    site = phase.site
    who = {host: bot for host, bot in bots.feeders(site).items() if host in hosts}
    try:
        reading = measure.measure(phase.fleet, site, who, who, phase.report, candles=site.gates.canary_candles).reading
    except RunbookError as error:
        return [reported("canary watched", error, expected=f"{site.gates.canary_candles} candles")]
    remedy = "the others were not touched: find out why, or undo it with 90_rollback"
    share = -(-site.gates.minimum_cells * len(hosts) // len(site.consumers))  # of what all are to bring
    return [
        *(
            equal("own candle requests while watched", count, 0, host=host, remedy=remedy)
            for host, count in reading.candle_requests.items()
        ),
        at_least(
            "cells compared", reading.cells, share, too_little_is_inconclusive=True, remedy="run this phase again"
        ),
        equal("cells that differ from the exchange", reading.mismatching, 0, remedy=remedy),
        equal("candles missing", reading.missing, 0, remedy=remedy),
        *(
            at_most("age of the newest candle", age, site.gates.candle_age_seconds, unit="s", host=host, remedy=remedy)
            for host, age in reading.newest_age.items()
        ),
    ]


def gate(phase: Phase[FreqtradeSite], rollout: Rollout) -> GateView:
    """Judge the roll-out: every consumer was reached and came up well."""
    phase.keep("start", [check for check in rollout.checks if check.name in START_CHECKS])
    return phase.gate("consumers", rollout.checks)
