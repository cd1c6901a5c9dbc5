"""The site files that are handed out, and what a site answers about itself."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.lab.exchange import ccxt_config
from runbook_lib.params import Host, Lab, Rollout, SecretRef, Site, Ssh, load
from runbook_lib.redaction import redact

PARAMS = Path(__file__).parents[2] / "params"
SECRET_NAMES = ("password", "passphrase", "token", "secret", "jwt", "api_key")


@pytest.fixture(scope="module")
def lab() -> FreqtradeSite:
    return load(PARAMS / "lab.yaml", FreqtradeSite)


@pytest.fixture(scope="module")
def production() -> FreqtradeSite:
    return load(PARAMS / "production.example.yaml", FreqtradeSite)


def test_the_lab_is_the_plans_fleet_on_loopback(lab: FreqtradeSite) -> None:
    assert list(lab.producers) == ["73", "108"]
    assert list(lab.consumers) == ["75", "120", "121", "124"]
    assert len(lab.pairs) == 110
    assert {host.address.split(".")[0] for host in lab.hosts.values()} == {"127"}
    assert lab.lab == Lab(directory=PARAMS.parent / ".lab", freqtrade=PARAMS.parent / ".venv/freqtrade")


def test_every_address_of_the_exchange_leads_to_the_lab(lab: FreqtradeSite) -> None:
    for name, host in lab.hosts.items():
        assert lab.ccxt_config(name) == ccxt_config(f"http://{host.address}:18080", f"ws://{host.address}:18080")
        assert lab.rest_url(name) == f"http://{host.address}:18080/api/v3"
    assert lab.rest_url_here == "http://127.0.3.1:18080/api/v3"


def test_the_example_is_a_real_fleet_with_the_same_pairs(production: FreqtradeSite, lab: FreqtradeSite) -> None:
    assert production.lab is None
    assert production.exchange.admin_url is None
    assert production.ccxt_config("73") == {}
    assert production.rest_url_here == production.rest_url("75") == "https://api.binance.com/api/v3"
    assert production.pairs == lab.pairs
    assert (list(production.producers), list(production.consumers)) == (list(lab.producers), list(lab.consumers))


def leaves(node: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    if isinstance(node, dict):
        return [leaf for key, inner in node.items() for leaf in leaves(inner, (*path, str(key)))]
    if isinstance(node, list):
        return [leaf for inner in node for leaf in leaves(inner, path)]
    return [(path, node)]


def secrets_in(text: str) -> list[str]:
    """Return what a reader would take for a secret: masked by redaction, named like one, or long and random."""
    found = [] if redact(text) == text else ["redaction masks something"]
    for path, value in leaves(YAML(typ="safe").load(text)):
        if any(word in part for part in path[-1:] for word in SECRET_NAMES):
            found.append(".".join(path))
        if isinstance(value, str) and re.fullmatch(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+_=-]{16,}", value):
            found.append(value)
    return found


@pytest.mark.parametrize("name", ["lab.yaml", "production.example.yaml"])
def test_no_secret_stands_in_a_site_file(name: str) -> None:
    assert secrets_in((PARAMS / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text", ["ssh: {password: hunter2hunter2}", "ssh:\n  sudo_password: x\n", "user: h8Fk2mQz71LpWs04"]
)
def test_a_secret_in_a_site_file_would_be_seen(text: str) -> None:
    assert secrets_in(text)


def test_a_site_cannot_be_changed_afterwards(lab: FreqtradeSite) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        lab.gates.candles = 9  # type: ignore[misc]  # what is tested


def test_every_key_says_where_it_stands_when_it_is_unknown() -> None:
    for model in (Host, Ssh, Lab, Rollout, SecretRef, FreqtradeSite):
        assert model.model_config["extra"] == "forbid"


@pytest.mark.parametrize("name", ["a b", "../x", "-x", "a;b", ""])
def test_a_hosts_name_can_hide_nothing(name: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        FreqtradeSite.model_validate({"site": "s", "hosts": {name: {"address": "10.0.0.1"}}, "ssh": {"user": "u"}})


def test_a_site_that_says_nothing_of_its_roll_outs_gets_the_careful_one() -> None:
    """One host after the other, and none that may fail."""
    site = Site.model_validate({"site": "s", "hosts": {"a": {"address": "10.0.0.1"}}, "ssh": {"user": "u"}})
    assert site.rollout == Rollout(canary=1, batch=1, failure_budget=0)


def test_an_address_may_be_of_the_newer_kind() -> None:
    assert Host(address="fd00::73").address == "fd00::73"
