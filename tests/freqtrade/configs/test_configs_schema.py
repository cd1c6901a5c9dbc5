from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from runbook_lib.errors import HostError
from runbook_lib.freqtrade.configs.known import READ_THOUGH_UNLISTED
from runbook_lib.freqtrade.configs.schema import UnknownKey, harmful, read_host_check, unknown_keys
from runbook_lib.freqtrade.feed.settings import CONFIG_KEY, FeedSettings


@pytest.mark.parametrize(
    ("config", "path", "suggestion"),
    [
        ({"exchange": {"use_ws": True}}, "exchange.use_ws", "the key is exchange.enable_ws"),
        (
            {"internals": {"process_only_new_candles": True}},
            "internals.process_only_new_candles",
            "its place is the top level of the config",
        ),
        (
            {"external_message_consumer": {"initial_candle_sync": True}},
            "external_message_consumer.initial_candle_sync",
            "freqtrade has no such key; nothing takes its place",
        ),
        (
            {"external_message_consumer": {"pair_whitelist": [".*"]}},
            "external_message_consumer.pair_whitelist",
            "freqtrade has no such key; pairs stand in exchange.pair_whitelist",
        ),
        ({"max_open_trade": 3}, "max_open_trade", "did you mean max_open_trades?"),
        ({"candle_feed": {"setle_seconds": 2}}, "candle_feed.setle_seconds", "did you mean settle_seconds?"),
        (
            {"external_message_consumer": {"producers": [{"name": "a"}, {"hots": "b"}]}},
            "external_message_consumer.producers[1].hots",
            "did you mean host?",
        ),
        ({"freqai": {"feature_parameters": {"zzz": 1}}}, "freqai.feature_parameters.zzz", ""),
        ({"api_server": {"listen_prt": 1}}, "api_server.listen_prt", "did you mean listen_port?"),
    ],
)
def test_names_keys_that_freqtrade_ignores(config: Any, path: str, suggestion: str, known_keys: Any) -> None:
    assert unknown_keys(config, known_keys) == [UnknownKey(path, suggestion)]


@pytest.mark.parametrize(
    "config",
    [
        {"exchange": {"ccxt_config": {"urls": {"any": 1}}, "only_from_ccxt": True, "skip_open_order_update": True}},
        {
            "strategy": "X",
            "strategy_path": "p",
            "user_data_dir": "d",
            "recursive_strategy_search": True,
            "$schema": "s",
        },
        {"api_server": {"enable_openapi": True}, "internals": {"heartbeat_interval": 60}},
        {"log_config": {"version": 1, "loggers": {"a": {}}, "handlers": {"h": {"class": "c"}}}},
        {"pairlists": [{"method": "VolumePairList", "number_assets": 20}], "verbosity": 3, "logfile": "x.log"},
        {"freqai": {"model_training_parameters": {"n": 1}, "data_split_parameters": {"stratify": 1}}},
        {"minimal_roi": {"0": 1}, "dry_run_wallet": {"BTC": 1}, "webhook": {"webhookentry": {"a": "b"}}},
        {"candle_feed": {field.name: 1 for field in fields(FeedSettings)}},
        {"telegram": {"notification_settings": {"exit": {"roi": "on"}}, "keyboard": [["/status"]]}},
    ],
)
def test_raises_no_false_alarm(config: Any, known_keys: Any) -> None:
    assert unknown_keys(config, known_keys) == []


def test_the_feed_s_keys_are_those_that_it_reads() -> None:
    known = {path.partition(".")[2] for path in READ_THOUGH_UNLISTED if path.startswith(f"{CONFIG_KEY}.")}
    assert known == {field.name for field in fields(FeedSettings)}


def test_the_tree_of_known_keys_is_left_as_it_was(known_keys: Any) -> None:
    before = json.dumps(known_keys)
    unknown_keys({"a": 1}, known_keys)
    assert json.dumps(known_keys) == before


def server(**changes: object) -> dict[str, object]:
    good = {"enabled": True, "listen_ip_address": "127.0.3.73", "password": "kJ8s-dkq0", "jwt_secret_key": "Zq8" * 12}
    return {"api_server": good | {"ws_token": "hT5-xY2w-Qm7k-real"} | changes}


@pytest.mark.parametrize(
    ("config", "begins"),
    [
        (server(jwt_secret_key=""), "api_server.jwt_secret_key: missing"),
        (server(jwt_secret_key="somethingRandomSomethingRandom123"), "api_server.jwt_secret_key: a publicly known"),
        (server(ws_token=None), "api_server.ws_token: missing"),
        (server(listen_ip_address="0.0.0.0"), "api_server.listen_ip_address: open"),  # noqa: S104 - nothing is bound
        (server(listen_ip_address="::"), "api_server.listen_ip_address: open on every network"),
        (server(ws_token="producer_73_change_me"), "api_server.ws_token: a placeholder"),
        (server(ws_token=["hT5-xY2w-Qm7k-real", "change_me"]), "api_server.ws_token: a placeholder"),
        ({"exchange": {"secret": "your_exchange_secret"}}, "exchange.secret: a placeholder"),
        (
            {"external_message_consumer": {"enabled": True, "producers": [{"ws_token": "<token>"}]}},
            "external_message_consumer.producers[0].ws_token: a placeholder",
        ),
        (
            {"candle_feed": {}, "external_message_consumer": {"enabled": False, "producers": [{"ws_token": "xxx"}]}},
            "external_message_consumer.producers[0].ws_token: a placeholder",
        ),
    ],
)
def test_names_what_freqtrade_accepts_but_nobody_should(config: dict[str, object], begins: str) -> None:
    found = harmful(config)
    assert len(found) == 1
    assert found[0].startswith(begins)


@pytest.mark.parametrize(
    "config",
    [
        {},
        server(),
        server(enabled=False, ws_token=""),
        server(enabled=False, ws_token="change_me"),
        {"telegram": {"enabled": False, "token": "your_telegram_token"}},
        {"exchange": {"secret": ""}},
        {"external_message_consumer": {"enabled": False, "producers": [{"ws_token": "<token>"}]}},
    ],
)
def test_says_nothing_where_nothing_is_wrong(config: dict[str, object]) -> None:
    assert harmful(config) == []


def test_reads_a_host_s_answer_past_the_noise_before_it() -> None:
    answer = {"freqtrade": "2026.9", "python": "3.11.2", "error": None, "known_keys": {"a": None}}
    answer["configs"] = {"c.json": {"errors": ["e"], "warnings": [], "left_to_strategy": ["stoploss"]}}
    check = read_host_check("Matplotlib is building the font cache\n" + json.dumps(answer) + "\n", host="73")
    assert check.freqtrade == "2026.9"
    assert check.configs["c.json"].errors == ("e",)
    assert check.configs["c.json"].left_to_strategy == ("stoploss",)


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("", "did not answer"),
        ("{nonsense", "did not answer"),
        ('{"configs": {}}', "did not answer"),
        (
            '{"freqtrade": null, "python": "3", "error": "it cannot be imported", "known_keys": {}, "configs": {}}',
            "cannot be imported",
        ),
    ],
)
def test_a_host_without_a_working_freqtrade_is_an_error_of_that_host(output: str, says: str) -> None:
    with pytest.raises(HostError, match=says) as raised:
        read_host_check(output, host="73")
    assert raised.value.host == "73"
