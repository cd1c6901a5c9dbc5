"""Three hosts on each of which a bot runs, and a change that gives every bot a config and a unit file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faulty_lab import Lab, host_settings, write_site

from runbook_lib.change.resources import File, Unit, Wanted
from runbook_lib.fleet import Units, UnitState
from runbook_lib.gates import holds
from runbook_lib.params import Site
from runbook_lib.runner import changing
from runbook_lib.runner.changing import Rollout
from runbook_lib.runner.phase import Phase, open_phase
from runbook_lib.values import Check

HOSTS = ("73", "74", "75")
CONFIG, UNIT_FILE, RUNNING = "bot/config.json", ".config/systemd/user/bot.service", "bot/running"
"""RUNNING: what the bot runs with; written anew whenever it starts."""
OLD = b"old"
UNIT = """\
[Service]
ExecStartPre=/bin/sh -c 'if grep -q refuse bot/config.json; then echo "this config is refused"; exit 1; fi'
ExecStart=/bin/sh -c 'cp bot/config.json bot/running; \
  case $(head -c 9 bot/running) in die) exit 3;; die-later) sleep 0.2; exit 3;; esac; exec sleep 1000'
Restart=always
RestartSec=0.05
# new: %s
[Install]
WantedBy=default.target
"""
NEW_UNIT = UNIT % "also"
Given = Callable[[str], tuple[bytes, str]]
"""What a host is given: its config and its unit file."""


@contextmanager
def bots(base: Path) -> Iterator[Lab]:
    """Run three hosts with a bot each, which an operator has set up long ago."""
    with Lab(base, *(host_settings(base, name) for name in HOSTS)) as lab:
        for name in HOSTS:
            home = lab.home(name)
            (home / "bot").mkdir()
            (home / CONFIG).write_bytes(OLD)
            (home / CONFIG).chmod(0o604)
            (home / UNIT_FILE).write_text(UNIT % "never")
            lab[name].run("systemctl --user enable --now bot")
        yield lab


@contextmanager
def phase(base: Path, lab: Lab) -> Iterator[Phase[Site]]:
    """Open a phase that changes them."""
    site = str(write_site(base, lab.site))
    opened = open_phase("20_bots", Site, site=site, change_id="2025-11-23-bots", dry_run=False)
    yield opened
    opened.fleet.close()


def units(lab: Lab) -> dict[str, UnitState]:
    """Look at every bot."""
    return {name: Units(lab[name], "user").observe(["bot"])["bot"] for name in HOSTS}


def roll_out(phase: Phase[Any], lab: Lab, given: Given) -> Rollout:
    """Change one host after the other."""

    def wanted(host: str) -> Wanted:
        config, unit = given(host)
        files = (File(CONFIG, config, 0o600), File(UNIT_FILE, unit.encode()))
        return Wanted(host, (*files, Unit("bot.service", settle_seconds=0.5)))

    def up(batch: tuple[str, ...]) -> list[Check]:
        runs = {host: (lab.home(host) / RUNNING).read_bytes() for host in batch}
        return [
            holds("runs with", runs[host] == given(host)[0], expected="its own config", observed="", host=host)
            for host in batch
        ]

    planned = changing.plan(phase, "Bots", {host: wanted(host) for host in HOSTS})
    return changing.change_all(phase, planned, up, hosts=HOSTS, size=1)


def results(rollout: Rollout) -> list[str]:
    """Return what became of each host."""
    return [attempt.result for attempt in rollout.attempts]
