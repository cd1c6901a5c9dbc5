from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest

from runbook_lib.freqtrade.configs.units import producer_unit
from runbook_lib.freqtrade.params import FreqtradeSite


def read(text: str) -> ConfigParser:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    unit.read_string(text)
    return unit


def test_in_user_scope_paths_begin_at_the_login_s_home(site: FreqtradeSite) -> None:
    unit = read(producer_unit(site, "73"))
    assert unit["Service"]["WorkingDirectory"] == "%h/freqtrade"
    assert unit["Service"]["ExecStart"] == (
        "%h/freqtrade/.venv/bin/python -m freqtrade trade --config user_data/config_producer_73.json"
        " --strategy StrategyNone --userdir user_data"
    )
    assert unit["Install"]["WantedBy"] == "default.target"
    assert "User" not in unit["Service"]
    assert "ProtectSystem" not in unit["Service"]
    assert "After" not in unit["Unit"]


@pytest.mark.parametrize(("user", "home"), [("freqai", "/home/freqai"), ("root", "/root")])
def test_in_system_scope_the_login_and_its_home_are_spelled_out(
    make_site: Callable[..., FreqtradeSite], user: str, home: str
) -> None:
    unit = read(producer_unit(make_site(units="system", ssh={"user": user}), "73"))
    assert unit["Service"]["User"] == user
    assert unit["Service"]["WorkingDirectory"] == f"{home}/freqtrade"
    assert unit["Service"]["ExecStart"].startswith(f"{home}/freqtrade/.venv/bin/python -m freqtrade trade ")
    assert unit["Install"]["WantedBy"] == "multi-user.target"
    assert unit["Service"]["ProtectSystem"] == "full"
    assert unit["Unit"]["Wants"] == "network-online.target"


@pytest.mark.parametrize("units", ["user", "system"])
def test_absolute_paths_stay(make_site: Callable[..., FreqtradeSite], units: str) -> None:
    site = make_site(units=units, freqtrade={"directory": "/srv/bot", "python": "/opt/ft/bin/python"})
    unit = read(producer_unit(site, "73"))
    assert unit["Service"]["WorkingDirectory"] == "/srv/bot"
    assert unit["Service"]["ExecStart"].startswith("/opt/ft/bin/python -m freqtrade")


def test_restarts_after_failures_only_and_takes_a_clean_stop_for_one(site: FreqtradeSite) -> None:
    service = read(producer_unit(site, "73"))["Service"]
    assert service["Restart"] == "on-failure"
    assert int(service["RestartSec"]) >= 10
    assert service["SuccessExitStatus"] == "130"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_has_nothing_to_say_against_it(make_site: Callable[..., FreqtradeSite], tmp_path: Path) -> None:
    site = make_site(units="system", freqtrade={"python": sys.executable, "directory": str(tmp_path)})
    unit = tmp_path / "freqtrade-producer.service"
    unit.write_text(producer_unit(site, "73"), encoding="utf-8")
    said = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert [line for line in (said.stdout + said.stderr).splitlines() if unit.name in line] == []
