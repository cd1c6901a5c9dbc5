"""Phase 30: two hosts begin to download half of the pairs each, and to serve them."""

from __future__ import annotations

from collections.abc import Mapping

from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.fleet import Files
from runbook_lib.freqtrade import bots, probes, strategies
from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets, read_secrets
from runbook_lib.freqtrade.configs.producer import producer_config
from runbook_lib.freqtrade.configs.units import producer_unit
from runbook_lib.freqtrade.feed_state import FILES
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import handover, new_configs, reaching
from runbook_lib.runner import changing
from runbook_lib.runner.changing import Planned, Rollout
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check
from runbook_lib.view.tables import GateView

UNIT_DIRECTORY: Mapping[str, str] = {"user": ".config/systemd/user", "system": "/etc/systemd/system"}
STRATEGIES = "user_data/strategies"
MADE_BY_FREQTRADE = (
    *("backtest_results", "data", "data/binance", "freqaimodels"),
    *("hyperopt_results", "hyperopts", "notebooks", "plot"),
)
"""Directories that freqtrade makes in user_data when it first runs, and leaves empty: they are for people's own work.
Those that were not there go when it is undone, if nobody has put anything in; the logs, which it makes too, stay: they
tell what happened."""
CACHES = ".cache"
SHARED = f"{CACHES}/candle_feed"
"""Where the feeds of one login share what they know of the exchange: theirs alone, so that it goes as a whole."""


def plan(phase: Phase[FreqtradeSite]) -> Planned:
    """Plan strategy, feed, config and service of every producer. Tokens that stand there already are kept."""
    site = phase.site
    who = bots.producers(site)
    standing = phase.fleet.on_all(lambda session: Files(session).read(who[session.name].config), who).unwrap()
    secrets = {host: _secrets(standing[host]) for host in who}
    wanted = {host: _wanted(site, bot, secrets) for host, bot in who.items()}
    return changing.plan(phase, "Producers", handover.fetched(phase, wanted))


def _secrets(standing: bytes | None) -> ProducerSecrets:
    kept = read_secrets(standing.decode("utf-8", "replace")) if standing is not None else None
    return kept or ProducerSecrets.generate()


def access(site: FreqtradeSite, host: str, secrets: ProducerSecrets) -> ProducerAccess:
    """Return how other bots reach the producer on ``host``."""
    return ProducerAccess(site.hosts[host].address, site.producers[host].port, secrets.ws_token)


def _wanted(site: FreqtradeSite, bot: bots.Bot, secrets: Mapping[str, ProducerSecrets]) -> Wanted:
    others = {host: access(site, host, its) for host, its in secrets.items() if host != bot.host}
    config = producer_config(site, bot.host, secrets[bot.host], others)
    unit_file = f"{UNIT_DIRECTORY[site.units]}/{bot.unit}"
    return Wanted(
        bot.host,
        (
            *feed_files(site),
            File(in_strategies(site, f"{strategies.PRODUCER_STRATEGY}.py"), strategies.producer_module().encode()),
            File(bot.config, config.encode(), 0o600),
            File(unit_file, producer_unit(site, bot.host).encode(), root=site.units == "system"),
            Unit(bot.unit, settle_seconds=site.gates.settle_seconds),
        ),
        leaves=(
            *feed_leaves(site),
            in_strategies(site, "__pycache__"),
        ),
        folders=(CACHES, *(bots.in_directory(site, f"user_data/{name}") for name in MADE_BY_FREQTRADE)),
    )


def feed_files(site: FreqtradeSite) -> tuple[File, ...]:
    """Return the feed's own files, as producers and consumers both have them."""
    return tuple(File(in_strategies(site, path), text.encode()) for path, text in strategies.feed_files().items())


def feed_leaves(site: FreqtradeSite) -> tuple[str, ...]:
    """Return what comes into being where the feed runs: its state, its breaker's, and what Python compiles of it."""
    folders = sorted({path.rpartition("/")[0] for path in strategies.feed_files()})
    return (
        *(bots.in_directory(site, file) for file in FILES),
        *(in_strategies(site, f"{folder}/__pycache__") for folder in folders),
        SHARED,
    )


def in_strategies(site: FreqtradeSite, path: str) -> str:
    """Return a path below the strategies folder as the login sees it."""
    return bots.in_directory(site, f"{STRATEGIES}/{path}")


def fit(phase: Phase[FreqtradeSite], plan: Planned) -> GateView:
    """Judge the configs before they are put in place."""
    return phase.gate("producer_configs", new_configs.judge(phase, plan, bots.producers(phase.site)))


def apply(phase: Phase[FreqtradeSite], plan: Planned) -> Rollout:
    """Carry the plan out, all producers at once; one that does not come up is put back as it was."""
    who = bots.producers(phase.site)

    def up(hosts: tuple[str, ...]) -> list[Check]:
        return bots.await_ready(phase.fleet, phase.site, {host: who[host] for host in hosts}, phase.report)

    return changing.change_all(phase, plan, up, hosts=list(plan.wanted), size=len(plan.wanted))


def gate(phase: Phase[FreqtradeSite], rollout: Rollout) -> GateView:
    """Judge whether consumers can rely on the producers."""
    checks = rollout.checks
    if not phase.dry_run:
        checks += _reachable(phase)
    return phase.gate("producers", checks)


def serving(phase: Phase[FreqtradeSite]) -> list[Check]:
    """Check that every producer runs and holds fresh candles of its pairs; in a dry run there is nothing to look at."""
    if phase.dry_run:
        return [changing.dry()]
    return bots.await_ready(phase.fleet, phase.site, bots.producers(phase.site), phase.report)


def _reachable(phase: Phase[FreqtradeSite]) -> list[Check]:
    site = phase.site
    consumers = {host: phase.fleet[host] for host in site.consumers}
    found = []
    for name, producer in site.producers.items():
        reached = probes.reach(phase.fleet[name], consumers, address=site.hosts[name].address, port=producer.port)
        found += reaching.checks(site, name, reached)
    return found
