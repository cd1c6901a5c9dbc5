from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from runbook_lib.errors import ParamsError
from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets
from runbook_lib.freqtrade.configs.producer import producer_config
from runbook_lib.freqtrade.configs.schema import harmful, unknown_keys
from runbook_lib.freqtrade.feed.settings import FeedSettings, producers_of
from runbook_lib.freqtrade.params import Feed, FreqtradeSite
from runbook_lib.redaction import redact
from runbook_lib.view.diffs import FileDiff


def test_serves_its_own_pairs_on_its_own_address(site: FreqtradeSite, secrets: ProducerSecrets) -> None:
    config = json.loads(producer_config(site, "108", secrets, {}))
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
    config = json.loads(producer_config(site, "73", secrets, {}))
    assert config["exchange"]["ccxt_config"] == {
        "urls": {"api": {"public": "http://127.0.3.73:18080/api/v3"}},
        "rate": 1,
        "rateLimit": 10,
        "l": ["127.0.3.73"],
    }


@pytest.mark.parametrize("enable_ws", [True, False])
def test_streams_are_the_site_s_choice(
    make_site: Callable[..., FreqtradeSite], secrets: ProducerSecrets, enable_ws: bool
) -> None:
    site = make_site(freqtrade={"enable_ws": enable_ws, "timeframe": "1m"})
    config = json.loads(producer_config(site, "73", secrets, {}))
    assert config["exchange"]["enable_ws"] is enable_ws
    assert config["timeframe"] == "1m"


def test_the_feed_reads_its_settings_and_the_other_producers(
    make_site: Callable[..., FreqtradeSite], secrets: ProducerSecrets, others: dict[str, ProducerAccess]
) -> None:
    times = {"settle_seconds": 1, "hedge_seconds": 3, "takeover_seconds": 5, "wait_seconds": 7, "weight_per_minute": 99}
    site = make_site(feed=times)
    config = json.loads(producer_config(site, "73", secrets, others))
    assert FeedSettings.of(config) == FeedSettings(**times)
    (other,) = producers_of(config)
    assert (other.name, other.url, other.token) == ("producer-108", "http://127.0.3.108:8081", "o" * 40 + "-t")
    assert other.name == json.loads(producer_config(site, "108", secrets, {}))["bot_name"]
    assert config["external_message_consumer"]["enabled"] is False


def test_the_feed_s_own_defaults_are_the_runbook_s() -> None:
    ours = Feed().model_dump()
    assert ours == {name: value for name, value in asdict(FeedSettings()).items() if name in ours}


def test_a_producer_that_stands_alone_asks_nobody(site: FreqtradeSite, secrets: ProducerSecrets) -> None:
    assert producers_of(json.loads(producer_config(site, "73", secrets, {}))) == ()


def test_no_token_is_shown(site: FreqtradeSite, secrets: ProducerSecrets, others: dict[str, ProducerAccess]) -> None:
    text = producer_config(site, "73", secrets, others)
    for name in ("ws_token", "password", "jwt_secret_key"):  # told by its key alone: drawn on another machine
        text = re.sub(rf'"{name}": "[^"]+"', f'"{name}": "drawn-elsewhere-{name}"', text)
    assert text.count("drawn-elsewhere-ws_token") == 2
    shown = FileDiff("73", "config.json", None, text)
    assert "drawn-elsewhere" not in str(shown) + shown._repr_html_()
    assert json.loads(redact(text))["external_message_consumer"]["producers"][0]["host"] == "127.0.3.108"


def test_the_same_bytes_for_the_same_arguments(
    site: FreqtradeSite, secrets: ProducerSecrets, others: dict[str, ProducerAccess]
) -> None:
    text = producer_config(site, "73", secrets, others)
    assert text == producer_config(site, "73", secrets, others)
    assert text.endswith("}\n")
    assert text.startswith('{\n    "bot_name"')


def test_no_key_that_freqtrade_ignores_and_nothing_harmful(
    site: FreqtradeSite, secrets: ProducerSecrets, others: dict[str, ProducerAccess], known_keys: Any
) -> None:
    config = json.loads(producer_config(site, "73", secrets, others))
    assert unknown_keys(config, known_keys) == []
    assert harmful(config) == []


def test_the_token_in_a_consumer_s_url_is_not_logged(site: FreqtradeSite, secrets: ProducerSecrets) -> None:
    config = json.loads(producer_config(site, "73", secrets, {}))
    assert config["api_server"]["verbosity"] == "error"
    assert config["log_config"]["loggers"]["uvicorn.error"] == {"level": "WARNING"}
    assert "ccxt.base.exchange" in config["log_config"]["loggers"]


def test_refuses_pairs_of_two_currencies(make_site: Callable[..., FreqtradeSite], secrets: ProducerSecrets) -> None:
    site = make_site(producers={"73": {"pairs": ["BTC/USDT", "ETH/BTC"]}})
    with pytest.raises(ParamsError, match="BTC, USDT; a freqtrade bot takes one stake currency"):
        producer_config(site, "73", secrets, {})
