"""A service that will not run with what the change brought: its host is put back by itself, and the roll-out stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_lab import Lab, host_settings, look, write_site

from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.fleet import Units, UnitState
from runbook_lib.gates import holds
from runbook_lib.params import Site
from runbook_lib.runner import changing
from runbook_lib.runner.changing import Rollout
from runbook_lib.runner.phase import Phase, open_phase
from runbook_lib.values import Check

pytestmark = pytest.mark.hosts

HOSTS = ("73", "74", "75")
CONFIG, UNIT_FILE = "bot/config.json", ".config/systemd/user/bot.service"
OLD = b"old"
UNIT = """\
[Service]
ExecStartPre=/bin/sh -c 'if grep -q refuse bot/config.json; then echo "this config is refused"; exit 1; fi'
ExecStart=/bin/sh -c 'cp bot/config.json bot/running; \
  case $(cat bot/running) in die) exit 3;; die-later) sleep 0.2; exit 3;; esac; exec sleep 1000'
Restart=always
RestartSec=0.05
# new: %s
[Install]
WantedBy=default.target
"""
WRONG = {
    "its start is refused": (b"refuse", UNIT % "", "Job for bot.service failed"),
    "it dies at once": (b"die", UNIT % "", "bot.service is "),
    "it dies after a while": (b"die-later", UNIT % "", "did not go on running"),
    "its unit file is wrong": (b"new", UNIT % "" + "ExecStart=/bin/true\n", "bad unit file setting"),
}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Lend three hosts on which a bot runs."""
    with Lab(tmp_path, *(host_settings(tmp_path, name) for name in HOSTS)) as running:
        for name in HOSTS:
            home = running.home(name)
            (home / "bot").mkdir()
            (home / CONFIG).write_bytes(OLD)
            (home / CONFIG).chmod(0o604)
            (home / UNIT_FILE).write_text(UNIT % "never")
            running[name].run("systemctl --user enable --now bot")
        yield running


@pytest.fixture
def phase(lab: Lab, tmp_path: Path) -> Iterator[Phase[Site]]:
    opened = open_phase(
        "20_bots", Site, site=str(write_site(tmp_path, lab.site)), change_id="2025-11-23-bots", dry_run=False
    )
    yield opened
    opened.fleet.close()


def units(lab: Lab) -> dict[str, UnitState]:
    return {name: Units(lab[name], "user").observe(["bot"])["bot"] for name in HOSTS}


def roll_out(phase: Phase[Any], lab: Lab, given: Callable[[str], tuple[bytes, str]]) -> Rollout:
    """Give each host ``given(host)``: its config and its unit file."""

    def wanted(host: str) -> Wanted:
        config, unit = given(host)
        files = (File(CONFIG, config, 0o600), File(UNIT_FILE, unit.encode()))
        return Wanted(host, (*files, Unit("bot.service", settle_seconds=0.5)), leaves=("bot/log",))

    def up(batch: tuple[str, ...]) -> list[Check]:
        runs = {host: (lab.home(host) / "bot" / "running").read_bytes() for host in batch}
        return [
            holds("runs with", runs[host] == given(host)[0], expected="its own config", observed="", host=host)
            for host in batch
        ]

    planned = changing.plan(phase, "Bots", {host: wanted(host) for host in HOSTS})
    return changing.change_all(phase, planned, up, hosts=HOSTS, size=1)


@pytest.mark.parametrize("wrong", WRONG)
def test_the_host_is_put_back_and_the_others_are_left_alone(lab: Lab, phase: Phase[Site], wrong: str) -> None:
    config, unit, says = WRONG[wrong]
    before = {name: look(lab.home(name)) for name in HOSTS}
    ran = units(lab)
    bad = roll_out(phase, lab, lambda host: (config, unit) if host == "74" else (b"new", UNIT % "also"))

    assert [attempt.result for attempt in bad.attempts] == ["changed", "failed, and put back as it was", "not reached"]
    (failed,) = [check for check in bad.checks if check.host == "74"]
    assert says in failed.observed
    now = {name: look(lab.home(name)) for name in HOSTS}
    assert now["75"] == before["75"]
    running = "bot/running"  # written anew whenever the bot starts
    assert {**now["74"], running: 0} == {**before["74"], running: 0}
    assert now["74"][running][2] == OLD
    assert now["73"][CONFIG][2] == b"new"
    runs = units(lab)
    assert all(runs[name].running and runs[name].enabled for name in HOSTS)
    assert runs["75"].main_pid == ran["75"].main_pid

    good = roll_out(phase, lab, lambda _: (b"new", UNIT % "also"))
    assert [attempt.result for attempt in good.attempts] == ["already as it should be", "changed", "changed"]
    assert units(lab)["73"].main_pid == runs["73"].main_pid
    assert {look(lab.home(name))[running][2] for name in HOSTS} == {b"new"}
