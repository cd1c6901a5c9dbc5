"""What the feed takes for granted of freqtrade, held against the real one."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.freqtrade.strategies import consumer_module, feed_files, producer_module

pytestmark = pytest.mark.bots

OPERATORS = """
from freqtrade.strategy import IStrategy, IntParameter

class Mine(IStrategy):
    timeframe = "5m"
    stoploss = -0.1
    buy_x = IntParameter(1, 100, default=5, space="buy")
    def populate_indicators(self, dataframe, metadata):
        return dataframe
    populate_entry_trend = populate_exit_trend = populate_indicators
"""

LOAD = """
import json, sys
from pathlib import Path
from freqtrade.resolvers import StrategyResolver

def load(name):
    config = {"strategy": name, "user_data_dir": Path("."), "timeframe": "5m", "recursive_strategy_search": True,
              "stake_currency": "USDT", "dry_run": True}
    return StrategyResolver.load_strategy(config)

found = {}
for name in ("StrategyNone", "MineFed"):
    strategy = load(name)
    strategy.ft_load_hyper_params()
    found[name] = [base.__name__ for base in type(strategy).__mro__[:4]]
found["buy_x"] = strategy.buy_x.value
mine = Path("strategies/mine.py")
mine.write_text(mine.read_text().replace("stoploss = -0.1", "stoploss = -0.25"))  # and then /reload_config
found["stoploss"] = load("MineFed").stoploss
print(json.dumps(found))
"""

WIRE = """
import sys
sys.path.insert(0, "strategies")
import numpy as np, orjson, pandas as pd, rapidjson
from candle_feed.candle.series import Candles, Key
from candle_feed.candle.wire import Answer, Status, Told, answer_from_bytes, answer_to_bytes
from freqtrade.misc import remove_entry_exit_signals
from freqtrade.rpc.api_server.ws.serializer import _json_default, _json_object_hook

NAMES = ["open", "high", "low", "close", "volume"]

def websocket(values):
    frame = pd.DataFrame(values, columns=NAMES)
    frame.insert(0, "date", pd.date_range("2026-01-01", periods=len(values), freq="5min", tz="UTC"))
    text = str(orjson.dumps({"df": frame}, default=_json_default), "utf-8")
    return remove_entry_exit_signals(rapidjson.loads(text, object_hook=_json_object_hook)["df"])[NAMES].to_numpy(float)

def feed(values):
    candles = Candles(1_767_225_600_000 + 300_000 * np.arange(len(values), dtype=np.int64), values)
    told = Told(Key("A/B", "5m", "spot"), Status.HAVE, "", candles)
    arrived = answer_from_bytes(answer_to_bytes(Answer("p", 0.0, frozenset(), (), (told,)))).told[0].candles
    return Candles.of(arrived.rows()).values  # as it reaches freqtrade: rows like ccxt's

rng, wrong, lost = np.random.default_rng(1), 0, {}
for digits in range(9):
    prices = np.round(rng.integers(1, 10**6, (500, 5)) / 10**digits, digits)
    wrong += int((feed(prices).view(np.int64) != prices.view(np.int64)).sum())
    lost[digits] = int((websocket(prices).view(np.int64) != prices.view(np.int64)).sum())
for values in (rng.integers(-2**63, 2**63 - 1, (500, 5)).view(np.float64), np.exp(rng.normal(0, 40, (500, 5)))):
    wrong += int((feed(values).view(np.int64) != values.view(np.int64)).sum())
print(wrong, [digits for digits, count in lost.items() if count])
"""


@pytest.fixture
def python() -> Path:
    root = Path(__file__).parents[3]
    found = Path(os.environ.get("RUNBOOK_FREQTRADE_PYTHON", root / ".venv/freqtrade/bin/python"))
    if not found.exists():
        pytest.skip("no freqtrade environment: set RUNBOOK_FREQTRADE_PYTHON or run make test")
    return found


@pytest.fixture
def user_data(tmp_path: Path) -> Path:
    files = feed_files() | {
        "StrategyNone.py": producer_module(),
        "MineFed.py": consumer_module("Mine", "mine"),
        "mine.py": OPERATORS,
        "mine.json": json.dumps({"strategy_name": "Mine", "params": {"buy": {"buy_x": 42}}}),
    }
    for name, text in files.items():
        path = tmp_path / "strategies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def run(python: Path, script: str, where: Path) -> str:
    done = subprocess.run(
        [python, "-"], input=script, cwd=where, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_resolver_finds_both_strategies_and_what_is_the_operators(python: Path, user_data: Path) -> None:
    found: dict[str, Any] = json.loads(run(python, LOAD, user_data))
    assert found["StrategyNone"] == ["StrategyNone", "CandleProducer", "IStrategy", "ABC"]
    assert found["MineFed"][:3] == ["MineFed", "CandleConsumer", "Mine"]
    assert found["buy_x"] == 42
    assert found["stoploss"] == -0.25


def test_its_websocket_loses_bits_of_candles_and_our_way_loses_none(python: Path, user_data: Path) -> None:
    assert run(python, WIRE, user_data).strip() == "0 [4, 5, 6, 7, 8]"  # prices with so many digits do not survive it
