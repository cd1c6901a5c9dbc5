"""Preflight refuses each thing that would stop the migration half-way, in one line: host, what, remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from IPython.lib.pretty import pretty
from phase_double import PhaseDouble

from runbook_lib.errors import AuthenticationRefused, HostKeyRefused, RunbookError, Unreachable
from runbook_lib.fleet import UnitState
from runbook_lib.freqtrade import probes
from runbook_lib.freqtrade.configs.schema import ConfigCheck, HostCheck
from runbook_lib.freqtrade.phases import preflight
from runbook_lib.freqtrade.phases.preflight import Observed, Survey
from runbook_lib.values import Check, FleetResult, HostResult, Verdict

CONFIG = "freqtrade/user_data/config.json"
SOUND = """{
    // written by hand
    "strategy": "SampleFeeder",
    "log_config": {"handlers": {"requests": {"filename": "user_data/logs/exchange_requests.log"}},
                   "loggers": {"ccxt.base.exchange": {"level": "DEBUG", "handlers": ["requests"]}}},
    "exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT", "SHIB/USDT"],},
    "api_server": {"enabled": true, "listen_ip_address": "127.0.0.1",
                   "jwt_secret_key": "j6Xh2kq9Lw0zPf4sVb8nRt1yUe5oCi3a",
                   "ws_token": "Zk3v9QeT7xLr2PwY", "username": "operator", "password": "Gd72hsLq01ZxPwe8"},
}"""
KNOWN = {
    "strategy": None,
    "log_config": None,
    "exchange": {"name": None, "pair_whitelist": None},
    "api_server": dict.fromkeys(("enabled", "listen_ip_address", "jwt_secret_key", "ws_token", "username", "password")),
}


def facts(host: str, **changed: Any) -> probes.HostFacts:
    usual = probes.HostFacts(
        host=host,
        python="3.11.2",
        freqtrade="2026.9",
        freqtrade_python="3.11.7",
        freqtrade_error="",
        processors=2,
        memory_megabytes=8000,
        free_megabytes=20_000,
        ports=(probes.Port(8080, taken=False),) if host in {"73", "108"} else (),
        files=() if host in {"73", "108"} else (probes.HostFile(CONFIG, exists=True, mode=0o600, size=900),),
    )
    return replace(usual, **changed)


def unit(name: str, load: str = "loaded", active: str = "active") -> UnitState:
    return UnitState(name, load, active, "running", "enabled", 7, 0, "success", 1.0, False)


def observed(host: str, *, config: str = SOUND, errors: tuple[str, ...] = (), **changed: Any) -> Observed:
    feeder = host not in {"73", "108"}
    checked = HostCheck("2026.9", "3.11.7", KNOWN, {CONFIG: ConfigCheck(errors, (), ())})
    usual = Observed(
        facts=facts(host),
        clock=probes.ClockReading(100.0, 100.01, 100.02),
        config=config if feeder else None,
        checked=checked if feeder else None,
        lingering=True,
        unit=unit("freqtrade.service") if feeder else unit("freqtrade-producer.service", "not-found", "inactive"),
    )
    return replace(usual, **changed)


def reach(consumer: str, producer: str, error: str = "") -> probes.Reach:
    return probes.Reach(consumer, producer, () if error else (0.2,), (), error)


def survey(phase: PhaseDouble, changed: dict[str, Observed | RunbookError] | None = None) -> Survey:
    results = []
    for host in phase.site.hosts:
        seen = (changed or {}).get(host) or observed(host)
        failed = isinstance(seen, RunbookError)
        results.append(HostResult(host, error=seen) if failed else HostResult(host, seen))
    reached = {
        producer: {consumer: reach(consumer, producer) for consumer in phase.site.consumers}
        for producer in phase.site.producers
    }
    return Survey(FleetResult(tuple(results)), reached)


def refused(found: Survey) -> list[Check]:
    gate = preflight.gate(PhaseDouble(), found)
    return [check for check in gate.checks if check.verdict is not Verdict.SUCCESSFUL]


def test_a_sound_fleet_passes() -> None:
    assert refused(survey(PhaseDouble())) == []


REFUSALS: dict[str, tuple[str, Observed | RunbookError, str]] = {
    "unreachable": ("121", Unreachable("no connection to 127.0.3.121:2222", host="121"), "no connection"),
    "host key": ("121", HostKeyRefused("host key has changed: SHA256:abc", host="121"), "SHA256:abc"),
    "credentials": ("121", AuthenticationRefused("key refused", host="121"), "key refused"),
    "freqtrade unfit": ("73", observed("73", facts=facts("73", freqtrade="2024.1")), "2024.1"),
    "freqtrade missing": (
        "73",
        observed("73", facts=facts("73", freqtrade="", freqtrade_error="no module named freqtrade")),
        "no module named freqtrade",
    ),
    "clock ahead": ("108", observed("108", clock=probes.ClockReading(100.0, 100.7, 100.02)), "0.69 s"),
    "clock behind": ("108", observed("108", clock=probes.ClockReading(100.0, 99.3, 100.02)), "0.71 s"),
    "disk": ("75", observed("75", facts=facts("75", free_megabytes=499)), "499 MB"),
    "port taken": ("73", observed("73", facts=facts("73", ports=(probes.Port(8080, taken=True),))), "taken"),
    "lingering": ("75", observed("75", lingering=False), "off"),
    "config unreadable": ("75", observed("75", config="{"), "config"),
    "config open to others": (
        "75",
        observed("75", facts=facts("75", files=(probes.HostFile(CONFIG, exists=True, mode=0o644, size=9),))),
        "0644",
    ),
    "unknown key": ("75", observed("75", config=SOUND.replace('"name"', '"use_ws": true, "name"')), "use_ws"),
    "placeholder": ("75", observed("75", config=SOUND.replace("Zk3v9QeT7xLr2PwY", "change_me_token")), "ws_token"),
    "unit of another name": ("75", observed("75", unit=unit("bot.service", "not-found", "inactive")), "not-found"),
    "unit that could not be put back": (
        "75",
        observed("75", unit=replace(unit("freqtrade.service"), enablement="linked")),
        "to disable it again would remove the link",
    ),
    "unit that does not run": ("75", observed("75", unit=unit("bot.service", active="failed")), "failed"),
    "no request log": ("75", observed("75", config=SOUND.replace("DEBUG", "INFO")), "request log no such log"),
    "schema": ("75", observed("75", errors=("stake_amount: is a required property",)), "stake_amount"),
    "pair without producer": ("75", observed("75", config=SOUND.replace("BTC/USDT", "XMR/USDT")), "XMR/USDT"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refuses(name: str) -> None:
    host, seen, words = REFUSALS[name]
    found = refused(survey(PhaseDouble(), {host: seen}))
    assert {check.host for check in found} == {host}
    assert any(words in f"{check.name} {check.observed}" for check in found), found
    assert all(check.remedy or isinstance(seen, RunbookError) for check in found)


@pytest.mark.parametrize("version", ["2026.9", "2026.8"])
def test_both_versions_that_the_feed_was_tested_with_pass(version: str) -> None:
    phase = PhaseDouble()
    assert phase.site.freqtrade.versions == ["2026.9", "2026.8"]
    changed = {host: observed(host, facts=facts(host, freqtrade=version)) for host in phase.site.hosts}
    assert refused(survey(phase, dict(changed))) == []


@pytest.mark.parametrize("version", ["2026.7", "2026.10", "2026.9-dev"])
def test_any_other_version_is_refused_by_name(version: str) -> None:
    (check,) = refused(survey(PhaseDouble(), {"124": observed("124", facts=facts("124", freqtrade=version))}))
    assert (check.name, check.host) == ("freqtrade", "124")
    assert (check.expected, check.observed) == ("2026.9 or 2026.8", version)
    assert "install freqtrade 2026.9" in check.remedy


def test_a_port_held_by_our_own_producer_is_no_reason_to_stop() -> None:
    held = observed("73", facts=facts("73", ports=(probes.Port(8080, taken=True),)), unit=unit("p"))
    assert refused(survey(PhaseDouble(), {"73": held})) == []


def test_a_producer_out_of_reach_is_named_with_its_consumer() -> None:
    found = survey(PhaseDouble())
    found.reached["108"]["124"] = reach("124", "108", "timed out")  # type: ignore[index]
    (check,) = refused(found)
    assert (check.host, check.observed) == ("124", "timed out")
    assert "127.0.3.108:8080 on 108" in check.name


def test_no_secret_is_shown() -> None:
    found = survey(PhaseDouble())
    gate = preflight.gate(PhaseDouble(), found)
    for shown in (pretty(found), found._repr_html_(), repr(found), pretty(gate), gate._repr_html_()):
        assert "Zk3v9QeT7xLr2PwY" not in shown
    assert pretty(found) == str(found)
