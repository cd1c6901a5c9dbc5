"""Every refusal is one line that names the file, the line, the key and, for a mistyped key, the one that was meant."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.params import FreqtradeSite
from runbook_lib.params import load, project_root

Write = Callable[..., Path]


def refused(path: Path) -> str:
    with pytest.raises(ParamsError) as caught:
        load(path, FreqtradeSite)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 2
    return caught.value.what


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("site: small", "sitee: small", 1, "sitee: unknown key; did you mean site?"),
        ("  user: freqai", "  usr: freqai", 8, "ssh.usr: unknown key; did you mean user?"),
        ("    address: 10.0.3.75", "    adress: 10.0.3.75", 6, "hosts.75.adress: unknown key; did you mean address?"),
        ("    port: 8080", "    prot: 8080", 14, "producers.73.prot: unknown key; did you mean port?"),
        ("  candles: 2", "  candels: 2", 23, "gates.candels: unknown key; did you mean candles?"),
        ("{env: LOGIN}", "{evn: LOGIN}", 11, "ssh.password.evn: unknown key; did you mean env?"),
        ("  candles: 2", "  zzzzzz: 2", 23, "gates.zzzzzz: unknown key"),
        ("    pairs: [XRP/USDT]", "    pairs: []", 19, "producers.108.pairs: List should have at least 1 item"),
        ("[XRP/USDT]", "[XRP/USDT, XRP/USDT]", 19, "producers.108.pairs: named twice: XRP/USDT"),
        ("      - ETH/USDT", "      - eth/usdt", 17, "producers.73.pairs.1: String should match pattern"),
        ("address: 10.0.3.75", "address: 10.0.3.750", 6, "hosts.75.address: '10.0.3.750' does not appear to be an"),
        ("address: 10.0.3.75", "address: host75", 6, "hosts.75.address: 'host75' does not appear to be an"),
        ("port: 8080", "port: 65536", 14, "producers.73.port: Input should be less than or equal to 65535"),
        ("port: 8080", "port: eighty", 14, "producers.73.port: Input should be a valid integer"),
        ("  candles: 2", "  candles: 1", 23, "gates.candles: Input should be greater than or equal to 2"),
        ("{env: LOGIN}", "{}", 11, "ssh.password: name exactly one of env, keyring, file"),
        ("{env: LOGIN}", "{env: LOGIN, file: f}", 11, "ssh.password: name exactly one of env, keyring, file"),
        ("  user: freqai\n", "", 7, "ssh.user: is missing"),
        ("site: small\n", "", 1, "site: is missing"),
        ("gates:", "rollout: {canary: 0}\ngates:", 22, "rollout.canary: Input should be greater than or equal to 1"),
        ("gates:", "rollout: {batch: 0}\ngates:", 22, "rollout.batch: Input should be greater than or equal to 1"),
        ("gates:", "rollout: {failure_budget: -1}\ngates:", 22, "rollout.failure_budget: Input should be greater than"),
        ("gates:", "rollout: {batches: 2}\ngates:", 22, "rollout.batches: unknown key; did you mean batch?"),
    ],
)
def test_a_problem_is_told_with_its_place(write: Write, old: str, new: str, line: int, said: str) -> None:
    path = write(old, new)
    assert f"{path}:{line}: {said}" in refused(path)


def test_an_unknown_key_that_is_like_none_suggests_none(write: Write) -> None:
    assert refused(write("  candles: 2", "  zzzzzz: 2")).endswith("gates.zzzzzz: unknown key")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[XRP/USDT]", "[BTC/USDT]", "pairs that more than one producer downloads: BTC/USDT"),
        ('  "75": {}', '  "76": {}', "producers or consumers that are no hosts: 76"),
        ('  "108":\n    pairs', '  "109":\n    pairs', "producers or consumers that are no hosts: 109"),
        ('  "75": {}', '  "75": {}\n  "73": {}', "hosts that are producer and consumer at once: 73"),
    ],
)
def test_what_only_the_whole_file_shows_is_named(write: Write, old: str, new: str, said: str) -> None:
    path = write(old, new)
    assert refused(path) == f"{path}:1: (the file as a whole): {said}"


def test_all_problems_are_told_at_once(write: Write) -> None:
    path = write("  candles: 2", "  candels: 2\n  candles: 1")
    what = refused(path)
    assert f"{path}:23: gates.candels" in what
    assert f"{path}:24: gates.candles" in what


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  user: freqai", "\tuser: freqai", 8),
        ("ssh:", "ssh: [", 9),
        ("site: small", "site: small\nsite: other", 2),
        ("site: small", "site: *nobody", 1),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(write: Write, old: str, new: str, line: int) -> None:
    path = write(old, new)
    assert refused(path).startswith(f"{path}:{line}: not valid YAML: ")


def test_a_control_character_is_told_in_one_line(write: Write) -> None:
    assert "not valid YAML" in refused(write("site: small", "site: sm\x07all"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a list\n", "a word\n"])
def test_a_file_without_keys_is_refused(write: Write, text: str) -> None:
    path = write()
    path.write_text(text)
    assert refused(path) == f"{path}: holds no mapping"


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.yaml") == f"{tmp_path / 'none.yaml'}: no such site file"
    assert "cannot be read" in refused(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("site: größer".encode("latin-1"))
    assert "cannot be read" in refused(tmp_path / "latin.yaml")


def test_relative_paths_count_from_the_projects_root(write: Write, tmp_path: Path) -> None:
    path = write("{env: LOGIN}", "{file: secrets/login}")
    (tmp_path / "outputs").mkdir()
    site = load(path, FreqtradeSite)
    assert site.ssh.known_hosts == tmp_path / "keys/known_hosts"
    assert site.ssh.key == Path("~/.ssh/id").expanduser()
    assert site.ssh.password
    assert site.ssh.password.file == tmp_path / "secrets/login"


def test_defaults_count_from_the_projects_root_too(write: Write, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    site = load(write("site: small", "site: small\nlab: {}"), FreqtradeSite)
    assert site.lab
    assert site.lab.directory == tmp_path / ".lab"


def test_the_projects_root_is_the_nearest_with_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = tmp_path / "inner" / "params"
    params.mkdir(parents=True)
    (tmp_path / "outputs").write_text("a file is no folder")
    assert project_root(params / "s.yaml") == params
    (tmp_path / "outputs").unlink()
    (tmp_path / "outputs").mkdir()
    assert project_root(params / "s.yaml") == tmp_path
    (tmp_path / "inner" / "outputs").mkdir()
    assert project_root(params / "s.yaml") == tmp_path / "inner"
    monkeypatch.chdir(params)
    assert project_root(Path(os.curdir) / "s.yaml") == tmp_path / "inner"
