"""Phase 40: feeders become consumers, one at a time; the first that does not come up well stops the roll-out."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, field

from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.errors import ChangeError, RunbookError
from runbook_lib.fleet import Files, Session, Units
from runbook_lib.freqtrade import bots, feed_state, strategies
from runbook_lib.freqtrade.candles import CandleSet
from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets, read_secrets
from runbook_lib.freqtrade.configs.consumer import ConsumerEdit, consumer_config
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import planned, producers
from runbook_lib.freqtrade.phases.planned import Planned
from runbook_lib.gates import at_least, equal, holds, judge, reported
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check, Verdict
from runbook_lib.view.progress import Waiting
from runbook_lib.view.rendered import RenderedAs
from runbook_lib.view.tables import GateView, Table

HISTORY = 1500  # candles asked of each consumer
CLOCKS_APART_SECONDS = 2.0  # more than preflight lets pass
ENOUGH_HISTORY = 900  # candles; freqtrade itself starts with one page of 1000, less the forming one


@dataclass(frozen=True, slots=True)
class Step:
    """How one consumer came up. ``seconds``: until it held fresh candles; ``candles``: how many, of its worst pair."""

    host: str
    result: str
    seconds: float | None = None
    candles: int | None = None
    own_requests: int | None = None
    served_by: str = ""
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout(RenderedAs):
    """All consumers in the order in which they were reached."""

    steps: tuple[Step, ...] = field(default=())

    def shown(self) -> Table:
        """Show it as a table."""
        heads = (
            "consumer",
            "result",
            "ready after (s)",
            "candles of its worst pair",
            "own candle requests since start",
            "answered by",
        )
        rows = [
            (step.host, step.result, step.seconds, step.candles, step.own_requests, step.served_by)
            for step in self.steps
        ]
        return Table("Roll-out", heads, rows)


def plan(phase: Phase[FreqtradeSite]) -> Planned:
    """Plan the edited config, the strategy's subclass and the restart of every consumer."""
    site = phase.site
    access = _access(phase)
    who = bots.feeders(site)
    wanted = phase.fleet.on_all(lambda session: _wanted(session, site, who[session.name], access), who).unwrap()
    return planned.make(phase, "Consumers", wanted, {host: bot.config for host, bot in who.items()})


def _access(phase: Phase[FreqtradeSite]) -> dict[str, ProducerAccess]:
    """Read each producer's token where it stands: in its config, on its host."""
    site, who = phase.site, bots.producers(phase.site)
    texts = phase.fleet.on_all(lambda session: Files(session).read(who[session.name].config), who).unwrap()
    found = {}
    for host, text in texts.items():
        secrets = read_secrets(text.decode("utf-8", "replace")) if text is not None else None
        if secrets is None and not phase.dry_run:
            raise ChangeError("no producer is set up here", remedy="run 30_producers first", host=host)
        token = (secrets or ProducerSecrets.generate()).ws_token  # a dry run shows the diff with a token of no use
        found[host] = ProducerAccess(site.hosts[host].address, site.producers[host].port, token)
    return found


def _wanted(session: Session, site: FreqtradeSite, bot: bots.Bot, access: dict[str, ProducerAccess]) -> Wanted:
    original = Files(session).read(bot.config)
    if original is None:
        raise ChangeError(f"no config at {bot.config}", remedy="mend consumers in the site file", host=bot.host)
    state = Files(session).stat(bot.config)
    edit = consumer_config(original.decode(), site=site, host=bot.host, producers=access)
    return Wanted(
        bot.host,
        (
            *producers.feed_files(site),
            *planned.files(
                bots.in_directory(site, producers.STRATEGIES),
                {f"{edit.fed_strategy}.py": _subclass(session, site, edit)},
            ),
            File(bot.config, edit.text.encode(), state.mode),
            Unit(bot.unit),
        ),
    )


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
    checks = [*producers.serving(phase), *planned.judge_configs(phase, plan), *_units(phase)]
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


def apply(phase: Phase[FreqtradeSite], plan: Planned) -> Rollout:
    """Change one consumer after the other; stop at the first that does not come up well."""
    phase.must_not_be_stopped()
    steps: list[Step] = []
    for host in plan.wanted:
        if steps and judge(steps[-1].checks) is not Verdict.SUCCESSFUL:
            steps.append(Step(host, "not reached"))
            continue
        steps.append(_change(phase, plan, host))
    return Rollout(tuple(steps))


def _change(phase: Phase[FreqtradeSite], plan: Planned, host: str) -> Step:
    if phase.dry_run:
        return Step(host, "dry run", checks=(producers.dry(),))
    bot = bots.feeders(phase.site)[host]
    began = time.time()
    try:
        with Waiting(f"{host} to be changed", phase.report):
            changed = planned.carry_out(phase, plan, host).changed
    except RunbookError as error:
        return Step(host, "failed", checks=(reported("changed", error, expected="every step done and verified"),))
    ready = bots.await_ready(phase.fleet, phase.site, {host: bot}, phase.report)
    seconds = round(time.time() - began, 1)
    try:
        report = feed_state.read(phase.fleet[host], phase.site)
        held = bots.newest(phase.fleet[host], phase.site, bot, HISTORY)
    except RunbookError as error:
        return Step(host, "failed", seconds, checks=(*ready, reported("feed", error, expected="serves")))
    checks = (*ready, *_start(host, report, held, began if changed else None))
    result = "changed" if changed else "already as it should be"
    return Step(
        host,
        result if judge(checks) is Verdict.SUCCESSFUL else f"{result}, not well",
        seconds,
        _worst(held),
        report.own_requests,
        ", ".join(f"{name} {count}" for name, count in report.by_producer.items()),
        checks,
    )


def _start(host: str, report: feed_state.FeedReport, held: CandleSet, began: float | None) -> list[Check]:
    """Judge how a consumer came up. ``began``: when it was changed (unix seconds), None if it was as it should be."""
    return [
        holds(
            "the feed speaks of this start",
            passed=began is None or report.started >= began - CLOCKS_APART_SECONDS,
            expected="its counts begin with the restart",
            observed="yes" if began is None or report.started >= began - CLOCKS_APART_SECONDS else "older counts",
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
        at_least(
            "history handed over",
            _worst(held),
            ENOUGH_HISTORY,
            unit="candles",
            host=host,
            remedy="give the producers time to gather history, then run this phase again",
        ),
    ]


def _worst(held: CandleSet) -> int:
    return min((len(frame) for frame in held.frames.values()), default=0)


def gate(phase: Phase[FreqtradeSite], rollout: Rollout) -> GateView:
    """Judge the roll-out: every consumer was reached and came up well."""
    checks = [check for step in rollout.steps for check in step.checks]
    checks += [
        holds(
            "reached",
            passed=False,
            expected="changed",
            observed="not reached: the roll-out stopped before it",
            host=step.host,
            remedy="mend the consumer that failed, then run this phase again",
        )
        for step in rollout.steps
        if not step.checks
    ]
    phase.keep("start", [check for step in rollout.steps for check in step.checks if check.name in START_CHECKS])
    return phase.gate("consumers", checks)


START_CHECKS = ("own candle requests since start", "history handed over")
