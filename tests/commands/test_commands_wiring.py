"""A site file becomes a lab, and a smaller one a quicker rehearsal."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from runbook_lib.commands.wiring import lab_of, lab_settings, load_site, narrowed
from runbook_lib.errors import LabError, ParamsError
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.lab import LabSettings

ROOT = Path(__file__).parents[2]
LAB = ROOT / "params" / "lab.yaml"


@pytest.fixture(scope="module")
def site() -> FreqtradeSite:
    return load_site(LAB)


def test_hosts_and_exchange_are_those_of_the_site(site: FreqtradeSite) -> None:
    lab = lab_settings(site)
    assert lab.hosts == {name: host.address for name, host in site.hosts.items()}
    assert (lab.user, lab.ssh_port) == ("freqai", 2222)
    assert (lab.key, lab.known_hosts) == (ROOT / ".lab/operator_ed25519", ROOT / ".lab/known_hosts")
    assert (lab.directory, lab.freqtrade) == (ROOT / ".lab", ROOT / ".venv/freqtrade")
    assert lab.operator == "127.0.3.1"
    assert (lab.exchange_port, lab.admin_port, lab.weight_per_minute) == (18080, 18081, 6000)
    assert lab.pairs == site.pairs
    assert lab.ccxt_config["75"] == site.ccxt_config("75")
    assert set(lab.ccxt_config) == set(site.hosts)
    assert str(lab.exchange_port) in site.rest_url_here


def test_consumers_are_the_feeders_that_download_every_pair_today(site: FreqtradeSite) -> None:
    feeders = {feeder.host: feeder for feeder in lab_settings(site).feeders}
    assert list(feeders) == ["75", "120", "121", "124"]
    for feeder in feeders.values():
        assert feeder.pairs == site.pairs
        assert (feeder.unit, feeder.config) == ("freqtrade.service", "user_data/config.json")
        assert (feeder.timeframe, feeder.enable_ws, feeder.directory) == ("1m", False, "freqtrade")
        assert feeder.log_config


def test_settings_survive_the_way_into_the_labs_process(site: FreqtradeSite) -> None:
    lab = lab_settings(site)
    assert LabSettings.model_validate_json(lab.model_dump_json()) == lab


def test_a_real_fleet_has_no_lab() -> None:
    with pytest.raises(LabError, match="site production has no lab"):
        lab_of(load_site(ROOT / "params" / "production.example.yaml"))


def test_the_labs_key_needs_a_place(site: FreqtradeSite) -> None:
    keyless = site.model_copy(update={"ssh": site.ssh.model_copy(update={"key": None})})
    with pytest.raises(ParamsError, match=r"ssh\.key is missing"):
        lab_settings(keyless)


@pytest.mark.parametrize(("pairs", "cells"), [(1, 18_181), (4, 72_727), (55, 1_000_000), (99, 1_000_000)])
def test_fewer_pairs_demand_as_much_less_data(tmp_path: Path, site: FreqtradeSite, pairs: int, cells: int) -> None:
    target = narrowed(LAB, tmp_path / "small.yaml", pairs=pairs, websockets=False)
    assert target == tmp_path / "small.yaml"
    small = load_site(target)
    for name, producer in small.producers.items():
        assert producer.pairs == site.producers[name].pairs[:pairs]
    assert small.gates.minimum_cells == cells
    assert small.freqtrade == site.freqtrade
    assert small.gates.model_copy(update={"minimum_cells": 1_000_000}) == site.gates


def test_websockets_change_that_and_nothing_else(tmp_path: Path, site: FreqtradeSite) -> None:
    small = load_site(narrowed(LAB, tmp_path / "ws.yaml", pairs=None, websockets=True))
    assert small.freqtrade.enable_ws is True
    assert (small.pairs, small.gates) == (site.pairs, site.gates)


def test_demanding_some_data_stays_demanding(tmp_path: Path) -> None:
    source = tmp_path / "source.yaml"
    source.write_text(LAB.read_text().replace("  minimum_cells: 1_000_000\n", ""))
    small = load_site(narrowed(source, tmp_path / "small.yaml", pairs=1, websockets=False))
    assert small.gates.minimum_cells == 1


def test_the_source_stays_as_it_is(tmp_path: Path) -> None:
    before = LAB.read_bytes()
    narrowed(LAB, tmp_path / "small.yaml", pairs=2, websockets=True)
    assert LAB.read_bytes() == before
    assert YAML(typ="safe").load(before)["freqtrade"]["enable_ws"] is False


def test_relative_paths_still_count_from_the_projects_root(tmp_path: Path, site: FreqtradeSite) -> None:
    (tmp_path / "outputs" / "c").mkdir(parents=True)
    small = load_site(narrowed(LAB, tmp_path / "outputs" / "c" / "s.yaml", pairs=2, websockets=False))
    assert small.ssh.known_hosts == tmp_path / ".lab/known_hosts"
    assert small.lab
    assert small.lab.directory == tmp_path / ".lab"
    assert small.hosts == site.hosts
