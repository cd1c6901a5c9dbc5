from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.access import ProducerSecrets
from runbook_lib.freqtrade.configs.producer import producer_config
from runbook_lib.freqtrade.configs.schema import harmful, unknown_keys
from runbook_lib.freqtrade.params import FreqtradeSite


def test_serves_its_own_pairs_on_its_own_address(site: FreqtradeSite, secrets: ProducerSecrets) -> None:
    config = json.loads(producer_config(site, "108", secrets))
    assert config["exchange"]["pair_whitelist"] == ["XRP/USDT"]
    assert config["api_server"]["listen_ip_address"] == "127.0.3.108"
    assert config["api_server"]["listen_port"] == 8081
    assert config["api_server"]["ws_token"] == secrets.ws_token.reveal()
    assert config["api_server"]["verbosity"] == "error"
    assert config["bot_name"] == "producer-108"
    assert config["strategy"] == "StrategyNone"
    assert config["process_only_new_candles"] is True
    assert config["dry_run"] is True
    assert config["max_open_trades"] == 0


def test_the_host_s_address_stands_in_every_string_of_the_exchange_s_options(
    site: FreqtradeSite, secrets: ProducerSecrets
) -> None:
    config = json.loads(producer_config(site, "73", secrets))
    assert config["exchange"]["ccxt_config"] == {
        "urls": {"api": {"public": "http://127.0.3.73:18080/api/v3"}},
        "rate": 1,
        "l": ["127.0.3.73"],
    }


@pytest.mark.parametrize("enable_ws", [True, False])
def test_streams_are_the_site_s_choice(
    make_site: Callable[..., FreqtradeSite], secrets: ProducerSecrets, enable_ws: bool
) -> None:
    site = make_site(freqtrade={"enable_ws": enable_ws, "timeframe": "1m"})
    config = json.loads(producer_config(site, "73", secrets))
    assert config["exchange"]["enable_ws"] is enable_ws
    assert config["timeframe"] == "1m"


def test_the_same_bytes_for_the_same_arguments(site: FreqtradeSite, secrets: ProducerSecrets) -> None:
    text = producer_config(site, "73", secrets)
    assert text == producer_config(site, "73", secrets)
    assert text.endswith("}\n")
    assert text.startswith('{\n    "bot_name"')


def test_no_key_that_freqtrade_ignores_and_nothing_harmful(
    site: FreqtradeSite, secrets: ProducerSecrets, known_keys: Any
) -> None:
    config = json.loads(producer_config(site, "73", secrets))
    assert unknown_keys(config, known_keys) == []
    assert harmful(config) == []


def test_the_token_in_a_consumer_s_url_is_not_logged(site: FreqtradeSite, secrets: ProducerSecrets) -> None:
    config = json.loads(producer_config(site, "73", secrets))
    assert config["api_server"]["verbosity"] == "error"
    assert config["log_config"]["loggers"]["uvicorn.error"] == {"level": "WARNING"}
    assert "ccxt.base.exchange" in config["log_config"]["loggers"]


def test_refuses_pairs_of_two_currencies(make_site: Callable[..., FreqtradeSite], secrets: ProducerSecrets) -> None:
    site = make_site(producers={"73": {"pairs": ["BTC/USDT", "ETH/BTC"]}})
    with pytest.raises(ParamsError, match="BTC, USDT; a freqtrade bot takes one stake currency"):
        producer_config(site, "73", secrets)
