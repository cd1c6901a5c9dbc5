"""Phase 30: two hosts begin to download half of the pairs each, and to serve them."""

from __future__ import annotations

from collections.abc import Mapping

from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.fleet import Files
from runbook_lib.freqtrade import bots, probes, strategies
from runbook_lib.freqtrade.configs.access import ProducerSecrets, read_secrets
from runbook_lib.freqtrade.configs.producer import producer_config
from runbook_lib.freqtrade.configs.units import producer_unit
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import planned, reaching
from runbook_lib.freqtrade.phases.planned import Planned
from runbook_lib.gates import holds
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check
from runbook_lib.view.progress import Waiting
from runbook_lib.view.tables import GateView, Table

UNIT_DIRECTORY: Mapping[str, str] = {"user": ".config/systemd/user", "system": "/etc/systemd/system"}
STRATEGIES = "user_data/strategies"


def plan(phase: Phase[FreqtradeSite]) -> Planned:
    """Plan strategy, feed, config and service of every producer. Tokens that stand there already are kept."""
    site = phase.site
    who = bots.producers(site)
    standing = phase.fleet.on_all(lambda session: Files(session).read(who[session.name].config), who).unwrap()
    wanted = {host: _wanted(site, bot, standing[host]) for host, bot in who.items()}
    return planned.make(phase, "Producers", wanted, {host: bot.config for host, bot in who.items()})


def _wanted(site: FreqtradeSite, bot: bots.Bot, standing: bytes | None) -> Wanted:
    kept = read_secrets(standing.decode("utf-8", "replace")) if standing is not None else None
    config = producer_config(site, bot.host, kept or ProducerSecrets.generate())
    unit_file = f"{UNIT_DIRECTORY[site.units]}/{bot.unit}"
    return Wanted(
        bot.host,
        (
            *feed_files(site),
            *planned.files(
                bots.in_directory(site, STRATEGIES),
                {f"{strategies.PRODUCER_STRATEGY}.py": strategies.producer_module()},
            ),
            File(bot.config, config.encode(), 0o600),
            File(unit_file, producer_unit(site, bot.host).encode(), root=site.units == "system"),
            Unit(bot.unit),
        ),
    )


def feed_files(site: FreqtradeSite) -> tuple[File, ...]:
    """Return the feed's own files, as producers and consumers both have them."""
    return planned.files(bots.in_directory(site, STRATEGIES), strategies.feed_files())


def fit(phase: Phase[FreqtradeSite], plan: Planned) -> GateView:
    """Judge the configs before they are put in place."""
    return phase.gate("producer_configs", planned.judge_configs(phase, plan))


def apply(phase: Phase[FreqtradeSite], plan: Planned) -> Table:
    """Carry the plan out, all producers at once.

    Raises the error of the first that could not be changed; it also says which others were.
    """
    phase.must_not_be_stopped()
    with Waiting(f"{', '.join(plan.wanted)} to be changed", phase.report):
        results = phase.fleet.on_all(lambda session: planned.carry_out(phase, plan, session.name), plan.wanted)
    changed = [result.host for result in results.changed]
    if results.failed and changed and (error := results.failed[0].error) is not None:
        raise type(error)(f"{error.what} (changed: {', '.join(changed)})", remedy=error.remedy, host=error.host)
    results.unwrap()
    rows = [
        (
            host,
            "changed" if host in changed else "dry run" if phase.dry_run else "already as it should be",
            steps(plan, host),
        )
        for host in results
    ]
    return Table("Done", ("host", "result", "steps"), rows)


def steps(plan: Planned, host: str) -> str:
    """Say in words what a host's plan does."""
    return "; ".join(plan.plans[host].describe()) or "none"


def gate(phase: Phase[FreqtradeSite]) -> GateView:
    """Wait until the producers serve; judge whether consumers can rely on them."""
    checks = serving(phase)
    if not phase.dry_run:
        checks += _reachable(phase)
    return phase.gate("producers", checks)


def serving(phase: Phase[FreqtradeSite]) -> list[Check]:
    """Check that every producer runs and holds fresh candles of its pairs; in a dry run there is nothing to look at."""
    if phase.dry_run:
        return [dry()]
    return bots.await_ready(phase.fleet, phase.site, bots.producers(phase.site), phase.report)


def dry() -> Check:
    """Return the one check of a dry run: it holds because nothing was done."""
    return holds("dry run", passed=True, expected="nothing is changed", observed="nothing was changed")


def _reachable(phase: Phase[FreqtradeSite]) -> list[Check]:
    site = phase.site
    consumers = {host: phase.fleet[host] for host in site.consumers}
    found = []
    for name, producer in site.producers.items():
        reached = probes.reach(phase.fleet[name], consumers, address=site.hosts[name].address, port=producer.port)
        found += reaching.checks(site, name, reached)
    return found
