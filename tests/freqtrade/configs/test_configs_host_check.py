"""The host script, by a real freqtrade: what it passes, what it refuses, and that it keeps secrets to itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets
from runbook_lib.freqtrade.configs.consumer import consumer_config
from runbook_lib.freqtrade.configs.on_host import problems
from runbook_lib.freqtrade.configs.parse import read_config
from runbook_lib.freqtrade.configs.producer import producer_config
from runbook_lib.freqtrade.configs.schema import HOST_SCRIPT, ConfigCheck, HostCheck, read_host_check, unknown_keys
from runbook_lib.freqtrade.params import FreqtradeSite

pytestmark = pytest.mark.bots

OPERATORS = """{
    // an operator's own
    "strategy": "Mine", "dry_run": true, "stake_currency": "USDT", "stake_amount": "unlimited", "max_open_trades": 3,
    "exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT"],},
    "entry_pricing": {"price_side": "same"}, "exit_pricing": {"price_side": "same"},
    "pairlists": [{"method": "StaticPairList"}]
}"""
Ask = Callable[..., HostCheck]


@pytest.fixture
def ask(by_freqtrade: Callable[..., str], tmp_path: Path) -> Ask:
    def run(**texts: str) -> HostCheck:
        for name, text in texts.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        output = by_freqtrade(HOST_SCRIPT, *(str(tmp_path / name) for name in texts))
        check = read_host_check(output, host="73")
        return HostCheck(
            check.freqtrade, check.python, check.known_keys, {Path(p).name: c for p, c in check.configs.items()}
        )

    return run


def test_freqtrade_takes_our_configs_whole(
    ask: Ask, site: FreqtradeSite, secrets: ProducerSecrets, others: dict[str, ProducerAccess]
) -> None:
    producer = producer_config(site, "73", secrets, others)
    producers = {"73": ProducerAccess("127.0.3.73", 8080, secrets.ws_token)}
    consumer = consumer_config(OPERATORS, site=site, host="75", producers=producers).text
    check = ask(producer=producer, alone=producer_config(site, "73", secrets, {}), consumer=consumer)
    assert check.configs["producer"] == check.configs["alone"] == ConfigCheck((), (), ())
    assert check.configs["consumer"].errors == ()
    assert check.configs["consumer"].left_to_strategy == ("timeframe", "stoploss", "minimal_roi")
    assert check.configs["consumer"].warnings == ()
    for text in (producer, consumer):
        assert unknown_keys(read_config(text).data, check.known_keys) == []
        assert problems("producer", text, check) == []


def test_the_known_keys_that_other_tests_use_are_the_real_ones(ask: Ask, known_keys: Any) -> None:
    check = ask()
    if check.freqtrade != "2026.9":
        pytest.skip(f"recorded from 2026.9, this is {check.freqtrade}")
    assert check.known_keys == known_keys


def test_refusals_name_the_place_and_never_the_value(
    ask: Ask, by_freqtrade: Callable[..., str], tmp_path: Path, site: FreqtradeSite, secrets: ProducerSecrets
) -> None:
    config = json.loads(producer_config(site, "73", secrets, {}))
    config["api_server"] |= {"jwt_secret_key": "hunter2-short", "listen_port": 80}
    del config["api_server"]["username"]
    config["exchange"]["enable_ws"] = "hunter2-yes"
    torn = '{"password": "hunter2-torn" "a": 1}'
    check = ask(wrong=json.dumps(config), torn=torn)
    assert set(check.configs["wrong"].errors) == {
        "api_server.jwt_secret_key: breaks minLength 32",
        "api_server.listen_port: breaks minimum 1024",
        "api_server: 'username' is a required property",
        "exchange.enable_ws: breaks type boolean",
    }
    assert check.configs["torn"].errors[0].startswith("Parse error at offset")
    assert "hunter2" not in by_freqtrade(HOST_SCRIPT, str(tmp_path / "wrong"), str(tmp_path / "torn"))


def test_what_only_the_consistency_check_finds_is_told(ask: Ask, site: FreqtradeSite, secrets: ProducerSecrets) -> None:
    config = json.loads(producer_config(site, "73", secrets, {}))
    twice = {"name": "p", "host": "h", "ws_token": "t"}
    check = ask(
        empty=json.dumps(config | {"external_message_consumer": {"enabled": True, "producers": []}}),
        twice=json.dumps(config | {"external_message_consumer": {"enabled": True, "producers": [twice, twice]}}),
        bare=json.dumps(config | {"exchange": config["exchange"] | {"pair_whitelist": []}}),
        old=json.dumps(config | {"forcebuy_enable": True, "use_sell_signal": True}),
    )
    assert check.configs["empty"].errors == ("You must specify at least 1 Producer to connect to.",)
    assert check.configs["twice"].errors == ("Producer names must be unique. Duplicate: p",)
    assert check.configs["bare"].errors == ("StaticPairList requires pair_whitelist to be set.",)
    assert "use_sell_signal" in check.configs["old"].warnings[0]


def test_a_missing_config_is_told_of_and_the_others_are_still_checked(
    by_freqtrade: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "there").write_text(OPERATORS, encoding="utf-8")
    check = read_host_check(by_freqtrade(HOST_SCRIPT, "/no/such.json", str(tmp_path / "there")), host="73")
    assert "not found" in check.configs["/no/such.json"].errors[0]
    assert check.configs[str(tmp_path / "there")].errors == ()
