"""What the feed takes for granted of freqtrade, held against each version that it is declared to run with."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.configs.access import ProducerAccess, ProducerSecrets
from runbook_lib.freqtrade.configs.consumer import CANDLE_LISTS, consumer_config
from runbook_lib.freqtrade.configs.on_host import problems
from runbook_lib.freqtrade.configs.producer import producer_config
from runbook_lib.freqtrade.configs.schema import HOST_SCRIPT, read_host_check
from runbook_lib.freqtrade.feed.reasons import Reason
from runbook_lib.freqtrade.params import Bot, FreqtradeSite
from runbook_lib.freqtrade.strategies import consumer_module, feed_files, producer_module
from runbook_lib.params import load

pytestmark = pytest.mark.bots

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("in_freqtrade.py").read_text(encoding="utf-8")
VERSIONS = dict(zip(("freqtrade", "freqtrade-previous"), Bot().versions, strict=True))
SITE = load(ROOT / "params" / "lab.yaml", FreqtradeSite)
ELSEWHERE = {"urls": {"api": {"public": "http://127.0.59.1:1/api/v3"}}}
OPERATORS = """
from freqtrade.strategy import IStrategy

class Mine(IStrategy):
    timeframe = "5m"
    mine = 7
    stoploss = -0.1
    minimal_roi = {"0": 1}
    def populate_indicators(self, dataframe, metadata):
        return dataframe
    populate_entry_trend = populate_exit_trend = populate_indicators
"""


def python(environment: str) -> Path:
    found = ROOT / ".venv" / environment / "bin" / "python"
    if environment == "freqtrade":
        found = Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", found))
    if not found.exists():
        pytest.skip(f"no environment {environment}: run make test")
    return found


def configs() -> dict[str, str]:
    secrets = ProducerSecrets.generate()
    others = {"108": ProducerAccess("127.0.59.108", 8080, ProducerSecrets.generate().ws_token)}
    site = SITE.model_copy(update={"exchange": SITE.exchange.model_copy(update={"ccxt_config": ELSEWHERE})})
    operators = """{"strategy": "Mine", "dry_run": true, "stake_currency": "USDT", "stake_amount": 10,
        "max_open_trades": 3, "exchange": {"name": "binance", "pair_whitelist": ["BTC/USDT"]},
        "entry_pricing": {"price_side": "same"}, "exit_pricing": {"price_side": "same"},
        "pairlists": [{"method": "StaticPairList"}]}"""
    return {
        "producer.json": producer_config(site, "73", secrets, others),
        "consumer.json": consumer_config(operators, site=site, host="75", producers=others).text,
    }


@pytest.fixture(scope="module", params=list(VERSIONS))
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def found(environment: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    where = tmp_path_factory.mktemp(environment)
    strategies = {
        **feed_files(),
        "StrategyNone.py": producer_module(),
        "MineFed.py": consumer_module("Mine", "mine"),
        "mine.py": OPERATORS,
    }
    for name, text in {**{f"strategies/{name}": text for name, text in strategies.items()}, **configs()}.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [python(environment), "-", "producer.json"],
        input=SCRIPT,
        cwd=where,
        env={**os.environ, "PYTHONPATH": "strategies", "HOME": str(where)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    told["written"] = json.loads((where / "producer.json").read_text())
    return told


def test_the_environment_is_the_version_that_is_declared(environment: str, found: dict[str, Any]) -> None:
    assert found["version"] == VERSIONS[environment]
    lock = (ROOT / "requirements" / f"{environment}.lock").read_text()
    assert f"\nfreqtrade=={found['version']} " in lock


def test_a_strategy_sees_the_config_that_was_written(found: dict[str, Any]) -> None:
    written, config = found["written"], found["config"]
    assert config["runmode"] is True
    assert config["candle_type_def"] == "spot"
    assert config["candle_feed"] == SITE.feed.model_dump() == written["candle_feed"]
    assert config["producers"] == written["external_message_consumer"]["producers"]
    assert config["ws_token"] == written["api_server"]["ws_token"]
    assert config["names"] == ["producer-73", "binance"]


def test_the_resolver_finds_both_strategies(found: dict[str, Any]) -> None:
    assert found["producer's bases"] == ["StrategyNone", "CandleProducer", "IStrategy"]
    assert found["hooks"]["bases"][:3] == ["MineFed", "CandleConsumer", "Mine"]
    assert found["hooks"]["operator's own"] == 7


def test_the_feed_starts_before_freqai_downloads_and_when_all_is_there(found: dict[str, Any]) -> None:
    hooks = found["hooks"]
    assert hooks["order of a start"] == ["feed", "freqai", "bot_start"]
    for order in (hooks["made in order"], hooks["turn after refresh"]):
        assert order == sorted(order)
    assert hooks["cleaned"]
    assert hooks["cleaned on reload"]
    assert hooks["cleanup"] == []
    assert found["dp's exchange"]
    assert found["whitelist"] == ["BTC/USDT"]


def test_the_counter_stands_on_the_api_server_before_the_web_interface(found: dict[str, Any]) -> None:
    assert found["server"] == {
        "nobody answers before": 405,
        "answers": [200, "qt"],
        "ping": {"status": "pong"},
        "routes": 1,
        "catch-all": 404,
    }


def test_every_candle_comes_by_fetch_ohlcv(found: dict[str, Any]) -> None:
    live, history = found["downloads"]["asked"]
    assert live == "(('BTC/USDT',), {'timeframe': '5m', 'since': None, 'limit': 1000, 'params': {}})"
    assert history == live.replace("None", "SINCE")
    assert found["downloads"]["history"] == ["tuple", 5, "spot"]
    assert (found["downloads"]["ohlcv_params"], found["downloads"]["limit"]) == ({}, 1000)


def test_the_forming_candle_is_dropped_and_no_answer_keeps_what_is_held(
    environment: str, found: dict[str, Any]
) -> None:
    downloads = found["downloads"]
    first, after_none, last = downloads["candles that the frame is behind"]
    assert first in {3, 4}  # one version drops the last candle also where it is not the forming one
    assert after_none == first
    assert last == 1
    assert downloads["said"] == []
    # the newer one takes no answer as: nothing was traded, and asks half an hour later
    assert downloads["asks again soon"] is (environment == "freqtrade-previous")


def test_what_a_bot_holds_can_be_looked_at(found: dict[str, Any]) -> None:
    downloads = found["downloads"]
    assert downloads["columns"] == ["date", "open", "high", "low", "close", "volume"]
    assert downloads["nothing held"] == 0
    assert downloads["key as text"]
    assert downloads["whole"]


def test_streams_are_asked_for_candles_in_one_place(found: dict[str, Any]) -> None:
    assert found["downloads"]["without websockets"]
    asked = ["self", "pair", "timeframe", "candle_type"]
    assert found["downloads"]["with websockets"] == [[*asked, "candle_ts"], asked]


def test_a_second_ccxt_object_knows_the_markets_from_the_first(found: dict[str, Any]) -> None:
    twin = found["twin"]
    assert twin["same class"]
    assert twin["another object"]
    assert twin["same urls"]
    assert twin["asked"] == [[True, True, "BTC/USDT", "5m"]]
    assert twin["keys"] == ["", ""]
    assert twin["logs as"] == "ccxt.base.exchange"
    assert twin["rest response"][:5] == ["code", "reason", "url", "method", "response_headers"]
    assert twin["headers before any answer"] == {}


def test_a_producer_answers_whoever_shows_its_token(found: dict[str, Any]) -> None:
    producer = found["producer"]
    assert producer["status"] == [200, 401, 409]
    assert producer["name"] == producer["state"]["name"] == "producer-73"
    assert producer["owns"] == ["BTC/USDT"]
    assert producer["state"]["role"] == "producer"
    assert producer["state"]["producers"]["producer-108"]["state"] == "dead"


def test_a_consumer_without_producers_downloads(found: dict[str, Any]) -> None:
    consumer = found["consumer"]
    assert (consumer["asked"], consumer["held"]) == (1, 9)
    assert (consumer["state"]["role"], consumer["state"]["state"]) == ("consumer", "fallback")
    assert consumer["state"]["own_requests"] == 1
    assert consumer["state"]["fallbacks"] == {str(Reason.DEAD): 1}


def test_pair_lists_that_look_at_candles_are_known(environment: str) -> None:
    (lists,) = python(environment).parents[1].glob("lib/python*/site-packages/freqtrade/plugins/pairlist")
    sources = [path.read_text(encoding="utf-8") for path in lists.glob("*.py")]
    asking = [source for source in sources if re.search(r"\.refresh_\w*ohlcv", source)]
    assert {name for source in asking for name in re.findall(r"class (\w+)\(IPairList\)", source)} == CANDLE_LISTS


def test_a_candle_that_was_revised_is_the_exchanges_to_the_last_bit(found: dict[str, Any]) -> None:
    consumer = found["consumer"]
    assert consumer["asked again"] == 2
    assert consumer["revised"] == [True] * 3
    assert consumer["others"] == [[1.0, 2.0, 0.5, 1.5, 9.0]] * 6
    assert consumer["corrected"] == 3


def test_its_own_check_takes_our_configs_whole(environment: str, tmp_path: Path) -> None:
    texts = configs()
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [python(environment), "-", *texts], input=HOST_SCRIPT, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    check = read_host_check(done.stdout, host="73")
    assert check.freqtrade == VERSIONS[environment]
    for name, text in texts.items():
        assert problems(name, text, check) == []
        assert check.configs[name].warnings == ()
