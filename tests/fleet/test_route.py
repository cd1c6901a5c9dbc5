from __future__ import annotations

from pathlib import Path

import pytest

from runbook_lib.errors import ParamsError
from runbook_lib.fleet.route import Hop, Route, Routes
from runbook_lib.params.model import Ssh


def _to(folder: Path, text: str, name: str = "73", address: str = "192.168.3.73", **ssh: object) -> Route:
    (folder / "config").write_text(text)
    return Routes(Ssh(**{"user": "freqai", "config": folder / "config", **ssh})).to(name, address)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def test_without_a_config_the_site_says_it_all(tmp_path: Path) -> None:
    hop = Hop("73", "192.168.3.73", 2222, "freqai", "[192.168.3.73]:2222", (tmp_path / "id",), agent=False)
    assert Routes(Ssh(user="freqai", port=2222, key=Path("~/id"))).to("73", "192.168.3.73") == (hop,)


def test_the_config_is_more_particular(tmp_path: Path) -> None:
    (hop,) = _to(
        tmp_path, "Host 73\n HostName 10.0.0.1\n Port 2200\n User bob\n IdentityFile ~/k1\n IdentityFile ~/k2\n"
    )
    assert (hop.address, hop.port, hop.user, hop.known_as) == ("10.0.0.1", 2200, "bob", "[10.0.0.1]:2200")
    assert hop.keys == (tmp_path / "k1", tmp_path / "k2")
    assert hop.agent


def test_a_host_is_found_by_its_address_too(tmp_path: Path) -> None:
    (hop,) = _to(tmp_path, "Host 192.168.3.*\n User bob\nHost *\n Port 2200\n")
    assert (hop.address, hop.port, hop.user) == ("192.168.3.73", 2200, "bob")


def test_host_key_alias_and_identities_only(tmp_path: Path) -> None:
    (hop,) = _to(tmp_path, "Host 73\n HostKeyAlias feeder\n IdentitiesOnly yes\n IdentityFile ~/k\n")
    assert (hop.known_as, hop.agent) == ("feeder", False)


@pytest.mark.parametrize(
    ("jump", "way"),
    [
        ("none", [("192.168.3.73", 22, "freqai")]),
        ("gate", [("1.1.1.1", 2201, "ops"), ("192.168.3.73", 22, "freqai")]),
        ("eve@9.9.9.9:99", [("9.9.9.9", 99, "eve"), ("192.168.3.73", 22, "freqai")]),
        ("9.9.9.9", [("9.9.9.9", 22, "freqai"), ("192.168.3.73", 22, "freqai")]),
        ("eve@gate:99", [("1.1.1.1", 99, "eve"), ("192.168.3.73", 22, "freqai")]),
        ("[::1]:99", [("::1", 99, "freqai"), ("192.168.3.73", 22, "freqai")]),
        ("gate, 9.9.9.9", [("1.1.1.1", 2201, "ops"), ("9.9.9.9", 22, "freqai"), ("192.168.3.73", 22, "freqai")]),
        ("inner", [("1.1.1.1", 2201, "ops"), ("2.2.2.2", 22, "freqai"), ("192.168.3.73", 22, "freqai")]),
    ],
)
def test_jumps(tmp_path: Path, jump: str, way: list[tuple[str, int, str]]) -> None:
    text = (
        f"Host 73\n ProxyJump {jump}\nHost gate\n HostName 1.1.1.1\n Port 2201\n User ops\n"
        "Host inner\n HostName 2.2.2.2\n ProxyJump gate\n"
    )
    assert [(hop.address, hop.port, hop.user) for hop in _to(tmp_path, text)] == way


def test_jumps_that_go_round_in_circles(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="round in circles"):
        _to(tmp_path, "Host 73\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n")


def test_a_host_that_jumps_over_all_but_itself(tmp_path: Path) -> None:
    route = _to(tmp_path, "Host gate\n HostName 1.1.1.1\n ProxyJump none\nHost *\n ProxyJump gate\n")
    assert [hop.address for hop in route] == ["1.1.1.1", "192.168.3.73"]


def test_included_files_are_read(tmp_path: Path) -> None:
    (tmp_path / ".ssh" / "config.d").mkdir(parents=True)
    (tmp_path / ".ssh" / "config.d" / "fleet").write_text("Host 73\n User bob\n")
    (hop,) = _to(tmp_path, "Include config.d/*\nHost *\n User eve\n")
    assert hop.user == "bob"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Host 73\n ProxyCommand nc %h %p\n", "ProxyCommand"),
        ("Host 73\n ProxyJump a:b\n", "no such port"),
        ("what is this\nHost", "Unparsable"),
        ("Include ~/config\n", "too deep"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ParamsError, match=told):
        _to(tmp_path, text)


def test_a_config_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="no such ssh_config"):
        Routes(Ssh(user="freqai", config=tmp_path / "none"))
