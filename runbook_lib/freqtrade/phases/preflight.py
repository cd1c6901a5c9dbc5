"""Phase 10: everything that must be true before anything is changed. Reads; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

from runbook_lib.errors import RunbookError
from runbook_lib.fleet import Files, Session, Units, UnitState
from runbook_lib.freqtrade import bots, claims, figures, probes
from runbook_lib.freqtrade.configs.on_host import check_on_host, problems
from runbook_lib.freqtrade.configs.parse import read_config
from runbook_lib.freqtrade.configs.schema import HostCheck
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.freqtrade.phases import feeders, reaching
from runbook_lib.gates import at_least, at_most, holds, reported
from runbook_lib.runner.phase import Phase
from runbook_lib.values import Check, FleetResult
from runbook_lib.view.progress import Waiting
from runbook_lib.view.rendered import RenderedAs
from runbook_lib.view.tables import GateView, Table

REACHABLE = "reachable, host key known, login accepted, root where it is needed"


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen on one host.

    ``config``: text of a consumer's existing config; ``unit``: the service of the host's bot, as it is now.
    """

    facts: probes.HostFacts
    clock: probes.ClockReading
    config: str | None = field(repr=False)  # holds passwords
    checked: HostCheck | None
    lingering: bool | None
    unit: UnitState | None


@dataclass(frozen=True, slots=True)
class Survey(RenderedAs):
    """What was seen on all hosts, and how the consumers reach the producers."""

    hosts: FleetResult[Observed]
    reached: dict[str, dict[str, probes.Reach] | RunbookError]

    def shown(self) -> Table:
        """Show it as a table."""
        rows = [_row(host, result.value, result.error) for host, result in self.hosts.items()]
        heads = ("host", "freqtrade", "its Python", "cores", "memory (MB)", "disk free (MB)", "clock off by (s)")
        return Table("Hosts", heads, rows)


def _row(host: str, seen: Observed | None, error: RunbookError | None) -> tuple[object, ...]:
    if seen is None:
        return (host, str(error), "", "", "", "", "")
    facts = seen.facts
    offset = round(seen.clock.offset_seconds, 3)
    return (
        host,
        facts.freqtrade or facts.freqtrade_error,
        facts.freqtrade_python,
        facts.processors,
        facts.memory_megabytes,
        facts.free_megabytes,
        offset,
    )


def observe(phase: Phase[FreqtradeSite]) -> Survey:
    """Look at every host, and let every consumer try every producer's port."""
    site = phase.site
    phase.keep("claims", claims.unproven())
    phase.keep("figures", figures.figures(None, None, list(site.consumers)))
    with Waiting(f"{len(site.hosts)} hosts to answer", phase.report):
        hosts = phase.fleet.on_all(lambda session: _observe(session, site))
        answering = [host for host in site.consumers if not hosts[host].failed]
        reached: dict[str, dict[str, probes.Reach] | RunbookError] = {}
        for name, producer in site.producers.items():
            if hosts[name].failed or not answering:
                continue
            try:
                reached[name] = probes.reach(
                    phase.fleet[name],
                    {host: phase.fleet[host] for host in answering},
                    address=site.hosts[name].address,
                    port=producer.port,
                )
            except RunbookError as error:
                reached[name] = error
    return Survey(hosts, reached)


def _observe(session: Session, site: FreqtradeSite) -> Observed:
    producer, consumer = site.producers.get(session.name), site.consumers.get(session.name)
    bot = producer or consumer
    if site.units == "system":
        session.sudo("true")  # refused now rather than half-way
    config = bots.feeders(site)[session.name].config if consumer else None
    facts = probes.host_facts(
        session,
        address=site.hosts[session.name].address,
        freqtrade_python=site.freqtrade.python,
        path=site.freqtrade.directory,
        ports=[producer.port] if producer else [],
        files=[config] if config else [],
    )
    text = Files(session).read(config) if config else None
    units = Units(session, site.units)
    checked = None
    if config and text is not None and not facts.freqtrade_error:
        checked = check_on_host(session, site.freqtrade.python, {config: None})
    return Observed(
        facts=facts,
        clock=probes.clock(session),
        config=None if text is None else text.decode("utf-8", "replace"),
        checked=checked,
        lingering=units.lingering() if site.units == "user" else None,
        unit=units.observe([bot.unit])[bot.unit] if bot else None,
    )


def gate(phase: Phase[FreqtradeSite], survey: Survey) -> GateView:
    """Judge what was observed."""
    site = phase.site
    checks = list(chain.from_iterable(_host(site, host, survey) for host in site.hosts))
    checks += chain.from_iterable(_reach(site, producer, survey) for producer in survey.reached)
    checks += _pairs(site, survey)
    return phase.gate("preflight", checks)


def _host(site: FreqtradeSite, host: str, survey: Survey) -> list[Check]:
    result = survey.hosts[host]
    if result.error is not None:
        return [reported("reachable", result.error, expected=REACHABLE)]
    seen = result.unwrap()
    facts, limits = seen.facts, site.gates
    checks = [
        holds("reachable", passed=True, expected=REACHABLE, observed="yes", host=host),
        holds(
            "freqtrade",
            facts.freqtrade in site.freqtrade.versions,
            expected=" or ".join(site.freqtrade.versions),
            observed=facts.freqtrade or facts.freqtrade_error,
            host=host,
            remedy=f"install freqtrade {site.freqtrade.versions[0]} for {site.freqtrade.python}, or mend that path",
        ),
        at_most(
            "clock offset",
            round(abs(seen.clock.offset_seconds), 3),
            limits.clock_offset_seconds,
            unit="s",
            host=host,
            remedy="let chrony or systemd-timesyncd set the clock",
        ),
        at_least(
            "disk free", facts.free_megabytes, limits.free_megabytes, unit="MB", host=host, remedy="make room first"
        ),
    ]
    if seen.lingering is not None:
        checks.append(
            holds(
                "services outlive the login",
                seen.lingering,
                expected="lingering on",
                observed="on" if seen.lingering else "off",
                host=host,
                remedy=f"run `loginctl enable-linger {site.ssh.user}` on the host",
            )
        )
    if host in site.producers:
        checks += _port(host, facts, ours=seen.unit is not None and seen.unit.running)
    if host in site.consumers:
        checks += _config(site, host, seen)
        checks += [feeders.service(host, seen.unit)] if seen.unit is not None else []
    return checks


def _port(host: str, facts: probes.HostFacts, *, ours: bool) -> list[Check]:
    """Check that the port which the producer is to listen on is free. ``ours``: the producer runs already."""
    return [
        holds(
            "port for the producer",
            not port.error and (ours or not port.taken),
            expected=f"{port.port} free, or held by our own producer",
            observed=port.error or (("held by our own producer" if ours else "taken") if port.taken else "free"),
            host=host,
            remedy="see with `ss -ltnp` who listens there; a producer of an earlier change must be stopped first",
        )
        for port in facts.ports
    ]


def _config(site: FreqtradeSite, host: str, seen: Observed) -> list[Check]:
    path = bots.feeders(site)[host].config
    file = next((file for file in seen.facts.files if file.path == path), None)
    checks = [
        holds(
            "config",
            seen.config is not None,
            expected=f"{path} can be read",
            observed="yes" if seen.config is not None else (file.error if file else "not looked at"),
            host=host,
            remedy=f"name the right file under consumers.{host}.config",
        )
    ]
    if seen.config is None or file is None:
        return checks
    checks.append(
        holds(
            "config is not readable by others",
            not file.open_to_others,
            expected="mode 0600",
            observed=f"mode {file.mode:04o}",
            host=host,
            remedy=f"run `chmod 600 {path}` on the host: it holds passwords",
        )
    )
    try:
        checks.append(feeders.request_log(host, read_config(seen.config, where=path).data))
        found = problems(path, seen.config, seen.checked) if seen.checked is not None else []
    except RunbookError as error:
        return [*checks, reported("config is sound", error, expected="what freqtrade can read", host=host)]
    checks.append(
        holds(
            "config is sound",
            passed=not found if seen.checked is not None else None,
            expected="valid, no unknown key, no placeholder secret",
            observed="; ".join(found) or "yes",
            host=host,
            remedy=f"mend {path}, or take the key out",
        )
    )
    return checks


def _reach(site: FreqtradeSite, producer: str, survey: Survey) -> list[Check]:
    reached = survey.reached[producer]
    if isinstance(reached, RunbookError):
        return [reported("port can be opened", reached, expected=reaching.place(site, producer))]
    return reaching.checks(site, producer, reached)


def _pairs(site: FreqtradeSite, survey: Survey) -> list[Check]:
    """Check that every pair of every consumer has a producer; that none has two, the site file is held to already."""
    checks = []
    for host in site.consumers:
        result = survey.hosts[host]
        if result.error is not None or result.unwrap().config is None:
            continue
        try:
            wanted = read_config(result.unwrap().config or "").data["exchange"]["pair_whitelist"]
        except (RunbookError, KeyError, TypeError):
            wanted = None
        without = [pair for pair in wanted or [] if pair not in site.pairs]
        checks.append(
            holds(
                "every pair has a producer",
                passed=None if wanted is None else not without,
                expected="no pair of its whitelist without one",
                observed="no whitelist found" if wanted is None else ", ".join(without) or f"all {len(wanted)}",
                host=host,
                remedy="add the pairs to one producer in the site file",
            )
        )
    return checks
